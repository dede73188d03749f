//! Whether each contract has its files, fits the newest of them, and is as fresh as it expects.

use std::sync::Arc;

use chrono::NaiveDate;
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
use super::night::Wanted;
use crate::context::Context;
use crate::exit::chain;

/// Files that are looked through for a path like the one a contract names.
const LOOKED_THROUGH: usize = 20_000;
/// How many of them a message names.
const NAMED: usize = 3;

/// Where the exports lie.
pub struct Place<'a> {
    pub store: Arc<dyn ObjectStore>,
    pub root: &'a Path,
}

/// What every source is examined with.
struct Examination<'a> {
    context: &'a Context,
    project: &'a Project,
    place: Place<'a>,
    night: NaiveDate,
}

/// Examines every source; standard ones that nothing was ever delivered for are told together.
pub async fn examine(findings: &mut Findings, context: &Context, project: &Project, place: Place<'_>, wanted: &Wanted) {
    let mut listed = Vec::new();
    for contract in project.contracts.values() {
        listed.push((contract, place.files(contract).await));
    }
    let default = default_night(context.clock.now(), project.settings.time_zone);
    let files = listed.iter().filter_map(|(_, files)| files.as_ref().ok()).flatten();
    let last_delivered = files.filter_map(|file| file.date).filter(|date| *date <= default).max();
    let night = wanted.night(default, last_delivered);
    Wanted::tell(findings, night, default);
    if wanted.asked.is_none() {
        wanted.habit.tell(findings, default);
    }
    let examination = Examination { context, project, place, night };
    let mut absent = Vec::new();
    for (contract, files) in listed {
        if let Some(contract) = examination.source(findings, contract, files).await {
            absent.push(contract);
        }
    }
    let is_own = |contract: &&Contract| project.root.join(&contract.file).is_file();
    let (own, standard): (Vec<&Contract>, Vec<&Contract>) = absent.into_iter().partition(is_own);
    if !own.is_empty() {
        let paths = all_paths(examination.place.store.as_ref(), examination.place.root).await;
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

impl Place<'_> {
    /// The files of a source, or what keeps them from being listed.
    async fn files(&self, contract: &Contract) -> Result<Vec<RawFile>, (ErrorKind, String)> {
        match timeout(PATIENCE, ingest::discover(self.store.as_ref(), self.root, contract)).await {
            Ok(listed) => listed.map_err(|error| (error.kind(), chain(&error))),
            Err(_) => {
                let text = format!("no answer within {} seconds — check the network", PATIENCE.as_secs());
                Err((ErrorKind::Retry, text))
            }
        }
    }
}

impl Examination<'_> {
    /// Examines one source; gives it back where it has no files.
    async fn source<'c>(
        &self,
        findings: &mut Findings,
        contract: &'c Contract,
        files: Result<Vec<RawFile>, (ErrorKind, String)>,
    ) -> Option<&'c Contract> {
        let subject = subject(contract);
        match files {
            Ok(files) => {
                let newest = newest(&files);
                let Some(newest) = newest else { return Some(contract) };
                self.fits(findings, &subject, contract, newest, files.len()).await;
                self.freshness(findings, &subject, contract, &files);
            }
            Err((kind, text)) => findings.problem(kind, &subject, text),
        }
        None
    }

    async fn fits(&self, findings: &mut Findings, subject: &str, contract: &Contract, newest: &RawFile, count: usize) {
        let options = LoadOptions::new(self.project.settings.time_zone, 1);
        let probed = timeout(PATIENCE, ingest::probe(Arc::clone(&self.place.store), contract, newest, &options)).await;
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
        let night = self.night;
        let now = self.context.clock.now();
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
fn as_if_loaded(contract: &Contract, files: &[RawFile], night: NaiveDate) -> Ledger {
    let planned = ingest::plan_deliveries(contract, files, &Ledger::default(), night, night);
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
            reading: None,
        })
        .collect();
    Ledger { numbered: deliveries.len() as i64, deliveries, ..Ledger::default() }
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
