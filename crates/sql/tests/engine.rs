//! Questions and answers over a small fixed source.

mod common;
use common::{engine, show};
use rumormill_sql::{Cell, Engine, Type};

/// The code of the error that a statement ends with.
fn code(engine: &Engine, sql: &str) -> &'static str {
    match engine.query(sql, &[]) {
        Err(error) => error.code.0,
        Ok(rows) => panic!("{sql}: {:?}", rows.rows),
    }
}

#[track_caller]
fn one(engine: &Engine, sql: &str, expected: &str) {
    assert_eq!(show(engine, sql).join("\n"), expected, "{sql}");
}

#[test]
fn a_table_is_read_by_its_name() {
    let engine = engine();
    one(&engine, "SELECT count(*), avg(load1) FROM hosts", "10|1");
    one(&engine, "SELECT role, owner FROM roles ORDER BY role LIMIT 1", "db|bob");
    one(&engine, "TABLE roles", "web|ann|3\ndb|bob|2\nqueue|cy|1");
    one(&engine, "SELECT r.* FROM public.roles r WHERE r.wants > 2", "web|ann|3");
}

#[test]
fn each_column_has_a_type() {
    let engine = engine();
    let sql = "SELECT count(*), sum(cpus), avg(cpus), load1, up, name, tags, seen, now() - seen, cpus > 1, \
        sum(load1) FROM hosts GROUP BY load1, up, name, tags::text, tags, seen, cpus";
    // JSON cannot be grouped.
    assert_eq!(code(&engine, sql), "42883");
    let sql = "SELECT cpus, load1, up, name, tags, seen, now() - seen, cpus > 1, NULL, 'a', 1.5, cpus / 2 FROM hosts";
    let types: Vec<Type> = engine.query(sql, &[]).unwrap().columns.iter().map(|c| c.ty).collect();
    use Type::*;
    assert_eq!(types, [Int, Float, Bool, Text, Json, Time, Interval, Bool, Text, Text, Numeric, Int]);
    let sql =
        "SELECT count(*), sum(cpus), avg(cpus), sum(load1), min(name), max(seen), bool_and(up) FROM hosts";
    let types: Vec<Type> = engine.query(sql, &[]).unwrap().columns.iter().map(|c| c.ty).collect();
    assert_eq!(types, [Int, Int, Numeric, Float, Text, Time, Bool]);
}

#[test]
fn arithmetic_is_postgresqls() {
    let engine = engine();
    one(&engine, "SELECT 7 / 2, -7 / 2, 7 % -3, 7.0 / 2, 2 ^ 10", "3|-3|1|3.5000000000000000|1024");
    one(
        &engine,
        "SELECT round(2.5), round(-3.5), round(2.675::numeric, 2), ceil(1.2), floor(-1.2)",
        "3|-4|2.68|2|-2",
    );
    one(
        &engine,
        "SELECT 1e20::float8, 0.1::float8 + 0.2::float8, 100000::float8",
        "1e+20|0.30000000000000004|100000",
    );
    one(&engine, "SELECT 1e20, 0.1 + 0.2, 1.0, 1e-7", "100000000000000000000|0.3|1.0|0.0000001");
    one(
        &engine,
        "SELECT abs(-3), greatest(1, NULL, 3), least(2, 1.5), nullif(1, 1), coalesce(NULL, 4)",
        "3|3|1.5||4",
    );
    assert_eq!(code(&engine, "SELECT 1 / 0"), "22012");
    assert_eq!(code(&engine, "SELECT 1.0 / 0"), "22012");
    assert_eq!(code(&engine, "SELECT 9223372036854775807 + 1"), "22003");
    assert_eq!(code(&engine, "SELECT sum(9223372036854775807) FROM hosts"), "22003");
    assert_eq!(code(&engine, "SELECT 300000::int2"), "22003");
    one(&engine, "SELECT -9223372036854775808", "-9223372036854775808");
}

