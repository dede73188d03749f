//! Whether raw can be listed, and the lake written to so that no two runs publish over each other.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore};
use tokio::time::timeout;
use url::Url;
use warehouse::clock::{in_future, run_id};
use warehouse::error::ErrorKind;
use warehouse::lease::{Holder, UNLOCK, last_link};
use warehouse::project::Project;
use warehouse::release::{self, ReleaseError, ReleaseId};
use warehouse::store::{self, LeadsOut, ProbeError, process_environment, variables_of};
use warehouse::table::Lake;

use super::PATIENCE;
use super::findings::Findings;
use crate::context::Context;
use crate::exit::chain;

/// What went wrong, and what the caller should do.
type Trouble = (ErrorKind, String);

/// Opens and lists the raw location.
pub async fn raw(findings: &mut Findings, project: &Project) -> Option<(Arc<dyn ObjectStore>, Path)> {
    let url = &project.settings.raw;
    let (store, root) = match store::open(url, &process_environment) {
        Ok(opened) => opened,
        Err(error) => {
            findings.problem(error.kind(), "raw", &error);
            return None;
        }
    };
    let mut listing = store.list(Some(&root));
    match answered(url, "list", listing.next()).await {
        Ok(None) => {
            findings.note("raw", "there are no files yet — deliver the first exports here");
            Some((store, root))
        }
        Ok(Some(Ok(_))) => {
            findings.fine("raw", "can be listed");
            Some((store, root))
        }
        Ok(Some(Err(error))) => {
            let (kind, text) = trouble(url, "list", &error);
            findings.problem(kind, "raw", text);
            None
        }
        Err((kind, text)) => {
            findings.problem(kind, "raw", text);
            None
        }
    }
}

/// Opens the lake and tries what publishing needs; `None` where it does not work.
pub async fn lake(findings: &mut Findings, context: &Context, project: &Project) -> Option<Lake> {
    let url = &project.settings.lake;
    let (store, root) = match store::open_lake(url, &process_environment) {
        Ok(opened) => opened,
        Err(error) => {
            findings.problem(error.kind(), "lake", &error);
            return None;
        }
    };
    let at = root.clone().join("_buho").join("probe").join(run_id(context.clock.as_ref()));
    let result = match timeout(PATIENCE, store::probe(url, store.as_ref(), &at)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(ProbeError::Storage { action, source, .. })) => Err(trouble(url, action, &source)),
        Ok(Err(error)) => Err((error.kind(), error.to_string())),
        Err(_) => Err(no_answer(url, "write to")),
    };
    if let Err((kind, text)) = result {
        findings.problem(kind, "lake", text);
        return None;
    }
    let lake = Lake::new(url.clone(), store, root);
    if let Err(error) = release::check_format(&lake, false).await {
        findings.problem(error.kind(), "lake", chain(&error));
        return None;
    }
    findings.fine("lake", "can be written, read back, and keeps what was there first");
    tell_of_parts(findings, url);
    match timeout(PATIENCE, releases(findings, &lake)).await {
        Ok(Ok(ids)) => {
            if let Some(text) = future(&ids, context.clock.now(), project.settings.time_zone) {
                findings.problem(ErrorKind::User, "releases", text);
            }
        }
        Ok(Err(error)) => findings.problem(error.kind(), "releases", chain(&error)),
        Err(_) => {
            let (kind, text) = no_answer(url, "read the releases in");
            findings.problem(kind, "releases", text);
        }
    }
    lease(findings, context, &lake).await;
    Some(lake)
}

/// What becomes of the parts of a large file that a killed run was uploading: no listing shows them, so maintenance cannot
/// remove them. Whether the bucket does cannot be seen from here.
fn tell_of_parts(findings: &mut Findings, url: &Url) {
    match url.scheme() {
        "file" => {}
        "s3" | "s3a" | "gs" => findings.note(
            "lake",
            "the bucket keeps, unseen and paid for, the parts of large files that a killed run was uploading — see that it has a lifecycle rule with `AbortIncompleteMultipartUpload` of a day",
        ),
        _ => findings.fine("lake", "drops by itself, after a week, the parts of large files that a killed run was uploading"),
    }
}

