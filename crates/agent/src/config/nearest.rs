//! Which known key somebody meant.

/// Settings of Serf and Consul, each with ours that does its work.
const ELSEWHERE: [(&str, &str); 24] = [
    ("advertise_addr", "advertise"),
    ("bind_addr", "bind"),
    ("client_addr", "http"),
    ("encrypt", "key_file"),
    ("encrypt_key", "key_file"),
    ("event_handler", "on"),
    ("event_handlers", "on"),
    ("keyring_file", "key_file"),
    ("log_level", "log"),
    ("node", "name"),
    ("node_meta", "tags"),
    ("node_name", "name"),
    ("recursors", "dns_server"),
    ("replay", "events_replay"),
    ("replay_on_join", "events_replay"),
    ("retry_join", "join"),
    ("retry_max_attempts", "retry_max"),
    ("role", "tags"),
    ("rpc_addr", "serf_rpc"),
    ("rpc_auth", "serf_rpc_auth_file"),
    ("rpc_auth_key", "serf_rpc_auth_file"),
    ("snapshot", "data_dir"),
    ("snapshot_path", "data_dir"),
    ("start_join", "join"),
];

/// The setting that does what a setting or flag of Serf or Consul does there.
pub fn known_elsewhere(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}

/// The closest of `known` to `wrong`, if one is close enough to be meant.
pub(super) fn nearest<'k>(wrong: &str, known: &[&'k str]) -> Option<&'k str> {
    let wrong = wrong.to_ascii_lowercase().replace('-', "_");
    let bare = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let misplaced = known.iter().find(|key| bare(key) == bare(&wrong));
    misplaced.copied().or_else(|| {
        let distance_max = (wrong.len() / 3).clamp(1, 4);
        known
            .iter()
            .map(|key| (distance(&wrong, key), *key))
            .filter(|(distance, _)| *distance <= distance_max)
            .min()
            .map(|(_, key)| key)
    })
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let differ = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differ);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_of_serf_or_consul_leads_to_one_of_ours() {
        let ours: Vec<&str> = super::super::settings().map(|setting| setting.key).collect();
        for (theirs, meant) in ELSEWHERE {
            assert!(ours.contains(&meant) && !ours.contains(&theirs), "{theirs}: {meant}");
        }
        assert_eq!(known_elsewhere("Retry-Join"), Some("join"));
    }

    #[test]
    fn a_slip_of_the_keyboard_finds_the_key_that_was_meant_and_nonsense_finds_none() {
        let known = ["bind", "join", "data_dir", "http_token_file", "swim.period_ms"];
        for (wrong, meant) in [
            ("bnid", Some("bind")),
            ("data-dir", Some("data_dir")),
            ("datadir", Some("data_dir")),
            ("http_tokenfile", Some("http_token_file")),
            ("period_ms", Some("swim.period_ms")),
            ("swim.perod_ms", Some("swim.period_ms")),
            ("colour", None),
        ] {
            assert_eq!(nearest(wrong, &known), meant, "{wrong}");
        }
    }
}