/// Decimals and intervals are text in SQLite; wherever values are compared, they must be compared as what they are.
#[test]
fn decimals_and_intervals_are_compared_by_value() {
    let engine = engine();
    one(
        &engine,
        "SELECT 10.0 > 9.5, 1.0 = 1.00, 1.50 IN (1.5), 9.5 BETWEEN 2.0 AND 10.0, nullif(1.0, 1.00)",
        "t|t|t|t|",
    );
    one(
        &engine,
        "SELECT CASE 1.0 WHEN 1.00 THEN 'same' END, greatest(9.5, 10.0), least(9.5, 10.0)",
        "same|10.0|9.5",
    );
    one(&engine, "SELECT x FROM (VALUES (10.0), (9.5), (-1)) AS v (x) ORDER BY x", "-1\n9.5\n10.0");
    one(&engine, "SELECT count(*) FROM (SELECT DISTINCT x FROM (VALUES (1.0), (1.00), (2)) AS v (x)) d", "2");
    one(&engine, "SELECT count(*) FROM (VALUES (1.0), (1.00), (2)) AS v (x) GROUP BY x ORDER BY x", "2\n1");
    one(
        &engine,
        "SELECT count(DISTINCT x), min(x), max(x) FROM (VALUES (9.5), (10.0), (9.50)) AS v (x)",
        "2|9.50|10.0",
    );
    one(&engine, "SELECT count(*) FROM (SELECT 1.0 UNION SELECT 1.00 UNION SELECT 10) AS u", "2");
    one(&engine, "SELECT 2.0 IN (SELECT wants FROM roles), 1.50 <> ALL (ARRAY[1.5])", "t|f");
    one(
        &engine,
        "SELECT rank() OVER (ORDER BY x) FROM (VALUES (1.0), (1.00), (10), (9)) AS v (x) ORDER BY 1",
        "1\n1\n3\n4",
    );
    one(
        &engine,
        "SELECT x FROM (VALUES (interval '25 hours'), (interval '1 day'), (interval '2 days')) AS v (x) ORDER BY x",
        "1 day\n25:00:00\n2 days",
    );
    // A collation inside of an expression has no effect on its text.
    one(
        &engine,
        "SELECT 'B' = CASE WHEN 1.0 = 1.00 THEN 'b' ELSE 'c' END, max(x::text) FROM (VALUES (9.5), (10.0)) AS v (x)",
        "f|9.5",
    );
    one(
        &engine,
        "SELECT t FROM (SELECT x::text AS t FROM (VALUES (9.5), (10.0)) AS v (x)) u ORDER BY t",
        "10.0\n9.5",
    );
}

#[test]
fn sums_and_means_of_decimals_are_exact() {
    let engine = engine();
    one(
        &engine,
        "SELECT avg(cpus), avg(wants), sum(wants + 0.1) FROM hosts, roles",
        "2.3000000000000000|2.0000000000000000|63.0",
    );
    one(
        &engine,
        "SELECT sum(x), avg(x) FROM (VALUES (0.1), (0.20), (NULL)) AS v (x)",
        "0.30|0.15000000000000000000",
    );
    one(
        &engine,
        "SELECT avg(wants) OVER (ORDER BY wants ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM roles ORDER BY 1",
        "1.00000000000000000000\n1.5000000000000000\n2.5000000000000000",
    );
    one(
        &engine,
        "SELECT sum(i), avg(i) FROM (VALUES (interval '1 day'), (interval '12 hours')) AS v (i)",
        "1 day 12:00:00|18:00:00",
    );
    one(
        &engine,
        "SELECT variance(wants), stddev_pop(wants), var_samp(1.5) FROM roles",
        "1.00000000000000000000|0.81649658092772603273|0",
    );
    assert_eq!(code(&engine, "SELECT ln(1.5)"), "0A000");
    assert_eq!(code(&engine, "SELECT 123.45::numeric(4, 2)"), "22003");
}

#[test]
fn types_are_not_mixed_in_silence() {
    let engine = engine();
    one(&engine, "SELECT '1' = 1, '1.5' < 2.5, 1 = 1.0", "t|t|t");
    for sql in [
        "SELECT name = 1 FROM hosts",
        "SELECT up = 1 FROM hosts",
        "SELECT name + 1 FROM hosts",
        "SELECT name || tags FROM hosts WHERE upper(cpus) = 'A'",
        "SELECT sum(name) FROM hosts",
        "SELECT cpus LIKE 'a' FROM hosts",
    ] {
        assert!(matches!(code(&engine, sql), "42883" | "42804"), "{sql}");
    }
    assert_eq!(code(&engine, "SELECT 'a' = 1"), "22P02");
    assert_eq!(code(&engine, "SELECT * FROM hosts WHERE cpus"), "42804");
    assert_eq!(code(&engine, "SELECT 'x'::int"), "22P02");
    assert_eq!(code(&engine, "SELECT CASE WHEN up THEN 1 ELSE 'x' END FROM hosts"), "22P02");
    assert_eq!(code(&engine, "SELECT CASE WHEN up THEN cpus ELSE name END FROM hosts"), "42804");
}

