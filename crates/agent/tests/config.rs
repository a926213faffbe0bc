//! Where settings come from, which of them wins, and what is said about wrong ones.

use rumormill_agent::config::{
    Checked, Config, Layer, LogFormat, Partial, Problem, Profile, Severity, Source, load_with, resolve,
};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A cluster's key, as its file holds it.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn env(vars: &[(&str, &str)]) -> Layer {
    Layer::env(vars.iter().map(|(name, value)| (name.to_string(), value.to_string())))
}

fn toml(text: &str) -> Layer {
    Layer::toml(text, Path::new("agent.toml"))
}

fn check(layers: Vec<Layer>) -> Checked {
    resolve(layers, Some("/var/lib/rumormill".into()))
}

fn config(layers: Vec<Layer>) -> Config {
    let (config, warnings) = check(layers).into_config().unwrap();
    assert_eq!(warnings, [], "no warnings");
    config
}

fn source(checked: &Checked, key: &str) -> Source {
    checked.settings.iter().find(|s| s.key == key).unwrap().source.clone()
}

fn value<'c>(checked: &'c Checked, key: &str) -> &'c str {
    &checked.settings.iter().find(|s| s.key == key).unwrap().value
}

fn errors(layers: Vec<Layer>) -> Vec<String> {
    check(layers).errors().map(Problem::to_string).collect()
}

