//! What one source brought to a run, and how that shows in the release.

use chrono::NaiveDate;

use super::ledgers::NumberedLedger;
use super::quarantine::Misfits;
use super::report::SourceReport;
use super::state::{Candidate, StagedTable};
use crate::error::ErrorKind;
use crate::ingest::{self, IngestError, LoadFailure};
use crate::project::contract::Contract;
use crate::release::{Recipe, ReleasedTable, TableState};
use crate::table::TableSnapshot;

/// What one source brought.
#[derive(Debug)]
pub(super) struct SourceOutcome {
    pub source: String,
    pub table: String,
    pub candidate: Candidate,
    /// The ledger after this load, numbered as before it.
    pub ledger: NumberedLedger,
    /// Whether the ledger must be stored beside a commit.
    pub ledger_changed: bool,
    /// `None` where its files were not looked at, or no row of them is at fault.
    pub misfits: Option<Misfits>,
    pub report: SourceReport,
    /// Whether this run committed rows of it.
    pub is_new: bool,
    /// Why what reads it must stay at the last release, and whether the source itself failed.
    pub blocked: Option<Blocked>,
    /// Whether it is blocked because its files could not be loaded, and not because of when or how many came.
    pub is_unloaded: bool,
    /// Whether a delivery of it waits, and nothing that was asked for reads it.
    pub left: bool,
    /// What there is to say of a delivery that waits, where that blocks nothing.
    pub waits: Option<String>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Blocked {
    pub because: String,
    /// `None`: held, not failed.
    pub failed: Option<ErrorKind>,
}

impl Blocked {
    /// By what its files are.
    pub fn by(error: &IngestError) -> Self {
        Self { because: error.to_string(), failed: Some(error.kind()) }
    }

    /// By what is in them.
    pub fn by_rows(failure: &LoadFailure) -> Self {
        Self { because: failure.to_string(), failed: Some(ErrorKind::Data) }
    }
}

impl SourceOutcome {
    /// Whether there is anything to commit of what was staged.
    pub fn commits(&self, staged: &StagedTable) -> bool {
        self.ledger_changed || !staged.adds.is_empty()
    }

    /// Whether the bronze table is to be created.
    pub fn creates(&self) -> bool {
        matches!(&self.candidate, Candidate::Staged(staged) if staged.base.is_none() && self.commits(staged))
    }

    /// How the bronze table stands in a release.
    pub fn state(&self) -> TableState {
        match &self.blocked {
            None if self.left => TableState::Held,
            None => TableState::Fresh,
            Some(blocked) if blocked.failed.is_some() => TableState::Failed,
            Some(_) => TableState::Held,
        }
    }

    /// How a release names the bronze table as it is now; `None` where nothing was ever delivered.
    pub fn released(&self, night: NaiveDate) -> Option<ReleasedTable> {
        let state = self.state();
        let version = match &self.candidate {
            Candidate::Staged(staged) => staged.base.as_ref()?.version,
            Candidate::Unchanged { snapshot, .. } => snapshot.as_ref()?.version,
            Candidate::Files { .. } => return None,
        };
        Some(ReleasedTable { version, night, state, recipe: Recipe::default(), audited: String::new() })
    }
}

pub(super) fn unchanged(contract: &Contract, snapshot: Option<TableSnapshot>, ledger: NumberedLedger) -> SourceOutcome {
    SourceOutcome {
        source: contract.name.clone(),
        table: contract.table.clone(),
        candidate: Candidate::Unchanged { snapshot, schema: ingest::bronze_schema(contract) },
        ledger,
        ledger_changed: false,
        misfits: None,
        is_new: false,
        report: empty_report(contract),
        blocked: None,
        is_unloaded: false,
        left: false,
        waits: None,
        warnings: Vec::new(),
    }
}

/// A source that failed stays as it was.
pub(super) fn stays(
    contract: &Contract,
    snapshot: Option<TableSnapshot>,
    ledger: NumberedLedger,
    blocked: Blocked,
) -> SourceOutcome {
    SourceOutcome { blocked: Some(blocked), ..unchanged(contract, snapshot, ledger) }
}

pub(super) fn empty_report(contract: &Contract) -> SourceReport {
    SourceReport {
        source: contract.name.clone(),
        freshness: String::new(),
        deliveries: 0,
        rows: 0,
        quarantined: 0,
        seconds: 0.0,
        message: None,
    }
}
