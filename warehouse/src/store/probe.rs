//! Whether a storage keeps the one promise that the protocol needs: put if absent.
//!
//! A look-alike of S3 that ignores `If-None-Match: *` lets two runs publish over each other, and says
//! nothing. So it is tried, with an object of its own, before a lake is first written.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::time::timeout;
use url::Url;

use super::advice::{kind_of, way_out};
use crate::error::ErrorKind;

/// A conditional put that is not answered by then is tried without the condition: some look-alikes answer
/// it with an error that reads like a passing one.
const PATIENCE: Duration = Duration::from_secs(15);
/// Writers that race for one object, and how often: a storage that looks and then writes lets two of them win.
const RACERS: usize = 16;
const RACES: usize = 4;

/// Why a storage cannot hold a lake.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(
        "{url} writes over an object that was to be written only if absent (`If-None-Match: *`) — two runs could publish over each other; use a storage that keeps this condition (S3, Google Cloud Storage, Azure, a current MinIO) or a folder"
    )]
    Overwrites { url: String },
    #[error(
        "{url} let {winners} of {RACERS} writers create the same object at once: it looks whether an object is there, and writes it later — two runs could publish over each other; use a storage that does both in one step (S3, Google Cloud Storage, Azure, a current MinIO) or a folder"
    )]
    Races { url: String, winners: usize },
    #[error(
        "{url} refuses to write an object only if absent (`If-None-Match: *`): {reason} — without it two runs could publish over each other; use a storage that keeps this condition (S3, Google Cloud Storage, Azure, a current MinIO) or a folder"
    )]
    Refuses { url: String, reason: String },
    #[error("cannot {action} {url}: {source} — {}", way_out(.source, "check that the lake is reachable, then run again"))]
    Storage { url: String, action: &'static str, source: Error },
}

impl ProbeError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Overwrites { .. } | Self::Races { .. } | Self::Refuses { .. } => ErrorKind::User,
            Self::Storage { source, .. } => kind_of(source),
        }
    }
}

/// Writes an object only if absent, twice: the second must be refused, and the first still be there. Then, of a storage
/// that is reached over a network, many write one at once: one of them may win. The objects, which nobody else may use,
/// are removed.
///
/// # Errors
/// The storage does not keep the condition, or cannot be written, read or deleted from.
pub async fn probe(url: &Url, store: &dyn ObjectStore, at: &Path) -> Result<(), ProbeError> {
    let tried = try_twice(url, store, at).await;
    // Of use to nobody; a storage that cannot delete is told of where everything else went well.
    let removed = store.delete(at).await;
    tried?;
    removed.map_err(|source| storage(url, "delete from", source))?;
    // The file systems of this machine create in one step.
    let races = if matches!(url.scheme(), "file" | "memory") { 0 } else { RACES };
    for _ in 0..races {
        let winners = race(store, at).await;
        store.delete(at).await.map_err(|source| storage(url, "delete from", source))?;
        if winners > 1 {
            return Err(ProbeError::Races { url: url.to_string(), winners });
        }
    }
    Ok(())
}

/// How many of the writers of one object were told that they created it: none where the winner's answer was lost.
async fn race(store: &dyn ObjectStore, at: &Path) -> usize {
    let put = |racer: usize| within_patience(store.put_opts(at, racer.to_string().into(), create()));
    let answers = futures::future::join_all((0..RACERS).map(put)).await;
    answers.iter().filter(|answer| answer.is_ok()).count()
}

async fn try_twice(url: &Url, store: &dyn ObjectStore, at: &Path) -> Result<(), ProbeError> {
    let overwrites = || ProbeError::Overwrites { url: url.to_string() };
    let second = Bytes::from_static(b"second");
    let refused = first_put(url, store, at).await?;
    match (within_patience(store.put_opts(at, second.clone().into(), create())).await, refused) {
        (Ok(_), _) => return Err(overwrites()),
        (Err(Error::AlreadyExists { .. } | Error::Precondition { .. }), _) => {}
        (Err(error), None) => return Err(storage(url, "write to", error)),
        (Err(_), Some(reason)) => return Err(ProbeError::Refuses { url: url.to_string(), reason }),
    }
    let found = store.get(at).await.map_err(|error| storage(url, "read from", error))?;
    let found = found.bytes().await.map_err(|error| storage(url, "read from", error))?;
    if found == second { Err(overwrites()) } else { Ok(()) }
}

/// Puts the object if absent. Where that fails and a plain put works, the error is perhaps the storage's
/// answer to the condition, and is returned.
async fn first_put(url: &Url, store: &dyn ObjectStore, at: &Path) -> Result<Option<String>, ProbeError> {
    let first = Bytes::from_static(b"first");
    match within_patience(store.put_opts(at, first.clone().into(), create())).await {
        // Ours, where an answer was lost and the put was tried again.
        Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(None),
        Err(error) => match store.put(at, first.into()).await {
            Ok(_) => Ok(Some(error.to_string())),
            Err(_) => Err(storage(url, "write to", error)),
        },
    }
}

async fn within_patience<T>(put: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    let late = |_| Error::Generic { store: "probe", source: format!("no answer within {PATIENCE:?}").into() };
    timeout(PATIENCE, put).await.map_err(late)?
}

fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

fn storage(url: &Url, action: &'static str, source: Error) -> ProbeError {
    ProbeError::Storage { url: url.to_string(), action, source }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::super::look_alike::{Condition, LookAlike};
    use super::*;

    async fn probed(store: &dyn ObjectStore) -> Result<(), ProbeError> {
        probe(&Url::parse("s3://bucket/lake").unwrap(), store, &Path::from("lake/_buho/probe/1")).await
    }

    #[tokio::test]
    async fn a_storage_that_keeps_the_condition_passes_and_is_left_clean() {
        let store = InMemory::new();
        probed(&store).await.unwrap();
        assert!(store.head(&Path::from("lake/_buho/probe/1")).await.is_err());
    }

    #[tokio::test]
    async fn a_storage_that_ignores_the_condition_is_refused_in_plain_words_and_left_clean() {
        let store = LookAlike::new(Condition::Ignored);
        let error = probed(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::User);
        assert!(error.to_string().contains("two runs could publish over each other"), "{error}");
        assert!(store.head(&Path::from("lake/_buho/probe/1")).await.is_err());
    }

    #[tokio::test]
    async fn a_storage_that_looks_and_then_writes_is_refused_in_plain_words_and_left_clean() {
        let store = LookAlike::new(Condition::LooksFirst);
        let error = probed(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::User);
        assert!(error.to_string().contains("let 16 of 16 writers create the same object at once"), "{error}");
        assert!(store.head(&Path::from("lake/_buho/probe/1")).await.is_err());
    }

    #[tokio::test]
    async fn a_storage_that_does_not_know_the_condition_is_told_from_one_that_is_down() {
        let error = probed(&LookAlike::new(Condition::Unknown)).await.unwrap_err();
        assert!(matches!(&error, ProbeError::Refuses { reason, .. } if reason.contains("501")), "{error}");
        let error = probed(&LookAlike::new(Condition::Down)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    }
}
