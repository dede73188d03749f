//! Broken project files, many of them: none may panic or hang.
//!
//! A seeded mutator over the kept corpus in `fuzz-corpus/`: bounded in a test run, else as many
//! seconds of processor time as `BUHO_FUZZ_SECONDS` says. An input that ever failed is kept in the corpus.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contract::ContractFile;
use super::model::ModelFile;
use super::problem::Problem;
use super::settings::{Overrides, Sources, resolve};
use super::shape::Shape;
use super::{contract_check, model_check, settings_file, yaml};

/// Inputs tried in a test run.
const TRIES: u64 = 3_000;
/// More processor time than any input may take, debug build included.
const HANG: Duration = Duration::from_secs(10);
/// Bytes a mutated input may grow to.
const LARGEST: usize = 1 << 16;

/// SplitMix64: the same inputs for the same seed on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Pieces that have meaning somewhere in the grammar.
const PIECES: &[&str] = &[
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!x ",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\x",
    "\t",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "#",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "\u{2028}",
    "🦉",
    "null",
    "~",
    ".nan",
    ".inf",
    "1e999",
    "0x",
    "-0",
    "99999999999999999999999999",
    "2024-02-30",
    "true",
    "yes",
    "{date:%Y-%m-%d}",
    "{date:",
    "%",
    "%Q",
    "%-",
    "%9999999999d",
    "**/",
    "..",
    "DECIMAL(38,",
    "DECIMAL(255,255)",
    "= ",
    "[[x]]",
    "\"\"\"",
    "'''",
    "a.b.c = 1\n",
    "1979-05-27T07:32:00Z",
    "4GiB",
    "1e400GiB",
    "s3://",
    "s3://a:b@c/?d",
    "file://x/y",
    "columns:\n",
    "format:\n",
    "  ",
    "key: ",
    "audits:\n",
    "tests:\n",
];

fn mutate(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(8) {
        let at = chance.below(input.len() + 1);
        let end = (at + chance.below(32)).min(input.len());
        match chance.below(9) {
            0 => drop(input.drain(at..end)),
            1 => drop(input.splice(at..at, PIECES[chance.below(PIECES.len())].bytes())),
            2 => drop(input.splice(at..end, PIECES[chance.below(PIECES.len())].bytes())),
            3 if !input.is_empty() => {
                let place = at.min(input.len() - 1);
                input[place] = chance.next() as u8;
            }
            4 => {
                let copy = input[at..end].to_vec();
                drop(input.splice(at..at, copy));
            }
            5 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let until = (from + chance.below(200)).min(other.len());
                drop(input.splice(at..end, other[from..until].iter().copied()));
            }
            6 => {
                let deep = PIECES[chance.below(PIECES.len())].repeat(chance.below(200));
                drop(input.splice(at..at, deep.bytes()));
            }
            7 => input.truncate(at),
            _ => {
                let line = input[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
                let indent = " ".repeat(chance.below(12));
                drop(input.splice(line..line, indent.bytes()));
            }
        }
        input.truncate(LARGEST);
    }
    input
}

fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz-corpus").join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// What this thread has had of a processor; the wall clock where the system does not say.
fn processor_time() -> Duration {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match own.split(' ').next().and_then(|nanos| nanos.parse().ok()) {
        Some(nanos) => Duration::from_nanos(nanos),
        None => std::time::UNIX_EPOCH.elapsed().unwrap_or_default(),
    }
}

/// Tries the corpus as it is, then mutations of it.
fn fuzz(kind: &str, seed: u64, target: impl Fn(&str)) {
    let seeds = corpus(kind);
    assert!(!seeds.is_empty(), "the corpus of {kind} is kept");
    let seconds: Option<u64> = std::env::var("BUHO_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| processor_time() + Duration::from_secs(seconds));
    let mut chance = Chance(seed);
    let mut tried = 0_u64;
    loop {
        let input = match seeds.get(tried as usize) {
            Some(seed) => seed.clone(),
            None => mutate(&seeds, &mut chance),
        };
        let text = String::from_utf8_lossy(&input);
        let started = processor_time();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&text)));
        assert!(result.is_ok(), "panicked on {text:?}");
        let took = processor_time().saturating_sub(started);
        assert!(took < HANG, "took {took:?} on {text:?}");
        tried += 1;
        let over = until.map_or(tried >= TRIES, |until| tried.is_multiple_of(64) && processor_time() >= until);
        if over {
            break;
        }
    }
    println!("{kind}: {tried} inputs");
}

/// What is told must be tellable: a message, at a line the file has.
fn tell(problems: &[Problem], text: &str) {
    // YAML takes a lone carriage return for the end of a line too.
    let lines = text.matches(['\n', '\r']).count() as u64 + 1;
    for problem in problems {
        assert!(!problem.to_string().is_empty());
        assert!(problem.line <= lines, "{problem} of {lines} lines");
    }
}

#[test]
fn no_buho_toml_panics_or_hangs() {
    fuzz("toml", 1, |text| {
        let mut problems = Vec::new();
        let file = settings_file::parse(text, &mut problems);
        let overrides = Overrides::default();
        let sources = Sources { root: Path::new("/shop"), overrides: &overrides, env: &|_| None, file };
        resolve(&sources, &mut problems);
        tell(&problems, text);
    });
}

#[test]
fn no_contract_or_model_panics_or_hangs() {
    let contract = Shape::of::<ContractFile>("the contract");
    let model = Shape::of::<ModelFile>("the model");
    fuzz("yaml", 3, |text| {
        let tree = match yaml::parse_tree(text) {
            Ok(tree) => tree,
            Err(place) => return tell(&[yaml::problem("x.yml", place)], text),
        };
        tell(&contract.check("x.yml", &tree), text);
        tell(&model.check("x.yml", &tree), text);
        match yaml::parse_typed::<ContractFile>(text) {
            Ok(spec) => tell(&contract_check::check("x.yml", &tree, &spec), text),
            Err(place) => tell(&[yaml::problem("x.yml", place)], text),
        }
        match yaml::parse_typed::<ModelFile>(text) {
            Ok(spec) => tell(&model_check::check("x.yml", "marts", &tree, &spec), text),
            Err(place) => tell(&[yaml::problem("x.yml", place)], text),
        }
    });
}
