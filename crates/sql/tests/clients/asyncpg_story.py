import asyncio, asyncpg, datetime, decimal, os
async def main():
    c = await asyncpg.connect(timeout=20, ssl=False)
    row = await c.fetchrow("SELECT name, cpus, load1, up, seen, now() - seen AS age FROM hosts WHERE cpus = $1 AND load1 < $2 AND name <> $3 AND seen < $4 AND up = $5 ORDER BY name",
        2, 1.5, "host5", datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc), True)
    assert (row["name"], row["cpus"], row["load1"], row["up"]) == ("host1", 2, 0.25, True), row
    assert row["seen"] == datetime.datetime(2026, 11, 30, 11, 59, 30, tzinfo=datetime.timezone.utc), row
    assert isinstance(row["age"], datetime.timedelta)
    assert await c.fetchval("SELECT $1::text || 'x'", "y") == "yx"
    assert await c.fetchval("SELECT count(*) FROM hosts WHERE seen > now() - $1::interval", datetime.timedelta(days=36500)) == 8
    for sql, value, names in [
        ("SELECT name FROM hosts WHERE cpus = ANY($1) ORDER BY name LIMIT 2", [1, 2], ["host0", "host1"]),
        ("SELECT name FROM hosts WHERE role = ANY($1::text[]) ORDER BY name LIMIT 2", ["db", "queue"], ["host1", "host4"]),
        ("SELECT name FROM hosts WHERE load1 <> ALL($1) ORDER BY name LIMIT 2", [0.0, 0.5], ["host1", "host3"]),
        ("SELECT name FROM hosts WHERE cpus = ANY($1) ORDER BY name", [], []),
    ]:
        assert [r["name"] for r in await c.fetch(sql, value)] == names, sql
    assert await c.fetchval("SELECT avg(wants) FROM roles") == decimal.Decimal(2)
    assert await c.fetchval("SELECT $1::numeric + 0.1", decimal.Decimal("-12345.6789")) == decimal.Decimal("-12345.5789")
    assert await c.fetchval("SELECT interval '1 month 2 days'") == datetime.timedelta(days=32)
    assert await c.fetchval("SELECT array_agg(role ORDER BY role) FROM roles") == ["db", "queue", "web"]
    s = await c.prepare("SELECT role, wants FROM roles WHERE wants >= $1 ORDER BY wants")
    assert [tuple(r) for r in await s.fetch(2)] == [("db", 2), ("web", 3)]
    async with c.transaction():
        rows = [r async for r in c.cursor("SELECT name FROM hosts ORDER BY name", prefetch=3)]
        assert len(rows) == 10
    try:
        await c.fetch("SELECT nix FROM hosts")
        raise SystemExit("an unknown column was taken")
    except asyncpg.UndefinedColumnError:
        pass
    assert await c.execute("SELECT 1") == "SELECT 1"
    await c.close()
asyncio.run(main())