#[test]
fn null_is_neither_true_nor_false() {
    let engine = engine();
    one(
        &engine,
        "SELECT NULL = NULL, NULL IS NULL, NULL IS DISTINCT FROM 1, 1 IN (2, NULL), NOT NULL::bool",
        "|t|t||",
    );
    one(
        &engine,
        "SELECT 'a' || NULL, concat('a', NULL, 1, true), concat_ws(',', 'a', NULL, 'b')",
        "|a1t|a,b",
    );
    one(&engine, "SELECT count(load1), count(*) FROM hosts WHERE load1 IS NULL OR load1 > 1", "4|6");
    one(&engine, "SELECT name FROM hosts ORDER BY load1 DESC, name LIMIT 1", "host4");
    one(&engine, "SELECT name FROM hosts ORDER BY load1 LIMIT 1", "host0");
    one(&engine, "SELECT name FROM hosts ORDER BY load1 DESC NULLS LAST LIMIT 1", "host8");
}

#[test]
fn text_is_matched_as_postgresql_does() {
    let engine = engine();
    one(
        &engine,
        "SELECT 'Abc' LIKE 'a%', 'Abc' ILIKE 'a%', 'a_c' LIKE 'a\\_c', 'abc' LIKE 'a\\_c', 'a%' LIKE 'a!%' ESCAPE '!'",
        "f|t|t|f|t",
    );
    one(&engine, "SELECT 'host1' ~ '^host[0-9]$', 'HOST' ~* 'host', 'x' !~ 'y', 'a' ~ 'b'", "t|t|t|f");
}

#[test]
fn similar_to_and_unknown_operators_are_refused() {
    let engine = engine();
    assert_eq!(code(&engine, "SELECT 'ab' SIMILAR TO 'a'"), "0A000");
    assert_eq!(code(&engine, "SELECT '[1,2]'::json @> '1'"), "0A000");
    assert_eq!(code(&engine, r"SELECT 'a' ~ '\ma'"), "2201B");
}

#[test]
fn times_and_intervals_are_counted_in_utc() {
    let engine = engine();
    one(&engine, "SELECT max(seen) FROM hosts", "2026-11-30 12:00:00+00");
    one(
        &engine,
        "SELECT count(*) FROM hosts WHERE seen > '2026-11-30 12:00:00'::timestamptz - interval '2 minutes'",
        "4",
    );
    one(
        &engine,
        "SELECT date_trunc('hour', '2026-11-30 13:59:17.5+01'::timestamptz)",
        "2026-11-30 12:00:00+00",
    );
    one(
        &engine,
        "SELECT extract(epoch FROM '1970-01-02'::timestamptz), date_part('dow', timestamptz '2026-11-30')",
        "86400.000000|1",
    );
    one(
        &engine,
        "SELECT '2026-01-02'::timestamptz - '2026-01-01 12:00', interval '1 day 02:00:00' * 2, interval '90s'",
        "12:00:00|2 days 04:00:00|00:01:30",
    );
    one(&engine, "SELECT now() > '2020-01-01', now() = current_timestamp", "t|t");
    one(
        &engine,
        "SELECT '2026-01-31'::timestamptz + interval '1 month', interval '24 hours', interval '12 hours' * 2, interval '24 hours' = interval '1 day'",
        "2026-02-28 00:00:00+00|24:00:00|24:00:00|t",
    );
    assert_eq!(code(&engine, "SELECT '2026-02-30'::timestamptz"), "22008");
}

#[test]
fn groups_are_complete() {
    let engine = engine();
    one(
        &engine,
        "SELECT role, count(*), max(load1) FROM hosts GROUP BY role ORDER BY 2 DESC, role",
        "cache|3|2\ndb|3|1.75\nweb|3|0.75\n|1|1.5",
    );
}

#[test]
fn a_column_that_is_not_grouped_is_refused() {
    let engine = engine();
    for sql in [
        "SELECT role, name FROM hosts GROUP BY role",
        "SELECT name, count(*) FROM hosts",
        "SELECT role FROM hosts GROUP BY role ORDER BY name",
        "SELECT role FROM hosts GROUP BY role HAVING cpus > 1",
        "SELECT count(*) FROM hosts WHERE count(*) > 1",
        "SELECT sum(count(*)) FROM hosts",
    ] {
        assert_eq!(code(&engine, sql), "42803", "{sql}");
    }
    one(
        &engine,
        "SELECT cpus + 1 AS n, count(*) FROM hosts GROUP BY cpus + 1 ORDER BY n",
        "2|3\n3|3\n4|2\n5|2",
    );
    one(
        &engine,
        "SELECT up, count(*) FILTER (WHERE cpus > 2) FROM hosts GROUP BY 1 HAVING count(*) > 2",
        "t|4",
    );
    one(
        &engine,
        "SELECT string_agg(name, ',' ORDER BY name DESC) FROM hosts WHERE cpus = 1",
        "host8,host4,host0",
    );
}

