//! Whether each contract has its files, fits the newest of them, and is as fresh as it expects.

use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::time::timeout;
use warehouse::clock::default_night;
use warehouse::error::ErrorKind;
use warehouse::ingest::{self, DeliveryRecord, DeliveryState, Freshness, FreshnessState, Ledger, LoadOptions, RawFile};
use warehouse::project::contract::Missing;
use warehouse::project::{Contract, Project};

use super::PATIENCE;
use super::findings::Findings;
use crate::context::Context;
use crate::exit::chain;

/// Files that are looked through for a path like the one a contract names.
const LOOKED_THROUGH: usize = 20_000;
/// How many of them a message names.
const NAMED: usize = 3;

/// What every source is examined with.
struct Examination<'a> {
    context: &'a Context,
    project: &'a Project,
    store: Arc<dyn ObjectStore>,
    root: &'a Path,
}

/// Examines every source; standard ones that nothing was ever delivered for are told together.
pub async fn examine(
    findings: &mut Findings,
    context: &Context,
    project: &Project,
    store: Arc<dyn ObjectStore>,
    root: &Path,
) {
    let examination = Examination { context, project, store, root };
    let mut absent = Vec::new();
    for contract in project.contracts.values() {
        if let Some(contract) = examination.source(findings, contract).await {
            absent.push(contract);
        }
    }
    let is_own = |contract: &&Contract| project.root.join(&contract.file).is_file();
    let (own, standard): (Vec<&Contract>, Vec<&Contract>) = absent.into_iter().partition(is_own);
    if !own.is_empty() {
        let paths = all_paths(examination.store.as_ref(), root).await;
        for contract in own {
            let pattern = contract.spec.path.as_str();
            let near = nearest_paths(pattern, &paths);
            let text = format!("no file matches `{pattern}`{near} — deliver one, or mend `path` in {}", contract.file);
            findings.problem(ErrorKind::User, &subject(contract), text);
        }
    }
    if !standard.is_empty() {
        let names: Vec<&str> = standard.iter().map(|contract| contract.name.as_str()).collect();
        let text = format!("no files for {} — what these feed stays empty or is held", names.join(", "));
        findings.note("standard", text);
    }
}

fn subject(contract: &Contract) -> String {
    format!("source {}", contract.name)
}

impl Examination<'_> {
    /// Examines one source; gives it back where it has no files.
    async fn source<'c>(&self, findings: &mut Findings, contract: &'c Contract) -> Option<&'c Contract> {
        let subject = subject(contract);
        match timeout(PATIENCE, ingest::discover(self.store.as_ref(), self.root, contract)).await {
            Ok(Ok(files)) => {
                let newest = newest(&files);
                let Some(newest) = newest else { return Some(contract) };
                self.fits(findings, &subject, contract, newest, files.len()).await;
                self.freshness(findings, &subject, contract, &files);
            }
            Ok(Err(error)) => findings.problem(error.kind(), &subject, chain(&error)),
            Err(_) => {
                let text = format!("no answer within {} seconds — check the network", PATIENCE.as_secs());
                findings.problem(ErrorKind::Retry, &subject, text);
            }
        }
        None
    }

    async fn fits(&self, findings: &mut Findings, subject: &str, contract: &Contract, newest: &RawFile, count: usize) {
        let options = LoadOptions::new(self.project.settings.time_zone, 1);
        let probed = timeout(PATIENCE, ingest::probe(Arc::clone(&self.store), contract, newest, &options)).await;
        let plural = if count == 1 { "" } else { "s" };
        match probed {
            Ok(Ok(warnings)) if warnings.is_empty() => {
                findings.fine(subject, format!("{count} file{plural}; `{}` fits {}", newest.path, contract.file));
            }
            Ok(Ok(warnings)) => findings.note(subject, format!("{count} file{plural}; {}", warnings.join("\n"))),
            Ok(Err(error)) => findings.problem(error.kind(), subject, chain(&error)),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let text = format!("`{}` cannot be read within {seconds} seconds — check the network", newest.path);
                findings.problem(ErrorKind::Retry, subject, text);
            }
        }
    }

    /// Whether the last delivery is as recent as expected, told from the files alone.
    fn freshness(&self, findings: &mut Findings, subject: &str, contract: &Contract, files: &[RawFile]) {
        let time_zone = self.project.settings.time_zone;
        let now = self.context.clock.now();
        let night = default_night(now, time_zone);
        let ledger = as_if_loaded(contract, files, night);
        let local = now.with_timezone(&time_zone).naive_local();
        let about = format!("{}: ", contract.name);
        let plain = |message: String| message.strip_prefix(&about).map(str::to_owned).unwrap_or(message);
        match ingest::freshness(contract, &ledger, night, local) {
            Ok(Freshness { state: FreshnessState::Unwatched | FreshnessState::Fresh { .. }, .. }) => {}
            Ok(Freshness { action: Some(Missing::Hold | Missing::Fail), message, .. }) => {
                findings.problem(ErrorKind::User, subject, plain(message));
            }
            Ok(Freshness { message, .. }) => findings.note(subject, plain(message)),
            Err(error) => findings.problem(error.kind(), subject, chain(&error)),
        }
    }
}

