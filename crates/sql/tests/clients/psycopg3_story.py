import psycopg
with psycopg.connect("") as c:
    for binary in (False, True):
        with c.cursor(binary=binary) as q:
            for _ in range(8):
                q.execute("SELECT name, cpus, load1, up, seen, now() - seen, NULL::text FROM hosts WHERE cpus > %s AND load1 < %s AND name <> %s ORDER BY name", (1, 1.5, "host3"), prepare=True)
                row = q.fetchone()
                assert row[:4] == ("host1", 2, 0.25, True), row
                assert row[4].isoformat().startswith("2026-11-30T11:59:30"), row
            q.execute("SELECT tags FROM hosts WHERE name = %s", ("host3",))
            assert q.fetchone()[0] == {"zone": "z1", "rank": 3}
    for binary in (False, True):
        with c.cursor(binary=binary) as q:
            q.execute("SELECT name FROM hosts WHERE cpus = ANY(%s) AND role = ANY(%s) ORDER BY name", ([1, 2], ["web", "db"]))
            assert [row[0] for row in q.fetchall()] == ["host0", "host1", "host4", "host9"], "any"
            q.execute("SELECT avg(wants), 0.1 + 0.2, round(1.005, 2), interval '24 hours', array_agg(wants ORDER BY wants) FROM roles")
            import datetime
            from decimal import Decimal
            assert q.fetchone() == (Decimal(2), Decimal("0.3"), Decimal("1.01"), datetime.timedelta(days=1), [1, 2, 3])
    with c.pipeline():
        cursors = [c.execute("SELECT %s::int + 1", (i,)) for i in range(20)]
    assert [q.fetchone()[0] for q in cursors] == list(range(1, 21))
    import datetime
    q = c.execute("SELECT count(*) FROM hosts WHERE seen > %s", (datetime.datetime(2026, 11, 30, 11, 58, tzinfo=datetime.timezone.utc),))
    assert q.fetchone() == (4,)
    with c.cursor() as q:
        with q.copy("COPY (SELECT role FROM roles ORDER BY 1) TO STDOUT") as copy:
            assert [row[0] for row in copy.rows()] == ["db", "queue", "web"]
    try:
        c.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        c.rollback()
    assert c.execute("SELECT 1").fetchone() == (1,)
