//! Files as bytes: the same, or not, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::{DemoError, run, write_exports};
use super::{Demo, Scratch, demo, options};

fn files(demo: &Demo) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    collect(&demo.options.raw, "raw", &mut all);
    collect(&demo.options.truth, "truth", &mut all);
    all
}

fn collect(folder: &Path, name: &str, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{name}/{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, all);
        } else {
            all.insert(name, fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn same_seed_same_bytes_whatever_the_number_of_threads() {
    let one = demo(5_000, |_| {}, 1);
    let three = demo(5_000, |_| {}, 3);
    let (a, b) = (files(&one), files(&three));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{name} differs");
    }
    assert_eq!(one.summary, three.summary);
}

#[test]
fn files_that_are_extended_often_are_the_same_files() {
    let scratch = Scratch::new();
    let options = options(&scratch, 3_000);
    let summary = run::write_extending(&options, 2, 1).expect("a demo");
    let often = Demo { options, summary, _scratch: scratch };
    let once = demo(3_000, |_| {}, 2);
    let (a, b) = (files(&once), files(&often));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{name} differs");
    }
}

#[test]
fn another_seed_gives_other_bytes() {
    let a = files(&demo(300, |_| {}, 2));
    let b = files(&demo(300, |options| options.seed = 8, 2));
    let exports = a.keys().filter(|name| name.starts_with("raw/") && name.ends_with("01-31.csv.gz"));
    let same = exports.filter(|name| b.get(*name) == a.get(*name)).count();
    assert!(same <= 2, "only files without rows may agree");
}

#[test]
fn a_demo_written_again_is_the_same_demo() {
    let scratch = Scratch::new();
    let options = options(&scratch, 200);
    let first = write_exports(&options).expect("a demo");
    assert_eq!(write_exports(&options).expect("the same demo"), first);
}

#[test]
fn every_source_has_a_file_for_every_delivery_and_nothing_else() {
    let demo = demo(50, |_| {}, 2);
    let names = files(&demo);
    for sums in &demo.summary.sources {
        let prefix = format!("raw/{0}/{0}_2026-01-", sums.source);
        let count = names.keys().filter(|name| name.starts_with(&prefix)).count();
        assert_eq!(count, 1 + 7 + 4, "{}", sums.source);
        assert_eq!(sums.files, 12);
    }
    let raw: u64 = names.iter().filter(|(name, _)| name.starts_with("raw/")).map(|(_, b)| b.len() as u64).sum();
    assert_eq!(raw, demo.summary.bytes);
}

#[test]
fn gzip_files_do_not_tell_when_they_were_written() {
    let demo = demo(50, |_| {}, 1);
    for (name, bytes) in files(&demo).iter().filter(|(name, _)| name.ends_with(".gz")) {
        assert_eq!(bytes[..3], [0x1F, 0x8B, 8], "{name}");
        assert_eq!(bytes[4..8], [0; 4], "{name}: mtime");
    }
}

#[test]
fn a_folder_with_other_exports_is_refused() {
    let scratch = Scratch::new();
    let options = options(&scratch, 50);
    fs::create_dir_all(options.raw.join("orders")).expect("a folder");
    fs::write(options.raw.join("orders/orders_2020-01-01.csv.gz"), b"x").expect("a file");
    let error = write_exports(&options).expect_err("refused");
    assert!(matches!(error, DemoError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("orders_2020-01-01.csv.gz"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scratch = Scratch::new();
    let options = options(&scratch, 50);
    fs::create_dir_all(&scratch.0).expect("a folder");
    fs::write(&options.raw, b"a file where a folder should be").expect("a file");
    let error = run::write(&options, 2).expect_err("refused");
    assert!(matches!(error, DemoError::File { action: "create", .. }), "{error}");
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut super::DemoOptions)| {
        let scratch = Scratch::new();
        let mut options = options(&scratch, 50);
        change(&mut options);
        match write_exports(&options) {
            Err(DemoError::Option { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|options| options.customers = 0), "customers");
    assert_eq!(refused(&|options| options.days = 3), "days");
    assert_eq!(refused(&|options| options.nights = 0), "nights");
    assert_eq!(refused(&|options| options.nights = 151), "nights");
    assert_eq!(refused(&|options| options.truth = options.raw.join("truth")), "truth");
}