#[test]
fn joins_and_subqueries() {
    let engine = engine();
    one(
        &engine,
        "SELECT r.owner, count(h.name) FROM roles r LEFT JOIN hosts h USING (role) GROUP BY r.owner ORDER BY 1",
        "ann|3\nbob|3\ncy|0",
    );
    one(&engine, "SELECT count(*) FROM hosts h FULL JOIN roles r ON h.role = r.role", "11");
    one(&engine, "SELECT role FROM hosts NATURAL JOIN roles GROUP BY role ORDER BY role", "db\nweb");
    one(
        &engine,
        "SELECT (SELECT owner FROM roles WHERE roles.role = h.role) FROM hosts h WHERE name = 'host1'",
        "bob",
    );
    one(&engine, "SELECT count(*) FROM hosts WHERE role IN (SELECT role FROM roles WHERE wants > 1)", "6");
    one(
        &engine,
        "SELECT owner FROM roles r WHERE NOT EXISTS (SELECT 1 FROM hosts h WHERE h.role = r.role)",
        "cy",
    );
    one(
        &engine,
        "WITH busy AS (SELECT role, max(load1) AS top FROM hosts GROUP BY role) SELECT top FROM busy WHERE role = 'db'",
        "1.75",
    );
    one(&engine, "SELECT role FROM hosts INTERSECT SELECT role FROM roles ORDER BY 1", "db\nweb");
    one(&engine, "(SELECT name FROM hosts ORDER BY name LIMIT 3) LIMIT 1", "host0");
    one(&engine, "SELECT 1 UNION ALL SELECT 2.5 UNION ALL SELECT NULL", "1\n2.5\n");
    one(&engine, "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v (n, t) WHERE n > 1", "2|");
    one(
        &engine,
        "SELECT name, row_number() OVER (PARTITION BY role ORDER BY load1 DESC NULLS LAST) AS place FROM hosts ORDER BY place, name LIMIT 2",
        "host3|1\nhost6|1",
    );
    assert_eq!(code(&engine, "SELECT (SELECT name FROM hosts)"), "21000");
    assert_eq!(code(&engine, "SELECT role FROM hosts, roles"), "42702");
    assert_eq!(code(&engine, "SELECT nothing FROM hosts"), "42703");
    assert_eq!(code(&engine, "SELECT 1 FROM nothing"), "42P01");
    assert_eq!(code(&engine, "SELECT name, load1 FROM hosts UNION SELECT name FROM hosts"), "42601");
}

#[test]
fn json_is_read_by_path() {
    let engine = engine();
    one(
        &engine,
        "SELECT tags->>'zone', tags->'rank', (tags->>'rank')::int + 1 FROM hosts WHERE name = 'host3'",
        "z1|3|4",
    );
    one(&engine, "SELECT count(*) FROM hosts WHERE tags->>'zone' = 'z0'", "5");
}

#[test]
fn parameters_take_the_type_of_their_place() {
    let engine = engine();
    let sql = "SELECT count(*) FROM hosts WHERE load1 > $1 AND role = $2 AND seen > $3";
    let params = [Cell::Int(0), Cell::Text("web".into()), Cell::Text("2026-11-30 11:00".into())];
    assert_eq!(engine.query(sql, &params).unwrap().rows, [[Cell::Int(1)]]);
    assert_eq!(engine.query(sql, &params[..2]).unwrap_err().code.0, "08P01");
    assert_eq!(engine.query("SELECT $1::int + 1", &[Cell::Text("4".into())]).unwrap().rows, [[Cell::Int(5)]]);
    assert_eq!(engine.query("SELECT $1::int", &[Cell::Text("x".into())]).unwrap_err().code.0, "22P02");
}