#[test]
fn nobody_says_anything_and_a_node_starts_on_loopback() {
    let config = config(vec![]);
    assert_eq!(config.bind, "127.0.0.1:7900".parse().unwrap());
    assert_eq!(config.http, Some("127.0.0.1:7901".parse().unwrap()));
    assert_eq!(config.cluster, "default");
    assert_eq!(config.profile, Profile::Local);
    assert_eq!(config.data_dir, Some("/var/lib/rumormill".into()));
    assert_eq!(config.socket, Some("/var/lib/rumormill/agent.sock".into()));
    assert_eq!((config.vitals, config.vitals_bytes_per_s, config.phi), (true, 2048, false));
    assert_eq!(config.budget_bytes_per_s, 8 << 20);
    assert!(!config.name.is_empty() && !config.faults && !config.insecure);
    assert_eq!(config.swim, Profile::Local.swim());
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file_which_wins_over_defaults() {
    let file = toml(
        "name = \"from file\"\ncluster = \"from file\"\nlog = \"warn\"\n\n[swim]\nperiod_ms = 2000\nhelpers = 5\n",
    );
    let env = env(&[
        ("RUMORMILL_NAME", "from env"),
        ("RUMORMILL_CLUSTER", "from env"),
        ("RUMORMILL_SWIM_HELPERS", "7"),
    ]);
    let flags = Layer::flags(Partial { name: Some("from flag".into()), ..Partial::default() });
    let checked = check(vec![file, env, flags]);
    let at = |line| Source::File { path: "agent.toml".into(), line };
    for (key, shown, from) in [
        ("name", "from flag", Source::Flag("name".into())),
        ("cluster", "from env", Source::Env("RUMORMILL_CLUSTER".into())),
        ("log", "warn", at(3)),
        ("bind", "127.0.0.1:7900", Source::Default),
        ("swim.period_ms", "2000", at(6)),
        ("swim.helpers", "7", Source::Env("RUMORMILL_SWIM_HELPERS".into())),
        ("swim.gossip_fanout", "3", Source::Default),
    ] {
        assert_eq!((value(&checked, key), source(&checked, key)), (shown, from), "{key}");
    }
    let (config, _) = checked.into_config().unwrap();
    assert_eq!((config.swim.period, config.swim.helpers), (Duration::from_secs(2), 7));
}

#[test]
fn a_whole_file_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let (key, token) = (secret("key", &format!("{KEY}\n")), secret("token", "0123456789abcdef\n"));
    let seeds = secret("seeds", "10.0.0.9\n");
    let config = config(vec![toml(&format!(
        r#"
        name = "db-1"
        bind = "10.0.0.5:7000"
        advertise = ["203.0.113.5", "[2001:db8::5]:7000"]
        join = ["10.0.0.6", "seeds.example.org", "seeds.example.org:7000"]
        join_file = {seeds:?}
        cluster = "prod"
        key_file = {key:?}
        http = "10.0.0.5:7001"
        http_token_file = {token:?}
        http_hosts = ["DB-1.example.org"]
        socket = "off"
        data_dir = "none"
        profile = "wan"
        vitals = false
        vitals_budget = "4 KiB/s"
        budget = "2 MiB"
        log = "info,rumormill_runtime=debug"
        log_format = "json"
        dns_server = "10.0.0.2"
        faults = true

        [tags]
        role = "db"
        rack = 7

        [swim]
        suspicion_alpha = 5
        lifeguard = "off"
        leave_linger_ms = 0
        "#
    ))]);
    assert_eq!(config.name, "db-1");
    assert_eq!(
        config.advertise,
        ["203.0.113.5:7000".parse().unwrap(), "[2001:db8::5]:7000".parse().unwrap()]
    );
    let seeds: Vec<String> = config.join.iter().map(ToString::to_string).collect();
    assert_eq!(seeds, ["10.0.0.6:7900", "seeds.example.org", "seeds.example.org:7000"]);
    assert_eq!(
        (config.profile, config.budget_bytes_per_s, config.vitals_bytes_per_s),
        (Profile::Wan, 2 << 20, 4096)
    );
    assert_eq!((config.socket, config.data_dir, config.vitals), (None, None, false));
    assert_eq!(
        config.tags.into_iter().collect::<Vec<_>>(),
        [("rack".into(), "7".into()), ("role".into(), "db".into())]
    );
    assert_eq!(config.dns_server, Some("10.0.0.2:53".parse().unwrap()));
    assert_eq!(config.http_hosts, ["db-1.example.org"]);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(config.faults && !config.swim.lifeguard);
    assert_eq!((config.swim.suspicion_alpha, config.swim.leave_linger), (5.0, Duration::ZERO));
    assert_eq!(config.swim.period, Profile::Wan.swim().period);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_key_that_was_meant() {
    let said = errors(vec![toml("name = \"a\"\nbnid = \"127.0.0.1:7000\"\n[swim]\nperod_ms = 3\n")]);
    assert_eq!(
        said,
        [
            "error: bnid (agent.toml:2): there is no such setting; `bind` was probably meant",
            "error: swim.perod_ms (agent.toml:4): there is no such setting; `period_ms` in [swim] was probably meant",
        ]
    );
    let said = errors(vec![toml("period_ms = 3\n\nshoe_size = 43")]);
    assert_eq!(
        said,
        [
            "error: period_ms (agent.toml:1): there is no such setting; `period_ms` in [swim] was probably meant",
            "error: shoe_size (agent.toml:3): there is no such setting; `rumormill config check` lists all there are",
        ]
    );
}

#[test]
fn a_misspelt_variable_is_warned_about_and_those_of_others_are_passed_over() {
    let checked = check(vec![env(&[
        ("RUMORMILL_BNID", "127.0.0.1:1"),
        ("RUMORMILL_SWIM_PEROD_MS", "500"),
        ("RUMORMILL_SERVICE_PORT_GOSSIP", "7900"), // as an orchestrator would set it
        ("RUMORMILL_CONFIG", "elsewhere.toml"),
        ("PATH", "/bin"),
    ])]);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "warning: bnid ($RUMORMILL_BNID): there is no such setting; RUMORMILL_BIND was probably meant",
            "warning: swim.perod_ms ($RUMORMILL_SWIM_PEROD_MS): there is no such setting; RUMORMILL_SWIM_PERIOD_MS was probably meant",
        ]
    );
    assert!(checked.is_ok());
}

