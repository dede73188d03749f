//! A storage server for one test, started by the Python that the peers' tests use.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use url::Url;

/// The Python with the test requirements; `make test` sets it.
const PYTHON: &str = "BUHO_TEST_PYTHON";

/// What a server tells on its first line: where it is, or why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Started { url: Url, environment: BTreeMap<String, String> },
    Skipped { skipped: String },
}

/// A running server; it ends with the test, because its standard input does.
pub(super) struct Server {
    pub url: Url,
    environment: BTreeMap<String, String>,
    process: Child,
}

impl Server {
    /// The server of a name, or `None`, with the reason said, where it cannot be had here.
    pub(super) fn start(name: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
        let mut process = Command::new(&python)
            .args(["-m", "tests.peers.support.stores", name])
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take()?).read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(Told::Started { url, environment }) => Some(Self { url, environment, process }),
            Ok(Told::Skipped { skipped }) => {
                eprintln!("skipped: {skipped}");
                None
            }
            Err(_) => {
                // `make test` has installed what it needs: there it is a failure.
                assert!(std::env::var_os(PYTHON).is_none(), "{name} did not start: {python} wrote why above");
                eprintln!("skipped: {python} has not the requirements of tests/requirements.txt (set {PYTHON})");
                None
            }
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input ends, and then it does.
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}
