#![no_main]
#[path = "../../crates/sql/tests/common/mod.rs"]
mod common;

use rumormill_sql::{Engine, Limits};
use std::sync::LazyLock;
use std::time::Duration;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    common::engine_of(10, Limits { timeout: Duration::from_millis(500), ..Limits::default() })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(sql) = std::str::from_utf8(bytes) {
        common::is_answered_or_refused(&ENGINE, sql).unwrap();
    }
});
