import threading, psycopg2, psycopg2.extensions
c = psycopg2.connect("")
with c.cursor() as q:
    q.execute("SELECT name, cpus, load1, up, tags, seen, now() - seen FROM hosts WHERE role = %s AND cpus = ANY(%s) ORDER BY name", ("web", [1, 2]))
    row = q.fetchone()
    assert row[:5] == ("host0", 1, 0.0, True, {"zone": "z0", "rank": 0}), row
    assert row[5].year == 2026 and row[6].total_seconds() != 0, row
    assert [d.type_code for d in q.description] == [25, 20, 701, 16, 114, 1184, 1186]
    q.execute("SELECT NULL, 'ä€', %s", ("it's \\ %",))
    assert q.fetchone() == (None, "ä€", "it's \\ %")
    try:
        q.execute("DELETE FROM hosts")
        raise SystemExit("a write was taken")
    except psycopg2.Error as e:
        assert e.pgcode == "25006", e.pgcode
c.rollback()
timer = threading.Timer(0.5, c.cancel)
timer.start()
try:
    with c.cursor() as q:
        q.execute("SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e")
    raise SystemExit("was not cancelled")
except psycopg2.extensions.QueryCanceledError:
    pass
c.rollback()
with c.cursor() as q:
    q.execute("SELECT count(*) FROM hosts")
    assert q.fetchone() == (200,)
with c.cursor() as q:
    import io
    out = io.StringIO()
    q.copy_expert("COPY roles TO STDOUT WITH CSV HEADER", out)
    assert out.getvalue().splitlines()[:2] == ["role,owner,wants", "web,ann,3"], out.getvalue()
c.close()