/// Another run may be at work: a night would not be let in.
async fn lease(findings: &mut Findings, context: &Context, lake: &Lake) {
    let me = Holder::this_process(UNLOCK, "doctor");
    match timeout(PATIENCE, last_link(lake)).await {
        Ok(Ok(Some(link))) if link.is_held() && !link.holder.is_gone(&me) && !link.is_expired(context.clock.now()) => {
            let way_out = "`buho run` would end with 4 until that is done; if it is dead, `buho runs unlock`";
            findings.note("lease", format!("held by {}: {way_out}", link.holder));
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => findings.problem(error.kind(), "lease", chain(&error)),
        Err(_) => {
            let (kind, text) = no_answer(lake.url(), "read the lease in");
            findings.problem(kind, "lease", text);
        }
    }
}

/// Reads every release: a damaged one stops a night, or the maintenance behind it.
async fn releases(findings: &mut Findings, lake: &Lake) -> Result<Vec<ReleaseId>, ReleaseError> {
    let ids = release::list(lake).await?;
    let mut damaged = 0;
    for (id, found) in release::read_each(lake, &ids).await? {
        if let Err(error) = found {
            damaged += 1;
            findings.problem(error.kind(), &format!("release {id}"), chain(&error));
        }
    }
    if let (Some(last), 0) = (ids.last(), damaged) {
        findings.fine("releases", format!("{} can be read, the last is {last}", ids.len()));
    }
    Ok(ids)
}

/// A release of a night that is to come is what readers get, whatever night is run until then.
fn future(ids: &[ReleaseId], now: DateTime<Utc>, time_zone: Tz) -> Option<String> {
    let today = in_future(ids.last()?.night, now, time_zone)?;
    let (ahead, before): (Vec<ReleaseId>, Vec<ReleaseId>) =
        ids.iter().partition(|id| in_future(id.night, now, time_zone).is_some());
    let files: Vec<String> = ahead.iter().map(|id| format!("`{}`", id.file())).collect();
    let then = before.last().map_or_else(|| "no release".to_owned(), ToString::to_string);
    Some(format!(
        "the last one is of night {}, and today is {today}: every night until then is built for that one, and readers get it — take {} out of the lake; readers get {then} then, and the next night builds on that",
        ids.last()?.night,
        files.join(", ")
    ))
}

async fn answered<T>(url: &Url, action: &str, future: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(PATIENCE, future).await.map_err(|_| no_answer(url, action))
}

fn no_answer(url: &Url, action: &str) -> Trouble {
    let text = format!(
        "cannot {action} {url}: no answer within {} seconds — check the network, the endpoint and {}",
        PATIENCE.as_secs(),
        variables_of(url)
    );
    (ErrorKind::Retry, text)
}

/// An error of the storage with the way out; which variables are set is told, never their values.
fn trouble(url: &Url, action: &str, error: &Error) -> Trouble {
    if let Some(link) = LeadsOut::of(error) {
        return (ErrorKind::User, link.to_string());
    }
    let refused = store::is_refused(error);
    let is_folder = url.scheme() == "file";
    let (kind, way_out) = match (refused, is_folder) {
        (true, true) => (ErrorKind::User, "let this user read and write there".to_owned()),
        (true, false) => (ErrorKind::User, format!("the credentials were refused; {}", credentials(url))),
        (false, true) => (ErrorKind::Retry, "check the disk, and that it is mounted".to_owned()),
        (false, false) => (ErrorKind::Retry, format!("check the endpoint and the bucket's name; {}", credentials(url))),
    };
    (kind, format!("cannot {action} {url}: {} — {way_out}", chain(error)))
}

fn credentials(url: &Url) -> String {
    let names = match url.scheme() {
        "s3" | "s3a" => store::AWS_VARIABLES,
        "gs" => store::GOOGLE_VARIABLES,
        _ => store::AZURE_VARIABLES,
    };
    let set: Vec<&str> = names.iter().copied().filter(|name| process_environment(name).is_some()).collect();
    if set.is_empty() {
        format!("no variable of its credentials is set ({})", variables_of(url))
    } else {
        format!("set are {}", set.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use warehouse::lease::Lease;
    use warehouse::run::open_lake;

    use super::*;
    use crate::commands::fixture::Shop;

    #[test]
    fn a_lake_that_another_run_holds_is_told_of_until_that_is_done() {
        let shop = Shop::new();
        let context = shop.context();
        let project = context.load_project().unwrap();
        context
            .block_on(&project.settings, async {
                let lake = open_lake(&project, &|_| None)?;
                let told = async || {
                    let mut findings = Findings::default();
                    lease(&mut findings, &context, &lake).await;
                    findings.to_string()
                };
                let holder = Holder { host: "elsewhere".to_owned(), ..Holder::this_process("r1", "run") };
                let held = Lease::acquire(&lake, holder, context.clock.clone()).await.unwrap();
                let said = told().await;
                assert!(said.contains("held by `buho run` r1, process"), "{said}");
                assert!(said.contains("`buho run` would end with 4"), "{said}");
                held.give_back(false).await;
                assert!(!told().await.contains("held by"));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn of_a_bucket_it_is_told_which_rule_takes_away_what_killed_runs_were_uploading() {
        let told = |url: &str| {
            let mut findings = Findings::default();
            tell_of_parts(&mut findings, &url.parse().unwrap());
            findings.to_string()
        };
        for url in ["s3://shop/lake", "gs://shop/lake"] {
            assert!(told(url).contains("`AbortIncompleteMultipartUpload`"), "{url}");
        }
        assert!(told("az://shop/lake").contains("drops by itself"));
        assert!(!told("file:///srv/lake").contains("parts"));
    }

    #[test]
    fn a_release_of_a_night_to_come_is_told_with_the_files_that_are_to_go() {
        let ids = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<ReleaseId>>();
        let now = "2026-06-10T03:00:00Z".parse().unwrap();
        let told = |texts: &[&str]| future(&ids(texts), now, Tz::Europe__Madrid);
        assert_eq!(told(&["2026-06-09.1", "2026-06-11.1"]), None);
        let said = told(&["2026-06-08.1", "2062-06-09.1", "2062-06-09.2"]).unwrap();
        let both =
            "take `_buho/releases/2062-06-09-000001.json`, `_buho/releases/2062-06-09-000002.json` out of the lake";
        assert!(said.contains(both) && said.contains("readers get 2026-06-08.1 then"), "{said}");
        assert!(said.contains("today is 2026-06-10"), "{said}");
    }
}
