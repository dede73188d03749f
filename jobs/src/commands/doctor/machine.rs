//! Memory and disks.

use std::path::Path;

use rustix::fs::statvfs;
use warehouse::error::ErrorKind;
use warehouse::project::{Settings, machine_memory};

use super::findings::Findings;

/// What the process needs beside the query engine's budget.
const BESIDE_THE_BUDGET: u64 = 512 << 20;

/// Below this a night's tables or its spilled sorts may not fit.
const LEAST_FREE: u64 = 1 << 30;

pub fn examine(findings: &mut Findings, settings: &Settings) {
    memory(findings, settings.memory, machine_memory(&|path| std::fs::read_to_string(path).ok()));
    disk(findings, "spill", &std::env::temp_dir(), "set TMPDIR to a folder with more room");
    if let Ok(lake) = settings.lake.to_file_path() {
        let there = lake.ancestors().find(|folder| folder.is_dir()).unwrap_or(&lake);
        disk(findings, "lake disk", there, "make room, or set `lake` to a disk that has it");
    }
}

fn memory(findings: &mut Findings, budget: u64, machine: Option<u64>) {
    let Some(machine) = machine else {
        return findings.note("machine", "the system does not say how much memory there is");
    };
    if budget + BESIDE_THE_BUDGET > machine {
        let text = format!(
            "a budget of {} and 512 MiB beside it are more than the {} this process can have — set `memory` to at most {}",
            shown(budget),
            shown(machine),
            shown(machine.saturating_sub(BESIDE_THE_BUDGET)),
        );
        return findings.problem(ErrorKind::User, "machine", text);
    }
    findings.fine("machine", format!("{} of memory", shown(machine)));
}

fn disk(findings: &mut Findings, subject: &str, folder: &Path, way_out: &str) {
    let place = folder.display();
    match statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{} free in {place}", shown(free));
            if free < LEAST_FREE {
                findings.problem(ErrorKind::Retry, subject, format!("only {text} — {way_out}"));
            } else {
                findings.fine(subject, text);
            }
        }
        Err(error) => findings.note(subject, format!("cannot ask how much is free in {place}: {error}")),
    }
}

/// Bytes with the unit that keeps them short.
pub fn shown(bytes: u64) -> String {
    let mib = bytes as f64 / 1_048_576.0;
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_does_not_fit_the_machine_is_a_problem_with_the_way_out() {
        let mut findings = Findings::default();
        memory(&mut findings, 4 << 30, Some(4 << 30));
        assert_eq!(findings.worst(), Some(ErrorKind::User));
        assert!(findings.to_string().contains("set `memory` to at most 3.5 GiB"), "{findings}");
    }

    #[test]
    fn a_budget_that_fits_is_fine() {
        let mut findings = Findings::default();
        memory(&mut findings, 3 << 30, Some(4 << 30));
        assert_eq!(findings.worst(), None);
    }
}
