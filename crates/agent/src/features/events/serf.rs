//! Publishing by Serf's RPC.

use crate::agent::Agent;
use crate::model;
use crate::serf_rpc::messages;
use crate::serf_rpc::reply::{Answer, Answered, text};
use data_encoding::BASE64;
use std::sync::Arc;

/// Publishes an event.
pub(crate) async fn publish(agent: &Arc<Agent>, asked: messages::Event) -> Answered {
    let messages::Event { name, payload, coalesce } = asked;
    let payload_base64 = Some(BASE64.encode(&payload.0));
    let event = model::PublishEvent { name, payload_base64, coalesce, ..model::PublishEvent::default() };
    let request = model::PublishRequest { events: vec![event], ..model::PublishRequest::default() };
    let published = agent.publish_request(request).await;
    published.map(|_| Answer::default()).map_err(|refusal| text(&refusal))
}
