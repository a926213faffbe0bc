//! PostgreSQL's own clients and drivers against our protocol.

#[path = "../common/mod.rs"]
mod common;

use rumormill_sql::{Engine, Limits, pg};
use rumormill_testkit::needs;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

const PASSWORD: &str = "a password: with 'quotes'";

/// A server on a free port of loopback; it ends with the runtime.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(engine: Engine) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(pg::serve(listener, engine, pg::Options::new(PASSWORD), pg::Bound::new(64)));
        Self { address, _runtime: runtime }
    }

    fn psql(&self, args: &[&str]) -> Output {
        self.psql_as(PASSWORD, args)
    }

    fn psql_as(&self, password: &str, args: &[&str]) -> Output {
        let port = self.address.port().to_string();
        Command::new("psql")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "ann",
                "-d",
                "rumormill",
                "-X",
                "-w",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .args(args)
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "20")
            .output()
            .expect("psql runs")
    }

    /// What psql prints for one command.
    #[track_caller]
    fn says(&self, command: &str) -> String {
        let output = self.psql(&["-At", "-c", command]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        assert!(!errors.contains("ERROR"), "{command}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn python(&self, script: &str) {
        let output = Command::new(rumormill_testkit::tools::pgclients_python())
            .args(["-c", script])
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.address.port().to_string())
            .env("PGUSER", "ann")
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "rumormill")
            .output()
            .expect("python runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
    }
}

#[test]
fn psql_lists_and_describes_the_tables() {
    needs!("psql");
    let server = Server::start(common::engine());
    assert_eq!(server.says("SELECT count(*), avg(load1) FROM hosts"), "10|1");
    assert_eq!(server.says("\\dt"), "public|hosts|table|rumormill\npublic|roles|table|rumormill");
    assert!(server.says("\\d").contains("public|hosts|table"));
    let described = server.says("\\d hosts");
    for line in
        ["name|text|||", "cpus|bigint|||", "load1|double precision|||", "seen|timestamp with time zone|||"]
    {
        assert!(described.contains(line), "{described}");
    }
    assert!(server.says("\\d+ hosts").contains("a column"));
    assert!(server.says("\\l").contains("rumormill|"));
    assert!(server.says("\\dn").contains("public|rumormill"));
    assert_eq!(server.says("\\df"), "");
    assert!(server.says("\\df lower").contains("pg_catalog|lower|text"));
    assert!(server.says("\\du").contains("rumormill|"));
    for command in [
        "\\dv",
        "\\di",
        "\\dT",
        "\\conninfo",
        "\\dp",
        "\\dp hosts",
        "\\dt+",
        "\\dn+",
        "\\l+",
        "\\du+",
        "\\ds",
        "\\dm",
        "\\da",
        "\\dx",
        "\\db",
    ] {
        server.says(command);
    }
}

