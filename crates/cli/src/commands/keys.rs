//! `rumormill keys` and `rumormill keygen`. A key is never shown by an agent, and never read from the command line, where others see it.

use crate::args::Target;
use crate::client::{Client, as_commands};
use crate::outcome::{Failure, Outcome, eprintln_quietly};
use crate::show::{Cell, Out, Table, Tone, clean};
use clap::{Args, Subcommand};
use hyper::Method;
use rumormill_agent::model::{
    KeyChoice, KeyInstall, KeysAction, KeysEverywhere, KeysKept, KeysList, KeysMember, KeysRequest,
    KeysResult,
};
use rumormill_runtime::keyring::{Fingerprint, Key};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `rumormill keys ...`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the ids of the keys that the members hold, and which one each seals with
    List(KeysListArgs),
    /// Give all members one more key that they open packets with; the key is read from a file or standard input
    Install(KeyFileArgs),
    /// Have all members seal with this key; refused while a live member lacks it
    Use(KeyUseArgs),
    /// Take a key away from all members; refused while a live member seals with it
    Remove(KeyRemoveArgs),
    /// Install a new key, use it and remove the old one, each step only after all have confirmed the one before
    ///
    /// If a member does not confirm, it stops, says who, and leaves a cluster that works: until the last step all open both keys.
    Rotate(KeyRotateArgs),
}

