//! What may not stand in any text file: the paths of the machine it was written on.

use crate::shell;

/// Directories that every machine has, and that a text may name.
const COMMON: [&str; 8] = ["/", "/tmp", "/usr", "/var", "/opt", "/srv", "/root", "/mnt"];

/// The findings in one file.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let machine = machine_paths();
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if machine.iter().any(|dir| names(line, dir)) {
            findings.push(format!("{path}:{}: an absolute path of somebody's machine", at + 1));
        }
    }
    findings
}

/// Whether `line` names something below `dir`, as an absolute path of its own.
fn names(line: &str, dir: &str) -> bool {
    let needle = format!("{dir}/");
    line.match_indices(&needle).any(|(at, _)| {
        line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._-~}".contains(c))
    })
}

/// This checkout, the directory around it, and the home of who checks, unless that is one which everybody has.
fn machine_paths() -> Vec<String> {
    let root = shell::root();
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    [Some(root.as_path()), root.parent(), home.as_deref()]
        .into_iter()
        .flatten()
        .map(|dir| dir.display().to_string())
        .filter(|dir| dir.starts_with('/') && !COMMON.contains(&dir.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_found_and_parts_of_words_are_not() {
        let here = shell::root().join("target").display().to_string();
        assert_eq!(check("README.md", &format!("see {here}")).len(), 1);
        assert_eq!(check("README.md", "ls /etc/rumormill ./target /v1/members"), [""; 0]);
        assert!(names("x=/build/a", "/build"));
        assert!(!names("target/build/a", "/build"));
    }
}
