//! Hostile bytes: no panic, no row lost or twice, the same answer whatever the blocks.
//!
//! A deterministic mutator over the kept corpus `fuzz-corpus/csv`. `BUHO_FUZZ_SECONDS=600` runs it
//! that long instead of its few hundred cases; `BUHO_FUZZ_SEED` starts it elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::path::Path;

use super::properties::Dice;
use super::support::*;
use crate::ingest::{RawFile, infer_contract};
use crate::project::contract::Contract;

const CASES: usize = 400;

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz-corpus/csv");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn contracts() -> Vec<Contract> {
    let typed =
        ["id BIGINT!", "name VARCHAR", "amount DECIMAL(12,2)", "day DATE", "at TIMESTAMP", "ok BOOLEAN", "x DOUBLE"];
    let head = |format: &str| format!("path: '*'\ntolerance: 1.0\n{format}");
    vec![
        columns(&head(""), &typed),
        columns(&head("format: { header: false, delimiter: ';', decimal_comma: true }"), &typed[..3]),
        columns(
            &head(
                "format: { encoding: utf-16le, date_formats: ['%d/%m/%Y', '%b %d %Y'], timestamp_formats: ['%d/%m/%Y %H:%M', '%s'] }",
            ),
            &typed,
        ),
        columns(&head("format: { quote: '', null_words: ['NULL', '1'] }\ntime_zone: America/New_York"), &typed),
        columns(&head("format: { type: jsonl }"), &typed),
        columns(&head("format: { header: false, encoding: shift_jis }"), &typed[..2]),
    ]
}

fn mutate(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    const PIECES: [&[u8]; 22] = [
        b"\"",
        b"\"\"",
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xd8\x00",
        b";",
        b"9999999999999999999",
        b"1e400",
        b"2024-02-31",
        b"-",
        b"{",
        b"}",
        b"\\",
        b"\x1f\x8b\x08",
        b"\xf0\x9f\xa6\x89",
        b"\xe2\x82",
    ];
    let mut bytes = corpus[dice.roll(corpus.len())].clone();
    for _ in 0..dice.roll(8) {
        let at = dice.roll(bytes.len() + 1);
        let length = dice.roll(12).min(bytes.len() - at);
        match dice.roll(6) {
            0 => drop(bytes.drain(at..at + length)),
            1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            2 => {
                let piece = bytes[at..at + length].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => {
                let other = &corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].iter().copied());
            }
        }
    }
    bytes
}

/// Everything a load tells, or its error.
async fn told(contract: &Contract, bytes: &[u8], block: usize, threads: usize, record_bytes: usize) -> String {
    let mut world = World::new();
    world.options.block_bytes = block;
    world.options.threads = threads;
    world.options.limits.record_bytes = record_bytes;
    world.put("raw/a.csv", bytes).await;
    match world.load(contract, "2024-06-30").await {
        Ok(loaded) => {
            let all = loaded.report.rows + loaded.report.quarantined;
            let mut records: Vec<i64> = loaded.rows.iter().map(|row| row.last().unwrap().parse().unwrap()).collect();
            records.extend(quarantine(&loaded).iter().map(|row| row[0].parse::<i64>().unwrap()));
            records.sort_unstable();
            assert_eq!(records, (1..=all as i64).collect::<Vec<_>>(), "each record once");
            format!("{:?} {:?}", loaded.rows, quarantine(&loaded))
        }
        Err(error) => {
            assert_ne!(error.kind(), crate::error::ErrorKind::Defect, "{error}");
            error.to_string()
        }
    }
}

/// A contract can be inferred from anything, or the reason is not ours.
async fn described(bytes: &[u8]) {
    let world = World::new();
    world.put("raw/a.csv", bytes).await;
    let file = RawFile::at(&*world.store, Path::from("raw/a.csv"), "a.csv".to_owned()).await.unwrap();
    if let Err(error) = infer_contract(Arc::clone(&world.store), "fuzz", &[file]).await {
        assert_ne!(error.kind(), crate::error::ErrorKind::Defect, "{error}: {:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn hostile_bytes_never_panic_and_never_depend_on_the_blocks() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let until = number("BUHO_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (corpus, contracts) = (corpus(), contracts());
    let mut seed = number("BUHO_FUZZ_SEED").unwrap_or(1);
    let mut cases = 0;
    while until.map_or(cases < CASES, |until| Instant::now() < until) {
        let mut dice = Dice::new(seed);
        let bytes = mutate(&mut dice, &corpus);
        let contract = &contracts[dice.roll(contracts.len())];
        let record_bytes = [20, 60, 1 << 20][dice.roll(3)];
        let whole = runtime.block_on(told(contract, &bytes, 1 << 14, 1, record_bytes));
        let small = runtime.block_on(told(contract, &bytes, 1 + dice.roll(40), 2, record_bytes));
        if seed % 8 == 0 {
            runtime.block_on(described(&bytes));
        }
        assert_eq!(small, whole, "seed {seed}: {:?}", String::from_utf8_lossy(&bytes));
        (seed, cases) = (seed + 1, cases + 1);
    }
    if until.is_some() {
        println!("{cases} cases, next seed {seed}");
    }
}
