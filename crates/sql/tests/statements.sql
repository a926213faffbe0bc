-- One statement a line; the order of its rows is certain, and its types print alike.
SELECT 1, 'a', NULL, true, 1.5, -7
SELECT 0.1 + 0.2, 1.0, 1.50 * 2, 7.0 / 2, 1 / 3.0, 10.0 % 3, -7.5 % 2, 1e15, 1e-7, 1.5e1, .5, 99999999999999999999 + 1
SELECT 1e15::text, 1.0::text, 1.10::float8, 0.1::float8::numeric, 123456789.123456789::float8::numeric, 2.5::numeric::int8, -2.5::numeric::int8
SELECT round(2.5), round(-2.5), round(2.675, 2), round(1234.5, -2), round(7, 1), trunc(-1.79, 1), trunc(2.7), ceil(1.2), floor(-1.2), ceil(-0.5), abs(-1.50), sign(-2.5)
SELECT sqrt(2.0), sqrt(16.00), sqrt(1e10), sqrt(0.0001), mod(7.5, 2), div(7.5, 2), 1.5 + '2.25', '0.10'::numeric + 1, 12.345::numeric(5, 2), 5::numeric(10, 3)
SELECT 10.0 > 9.5, 1.0 = 1.00, 1 = 1.0, 1.0 IN (1.00), 9.5 BETWEEN 2 AND 10.0, nullif(1.0, 1.00), greatest(9.5, 10), least(1.50, 2::float8), CASE 1.0 WHEN 1.00 THEN 'x' END
SELECT avg(cpus), avg(wants), sum(wants * 0.1), max(cpus / 2.0), min(wants - 0.5) FROM hosts, roles
SELECT variance(cpus), stddev(cpus), var_pop(wants), stddev_pop(cpus), stddev_samp(cpus * 1.5) FROM hosts, roles
SELECT variance(cpus) FROM hosts WHERE cpus = 1
SELECT x FROM (VALUES (10.0), (9.5), (-1), (NULL)) AS v (x) ORDER BY x
SELECT x, count(*) FROM (VALUES (10.0), (9.5), (9.5), (NULL)) AS v (x) GROUP BY x ORDER BY x DESC
SELECT count(DISTINCT x), min(x), max(x), sum(x), avg(x) FROM (VALUES (9.5), (10.0), (9.50)) AS v (x)
SELECT 1.5 UNION SELECT 9.25 UNION SELECT 1.5 UNION SELECT 10 ORDER BY 1
SELECT name, avg(cpus) OVER (ORDER BY name ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), sum(cpus * 0.25) OVER (PARTITION BY role ORDER BY name) FROM hosts ORDER BY name
SELECT 123.45::numeric(4, 2)
SELECT 1.0 / 0
SELECT 1.5 % 0
SELECT 'x'::numeric
SELECT sqrt(-1.0)
SELECT 99999999999999999999::int8
SELECT interval '24 hours', interval '1 day', interval '12 hours' * 2, interval '1 day' / 2, interval '1 day' * 1.5, interval '90 min' + interval '1 day', -interval '1 day 02:00'
SELECT interval '1 month', interval '14 months', interval '1 year 2 days', interval '1.5 months', interval '1 02:03:04', interval '1 week', interval '2 hours ago', interval '1 mon' * 1.5, interval '1 year' / 5
SELECT interval '24 hours' = interval '1 day', interval '1 month' > interval '29 days', '2026-01-31'::timestamptz + interval '1 month', '2024-02-29'::timestamptz - interval '1 year'
SELECT extract(epoch FROM interval '1 day 01:00:00'), extract(hour FROM interval '25 hours'), extract(day FROM interval '25 hours'), date_part('month', interval '14 months'), extract(epoch FROM interval '1 year 1 month')
SELECT extract(epoch FROM '1970-01-02 00:00:00.5'::timestamptz), extract(second FROM '2026-11-30 13:59:17.5'::timestamptz), extract(millisecond FROM '2026-11-30 13:59:17.5'::timestamptz), extract(year FROM '2026-11-30'::timestamptz), extract(week FROM '2027-01-01'::timestamptz), extract(isoyear FROM '2027-01-01'::timestamptz)
SELECT age('2026-03-01'::timestamptz, '2026-01-31'::timestamptz), age('2026-01-31'::timestamptz, '2026-03-01 12:00'::timestamptz), age('2027-02-28'::timestamptz, '2024-02-29'::timestamptz)
SELECT max(x), min(x), sum(x), avg(x) FROM (VALUES (interval '25 hours'), (interval '1 day'), (interval '1 month')) AS v (x)
SELECT seen - '2026-11-29'::timestamptz, extract(epoch FROM seen) FROM hosts ORDER BY name
SELECT 7 / 2, -7 / 2, 7 % 3, -7 % 3, 7 % -3
SELECT 7.0::float8 / 2, 1e20::float8, 1e-7::float8, 123456789012345678::float8, 0.1::float8 + 0.2::float8
SELECT 1e15::float8, 1e14::float8, 0.0001::float8, 0.00001::float8, -0.5::float8
SELECT 2.5::float8::int8, 3.5::float8::int8, -2.5::float8::int8, '12'::int8, ' 13 '::int8
SELECT round(2.5::float8), round(-1.5::float8), ceil(1.2::float8), floor(-1.2::float8), trunc(-1.7::float8), sign(-3::float8)
SELECT abs(-5), mod(7, 3), power(2::float8, 10::float8), sqrt(2::float8), exp(1::float8), ln(10::float8)
SELECT round(1.005::numeric, 2), round(2.675::numeric, 2), round(-1234.567::numeric, -2), round(0.5::numeric, 0)
SELECT 2.5::int8, (-2.5)::int8, 2.5::float8::int8, round(2.5)::int8, round(2.5::float8)::int8, (5 / 2.0)::int8, (5 / 2.0::float8)::int8
SELECT avg(wants + 0.5)::int8, coalesce(avg(wants), 0)::int8, round(avg(wants) + 0.5)::int8, (CASE WHEN true THEN 4.5 ELSE 1 END)::int8 FROM roles
SELECT name FROM hosts ORDER BY -2
SELECT 1 END 2
SELECT 1 / 0
SELECT 1 % 0
SELECT 1::float8 / 0
SELECT 9223372036854775807::int8 + 1
SELECT -9223372036854775808::int8 - 1
SELECT 9223372036854775807::int8 * 2
SELECT 70000::int2
SELECT 'x'::int8
SELECT 'x'::bool
SELECT '2026-13-01'::timestamptz
SELECT sqrt(-1::float8)
SELECT ln(0::float8)
SELECT greatest(1, NULL, 3), least(2, 1, NULL), coalesce(NULL, NULL, 4), nullif(1, 1), nullif(1, 2)
SELECT NULL = NULL, NULL IS NULL, 1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL, 1 IN (2, NULL), 1 NOT IN (2, NULL)
SELECT true AND NULL, false AND NULL, true OR NULL, false OR NULL, NOT NULL::bool
SELECT NULL::bool IS TRUE, NULL::bool IS NOT TRUE, true IS FALSE, NULL::bool IS UNKNOWN, false IS NOT UNKNOWN
SELECT 'yes'::bool, 'off'::bool, 't'::bool, '0'::bool, 1::int::bool, true::int
SELECT '1' = 1, '1.5' < 2.5::float8, 'a' < 'b', 'B' < 'a', '' < 'a'
SELECT 9007199254740993::int8 = 9007199254740992::float8, 9007199254740993::int8 > 9007199254740992::float8
SELECT sum(load1 * 1e308::float8) FROM hosts
WITH busy AS (SELECT role, max(load1) AS top FROM hosts GROUP BY role) SELECT top FROM busy WHERE role = 'db'
SELECT name = 1 FROM hosts
SELECT up = 1 FROM hosts
SELECT name + 1 FROM hosts
SELECT sum(name) FROM hosts
SELECT max(up) FROM hosts
SELECT upper(cpus) FROM hosts
SELECT 'a' || 'b' || 1, 'x' || true, 'n' || NULL, 1.5::float8 || 'f'
SELECT concat('a', NULL, 1, true, 1.5::float8), concat_ws('-', 'a', NULL, 'b'), concat_ws(NULL, 'a')
SELECT length('häßlich'), octet_length('ä'), upper('ab'), lower('AB'), reverse('abc')
SELECT substr('abcdef', 2), substr('abcdef', 2, 3), substr('abcdef', 0, 3), substr('abcdef', -1, 4), substring('abcdef' from 2 for 2)
SELECT substr('abc', 2, -1)
SELECT left('abcdef', 2), left('abcdef', -2), right('abcdef', 2), right('abcdef', -2), left('ab', 9)
SELECT trim('  a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), btrim('xyaxy', 'xy'), trim(both 'x' from 'xax'), trim(leading from ' a')
SELECT replace('banana', 'an', 'AN'), strpos('banana', 'nan'), position('z' in 'abc'), starts_with('abc', 'ab')
SELECT lpad('5', 3, '0'), rpad('ab', 4), lpad('abcdef', 3), lpad('a', 5, 'xy'), repeat('ab', 3), repeat('a', -1)
SELECT split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1), split_part('a', ',', 5), ascii('A')
SELECT 'Abc' LIKE 'a%', 'Abc' ILIKE 'a%', 'a_c' LIKE 'a\_c', 'abc' LIKE 'a\_c', 'a%' LIKE 'a!%' ESCAPE '!', 'abc' NOT LIKE '_b_'
SELECT 'aXb' LIKE '%x%', '' LIKE '%', '' LIKE '_', 'ab' LIKE 'a', 'aab' LIKE '%ab'
SELECT 'host1' ~ '^host[0-9]$', 'HOST' ~ 'host', 'HOST' ~* 'host', 'x' !~ 'y', 'x' !~* 'X', 'ab' ~ '^(ab|cd)$'
SELECT 'a' LIKE 'a\', 'b' LIKE 'a\', 'a' LIKE 'a%\', '' LIKE '%\', 'a' LIKE '%__\'
SELECT 'ab' LIKE 'a\'
SELECT 'ab' LIKE 'a%_\'
SELECT 'ab' LIKE '%\'
SELECT 'a' ~ '('
SELECT E'a\tb', E'it\'s', 'it''s', $$dollar$$, U&'\0041'
SELECT '2026-11-30 12:00:00+00'::timestamptz, '2026-11-30T13:00:00.25+01:00'::timestamptz, '2026-11-30'::timestamptz, '2026-11-30 12:00'::timestamptz
SELECT date_trunc('hour', '2026-11-30 13:59:17.5+00'::timestamptz), date_trunc('week', '2026-11-29'::timestamptz), date_trunc('quarter', '2026-11-29'::timestamptz), date_trunc('year', '2026-11-29'::timestamptz)
SELECT extract(epoch FROM '1970-01-02'::timestamptz), date_part('dow', '2026-11-29'::timestamptz), date_part('isodow', '2026-11-29'::timestamptz), date_part('doy', '2026-11-29'::timestamptz)
SELECT date_part('hour', '2026-11-30 13:59:17.5'::timestamptz), date_part('minute', '2026-11-30 13:59:17.5'::timestamptz), date_part('second', '2026-11-30 13:59:17.5'::timestamptz)
SELECT '2026-03-01'::timestamptz - '2026-02-01'::timestamptz, '2026-01-01 12:00'::timestamptz - '2026-01-01 13:30:01.5'::timestamptz
SELECT '2026-02-28'::timestamptz + interval '1 day', '2026-01-01'::timestamptz - interval '90 minutes', interval '1 day' + '2026-12-31'::timestamptz
SELECT interval '5 minutes', interval '1 day 02:03:04.5', interval '90 s', interval '-1 hour', interval '1' day, interval '2 hours' / 4, interval '10 min' * 1.5
SELECT to_timestamp(1796040000), to_timestamp(0.5), date_bin('15 minutes', '2026-11-30 13:59:17'::timestamptz, '2026-01-01'::timestamptz)
SELECT '2026-02-30'::timestamptz
SELECT interval 'nonsense'
SELECT date_trunc('fortnight', '2026-11-30'::timestamptz)
SELECT * FROM hosts WHERE name = 'host3'
SELECT name, role, cpus, load1, up, seen FROM hosts ORDER BY name
SELECT count(*), count(load1), count(DISTINCT role), sum(cpus), min(load1), max(load1), avg(load1) FROM hosts
SELECT stddev(load1), var_pop(load1), stddev_pop(cpus::float8) FROM hosts WHERE load1 < 0.6
SELECT bool_and(up), bool_or(up), every(cpus > 0), min(name), max(seen), min(seen) FROM hosts
SELECT count(*), sum(cpus), avg(load1), max(name) FROM hosts WHERE false
SELECT role, count(*), sum(cpus) FROM hosts GROUP BY role ORDER BY role
SELECT role, count(*) FROM hosts GROUP BY 1 ORDER BY 2 DESC, 1 NULLS FIRST
SELECT up AS alive, count(*) FROM hosts GROUP BY alive ORDER BY alive
SELECT cpus % 2 = 0 AS even, count(*) FILTER (WHERE up) FROM hosts GROUP BY cpus % 2 = 0 ORDER BY 1
SELECT role FROM hosts GROUP BY role HAVING count(*) > 1 AND max(cpus) > 2 ORDER BY role
SELECT role, name FROM hosts GROUP BY role
SELECT name, count(*) FROM hosts
SELECT count(*) FROM hosts WHERE count(*) > 1
SELECT sum(count(*)) FROM hosts
SELECT string_agg(name, ',' ORDER BY name DESC) FROM hosts WHERE up
SELECT string_agg(role, '-' ORDER BY name) FROM hosts
SELECT DISTINCT role FROM hosts ORDER BY role DESC
SELECT DISTINCT role FROM hosts ORDER BY name
SELECT DISTINCT role, up FROM hosts ORDER BY 1, 2
SELECT name FROM hosts ORDER BY load1 DESC, name
SELECT name FROM hosts ORDER BY load1 NULLS FIRST, name DESC LIMIT 3 OFFSET 1
SELECT name FROM hosts ORDER BY cpus, length(name), name FETCH FIRST 2 ROWS ONLY
SELECT name FROM hosts ORDER BY 2
SELECT name FROM hosts LIMIT -1
SELECT name FROM hosts ORDER BY name LIMIT NULL OFFSET 8
SELECT h.name, r.owner FROM hosts h JOIN roles r ON h.role = r.role ORDER BY h.name
SELECT h.name, r.owner FROM hosts h LEFT JOIN roles r ON h.role = r.role AND r.wants > 2 ORDER BY h.name
SELECT r.role, count(h.name) FROM hosts h RIGHT JOIN roles r USING (role) GROUP BY r.role ORDER BY 1
SELECT role, name, owner FROM hosts FULL JOIN roles USING (role) ORDER BY role, name
SELECT role, count(*) FROM hosts NATURAL JOIN roles GROUP BY role ORDER BY role
SELECT count(*) FROM hosts a CROSS JOIN hosts b, roles c
SELECT a.name, b.name FROM hosts a, hosts b WHERE a.cpus = b.cpus AND a.name < b.name ORDER BY 1, 2
SELECT role FROM hosts, roles
SELECT name FROM hosts h JOIN hosts h ON true
SELECT nix FROM hosts
SELECT x.name FROM hosts
SELECT 1 FROM nix
SELECT nix(1)
SELECT (SELECT owner FROM roles r WHERE r.role = h.role) FROM hosts h ORDER BY name
SELECT (SELECT name FROM hosts)
SELECT (SELECT name FROM hosts WHERE false) IS NULL
SELECT name FROM hosts WHERE role IN (SELECT role FROM roles WHERE wants > 1) ORDER BY name
SELECT name FROM hosts WHERE cpus NOT IN (SELECT wants FROM roles) ORDER BY name
SELECT owner FROM roles r WHERE NOT EXISTS (SELECT 1 FROM hosts h WHERE h.role = r.role)
SELECT name FROM hosts WHERE cpus = ANY (ARRAY[1, 4]) AND role <> ALL (ARRAY['db', 'cache']) ORDER BY name
SELECT name FROM hosts WHERE load1 = (SELECT max(load1) FROM hosts)
WITH top AS (SELECT role, max(load1) AS load FROM hosts GROUP BY role) SELECT h.name FROM hosts h JOIN top t ON h.role = t.role AND h.load1 = t.load ORDER BY 1
SELECT t.n + 1 FROM (SELECT count(*) AS n FROM hosts) AS t
SELECT a, b FROM (VALUES (1, 'x'), (2, NULL)) AS v (a, b) ORDER BY a DESC
VALUES (1, 'a'), (2, 'b')
SELECT role FROM hosts UNION SELECT role FROM roles ORDER BY role
SELECT role FROM hosts EXCEPT SELECT role FROM roles ORDER BY 1
SELECT role FROM hosts INTERSECT SELECT role FROM roles ORDER BY 1
SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT NULL ORDER BY 1
SELECT 1::float8 UNION SELECT 2 UNION SELECT 1 ORDER BY 1
SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 ORDER BY 1
SELECT 1, 2 UNION SELECT 1
SELECT 1 UNION SELECT 'x'
SELECT CASE WHEN cpus > 2 THEN 'big' WHEN cpus = 2 THEN 'two' END, CASE role WHEN 'db' THEN 1 ELSE 0 END FROM hosts ORDER BY name
SELECT CASE WHEN up THEN cpus ELSE name END FROM hosts
SELECT name FROM hosts WHERE cpus BETWEEN 2 AND 3 AND NOT up OR load1 BETWEEN 1 AND 1.5 ORDER BY 1
SELECT tags->>'zone', tags->'rank', (tags->>'rank')::int8 * 2, tags->'nix' FROM hosts ORDER BY name
SELECT count(*) FROM hosts WHERE tags->>'zone' = 'z0'
SELECT tags = tags FROM hosts
SELECT DISTINCT tags FROM hosts
SELECT name, row_number() OVER (ORDER BY load1 DESC, name), rank() OVER (ORDER BY cpus), dense_rank() OVER (ORDER BY cpus) FROM hosts ORDER BY name
SELECT name, sum(cpus) OVER (PARTITION BY role ORDER BY name), count(*) OVER () FROM hosts ORDER BY name
SELECT name, lag(name) OVER (ORDER BY name), lead(cpus, 2, 0::int8) OVER (ORDER BY name), first_value(name) OVER (PARTITION BY up ORDER BY name) FROM hosts ORDER BY name
SELECT name FROM hosts WHERE row_number() OVER () = 1
SELECT sum(cpus) OVER (ORDER BY name ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM hosts ORDER BY name
SELECT DISTINCT ON (role) role, name, load1 FROM hosts ORDER BY role, load1 DESC NULLS LAST, name
SELECT DISTINCT ON (up, cpus % 2) up, cpus % 2, name FROM hosts ORDER BY up, cpus % 2, name DESC
SELECT DISTINCT ON (1) role AS r, count(*) FROM hosts GROUP BY role, up ORDER BY r, 2 DESC
SELECT DISTINCT ON (role) role FROM hosts ORDER BY name
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n, n * 2 FROM t ORDER BY n
WITH RECURSIVE t AS (SELECT 1 AS n UNION SELECT n % 3 + 1 FROM t) SELECT n FROM t ORDER BY n
SELECT * FROM generate_series(1, 5, 2), generate_series(3, 1, -1) AS x (n) ORDER BY 1, 2
SELECT g FROM generate_series('2026-01-31'::timestamptz, '2026-04-30'::timestamptz, '1 month') AS g
SELECT count(*) FROM generate_series(1, 0)
SELECT * FROM generate_series(1, 2, 0)
SELECT 1 = ANY ('{1,2}'), 3 = ANY ('{1,NULL}'), 'b' <> ALL ('{a,"b"}'::text[]), 1.50 = ANY ('{1.5}'::numeric[]), NULL = ANY ('{1}'::int8[]), NULL = ANY ('{}'::int8[]), 2 = ANY ('{}'::int8[]), 1 = ANY (NULL::int8[])
SELECT ARRAY[1, 2, NULL], ARRAY['a b', '', 'NULL', 'c"d'], ARRAY[1, 2.5], ARRAY[true, false], '{ 1 , 2 }'::int8[], array_length(ARRAY[1, 2], 1), cardinality(ARRAY['x']), array_to_string(ARRAY['a', NULL, 'b'], '-')
SELECT '{1'::int8[]
SELECT array_agg(name ORDER BY name DESC), array_agg(load1 ORDER BY name) FROM hosts WHERE up
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY load1), percentile_cont(0.9) WITHIN GROUP (ORDER BY cpus DESC), percentile_disc(0.3) WITHIN GROUP (ORDER BY name), mode() WITHIN GROUP (ORDER BY role) FROM hosts
SELECT role, percentile_disc(0.5) WITHIN GROUP (ORDER BY load1) FILTER (WHERE up), percentile_disc(0.25) WITHIN GROUP (ORDER BY cpus * 1.5) FROM hosts GROUP BY role ORDER BY role
SELECT percentile_cont(1.5) WITHIN GROUP (ORDER BY load1) FROM hosts
SELECT to_char('2026-03-04 15:06:07.089'::timestamptz, 'YYYY-MM-DD HH24:MI:SS.MS US'), to_char('2026-03-04 00:06:07'::timestamptz, 'FMMonth Month|FMDD Dy Day| HH12:MI am PM'), to_char('2027-01-01'::timestamptz, 'IYYY-IW-ID DDD D Q "day" YY yyyy mm TZ MON dy')
SELECT tags #> '{zone}', tags #>> '{rank}', '{"a": [1, {"b": 2}]}'::json #>> '{a,1,b}', '{"b": {"c":  1.0}, "a": 1}'::json -> 'b', '[1, 2]'::json -> -1, '{"a": null}'::json ->> 'a' FROM hosts WHERE name = 'host0'
SELECT json_typeof('[1]'::json), json_typeof(' "x"'::json), json_array_length('[1, [2]]'::json), json_build_object('a', 1, 'b', 'x"y', 'c', NULL, 'd', true, 'e', 1.50)::text
TABLE roles
SELECT FROM WHERE
SELEC 1