#[test]
fn an_agent_listens_where_its_own_variables_say_and_commands_ask_where_theirs_say() {
    let listens = config(vec![env(&[
        ("RUMORMILL_LISTEN_HTTP", "127.0.0.1:8001"),
        ("RUMORMILL_LISTEN_SOCKET", "/run/agent.sock"),
        ("RUMORMILL_HTTP", "127.0.0.1:9001"),
        ("RUMORMILL_SOCKET", "/run/other.sock"),
    ])]);
    assert_eq!(listens.http_token_file, None);
    assert_eq!(listens.http, Some("127.0.0.1:8001".parse().unwrap()));
    assert_eq!(listens.socket, Some("/run/agent.sock".into()));
    // Nobody can ask there, so an agent was meant.
    let checked = check(vec![env(&[("RUMORMILL_HTTP", ":7901"), ("RUMORMILL_SOCKET", "off")])]);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "warning: http ($RUMORMILL_HTTP): it is where commands ask an agent; RUMORMILL_LISTEN_HTTP was probably meant",
            "warning: socket ($RUMORMILL_SOCKET): it is where commands ask an agent; RUMORMILL_LISTEN_SOCKET was probably meant",
        ]
    );
    assert_eq!(checked.into_config().unwrap().0.http, Some("127.0.0.1:7901".parse().unwrap()));
}

#[test]
fn the_token_of_commands_is_not_the_agents_and_an_agent_without_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let token = token.to_str().unwrap();
    let of_commands = ("RUMORMILL_HTTP_TOKEN_FILE", "/home/me/token");
    let checked = check(vec![env(&[of_commands])]);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "warning: http_token_file ($RUMORMILL_HTTP_TOKEN_FILE): commands send its token; for the token that an agent asks for, set RUMORMILL_LISTEN_HTTP_TOKEN_FILE"
        ]
    );
    assert_eq!(checked.into_config().unwrap().0.http_token_file, None);
    let checked = check(vec![env(&[of_commands, ("RUMORMILL_LISTEN_HTTP_TOKEN_FILE", token)])]);
    assert_eq!(checked.problems, []);
    assert_eq!(checked.into_config().unwrap().0.http_token_file, Some(token.into()));
    let open = check(vec![env(&[of_commands, ("RUMORMILL_LISTEN_HTTP", "0.0.0.0:7901")])]);
    let said: Vec<String> = open.problems.iter().map(ToString::to_string).collect();
    assert!(
        !open.is_ok() && said.iter().any(|said| said.contains("RUMORMILL_LISTEN_HTTP_TOKEN_FILE")),
        "{said:?}"
    );
}

#[test]
fn an_empty_variable_is_unset_for_every_setting() {
    let names: Vec<String> = rumormill_agent::config::settings().map(|setting| setting.variable()).collect();
    assert!(names.len() > 50, "{names:?}");
    for value in ["", " "] {
        let vars: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value)).collect();
        let checked = check(vec![toml("join = [\"10.0.0.1\"]\n"), env(&vars)]);
        assert_eq!(checked.problems, [], "no problems");
        let set: Vec<&str> =
            checked.settings.iter().filter(|s| s.source != Source::Default).map(|s| s.key.as_str()).collect();
        assert_eq!(set, ["join"]);
    }
    let no_file = load_with(None, vec![("RUMORMILL_CONFIG".into(), String::new())], Partial::default());
    assert!(!no_file.problems.iter().any(|problem| problem.key == "config"), "{:?}", no_file.problems);
}

#[test]
fn a_list_in_the_environment_is_separated_by_commas() {
    let config = config(vec![env(&[
        ("RUMORMILL_JOIN", "10.0.0.1, seeds.example.org,"),
        ("RUMORMILL_TAGS", "role=web,disks=a,b"),
        ("RUMORMILL_HTTP_HOSTS", "a.example.org,b.example.org"),
        ("RUMORMILL_KEYS_GRACE_S", "2h"),
    ])]);
    assert_eq!(config.join.len(), 2);
    assert_eq!(
        config.tags.into_iter().collect::<Vec<_>>(),
        [("disks".into(), "a,b".into()), ("role".into(), "web".into())]
    );
    assert_eq!(config.http_hosts, ["a.example.org", "b.example.org"]);
    assert_eq!(config.keys_grace, Duration::from_secs(7_200));
}

