//! Bans: members that the whole cluster keeps out.

use super::{Cluster, check_size};
use crate::error::Error;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_node::Call;
use rumormill_protocols::agree::bans::{self, REASON_BYTES_MAX};

/// A member that the cluster keeps out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Its id. A ban is of an id: a member that starts with another identity is another member, so rotate the cluster's key if it must not come back.
    pub id: NodeId,
    /// The name that it had; none if the member that banned it did not know.
    pub name: Option<String>,
    /// The member that banned it.
    pub by: NodeId,
    /// The reason that was given; may be empty.
    pub reason: String,
}

/// Bans.
impl Cluster {
    /// Has all members refuse the packets of this id, and fail it, until the ban is lifted. A reason takes at most 200 bytes. All members report it as
    /// [`Event::Banned`](crate::Event::Banned), and keep it in their data directories.
    ///
    /// # Errors
    /// [`Error::BanMyself`] for the own id; [`Error::TooManyBans`] if as many ids are banned as members remember.
    pub async fn ban(&self, id: NodeId, reason: &str) -> Result<(), Error> {
        self.say(id, false, reason).await
    }

    /// Lets this id in again.
    ///
    /// # Errors
    /// [`Error::NotBanned`] if it is not banned; [`Error::BanMyself`] for the own id: another member has to lift it.
    pub async fn unban(&self, id: NodeId) -> Result<(), Error> {
        self.say(id, true, "").await
    }

    /// All ids that are banned.
    pub async fn bans(&self) -> Result<Vec<Ban>, Error> {
        let ban = |ban: &bans::Ban| Ban {
            id: ban.id,
            name: ban.name().map(str::to_owned),
            by: ban.by,
            reason: ban.reason().to_owned(),
        };
        self.inspect(move |node| node.bans.iter().filter(|ban| !ban.lifted).map(ban).collect()).await
    }

    async fn say(&self, id: NodeId, lifted: bool, reason: &str) -> Result<(), Error> {
        check_size("the reason of a ban", reason.len(), REASON_BYTES_MAX)?;
        if id == self.id() {
            return Err(Error::BanMyself);
        }
        let looked = self.inspect(move |node| {
            let name = node.swim.member(id).map(|member| Payload::from(member.card.name.as_bytes()));
            (node.bans.of(id).map(|ban| ban.reason().to_owned()), name)
        });
        let (before, name) = looked.await?;
        match before {
            None if lifted => return Err(Error::NotBanned(id)),
            Some(before) if !lifted && before == reason => return Ok(()),
            _ => {}
        }
        let reason = Payload::from(reason.as_bytes());
        self.call(Call::Bans(bans::Call::Say { id, lifted, reason, name })).await?;
        // Behind that call, so after it was carried out.
        let is_banned = self.inspect(move |node| node.bans.of(id).is_some()).await?;
        if is_banned == lifted { Err(Error::TooManyBans) } else { Ok(()) }
    }
}
