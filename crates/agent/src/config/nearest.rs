//! Which known key somebody meant.

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