#[test]
fn a_file_in_json_is_answered_with_what_it_looks_like_in_toml() {
    assert_eq!(
        errors(vec![toml("{\n  \"bind\": \"10.0.0.5:7900\",\n  \"join\": [\"10.0.0.6\"]\n}\n")]),
        [
            "error: (agent.toml:1): this is JSON; the configuration is TOML, with lines such as `bind = \"10.0.0.5:7900\"`. \
             `rumormill config sample` prints a file with all settings"
        ]
    );
}

#[test]
fn all_errors_are_told_at_once_each_with_its_source() {
    let file = toml(
        "name = 5\ncluster = \"\"\nbind = \"0.0.0.0:7900\"\njoin = [\"1.2.3.4:0\", \"ok.example.org\"]\n\
         advertise = [\"0.0.0.0:7900\"]\nprofile = \"moon\"\nkey_file = \"/nonexistent/key\"\n[swim]\nperiod_ms = 0\n",
    );
    let env = env(&[
        ("RUMORMILL_LISTEN_HTTP", "10.0.0.5:7901"),
        ("RUMORMILL_VITALS", "sometimes"),
        ("RUMORMILL_BUDGET", "1 KiB"),
    ]);
    let flags = Layer::flags(Partial {
        tags: Some([("big".to_string(), "x".repeat(70_000))].into()),
        log: Some("loud=very".into()),
        dns_server: Some("dns.example.org".into()),
        ..Partial::default()
    });
    let checked = check(vec![file, env, flags]);
    assert!(!checked.is_ok());
    let keys: Vec<(String, String)> =
        checked.errors().map(|p| (p.key.clone(), p.source.to_string())).collect();
    let expected = [
        ("name", "agent.toml:1"),
        ("vitals", "$RUMORMILL_VITALS"),
        ("advertise", "agent.toml:5"),
        ("join", "agent.toml:4"),
        ("cluster", "agent.toml:2"),
        ("key_file", "agent.toml:7"),
        ("http", "$RUMORMILL_LISTEN_HTTP"),
        ("tags", "--tag"),
        ("profile", "agent.toml:6"),
        ("budget", "$RUMORMILL_BUDGET"),
        ("log", "--log"),
        ("dns_server", "--dns-server"),
        ("swim.period_ms", "agent.toml:9"),
    ];
    for (key, from) in expected {
        assert!(keys.contains(&(key.into(), from.into())), "{key} from {from} in {keys:#?}");
    }
    assert_eq!(keys.len(), expected.len(), "{keys:#?}");
    let whole = checked.into_config().unwrap_err().to_string();
    assert_eq!(whole.lines().count(), 1 + expected.len(), "{whole}");
}

#[test]
fn a_value_of_another_kind_is_answered_with_what_to_write() {
    assert_eq!(
        errors(vec![toml("bind = 7900\nhttp = \"none\"\n")]),
        [
            "error: bind (agent.toml:1): must be text in quotes",
            "error: http (agent.toml:2): \"none\" is not ADDR:PORT, for example 10.0.0.5:7901 or [2001:db8::5]:7901, \
             or :7901 for all interfaces (no host names here); `off` for none",
        ]
    );
    for tags in ["{ role = \"web\", rack = 7 }", "\"role=web,rack=7\"", "[\"role=web\", \"rack=7\"]"] {
        let config = config(vec![toml(&format!("tags = {tags}"))]);
        assert_eq!(
            config.tags,
            [("rack", "7"), ("role", "web")].map(|(k, v)| (k.into(), v.into())).into(),
            "{tags}"
        );
    }
}

#[test]
fn a_setting_of_serf_or_consul_is_answered_with_ours() {
    let said = errors(vec![toml("node_name = \"a\"\nencrypt_key = \"b\"\nretry_join = [\"c\"]\n")]);
    for (line, ours) in said.iter().zip(["`key_file`", "`name`", "`join`"]) {
        assert!(line.ends_with(&format!("{ours} was probably meant")), "{line}");
    }
    assert_eq!(said.len(), 3);
}

