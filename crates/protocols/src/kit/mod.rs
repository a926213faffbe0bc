//! Kernels of a few fields that several protocols share.

pub mod arrivals;
pub mod epochs;
pub mod health;
pub mod hybrid_clock;
pub mod id_hash;
pub mod ledger;
pub mod locality;
pub mod matching;
pub mod member_table;
pub mod merkle;
pub mod peer_selection;
pub mod probe_order;
pub mod random_graph;
pub mod rate_limit;
pub mod retransmit_queue;
pub mod row;
pub mod seen_set;
pub mod segments;
pub mod sketch;
pub mod t_test;
