//! What the rows of a table were made of in detail, so that the next night sees what changed.
//!
//! `_buho/windows/<table>/<identity>.json`, written before the commit that its recipe names; the identity is
//! the recipe's. Where it is missing or damaged, the table is built whole; a history is not, for nothing else says at
//! which nights it looked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use super::digests::FileDigests;
use super::error::RunError;
use super::maintain::remove_old;
use crate::table::{Lake, TableError};

const FOLDER: &str = "_buho/windows";
/// What is noted of a file; a record of another form is not read as if it were of this one.
const FORM: &str = "spans of files, absent values told, DOUBLE rounded";
/// The forms before, whose files and spans are the same: their digests did not tell which value of a row was absent, or
/// knew DOUBLE to its last bit.
const FORMER: [&str; 2] = ["spans of files", "spans of files, absent values told"];

/// What a table that is not rebuilt whole stands on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// The engine's version and the record's form: digests of another are not compared, so that its files have none.
    pub engine: String,
    /// Fingerprint of the SQL and the settings of the model, and of the views it reads.
    pub code: String,
    /// Files of what is read by the window, by [`crate::graph::WindowedRead::id`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, FileDigests>,
    /// Files of what is read whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entire: BTreeMap<String, FileDigests>,
    /// The last window that was built, had it any rows; older records do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<NaiveDate>,
    /// Whether each window was built by itself, and those of which nothing is read up to the last as well, where the
    /// model has rows of them; older records do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// Nights of which the state was seen, and what identifies what was delivered up to each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nights: BTreeMap<NaiveDate, String>,
    /// The identity under which the same rows were stored, where nothing had to be built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
}

/// The fields that mean the same in every form.
#[derive(Deserialize)]
struct OfAnyForm {
    engine: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    nights: BTreeMap<NaiveDate, String>,
}

impl OfAnyForm {
    /// Which nights a history has seen is true in any form.
    fn nights(self) -> Option<Standing> {
        let Self { engine, code, nights } = self;
        (!nights.is_empty()).then(|| Standing { engine, code, nights, ..Standing::default() })
    }
}

/// The form of a record, as its engine names it.
fn form_of(engine: &str) -> Option<&str> {
    engine.strip_prefix("datafusion ")?.split_once(", ").map(|(_, form)| form)
}

pub(super) fn file(table: &str, identity: &str) -> String {
    format!("{FOLDER}/{table}/{identity}.json")
}

impl Standing {
    pub fn engine() -> String {
        format!("datafusion {}, {FORM}", datafusion::DATAFUSION_VERSION)
    }

    /// Whether another version of buho noted it, whose digests say nothing to this one.
    pub fn is_of_another_engine(&self) -> bool {
        self.engine != Self::engine()
    }

    /// A record of another engine, or of a form before: files and their days are what they were.
    fn of_former(self) -> Self {
        let forget = |files: BTreeMap<String, FileDigests>| -> BTreeMap<String, FileDigests> {
            files.into_iter().map(|(id, files)| (id, files.without_digests())).collect()
        };
        Self { reads: forget(self.reads), entire: forget(self.entire), ..self }
    }

    /// What the rows of an identity stand on, of a record of an unknown form the nights alone; `None` where nothing is
    /// known of it.
    pub async fn load(lake: &Lake, table: &str, identity: &str) -> Result<Option<Self>, RunError> {
        let path = file(table, identity);
        let Some(found) = lake.read(&path).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice::<OfAnyForm>(&found).and_then(|known| {
            if known.engine == Self::engine() {
                return serde_json::from_slice(&found).map(Some);
            }
            match form_of(&known.engine) {
                Some(form) if form == FORM || FORMER.contains(&form) => {
                    serde_json::from_slice::<Self>(&found).map(|known| Some(known.of_former()))
                }
                _ => Ok(known.nights()),
            }
        });
        Ok(read.unwrap_or_else(|error| {
            tracing::warn!("{} is cut short or damaged ({error}): {table} is built without it", lake.path(&path));
            None
        }))
    }

    pub async fn store(&self, lake: &Lake, table: &str, identity: &str) -> Result<(), RunError> {
        let below = file(table, identity);
        let body = serde_json::to_vec(self).map_err(|source| RunError::Form { what: below.clone(), source })?;
        let path = lake.path(&below);
        lake.store().put(&path, body.into()).await.map_err(|error| TableError::write(table, &path, error))?;
        Ok(())
    }
}

/// Removes what no release in use and no unfinished night needs.
pub(super) async fn forget_old(
    lake: &Lake,
    table: &str,
    needed: &BTreeSet<String>,
    before: DateTime<Utc>,
) -> Result<(), RunError> {
    let is_unneeded = |name: &str| name.strip_suffix(".json").is_some_and(|identity| !needed.contains(identity));
    remove_old(lake, &format!("{FOLDER}/{table}"), before, is_unneeded).await
}