#[test]
fn broken_syntax_is_refused_with_its_line() {
    let said = errors(vec![toml("name = \"a\"\nbind = = 3\n")]);
    assert!(said[0].starts_with("error: (agent.toml:2): "), "{said:?}");
}

#[test]
fn without_a_key_only_loopback_is_bound_unless_told_insecure() {
    let bound = |bind: &str, insecure: bool| {
        check(vec![Layer::flags(Partial {
            bind: Some(bind.into()),
            insecure: insecure.then_some(true),
            ..Partial::default()
        })])
    };
    for bind in ["10.0.0.5", "0.0.0.0:7900", "[::]:7900", "[2001:db8::5]"] {
        let refused = bound(bind, false).into_config().unwrap_err().to_string();
        assert!(refused.contains("rumormill keygen") && refused.contains("insecure"), "{refused}");
        let (config, warnings) = bound(bind, true).into_config().unwrap();
        assert_eq!((warnings.len(), warnings[0].severity), (1, Severity::Warning));
        assert_eq!(config.profile, Profile::Lan, "others reach it, so it is no longer one machine");
    }
    for bind in ["127.0.0.1", "127.0.0.7:0", "[::1]:7900"] {
        assert_eq!(bound(bind, false).problems, [], "{bind}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_warned_about_and_a_missing_or_empty_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let with_key = || {
        check(vec![Layer::flags(Partial {
            bind: Some("10.0.0.5".into()),
            key_file: Some(key.display().to_string()),
            ..Partial::default()
        })])
    };
    assert!(with_key().problems[0].text.ends_with("does not exist"));
    std::fs::write(&key, "  \n").unwrap();
    assert!(with_key().problems[0].text.contains("is empty; it must hold a key: 32 bytes, base64"));
    std::fs::write(&key, [0xff; 32]).unwrap();
    assert!(with_key().problems[0].text.contains("is not text; it must hold a key: 32 bytes, base64"));
    std::fs::write(&key, format!("\u{feff}{KEY}\r\n")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(with_key().problems, [], "an editor of Windows wrote it");
    std::fs::write(&key, "swordfish").unwrap();
    assert_eq!(with_key().errors().count(), 1, "not a key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let checked = with_key();
    assert!(checked.is_ok());
    assert!(checked.problems[0].to_string().contains("(mode 640); chmod 600"), "{}", checked.problems[0]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(with_key().problems, []);
}

#[test]
fn the_admin_api_leaves_loopback_only_with_a_token_that_is_worth_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "short").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let open = |with_token: bool| {
        errors(vec![Layer::flags(Partial {
            http: Some("0.0.0.0:7901".into()),
            http_token_file: with_token.then(|| token.display().to_string()),
            ..Partial::default()
        })])
    };
    assert!(open(false)[0].contains("http_token_file"));
    assert!(open(true)[0].contains("characters; take at least"));
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    assert!(open(true).is_empty());
    let off = config(vec![Layer::flags(Partial { http: Some("off".into()), ..Partial::default() })]);
    assert_eq!(off.http, None);
}

#[test]
fn knobs_that_contradict_each_other_are_refused() {
    let said =
        errors(vec![toml("[swim]\nperiod_ms = 200\nprobe_timeout_min_ms = 900\nretry_interval_max_ms = 10")]);
    let about: Vec<&str> = said.iter().filter_map(|s| s.split(' ').nth(1)).collect();
    assert_eq!(about, ["swim.probe_timeout_ms", "swim.probe_timeout_min_ms", "swim.retry_interval_min_ms"]);
}

#[test]
fn phi_without_vitals_is_refused_with_the_reason() {
    let said = errors(vec![toml("phi = true\nvitals = false\n")]);
    assert_eq!(
        said,
        [
            "error: phi (agent.toml:1): vitals are off, and phi measures the arrivals of vitals; say vitals = \"on\", or phi = \"off\""
        ]
    );
    assert!(config(vec![env(&[("RUMORMILL_PHI", "on")])]).phi);
}

#[test]
fn a_socket_path_that_no_socket_can_have_is_refused_if_named_and_left_out_if_not() {
    let deep = format!("/{}", "d".repeat(120));
    let named = Partial { socket: Some(deep.clone()), ..Partial::default() };
    assert!(errors(vec![Layer::flags(named)])[0].contains("at most 107 bytes"));
    let (config, warnings) = resolve(vec![], Some(deep.into())).into_config().unwrap();
    assert_eq!((config.socket, warnings.len()), (None, 1));
}

#[test]
fn the_file_may_be_named_by_a_variable_and_a_missing_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.toml");
    let load = |file: Option<&Path>| {
        let var = ("RUMORMILL_CONFIG".to_string(), path.display().to_string());
        load_with(file, vec![var], Partial { data_dir: Some("none".into()), ..Partial::default() })
    };
    let missing = load(None).into_config().unwrap_err().to_string();
    assert!(missing.contains("agent.toml): it cannot be read: "), "{missing}");
    std::fs::write(&path, "cluster = \"by variable\"").unwrap();
    assert_eq!(load(None).into_config().unwrap().0.cluster, "by variable");
    let other = dir.path().join("other.toml");
    std::fs::write(&other, "cluster = \"by flag\"").unwrap();
    assert_eq!(load(Some(&other)).into_config().unwrap().0.cluster, "by flag");
}

#[test]
fn the_table_shows_every_setting_with_its_source_and_then_the_problems() {
    let table = check(vec![toml("cluster = \"prod\"\nbudget = 1")]).to_string();
    let row = |key: &str| -> Vec<&str> {
        let line = table.lines().find(|line| line.starts_with(key)).unwrap();
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
    };
    assert_eq!(row("cluster"), ["cluster", "prod", "agent.toml:1"]);
    assert_eq!(row("bind"), ["bind", "127.0.0.1:7900", "default"]);
    assert_eq!(row("swim.period_ms"), ["swim.period_ms", "1000", "default"]);
    assert!(table.trim_end().lines().last().unwrap().starts_with("error: budget (agent.toml:2)"), "{table}");
    assert!(!table.contains("faults"), "hidden unless it is set");
}

#[test]
fn the_data_directory_follows_the_base_directory_specification() {
    use rumormill_agent::config::files::default_data_dir;
    let dir = |vars: &'static [(&str, &str)], is_root| {
        default_data_dir(&|name| vars.iter().find(|v| v.0 == name).map(|v| v.1.to_string()), is_root)
    };
    assert_eq!(dir(&[("HOME", "/home/ann")], false), Some("/home/ann/.local/state/rumormill".into()));
    assert_eq!(
        dir(&[("HOME", "/home/ann"), ("XDG_STATE_HOME", "/state")], false),
        Some("/state/rumormill".into())
    );
    assert_eq!(
        dir(&[("HOME", "/home/ann"), ("XDG_STATE_HOME", "relative")], false),
        dir(&[("HOME", "/home/ann")], false)
    );
    assert_eq!(dir(&[], true), Some("/var/lib/rumormill".into()));
    assert_eq!(dir(&[], false), None);
}

#[test]
fn events_and_handlers_are_set_by_any_source_and_checked() {
    let file = toml("events_window = \"1 MiB\"\nevents_replay = true\non = [\"event:a=echo 1,2\"]");
    let from_file = config(vec![file.clone()]);
    assert_eq!((from_file.events.window_bytes, from_file.events.replay), (1 << 20, true));
    assert_eq!(from_file.handlers[0].command, "echo 1,2");
    let vars = env(&[("RUMORMILL_EVENTS_QUEUE", "7"), ("RUMORMILL_ON", "member-failed=a,b\n*=c")]);
    let both = config(vec![file, vars]);
    assert_eq!((both.events.window_bytes, both.events.queue_max), (1 << 20, 7));
    assert_eq!(both.handlers.iter().map(|h| h.command.as_str()).collect::<Vec<_>>(), ["a,b", "c"]);
    let wrong = errors(vec![toml("events_window = 1000\nevents_queue = 0\non = [\"member-gone=x\"]")]);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong.iter().any(|error| error.contains("member-failed")), "{wrong:?}");
}
