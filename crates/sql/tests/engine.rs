//! Questions and answers over a small fixed source.

mod common;
use common::{engine, show};

#[test]
fn a_table_is_read_by_its_name() {
    let engine = engine();
    assert_eq!(show(&engine, "SELECT count(*), avg(load1) FROM hosts"), ["10|1"]);
    assert_eq!(show(&engine, "SELECT role, owner FROM roles ORDER BY role LIMIT 1"), ["db|bob"]);
}
