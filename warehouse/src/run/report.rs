//! What a run did: the result line, the run object, the rows of the `ops` tables.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::lease::Holder;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RunStatus {
    /// Everything that was to do is released.
    Done,
    /// A release went out in which something is held or failed, or stands from a run before that says the same.
    Partial,
    /// Nothing went out.
    Failed,
    /// There was nothing to do.
    Skipped,
    /// It was told to end before it was done.
    Stopped,
    /// It ended without a word: the next run, or who looks, knows of it by its lease.
    Died,
    /// It holds the lake and works; only `runs list` says so.
    Running,
    /// As a newer version calls it.
    Other(String),
}

impl RunStatus {
    /// Those that this version writes.
    const ALL: [Self; 7] =
        [Self::Done, Self::Partial, Self::Failed, Self::Skipped, Self::Stopped, Self::Died, Self::Running];

    pub fn name(&self) -> &str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
            Self::Died => "died",
            Self::Running => "running",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for RunStatus {
    fn from(name: String) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Other(name))
    }
}

impl From<RunStatus> for String {
    fn from(status: RunStatus) -> Self {
        status.name().to_owned()
    }
}

/// Nodes by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounts {
    pub built: u64,
    pub skipped: u64,
    pub held: u64,
    pub failed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    pub ingested: u64,
    pub quarantined: u64,
}

/// A node, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub node: String,
    pub message: String,
}

/// One node of a run, for `ops.nodes` and `runs show`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: String,
    /// `source`, `view` or `table`.
    pub kind: String,
    /// `built`, `skipped`, `held` or `failed`.
    pub status: String,
    pub rows: Option<u64>,
    pub version: Option<u64>,
    pub seconds: f64,
    pub message: Option<String>,
}

/// The outcome of one audit, for `ops.audits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    pub node: String,
    pub audit: String,
    pub severity: String,
    pub passed: bool,
    pub failing_rows: u64,
    pub examples: Option<String>,
}

/// One source of a run, for `ops.sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    pub source: String,
    /// `fresh`, `late`, `thin`, `missing`, `absent` or `failed`.
    pub freshness: String,
    pub deliveries: u64,
    pub rows: u64,
    pub quarantined: u64,
    pub seconds: f64,
    pub message: Option<String>,
}

impl SourceReport {
    /// With what came of a later night of the same run, which says how the source stands.
    pub(super) fn add(&mut self, later: &Self) {
        self.deliveries += later.deliveries;
        self.rows += later.rows;
        self.quarantined += later.quarantined;
        self.seconds += later.seconds;
        self.freshness.clone_from(&later.freshness);
        self.message.clone_from(&later.message);
    }
}

/// All of a run: written as `_buho/runs/<run id>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    pub run_id: String,
    pub night: NaiveDate,
    pub status: RunStatus,
    pub exit_kind: Option<String>,
    pub release: Option<String>,
    pub nodes: NodeCounts,
    pub rows: RowCounts,
    /// The first that failed; there is one where any node failed.
    pub failed: Option<Failure>,
    /// The first that is held for a reason of its own: its delivery is thin or late, there is no model yet, what an
    /// audit compares it with is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Failure>,
    /// Nights before this one whose deliveries the run took in too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<NaiveDate>,
    pub seconds: f64,
    pub started_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Where it is, or was when it came no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Seconds spent by phase.
    pub phases: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_reports: Vec<NodeReport>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audits: Vec<AuditReport>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceReport>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The kinds of everything that failed; the worst is the exit code.
    #[serde(skip)]
    pub kinds: Vec<ErrorKind>,
    /// Tables that stay and were given their released rows back.
    #[serde(skip)]
    pub put_back: usize,
    /// Whether this run wrote the release that it names.
    #[serde(skip)]
    pub is_released: bool,
    /// Whether it was dropped where it stood.
    #[serde(skip)]
    pub is_cut_short: bool,
    /// Whether it is written down.
    #[serde(skip)]
    pub is_recorded: bool,
}

impl RunReport {
    /// Of a run that has only begun.
    pub(super) fn begun(by: &Holder, night: NaiveDate, started_at: DateTime<Utc>) -> Self {
        Self {
            run_id: by.run_id.clone(),
            night,
            status: RunStatus::Failed,
            exit_kind: None,
            release: None,
            nodes: NodeCounts::default(),
            rows: RowCounts::default(),
            failed: None,
            held: None,
            earlier: Vec::new(),
            seconds: 0.0,
            started_at,
            host: Some(by.host.clone()),
            process: Some(by.process),
            phase: None,
            phases: BTreeMap::new(),
            node_reports: Vec::new(),
            audits: Vec::new(),
            sources: Vec::new(),
            warnings: Vec::new(),
            kinds: Vec::new(),
            put_back: 0,
            is_released: false,
            is_cut_short: false,
            is_recorded: false,
        }
    }

    /// The object printed as the last line of `--format json`.
    pub fn result_line(&self) -> serde_json::Value {
        serde_json::json!({
            "run_id": self.run_id,
            "night": self.night,
            "status": self.status,
            "exit_kind": self.exit_kind,
            "release": self.release,
            "nodes": self.nodes,
            "rows": self.rows,
            "failed": self.failed,
            "held": self.held,
            "seconds": self.seconds,
        })
    }

    /// What to say of a run that did not end well.
    pub fn cause(&self) -> Option<(&'static str, &Failure)> {
        let held = self.held.as_ref().filter(|_| self.exit_kind.is_some());
        let failed = self.failed.as_ref().map(|failure| ("failed", failure));
        failed.or(held.map(|held| ("held", held)))
    }

    /// The kind that decides the exit code; `None` for a run without failure.
    pub fn worst(&self) -> Option<ErrorKind> {
        let worst = self.kinds.iter().copied().reduce(ErrorKind::worst)?;
        // A mistake is what was found before anything ran: a night that went out in part is not that.
        Some(if worst == ErrorKind::User && self.release.is_some() { ErrorKind::Data } else { worst })
    }
}
