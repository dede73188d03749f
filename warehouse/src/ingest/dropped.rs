//! Columns that files had and one that came lacks.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;

use super::ledger::Ledger;
use super::work::Job;
use crate::plain::escaped;
use crate::project::contract::{Contract, DroppedColumns};

/// A delivery without columns that files of its night or of nights before it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub path: String,
    /// Name in the file, and the first night of which one had it.
    pub columns: Vec<(String, NaiveDate)>,
    /// Other deliveries of the load that lack some.
    pub more: usize,
    pub contract: String,
    pub asked: DroppedColumns,
}

/// Notes the columns that the files of a load name, and finds those that lack some of what came before. What no file
/// ever named is not missed, nor is by older files what only newer ones have.
pub(super) fn find(contract: &Contract, jobs: &[Arc<Job>], ledger: &mut Ledger) -> Option<Dropped> {
    let columns = &contract.spec.columns;
    for job in jobs {
        for (column, _) in columns.iter().zip(job.named().unwrap_or_default()).filter(|(_, is_named)| *is_named) {
            let first = ledger.columns.entry(column.name.value.clone()).or_insert(job.night);
            *first = job.night.min(*first);
        }
    }
    let lacks = |job: &Arc<Job>| -> Vec<(String, NaiveDate)> {
        let unnamed = columns.iter().zip(job.named().unwrap_or_default()).filter(|(_, is_named)| !is_named);
        let since = unnamed.filter_map(|(column, _)| Some((column, *ledger.columns.get(column.name.as_str())?)));
        let missed = since.filter(|(_, since)| *since <= job.night);
        missed.map(|(column, since)| (column.name_in_file().to_owned(), since)).collect()
    };
    let mut found = jobs.iter().map(|job| (job, lacks(job))).filter(|(_, lacks)| !lacks.is_empty());
    let (job, columns) = found.next()?;
    Some(Dropped {
        path: job.file.path.clone(),
        columns,
        more: found.count(),
        contract: contract.file.clone(),
        asked: contract.spec.dropped_columns,
    })
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> =
            self.columns.iter().map(|(column, since)| format!("`{column}`, which files had since {since}")).collect();
        let more =
            if self.more > 0 { format!(" (and {} more deliveries lack some)", self.more) } else { String::new() };
        write!(f, "`{}` has no column {}{more}; ", escaped(&self.path), named.join(", nor "))?;
        match self.asked {
            DroppedColumns::Warn => {
                write!(
                    f,
                    "it is NULL: if it matters, deliver the file again, and say `dropped_columns: fail` in {}",
                    self.contract
                )
            }
            DroppedColumns::Fail => write!(
                f,
                "nothing is loaded: deliver the file again with it, or, where it is gone for good, say `dropped_columns: warn` in {} of the project, and it is NULL",
                self.contract
            ),
        }
    }
}
