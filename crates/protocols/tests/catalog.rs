//! The catalog: names are unique, every message is written and read again, and the table of the crate's first page is the catalog.
//!
//! The table is written by `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-protocols --test catalog`.

use rumormill_core::wire;
use rumormill_protocols::catalog::{self, Catalogued, Visit};
use std::any::type_name;
use std::collections::BTreeSet;
use std::path::PathBuf;

struct Name;

impl Visit for Name {
    type Out = &'static str;
    fn visit<P: Catalogued>(self) -> &'static str {
        P::NAME
    }
}

#[test]
fn no_two_protocols_have_one_name() {
    let names = catalog::each(|| Name);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

struct Samples;

impl Visit for Samples {
    type Out = ();
    fn visit<P: Catalogued>(self) {
        let samples = P::samples();
        let names: BTreeSet<_> = samples.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), samples.len(), "{}: two samples have one name", P::NAME);
        for (name, message) in &samples {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            wire::put(message, &mut once);
            let again: P::Message =
                wire::decode(&once).unwrap_or_else(|e| panic!("{}, {name}: {e}", P::NAME));
            wire::put(&again, &mut twice);
            assert_eq!(once, twice, "{}, {name}", P::NAME);
        }
    }
}

#[test]
fn every_sample_is_written_and_read_again() {
    catalog::each(|| Samples);
}

struct Row;

impl Visit for Row {
    type Out = String;
    fn visit<P: Catalogued>(self) -> String {
        let path = type_name::<P>().split('<').next().and_then(|path| path.rsplit_once("::"));
        let module = path.and_then(|(module, _)| module.split_once("::")).map_or("", |(_, module)| module);
        format!("| [`{module}`] | {} | {} | {} |\n", P::ABOUT, P::PAPER, P::COST)
    }
}

#[test]
fn the_table_of_the_crate_is_the_catalog() {
    let head = "| protocol | what it does | paper | cost per node and period |\n| --- | --- | --- | --- |\n";
    let table = head.to_owned() + &catalog::each(|| Row).concat();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/catalog.md");
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &table).expect("it can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the table"), table);
}
