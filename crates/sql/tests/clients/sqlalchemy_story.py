import os, sqlalchemy, pg8000.dbapi
e = os.environ
for driver in ("psycopg2", "psycopg"):
    url = sqlalchemy.engine.URL.create(f"postgresql+{driver}", "ann", e["PGPASSWORD"], "127.0.0.1", int(e["PGPORT"]), "rumormill")
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as c:
        rows = c.execute(sqlalchemy.text("SELECT role, count(*) AS n FROM hosts WHERE cpus > :least GROUP BY role ORDER BY role"), {"least": 1}).all()
        assert [r.n for r in rows][:1] == [2], rows
        t = sqlalchemy.table("roles", sqlalchemy.column("role"), sqlalchemy.column("wants"))
        got = c.execute(sqlalchemy.select(t.c.role).where(t.c.wants.in_([1, 2])).order_by(t.c.role)).scalars().all()
        assert got == ["db", "queue"], got
    inspector = sqlalchemy.inspect(engine)
    assert inspector.get_schema_names() == ["information_schema", "public"], inspector.get_schema_names()
    assert sorted(inspector.get_table_names()) == ["hosts", "roles"], inspector.get_table_names()
    columns = {column["name"]: column for column in inspector.get_columns("hosts")}
    assert list(columns) == ["name", "role", "cpus", "load1", "up", "tags", "seen"], columns
    kinds = {name: type(column["type"]).__name__ for name, column in columns.items()}
    assert kinds["cpus"] == "BIGINT" and kinds["load1"] == "DOUBLE_PRECISION" and kinds["tags"] == "JSON", kinds
    assert columns["seen"]["type"].timezone and columns["name"]["comment"] == "a column", columns
c = pg8000.dbapi.connect(user="ann", password=e["PGPASSWORD"], host="127.0.0.1", port=int(e["PGPORT"]), database="rumormill")
q = c.cursor()
q.execute("SELECT name, load1 FROM hosts WHERE cpus = %s ORDER BY name", (1,))
assert list(q.fetchone()) == ["host0", 0.0]
c.close()