/// The newest file: by the date in its name, then by when it was written.
fn newest(files: &[RawFile]) -> Option<&RawFile> {
    files.iter().max_by(|a, b| (a.date, a.modified, &a.path).cmp(&(b.date, b.modified, &b.path)))
}

/// A ledger in which every file of the night is loaded.
fn as_if_loaded(contract: &Contract, files: &[RawFile], night: chrono::NaiveDate) -> Ledger {
    let planned = ingest::plan_deliveries(contract, files, &Ledger::default(), night);
    let deliveries: Vec<DeliveryRecord> = planned
        .deliveries
        .into_iter()
        .zip(1..)
        .map(|(delivery, number)| DeliveryRecord {
            number,
            path: delivery.file.path,
            size: delivery.file.size,
            etag: delivery.file.etag,
            modified: delivery.file.modified,
            content: String::new(),
            date: delivery.file.date,
            night: delivery.night,
            rows: 0,
            quarantined: 0,
            state: DeliveryState::Loaded,
        })
        .collect();
    Ledger { numbered: deliveries.len() as i64, deliveries }
}

async fn all_paths(store: &dyn ObjectStore, root: &Path) -> Vec<String> {
    let listing = store.list(Some(root)).take(LOOKED_THROUGH).filter_map(|meta| async move { meta.ok() });
    let paths = listing.filter_map(|meta| async move {
        let parts: Vec<String> = meta.location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    });
    timeout(PATIENCE, paths.collect()).await.unwrap_or_default()
}

/// The paths most like a pattern, as the end of a sentence.
fn nearest_paths(pattern: &str, paths: &[String]) -> String {
    let plain: String = pattern.replace("{date:", "").chars().filter(|c| !"{}%*?[]".contains(*c)).collect();
    let mut scored: Vec<(f64, &String)> =
        paths.iter().map(|path| (strsim::jaro_winkler(&plain, path), path)).filter(|(score, _)| *score > 0.6).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let named: Vec<String> = scored.iter().take(NAMED).map(|(_, path)| format!("`{path}`")).collect();
    if named.is_empty() { String::new() } else { format!("; nearest: {}", named.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_nearly_the_pattern_is_named() {
        let paths = ["order/orders_2026-01-31.csv".to_owned(), "x.parquet".to_owned()];
        let near = nearest_paths("orders/orders_{date:%Y-%m-%d}.csv", &paths);
        assert_eq!(near, "; nearest: `order/orders_2026-01-31.csv`");
        assert_eq!(nearest_paths("orders.csv", &[]), "");
    }
}
