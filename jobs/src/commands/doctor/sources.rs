//! Whether each contract has its files, fits the newest of them, and is as fresh as it expects.

use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::time::timeout;
use warehouse::clock::default_night;
use warehouse::error::ErrorKind;
use warehouse::ingest::{
    self, DeliveryRecord, DeliveryState, Freshness, FreshnessState, IngestError, Ledger, LoadOptions, RawFile,
};
use warehouse::project::{Contract, Project};

use super::PATIENCE;
use super::findings::Findings;
use crate::context::Context;
use crate::exit::chain;

/// Files that are looked through for a path like the one a contract names.
const LOOKED_THROUGH: usize = 20_000;
/// How many of them a message names.
const NAMED: usize = 3;

/// Examines every source; standard ones without files are told together.
pub async fn examine(
    findings: &mut Findings,
    context: &Context,
    project: &Project,
    store: Arc<dyn ObjectStore>,
    root: &Path,
) {
    let mut unused = Vec::new();
    let mut paths = None;
    for contract in project.contracts.values() {
        let subject = format!("source {}", contract.name);
        let files = match timeout(PATIENCE, ingest::discover(store.as_ref(), root, contract)).await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                findings.problem(error.kind(), &subject, chain(&error));
                continue;
            }
            Err(_) => {
                let text = format!("no answer within {} seconds — check the network", PATIENCE.as_secs());
                findings.problem(ErrorKind::Retry, &subject, text);
                continue;
            }
        };
        let Some(newest) = newest(&files) else {
            let is_own = project.root.join(&contract.file).is_file();
            if !is_own && contract.spec.expect.is_none() {
                unused.push(contract.name.as_str());
                continue;
            }
            if paths.is_none() {
                paths = Some(all_paths(store.as_ref(), root).await);
            }
            let near = nearest_paths(&contract.spec.path, paths.as_deref().unwrap_or_default());
            let text = format!("no file matches `{}`{near}", contract.spec.path.as_str());
            if is_own {
                findings.problem(ErrorKind::User, &subject, format!("{text} — deliver one, or mend `path` in {}", contract.file));
            } else {
                findings.note(&subject, format!("{text}; what it feeds stays empty"));
            }
            continue;
        };
        fits(findings, &subject, project, contract, &store, newest, files.len()).await;
        freshness(findings, &subject, context, project, contract, &files);
    }
    if !unused.is_empty() {
        let text = format!("no files for {} — what they feed stays empty", unused.join(", "));
        findings.note("standard", text);
    }
}

/// The newest file: by the date in its name, then by when it was written.
fn newest(files: &[RawFile]) -> Option<&RawFile> {
    files.iter().max_by(|a, b| (a.date, a.modified, &a.path).cmp(&(b.date, b.modified, &b.path)))
}

async fn fits(
    findings: &mut Findings,
    subject: &str,
    project: &Project,
    contract: &Contract,
    store: &Arc<dyn ObjectStore>,
    newest: &RawFile,
    count: usize,
) {
    let options = LoadOptions::new(project.settings.time_zone, 1);
    let probed = timeout(PATIENCE, ingest::probe(Arc::clone(store), contract, newest, &options)).await;
    let plural = if count == 1 { "" } else { "s" };
    match probed {
        Ok(Ok(warnings)) if warnings.is_empty() => {
            findings.fine(subject, format!("{count} file{plural}; `{}` fits {}", newest.path, contract.file));
        }
        Ok(Ok(warnings)) => findings.note(subject, format!("{count} file{plural}; {}", warnings.join("\n"))),
        Ok(Err(error)) => findings.problem(error.kind(), subject, chain(&error)),
        Err(_) => {
            let text = format!("`{}` cannot be read within {} seconds — check the network", newest.path, PATIENCE.as_secs());
            findings.problem(ErrorKind::Retry, subject, text);
        }
    }
}

/// Whether the last delivery is as recent as expected, told from the files alone.
fn freshness(
    findings: &mut Findings,
    subject: &str,
    context: &Context,
    project: &Project,
    contract: &Contract,
    files: &[RawFile],
) {
    use warehouse::project::contract::Missing;
    let now = context.clock.now();
    let night = default_night(now, project.settings.time_zone);
    let ledger = as_if_loaded(contract, files, night);
    let local = now.with_timezone(&project.settings.time_zone).naive_local();
    let judged: Result<Freshness, IngestError> = ingest::freshness(contract, &ledger, night, local);
    match judged {
        Ok(Freshness { state: FreshnessState::Unwatched | FreshnessState::Fresh { .. }, .. }) => {}
        Ok(Freshness { action: Some(Missing::Hold | Missing::Fail), message, .. }) => {
            findings.problem(ErrorKind::User, subject, message);
        }
        Ok(Freshness { message, .. }) => findings.note(subject, message),
        Err(error) => findings.problem(error.kind(), subject, chain(&error)),
    }
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
