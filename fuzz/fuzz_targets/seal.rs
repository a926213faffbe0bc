#![no_main]
use rumormill_hostile::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rumormill_hostile::targets::seal(bytes));
