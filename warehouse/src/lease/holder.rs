//! Who holds a lease, so that a person knows whom to ask, and a run on the same machine whether the
//! other still lives.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// In the place of a run's id: a person took the lake from its holder.
pub const UNLOCK: &str = "unlock";

/// A process that runs a night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub run_id: String,
    /// What it does: `run`, `maintain`, …
    pub command: String,
    pub host: String,
    /// The machine's boot and the space in which process numbers count (a container has its own);
    /// empty where the system does not tell.
    pub boot: String,
    pub process: u32,
    /// When the process started, in the system's ticks since boot: numbers of processes are used again.
    pub started: Option<u64>,
    /// The night that it runs, where it runs one: a run of a night leaves a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
}

/// A night that is run, and when that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    pub night: NaiveDate,
    pub began: DateTime<Utc>,
}

impl Holder {
    /// This process.
    pub fn this_process(run_id: &str, command: &str) -> Self {
        let process = std::process::id();
        Self {
            run_id: run_id.to_owned(),
            command: command.to_owned(),
            host: read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown host".to_owned()),
            boot: boot().unwrap_or_default(),
            process,
            started: start_of(process),
            errand: None,
        }
    }

    /// The same, on a night.
    pub fn on(self, errand: Errand) -> Self {
        Self { errand: Some(errand), ..self }
    }

    /// Whether it certainly no longer runs: only to be known on the same host and boot.
    pub fn is_gone(&self, seen_from: &Self) -> bool {
        let same_machine = self.host == seen_from.host && self.boot == seen_from.boot && !self.boot.is_empty();
        same_machine && self.started.is_some() && start_of(self.process) != self.started
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run_id, command, host, process, .. } = self;
        write!(f, "`buho {command}`")?;
        // What is no run has no id of its own.
        if run_id != UNLOCK {
            write!(f, " {run_id}")?;
        }
        write!(f, ", process {process} on {host}")
    }
}

fn boot() -> Option<String> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", space.display()))
}

/// Field 22 of `/proc/<process>/stat`; the second one, the name, may hold spaces and parentheses.
fn start_of(process: u32) -> Option<u64> {
    let stat = read(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')')?.1;
    let state = after_name.split_whitespace().next()?;
    // A zombie runs no more; its parent has not asked how it ended.
    if state == "Z" || state == "X" {
        return None;
    }
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_is_not_gone_and_one_that_ended_is() {
        let me = Holder::this_process("a", "run");
        assert!(!me.is_gone(&me));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let other = Holder { process: child.id(), started: start_of(child.id()).or(Some(0)), ..me.clone() };
        child.wait().unwrap();
        assert!(other.is_gone(&me));
    }

    #[test]
    fn a_process_number_that_was_given_again_is_another_process() {
        let me = Holder::this_process("a", "run");
        let before = Holder { started: me.started.map(|ticks| ticks - 1), ..me.clone() };
        assert!(before.is_gone(&me));
    }

    #[test]
    fn nothing_is_known_of_a_process_elsewhere() {
        let me = Holder::this_process("a", "run");
        let there = Holder { host: "elsewhere".to_owned(), process: u32::MAX, ..me.clone() };
        assert!(!there.is_gone(&me));
        let container = Holder { boot: "another space".to_owned(), process: u32::MAX, ..me.clone() };
        assert!(!container.is_gone(&me));
    }

    #[test]
    fn who_took_the_lake_by_hand_is_told_by_the_command_alone() {
        let told = Holder { host: "h".to_owned(), process: 7, ..Holder::this_process(UNLOCK, "runs unlock") };
        assert_eq!(told.to_string(), "`buho runs unlock`, process 7 on h");
        let run = Holder { run_id: "r1".to_owned(), command: "run".to_owned(), ..told };
        assert_eq!(run.to_string(), "`buho run` r1, process 7 on h");
    }
}
