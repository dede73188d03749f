//! The dirt that is told of is the dirt that is there.

use std::collections::BTreeMap;

use super::super::export::tables::Source;
use super::{demo, reading};

#[test]
fn told_dirt_is_exactly_what_a_reader_finds() {
    let demo = demo(2_500, |_| {}, 2);
    let mut told = BTreeMap::new();
    for dirt in demo.summary.dirt.iter().filter(|dirt| dirt.quarantined) {
        assert_eq!(dirt.rows, dirt.records.len() as u64);
        told.insert((dirt.file.clone(), dirt.kind.clone()), dirt.records.clone());
    }
    let mut found: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for source in Source::EXPORTS {
        let mut rows = 0;
        for (file, records) in reading::files(&demo, source) {
            rows += records.len() as u64;
            for (position, record) in records.iter().enumerate() {
                if let Err(kind) = record {
                    let key = (file.clone(), (*kind).to_owned());
                    found.entry(key).or_default().push(position as u64 + 1);
                }
            }
        }
        assert_eq!(rows, demo.summary.sources[source.index()].rows, "{source:?}");
    }
    assert_eq!(told, found);
    let kinds: std::collections::BTreeSet<&str> = demo.summary.dirt.iter().map(|dirt| dirt.kind.as_str()).collect();
    assert_eq!(kinds.len(), 6, "every kind is planted: {kinds:?}");
    let expected = demo.summary.expected_quarantine();
    for source in Source::EXPORTS {
        let name = source.shape().name;
        let bad = found.iter().filter(|((file, _), _)| file.starts_with(&format!("{name}/")));
        let bad: u64 = bad.map(|(_, records)| records.len() as u64).sum();
        assert_eq!(expected.get(name).copied().unwrap_or(0), bad, "{name}");
    }
}

#[test]
fn no_delivery_is_dirtier_than_its_contract_tolerates() {
    for customers in [40, 500, 2_500] {
        let demo = demo(customers, |_| {}, 2);
        for source in Source::EXPORTS {
            for (file, records) in reading::files(&demo, source) {
                let bad = records.iter().filter(|record| record.is_err()).count();
                assert!(bad as f64 <= 0.01 * records.len() as f64, "{file}: {bad}");
            }
        }
    }
}

#[test]
fn a_bad_row_is_a_copy_and_a_repeated_one_is_of_an_upsert() {
    let demo = demo(2_500, |_| {}, 2);
    for dirt in demo.summary.dirt.iter().filter(|dirt| dirt.kind == "duplicate_key") {
        let source = Source::EXPORTS.into_iter().find(|source| source.shape().name == dirt.source);
        let source = source.expect("a source");
        assert!(source.shape().upsert, "{}", dirt.source);
        let files = reading::files(&demo, source);
        let (_, records) = files.iter().find(|(name, _)| *name == dirt.file).expect("the file");
        for &record in &dirt.records {
            let position = usize::try_from(record).expect("a position") - 1;
            assert_eq!(records[position], records[position - 1]);
        }
    }
}

#[test]
fn the_summary_prints_what_the_quarantine_must_hold() {
    let demo = demo(500, |_| {}, 2);
    let text = demo.summary.to_string();
    let total: u64 = demo.summary.expected_quarantine().values().sum();
    assert!(total > 0);
    let last = text.lines().last().expect("a total");
    assert!(last.starts_with("total"), "{last}");
    assert!(last.split_whitespace().any(|word| word == total.to_string()), "{last}");
}
