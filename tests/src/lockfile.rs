//! What the lock file may hold. `deny.toml` says the same and more, but needs a tool; this does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A package of the lock file: its name, and the names it depends on.
#[derive(Default)]
struct Locked {
    versions: BTreeSet<String>,
    dependencies: BTreeSet<String>,
}

/// Crates whose types cross our interfaces: a second copy is a second, incompatible set of them.
const ONE_COPY: [&str; 4] = ["arrow", "datafusion", "object_store", "parquet"];

/// TLS is rustls, S3 is object_store's own, and nobody needs protoc to build us.
const ABSENT: [&str; 6] =
    ["native-tls", "openssl", "openssl-sys", "prost-build", "protobuf-src", "protoc-bin-vendored"];
const ABSENT_FAMILIES: [&str; 3] = ["aws-config", "aws-sdk-", "aws-smithy-"];

fn locked() -> BTreeMap<String, Locked> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let text = std::fs::read_to_string(&path).expect("Cargo.lock is at the root of the workspace");
    parse(&text)
}

/// The lock file is written by cargo, one value a line, so a line reader is enough.
fn parse(text: &str) -> BTreeMap<String, Locked> {
    let mut packages: BTreeMap<String, Locked> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(value) = quoted(line, "name = ") {
            name = value.to_owned();
        } else if let Some(value) = quoted(line, "version = ") {
            // The file's own format version comes before the first package.
            if !name.is_empty() {
                packages.entry(name.clone()).or_default().versions.insert(value.to_owned());
            }
        } else if let Some(value) = quoted(line.trim_end_matches(','), " ") {
            let dependency = value.split(' ').next().unwrap_or(value).to_owned();
            packages.entry(name.clone()).or_default().dependencies.insert(dependency);
        }
    }
    packages
}

fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.trim_start().strip_prefix('"')?.strip_suffix('"')
}

/// Everything that `name` brings along, itself left out.
fn reached_from(packages: &BTreeMap<String, Locked>, name: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for dependency in packages.get(&next).into_iter().flat_map(|package| &package.dependencies) {
            if reached.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    reached
}

fn is_family_of(package: &str, root: &str) -> bool {
    package == root || package.strip_prefix(root).is_some_and(|rest| rest.starts_with('-'))
}

#[test]
fn there_is_one_copy_of_arrow_datafusion_parquet_and_object_store() {
    let packages = locked();
    for root in ONE_COPY {
        let family = packages.iter().filter(|(name, _)| is_family_of(name, root));
        let mut versions = BTreeSet::new();
        for (name, package) in family {
            assert_eq!(package.versions.len(), 1, "{name} is locked in versions {:?}", package.versions);
            versions.extend(package.versions.iter().map(|version| major(version).to_owned()));
        }
        assert!(!versions.is_empty(), "{root} is not in the lock file: is this test still needed?");
        assert_eq!(versions.len(), 1, "{root}-* is locked in major versions {versions:?}");
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

#[test]
fn the_tree_needs_no_openssl_no_protoc_and_no_aws_sdk() {
    let packages = locked();
    for name in packages.keys() {
        let banned = ABSENT.contains(&name.as_str()) || ABSENT_FAMILIES.iter().any(|family| name.starts_with(family));
        assert!(!banned, "{name} is in Cargo.lock; `cargo tree -i {name}` says who brought it");
    }
}

#[test]
fn models_and_warehouse_do_not_know_each_other() {
    let packages = locked();
    for (one, other) in [("models", "warehouse"), ("warehouse", "models")] {
        assert!(packages.contains_key(one), "{one} is not a package of the workspace");
        assert!(!reached_from(&packages, one).contains(other), "{one} depends on {other}");
    }
}

#[test]
fn models_reads_and_writes_nothing() {
    let reached = reached_from(&locked(), "models");
    for io in ["datafusion", "object_store", "tokio", "reqwest"] {
        assert!(!reached.contains(io), "models is arrays in, arrays out, but depends on {io}");
    }
}

#[test]
fn a_second_version_and_its_dependencies_are_seen() {
    let packages = parse(concat!(
        "version = 4\n\n[[package]]\nname = \"arrow\"\nversion = \"58.0.0\"\n",
        "dependencies = [\n \"arrow-cast 58.0.0\",\n \"half\",\n]\n\n",
        "[[package]]\nname = \"arrow\"\nversion = \"59.3.2\"\n",
    ));
    assert_eq!(packages["arrow"].versions.len(), 2);
    assert_eq!(reached_from(&packages, "arrow"), BTreeSet::from(["arrow-cast".into(), "half".into()]));
}