/// `rumormill keys list`.
#[derive(Debug, Args)]
pub struct KeysListArgs {
    /// Only this agent's own keys
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill keys use`.
#[derive(Debug, Args)]
pub struct KeyUseArgs {
    /// Even if live members lack the key: they will not understand the others
    #[arg(long, conflicts_with = "local")]
    pub force: bool,
    /// Which key.
    #[command(flatten)]
    pub key: KeyIdArgs,
}

/// `rumormill keys remove`.
#[derive(Debug, Args)]
pub struct KeyRemoveArgs {
    /// Nor may members that were away catch up by it, as they may else for a day; also of a key that was removed before
    #[arg(long, conflicts_with = "local")]
    pub revoke: bool,
    /// Even if live members do not answer
    #[arg(long, conflicts_with = "local")]
    pub force: bool,
    /// Which key.
    #[command(flatten)]
    pub key: KeyIdArgs,
}

/// `rumormill keys rotate`.
#[derive(Debug, Args)]
pub struct KeyRotateArgs {
    /// The file with the new key; `-`: standard input; nothing: a new one is made
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A key from a file.
#[derive(Debug, Args)]
pub struct KeyFileArgs {
    /// The file with the key; `-` or nothing: standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Only on this agent
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A key by its id.
#[derive(Debug, Args)]
pub struct KeyIdArgs {
    /// The key's id, as `keys list` shows it
    #[arg(value_name = "KEY-ID", value_parser = key_id)]
    pub id: String,
    /// Only on this agent
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// Checks the id of a key, for which people also give the file that holds the key.
fn key_id(text: &str) -> Result<String, String> {
    match text.parse::<Fingerprint>() {
        Ok(id) if text.len() == 16 => Ok(id.to_string()),
        _ => Err("a key's id has 16 hexadecimal digits; `rumormill keys list` shows it".into()),
    }
}

/// `rumormill keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The file to make (mode 0600, never overwritten); without it the key is printed
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// How long a change on all members may take (our guess: a rotation in which many are silent at each step).
const EVERYWHERE_WAIT: Duration = Duration::from_secs(300);

/// The largest key file that is read (our guess; a key takes 45 bytes).
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// `rumormill keys list`.
pub async fn list(args: &KeysListArgs, out: &mut Out<'_>) -> Outcome {
    if !args.local {
        return everywhere(&args.target, KeysRequest::default(), out).await;
    }
    let keys: KeysList = Client::of(&args.target)?.get("/v1/keys").await?;
    tell(&keys, args.target.json, out)
}

/// `rumormill keys install`.
pub async fn install(args: &KeyFileArgs, out: &mut Out<'_>) -> Outcome {
    let key = read_key(args.file.as_deref())?;
    if !args.local {
        let request =
            KeysRequest { action: KeysAction::Install, key: Some(key.reveal()), ..KeysRequest::default() };
        return everywhere(&args.target, request, out).await;
    }
    let keys: KeysList =
        Client::of(&args.target)?.post("/v1/keys/install", &KeyInstall { key: key.reveal() }).await?;
    tell(&keys, args.target.json, out)
}

/// `rumormill keys use`.
pub async fn use_primary(args: &KeyUseArgs, out: &mut Out<'_>) -> Outcome {
    if args.key.local {
        return choose("use", &args.key, out).await;
    }
    let fingerprint = Some(args.key.id.clone());
    let request =
        KeysRequest { action: KeysAction::Use, fingerprint, force: args.force, ..KeysRequest::default() };
    everywhere(&args.key.target, request, out).await
}

/// `rumormill keys remove`.
pub async fn remove(args: &KeyRemoveArgs, out: &mut Out<'_>) -> Outcome {
    if args.key.local {
        return choose("remove", &args.key, out).await;
    }
    let fingerprint = Some(args.key.id.clone());
    let KeyRemoveArgs { force, revoke, .. } = *args;
    let request = KeysRequest { action: KeysAction::Remove, fingerprint, force, revoke, key: None };
    everywhere(&args.key.target, request, out).await
}

/// `rumormill keys rotate`.
pub async fn rotate(args: &KeyRotateArgs, out: &mut Out<'_>) -> Outcome {
    let key = match &args.file {
        Some(file) => read_key(Some(file))?,
        None => new_key()?,
    };
    let request =
        KeysRequest { action: KeysAction::Rotate, key: Some(key.reveal()), ..KeysRequest::default() };
    everywhere(&args.target, request, out).await
}

/// Has all members do it, and shows who did. Fails if not all confirmed.
async fn everywhere(target: &Target, request: KeysRequest, out: &mut Out<'_>) -> Outcome {
    let client = Client::of(target)?;
    let course: KeysEverywhere =
        client.send(Method::POST, "/v1/keys/everywhere", &request, EVERYWHERE_WAIT).await?;
    if target.json {
        out.json(&course)?;
    } else {
        show(&course, out)?;
    }
    match course.done {
        true => Ok(()),
        false => Err(Failure::Failed(match target.json {
            true => "not all live members confirmed it".into(),
            false => clean(&course.note),
        })),
    }
}

/// What each member holds after the last step, and what became of that step.
fn show(course: &KeysEverywhere, out: &mut Out<'_>) -> Outcome {
    let Some(last) = course.steps.last() else { return out.line("nobody was asked") };
    let mut table = Table::new(&["MEMBER", "SEALS WITH", "ALSO OPENS", "RESULT"]);
    for member in &last.members {
        let (first, others) = member.keys.split_first().map_or((None, &[][..]), |(a, b)| (Some(a), b));
        let seals = first.map_or_else(|| Cell::toned("-", Tone::Faint), |key| Cell::from(key.as_str()));
        let opens = match others.is_empty() {
            true => Cell::toned("-", Tone::Faint),
            false => Cell::from(others.join(" ").as_str()),
        };
        table.row(vec![Cell::name(&member.name), seals, opens, result(&last.what, member)]);
    }
    out.table(&table)?;
    if course.done && !course.note.is_empty() {
        out.line(&format!("\n{}", clean(&course.note)))?;
    }
    Ok(())
}

fn result(what: &str, member: &KeysMember) -> Cell {
    let note = member.note.as_deref().unwrap_or_default();
    match (member.result, member.kept) {
        (KeysResult::NoAnswer, _) => Cell::toned("no answer", Tone::Bad),
        (KeysResult::Failed, _) => Cell::toned(
            format!("{what} failed: {}", member.reason.as_deref().unwrap_or("no reason")),
            Tone::Bad,
        ),
        (KeysResult::Done, Some(KeysKept::Store | KeysKept::Nowhere)) => {
            Cell::toned(format!("{what} done, but {note}"), Tone::Odd)
        }
        (KeysResult::Done, _) if what == "list" => Cell::toned("answered", Tone::Good),
        (KeysResult::Done, _) => Cell::toned(format!("{what} done"), Tone::Good),
    }
}

/// On the one agent alone.
async fn choose(action: &str, args: &KeyIdArgs, out: &mut Out<'_>) -> Outcome {
    let choice = KeyChoice { fingerprint: args.id.clone() };
    let keys: KeysList = Client::of(&args.target)?.post(&format!("/v1/keys/{action}"), &choice).await?;
    tell(&keys, args.target.json, out)
}

fn tell(keys: &KeysList, json: bool, out: &mut Out<'_>) -> Outcome {
    if json {
        return out.json(keys);
    }
    if keys.keys.is_empty() {
        out.line("this agent has no cluster key")?;
    } else {
        let mut table = Table::new(&["KEY", "USE"]);
        for key in &keys.keys {
            let used =
                if key.primary { Cell::toned("seals and opens", Tone::Good) } else { Cell::from("opens") };
            table.row(vec![Cell::from(key.fingerprint.as_str()), used]);
        }
        out.table(&table)?;
    }
    match keys.note.is_empty() {
        true => Ok(()),
        false => out.line(&format!("\n{}", clean(&as_commands(&keys.note)))),
    }
}

/// Reads the first key of a key file, or of standard input.
fn read_key(file: Option<&Path>) -> Outcome<Key> {
    let file = file.filter(|path| *path != Path::new("-"));
    let (text, name) = match file {
        Some(path) => {
            let opened = std::fs::File::open(path);
            let text = opened
                .and_then(read_text)
                .map_err(|e| Failure::Usage(format!("cannot read the key file {}: {e}", path.display())))?;
            (text, path.display().to_string())
        }
        None => {
            if std::io::stdin().is_terminal() {
                eprintln_quietly("type the key, then Ctrl-D:");
            }
            let text = read_text(std::io::stdin())
                .map_err(|e| Failure::Usage(format!("cannot read a key from standard input: {e}")))?;
            (text, "standard input".into())
        }
    };
    first_key(&text).map_err(|e| Failure::Usage(format!("{name}: {e}")))
}

fn read_text(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn first_key(text: &str) -> Result<Key, String> {
    let text = text.trim_start_matches('\u{feff}'); // the byte order mark that some editors write
    let mut lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let line =
        lines.find(|line| !line.is_empty()).ok_or("there is no key; make one with `rumormill keygen`")?;
    line.parse::<Key>().map_err(|e| e.to_string())
}

/// `rumormill keygen`.
pub fn keygen(args: &KeygenArgs, out: &mut Out<'_>) -> Outcome {
    let as_json = |key: &Key| match &args.file {
        None => serde_json::json!({ "id": key.fingerprint().to_string(), "key": key.reveal() }),
        Some(path) => serde_json::json!({ "id": key.fingerprint().to_string(), "file": path }),
    };
    match &args.file {
        None if args.json => out.json(&as_json(&new_key()?)),
        None => out.line(&new_key()?.reveal()),
        Some(path) => {
            let key = write_new(path)?;
            if args.json {
                return out.json(&as_json(&key));
            }
            out.line(&format!(
                "{} holds the new key {}; give all members this file, and keep it secret",
                path.display(),
                key.fingerprint()
            ))
        }
    }
}

/// Makes a key and writes it to a file that does not exist yet, for its owner alone.
pub fn write_new(path: &Path) -> Outcome<Key> {
    let cannot = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Failed(format!(
            "{} exists already; a key file is never overwritten: remove it, or choose another name",
            path.display()
        )),
        _ => Failure::Failed(format!("cannot write {}: {e}", path.display())),
    };
    let key = new_key()?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    writeln!(file, "{}", key.reveal()).and_then(|()| file.sync_all()).map_err(cannot)?;
    Ok(key)
}

fn new_key() -> Outcome<Key> {
    Key::generate().map_err(|e| Failure::Failed(format!("cannot make a key: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::{KeyInfo, KeysStep};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_key_file_is_private_can_be_read_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let made = write_new(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_key(Some(&path)).unwrap().fingerprint(), made.fingerprint());
        let again = write_new(&path).unwrap_err();
        assert_eq!(again.code(), 1);
        assert!(again.to_string().contains("never overwritten"), "{again}");
    }

    #[test]
    fn keygen_prints_a_key_that_install_takes() {
        let mut printed = Vec::new();
        keygen(&KeygenArgs { file: None, json: false }, &mut Out::new(&mut printed, false)).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(first_key(&format!("# ours\n\n{printed}")).unwrap().reveal(), printed.trim());
    }

    #[test]
    fn what_is_no_key_is_a_usage_error_that_does_not_repeat_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for wrong in
            ["", "# only a comment", "nearly-a-secret", "[\"nearly-a-secret\"]", "BwcHBwcHBwcHBwcHBwcHBw=="]
        {
            std::fs::write(&path, wrong).unwrap();
            let failure = read_key(Some(&path)).unwrap_err();
            assert_eq!(failure.code(), 2);
            assert!(!failure.to_string().contains("nearly-a-secret"), "{failure}");
            assert!(failure.to_string().contains("rumormill keygen"), "{failure}");
        }
        assert_eq!(read_key(Some(&dir.path().join("none"))).unwrap_err().code(), 2);
    }

    #[test]
    fn each_member_is_shown_with_what_it_holds_and_what_became_of_the_order() {
        let member = |name: &str, result, keys: &[&str], reason: Option<&str>| KeysMember {
            id: "01".into(),
            name: name.into(),
            result,
            reason: reason.map(str::to_string),
            keys: keys.iter().map(|key| key.to_string()).collect(),
            kept: Some(if name == "c" { KeysKept::Store } else { KeysKept::File }),
            note: (name == "c").then(|| "kept in the data directory".into()),
        };
        let members = vec![
            member("a", KeysResult::Done, &["aa", "bb"], None),
            member("b", KeysResult::Failed, &["bb"], Some("the ring is full")),
            member("c", KeysResult::Done, &["aa"], None),
            member("d", KeysResult::NoAnswer, &[], None),
        ];
        let steps = vec![KeysStep { what: "use".into(), members }];
        let course = KeysEverywhere { done: true, key: None, note: "All is well.".into(), steps };
        let mut written = Vec::new();
        show(&course, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        MEMBER  SEALS WITH  ALSO OPENS  RESULT
        a       aa          bb          use done
        b       bb          -           use failed: the ring is full
        c       aa          -           use done, but kept in the data directory
        d       -           -           no answer

        All is well.
        ");
    }

    #[test]
    fn keygen_tells_a_program_the_key_or_the_file_that_holds_it_and_the_id() {
        let told = |file: Option<PathBuf>| {
            let mut printed = Vec::new();
            keygen(&KeygenArgs { file, json: true }, &mut Out::new(&mut printed, false)).unwrap();
            serde_json::from_slice::<serde_json::Value>(&printed).unwrap()
        };
        let alone = told(None);
        let key: Key = alone["key"].as_str().unwrap().parse().unwrap();
        assert_eq!(alone["id"], key.fingerprint().to_string());
        let dir = tempfile::tempdir().unwrap();
        let kept = told(Some(dir.path().join("key")));
        let key = read_key(Some(&dir.path().join("key"))).unwrap();
        assert_eq!((&kept["id"], kept.get("key")), (&key.fingerprint().to_string().into(), None));
    }

    #[test]
    fn an_id_of_a_key_is_told_from_its_file_and_from_the_key_itself() {
        assert_eq!(key_id("818EED165a1b8bc5").as_deref(), Ok("818eed165a1b8bc5"));
        for wrong in ["key", "818eed16", "../keys/ok", &new_key().unwrap().reveal()] {
            assert!(key_id(wrong).unwrap_err().contains("keys list"), "{wrong}");
        }
    }

    #[test]
    fn keys_are_listed_by_what_they_are_for() {
        let key = |fingerprint: &str, primary| KeyInfo { fingerprint: fingerprint.into(), primary };
        let keys =
            KeysList { keys: vec![key("aa", true), key("bb", false)], note: "Install it everywhere.".into() };
        let mut written = Vec::new();
        tell(&keys, false, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        KEY  USE
        aa   seals and opens
        bb   opens

        Install it everywhere.
        ");
    }
}
