//! For how long a run tells of deliveries that were read with other settings than a contract has by now, where no file
//! came that was read with these: then the ledger does not say when the contract changed.
//!
//! `_buho/readings/<source>/<word>.json` is the first night that told of it, by the word of what the contract says.

use chrono::{DateTime, NaiveDate, Utc};
use object_store::ObjectStoreExt;

use super::error::RunError;
use super::maintain::remove_old;
use crate::ingest::{self, Reading};
use crate::project::contract::Contract;
use crate::table::Lake;

const FOLDER: &str = "_buho/readings";

fn file(word: &str) -> String {
    format!("{word}.json")
}

/// Whether a night is one of those that tell of it; notes the first. What cannot be read or noted is told once more.
pub(super) async fn is_news(lake: &Lake, source: &str, word: &str, night: NaiveDate) -> bool {
    let below = format!("{FOLDER}/{source}/{}", file(word));
    let found = lake.read(&below).await.ok().flatten();
    if let Some(first) = found.and_then(|found| serde_json::from_slice::<NaiveDate>(&found).ok()) {
        return ingest::is_told(first, night);
    }
    let path = lake.path(&below);
    if let Err(error) = lake.store().put(&path, format!("\"{night}\"").into_bytes().into()).await {
        tracing::debug!(source, %error, "the night is not noted: the next tells of it too");
    }
    true
}

/// Removes what was noted of settings that a contract has no more: where it comes back to them, that is news.
pub(super) async fn forget_old(
    lake: &Lake,
    contract: &Contract,
    project: chrono_tz::Tz,
    before: DateTime<Utc>,
) -> Result<(), RunError> {
    let now = file(&Reading::of(contract, project, NaiveDate::MIN).word());
    remove_old(lake, &format!("{FOLDER}/{}", contract.name), before, |name| name != now).await
}