#[test]
fn a_wrong_password_is_refused() {
    needs!("psql");
    let server = Server::start(common::engine());
    let output = server.psql_as("wrong", &["-c", "SELECT 1"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("assword authentication failed"), "{output:?}");
}

#[test]
fn errors_carry_their_code_and_place() {
    needs!("psql");
    let server = Server::start(common::engine());
    let output = server.psql(&["-v", "VERBOSITY=verbose", "-c", "SELECT nix FROM hosts"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("42703") && errors.contains("LINE 1: SELECT nix FROM hosts"), "{errors}");
    let output = server.psql(&["-v", "VERBOSITY=verbose", "-c", "DELETE FROM hosts"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("25006"), "{output:?}");
}

#[test]
fn rows_are_copied_as_text_and_csv() {
    needs!("psql");
    let server = Server::start(common::engine());
    assert_eq!(
        server.says("COPY (SELECT role, wants FROM roles ORDER BY 2) TO STDOUT WITH (FORMAT csv, HEADER)"),
        "role,wants\nqueue,1\ndb,2\nweb,3"
    );
    assert_eq!(server.says("COPY roles (owner, role) TO STDOUT"), "ann\tweb\nbob\tdb\ncy\tqueue");
    assert_eq!(server.says("COPY (SELECT 'a,\"b', NULL, E'x\\ty') TO STDOUT CSV"), "\"a,\"\"b\",,x\ty");
    assert_eq!(server.says("COPY (SELECT E'x\\ty', NULL) TO STDOUT"), "x\\ty\t\\N");
    assert!(!server.psql(&["-c", "COPY hosts FROM STDIN"]).status.success());
}

#[test]
fn a_statement_runs_no_longer_than_its_time() {
    needs!("psql");
    let limits = Limits { timeout: Duration::from_millis(400), ..Limits::default() };
    let server = Server::start(common::engine_of(200, limits));
    let long = "SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e";
    let output = server.psql(&["-c", long]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("statement timeout"), "{output:?}");
    let output = server.psql(&["-c", "SET statement_timeout = '50ms'", "-c", long]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("50 ms"), "{output:?}");
    let output = server.psql(&["-c", "SET statement_timeout = 60000", "-c", long]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("400 ms"), "{output:?}");
}

#[test]
fn transactions_and_settings_are_harmless() {
    needs!("psql");
    let server = Server::start(common::engine());
    assert_eq!(server.says("BEGIN; SELECT 1; COMMIT"), "BEGIN\n1\nCOMMIT");
    assert_eq!(server.says("SHOW server_version"), "14.0");
    assert_eq!(server.says("SET application_name = 'x'; SHOW application_name"), "SET\nx");
    assert!(!server.psql(&["-c", "SET TIME ZONE 'Europe/Berlin'"]).status.success());
}

#[test]
fn psycopg2_reads_rows_and_cancels() {
    needs!("pgclients");
    let server = Server::start(common::engine_of(
        200,
        Limits { timeout: Duration::from_secs(60), ..Limits::default() },
    ));
    server.python(include_str!("psycopg2_story.py"));
}

#[test]
fn psycopg3_prepares_and_reads_binary() {
    needs!("pgclients");
    let server = Server::start(common::engine());
    server.python(include_str!("psycopg3_story.py"));
}

#[test]
fn tokio_postgres_prepares_reads_types_and_cancels() {
    use tokio_postgres::error::SqlState;
    use tokio_postgres::types::Type;
    let server = Server::start(common::engine_of(
        200,
        Limits { timeout: Duration::from_secs(60), ..Limits::default() },
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(server.address.port())
            .user("ann")
            .password(PASSWORD)
            .dbname("rumormill");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT name, cpus, load1, up, seen, avg(cpus) OVER () FROM hosts \
            WHERE cpus = ANY($1) AND load1 < $2 AND role = $3 ORDER BY name";
        let statement = client.prepare(sql).await.unwrap();
        assert_eq!(statement.params(), [Type::INT8_ARRAY, Type::FLOAT8, Type::TEXT]);
        let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        assert_eq!(
            types,
            [Type::TEXT, Type::INT8, Type::FLOAT8, Type::BOOL, Type::TIMESTAMPTZ, Type::NUMERIC]
        );
        for _ in 0..2 {
            let rows = client.query(&statement, &[&vec![1_i64, 2], &1.5_f64, &"web"]).await.unwrap();
            let row = &rows[0];
            let shown = (
                row.get::<_, &str>(0),
                row.get::<_, i64>(1),
                row.get::<_, Option<f64>>(2),
                row.get::<_, bool>(3),
            );
            assert_eq!(shown, ("host0", 1, Some(0.0), true));
            let noon = std::time::UNIX_EPOCH + Duration::from_micros(common::NOON.unsigned_abs());
            assert_eq!(row.get::<_, std::time::SystemTime>(4), noon);
        }
        let error = client.query("SELECT nix FROM hosts", &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::UNDEFINED_COLUMN));
        let cancel = client.cancel_token();
        let long = client.query("SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e", &[]);
        tokio::pin!(long);
        // A request that comes before its statement cancels nothing, so it is repeated.
        let error = loop {
            tokio::select! {
                answer = &mut long => break answer.unwrap_err(),
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
                }
            }
        };
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(client.query_one("SELECT count(*) FROM roles", &[]).await.unwrap().get::<_, i64>(0), 3);
    });
}

#[test]
fn asyncpg_learns_the_types_of_parameters() {
    needs!("pgclients");
    let server = Server::start(common::engine());
    server.python(include_str!("asyncpg_story.py"));
}

#[test]
fn sqlalchemy_and_pg8000_connect_and_query() {
    needs!("pgclients");
    let server = Server::start(common::engine());
    server.python(include_str!("sqlalchemy_story.py"));
}

/// What Grafana's PostgreSQL data source sends (grafana/grafana, pkg/tsdb/grafana-postgresql-datasource and its metaFindQuery): version, lists of
/// tables and columns, and the expansions of its macros.
#[test]
fn grafanas_queries_are_answered() {
    needs!("psql");
    let server = Server::start(common::engine());
    assert_eq!(server.says("SELECT current_setting('server_version_num')::int/100 as version"), "1400");
    let tables = "select quote_ident(table_name) as \"table\" from information_schema.tables \
        where quote_ident(table_schema) not in ('information_schema', 'pg_catalog', '_timescaledb_cache', '_timescaledb_catalog', '_timescaledb_internal', '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental') \
        and table_type = 'BASE TABLE'";
    assert_eq!(server.says(tables), "hosts\nroles");
    let columns = "select quote_ident(column_name) as \"column\", data_type as \"type\" from information_schema.columns where \
        quote_ident(table_name) = 'roles'";
    assert_eq!(server.says(columns), "role|text\nowner|text\nwants|bigint");
    let series = "SELECT floor(extract(epoch from seen)/60)*60 AS \"time\", role AS metric, avg(load1) AS value FROM hosts \
        WHERE seen BETWEEN '2026-11-30T11:00:00Z' AND '2026-11-30T13:00:00Z' AND role = 'db' GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(server.says(series), "1796039760|db|1.75\n1796039940|db|0.25");
    assert_eq!(
        server.says(
            "SELECT seen AS \"time\", load1 FROM hosts WHERE extract(epoch from seen) >= 1796040000 LIMIT 50"
        ),
        "2026-11-30 12:00:00+00|0"
    );
}
