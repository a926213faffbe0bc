//! What an agent's log says of the other members: the one way of hearing of them that both sides have and that neither delays.
//!
//! Serf's event stream gathers member events for a second and more; its log, and ours, have them at once.

use super::super::sides::Side;

/// What was said of a member.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is there: new, or again.
    Up,
    /// It is held to be dead.
    Failed,
    /// It left.
    Left,
}

/// What a line says, and of which agent of the cluster, if it says anything of the kind.
pub fn read(side: &Side, line: &str) -> Option<(What, usize)> {
    match side {
        Side::Rumormill(_) => ours(line),
        Side::Serf(_) => serfs(line),
    }
}

/// `… INFO member up id=ed1fed48c7c54d0c name="n2"`
fn ours(line: &str) -> Option<(What, usize)> {
    let (_, said) = line.split_once(" member ")?;
    let what = match said.split(' ').next()? {
        "up" => What::Up,
        "failed" => What::Failed,
        "left" => What::Left,
        _ => return None,
    };
    let (_, name) = said.split_once(" name=\"")?;
    Some((what, number(name.split('"').next()?)?))
}

/// `… [INFO] serf: EventMemberJoin: n3 127.1.0.3`
fn serfs(line: &str) -> Option<(What, usize)> {
    let (_, said) = line.split_once(" serf: EventMember")?;
    let (what, rest) = said.split_once(": ")?;
    let what = match what {
        "Join" => What::Up,
        "Failed" => What::Failed,
        "Leave" => What::Left,
        _ => return None,
    };
    Some((what, number(rest.split(' ').next()?)?))
}

/// 7 of `n7`.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_log_tells_of_members() {
        let side = Side::Rumormill("rumormill".into());
        let read = |line| read(&side, line);
        let up = "2026-11-23T13:45:56.346395Z  INFO member up id=ed1fed48c7c54d0c name=\"n2\"";
        assert_eq!(read(up), Some((What::Up, 2)));
        let failed = "2026-11-23T13:46:02.411134Z  WARN member failed id=0709e83f074a2200 name=\"n31\"";
        assert_eq!(read(failed), Some((What::Failed, 31)));
        let left = "2026-11-23T13:46:06.073336Z  INFO member left id=ed1fed48c7c54d0c name=\"n2\"";
        assert_eq!(read(left), Some((What::Left, 2)));
        assert_eq!(read("…  INFO member suspected id=0709e83f074a2200 name=\"n3\""), None);
        assert_eq!(read("…  INFO started id=c012ac7f5bef14af epoch=1 name=\"n1\""), None);
    }

    #[test]
    fn serfs_log_tells_of_members() {
        let side = Side::Serf("serf".into());
        let read = |line| read(&side, line);
        let join = "    2026/11/23 13:42:26 [INFO] serf: EventMemberJoin: n3 127.1.0.3";
        assert_eq!(read(join), Some((What::Up, 3)));
        let failed = "    2026/11/23 13:42:35 [INFO] serf: EventMemberFailed: n10 127.1.0.11";
        assert_eq!(read(failed), Some((What::Failed, 10)));
        let left = "    2026/11/23 13:42:39 [INFO] serf: EventMemberLeave: n2 127.1.0.2";
        assert_eq!(read(left), Some((What::Left, 2)));
        assert_eq!(read("    2026/11/23 13:42:36 [INFO] agent: Received event: member-failed"), None);
        assert_eq!(read("… [INFO] memberlist: Suspect n3 has failed, no acks received"), None);
    }
}