#[test]
fn what_is_not_supported_says_so_and_writes_are_refused() {
    let engine = engine();
    for sql in [
        "INSERT INTO hosts VALUES (1)",
        "UPDATE hosts SET cpus = 1",
        "DELETE FROM hosts",
        "CREATE TABLE x (a int)",
        "DROP TABLE hosts",
        "TRUNCATE hosts",
        "SELECT * INTO x FROM hosts",
        "SELECT 1 FROM hosts FOR UPDATE",
        "VACUUM",
        "ALTER TABLE hosts ADD a int",
        "WITH x AS (DELETE FROM hosts) SELECT 1",
    ] {
        assert_eq!(code(&engine, sql), "25006", "{sql}");
    }
    for sql in [
        "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT max(1) FROM x) SELECT 1 FROM x",
        "SELECT ARRAY[ARRAY[1], ARRAY[2]]",
        "SELECT * FROM unnest(ARRAY[1])",
        "SELECT generate_series(1, 2)",
        "SELECT 1::real",
        "SELECT power(1.5, 2)",
        "SELECT to_char(now(), 'J')",
        "SELECT array_agg(DISTINCT name) FROM hosts",
        "SELECT 1e2000",
        "SELECT h.* FROM hosts h, LATERAL (SELECT 1) x",
        "EXPLAIN SELECT 1",
        "SELECT cpus::date FROM hosts",
        "SELECT name COLLATE \"de_DE\" FROM hosts",
        "SELECT 1 INTERSECT ALL SELECT 1",
        "ATTACH 'x' AS y",
        "PRAGMA table_info(hosts)",
    ] {
        let found = code(&engine, sql);
        assert!(matches!(found, "0A000" | "42601" | "42883"), "{sql}: {found}");
    }
    assert_eq!(code(&engine, "SELECT load_extension('x')"), "42883");
    assert_eq!(code(&engine, "SELECT * FROM sqlite_master"), "42P01");
    assert_eq!(code(&engine, "SELEC 1"), "42601");
    assert_eq!(code(&engine, "SELECT float8 NULL"), "42601");
    assert_eq!(code(&engine, "SELECT 1; SELECT 2"), "42601");
    assert_eq!(code(&engine, "SELECT name FROM hosts LIMIT -1"), "2201W");
    let error = engine.query("SELECT name,\n  nix FROM hosts", &[]).unwrap_err();
    assert_eq!(error.position, Some(16));
}

#[test]
fn a_recursion_without_end_is_stopped() {
    let limits =
        rumormill_sql::Limits { timeout: std::time::Duration::from_millis(200), ..Default::default() };
    let engine = common::engine_of(10, limits);
    let endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) FROM t";
    assert!(matches!(code(&engine, endless), "57014" | "53200"));
    let endless = "SELECT sum(g) FROM generate_series(1, 9223372036854775807, 1) AS g";
    assert!(matches!(code(&engine, endless), "57014" | "53200"));
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_known_one() {
    let engine = engine();
    for (sql, hint) in [
        ("SELECT nmae FROM hosts", "Perhaps you meant to reference the column \"hosts.name\"."),
        ("SELECT h.laod1 FROM hosts h", "Perhaps you meant to reference the column \"h.load1\"."),
        ("SELECT host.name FROM hosts", "Perhaps you meant to reference the table alias \"hosts\"."),
        ("SELECT hosts.name FROM hosts h", "Perhaps you meant to reference the table alias \"h\"."),
        ("SELECT 1 FROM host", "Perhaps you meant the table \"hosts\"."),
        ("WITH busy AS (SELECT 1) SELECT 1 FROM bussy", "Perhaps you meant the table \"busy\"."),
        (
            "SELECT lowr(name) FROM hosts",
            "Perhaps you meant the function \"lower\". \\df lists the functions.",
        ),
        (
            "SELECT strng_agg(name, ',') FROM hosts",
            "Perhaps you meant the function \"string_agg\". \\df lists the functions.",
        ),
    ] {
        assert_eq!(engine.query(sql, &[]).unwrap_err().hint.as_deref(), Some(hint), "{sql}");
    }
    assert_eq!(engine.query("SELECT something_else FROM hosts", &[]).unwrap_err().hint, None);
}

#[test]
fn the_catalog_describes_the_tables() {
    let engine = engine();
    one(
        &engine,
        "SELECT relname FROM pg_catalog.pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' ORDER BY 1",
        "hosts\nroles",
    );
    one(
        &engine,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'hosts'::regclass AND attnum < 4 ORDER BY attnum",
        "name|text\nrole|text\ncpus|bigint",
    );
    one(
        &engine,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'roles'",
        "role|text\nowner|text\nwants|bigint",
    );
    one(
        &engine,
        "SELECT current_database(), current_schema(), current_setting('server_version_num')::int >= 140000",
        "rumormill|public|t",
    );
    one(
        &engine,
        "SELECT obj_description('hosts'::regclass, 'pg_class'), 'roles'::regclass::oid::regclass::text",
        "a host|roles",
    );
}
