//! Asking the tables: one scan per table for all checks of rows, one query for each of the others.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use futures::StreamExt;

use super::asked::Asked;
use super::checks::{Check, Reads};
use super::distinct::{all_differ, none_in_both};
use crate::project::model::Severity;
use crate::sql_text::{columns, table};

/// Failing rows shown of each check.
const EXAMPLES: usize = 3;

/// What one audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOutcome {
    pub node: String,
    pub audit: String,
    pub severity: Severity,
    pub passed: bool,
    /// Rows (or keys, for `unique` and `relationships`) that fail.
    pub failing_rows: u64,
    /// A few of them: `order_id=o1, rows=2; order_id=o7, rows=3`. Empty where none fails.
    pub examples: String,
    /// What was promised and what was found, in one sentence.
    pub message: String,
}

/// An audit that could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("audit `{audit}` of `{node}` could not be run: {source}")]
pub struct AuditError {
    pub node: String,
    pub audit: String,
    #[source]
    pub source: DataFusionError,
}

/// Runs checks against the tables of a session; outcomes in the order of the checks.
///
/// Memory: a scan keeps counters; `unique` and `relationships` group and spill as any query.
///
/// # Errors
/// The first check whose query fails (not the first that finds rows).
pub async fn run(context: &SessionContext, checks: &[Check], asked: &Asked) -> Result<Vec<AuditOutcome>, AuditError> {
    let mut scans: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, check) in checks.iter().enumerate() {
        if matches!(check.reads, Reads::Rows { .. } | Reads::Count { .. }) {
            scans.entry(&check.node).or_default().push(index);
        }
    }
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    for (node, indices) in scans {
        let together: Vec<&Check> = indices.iter().filter_map(|index| checks.get(*index)).collect();
        let counts = scan(context, node, &together).await.map_err(|source| error(node, &together, source))?;
        for (index, count) in indices.into_iter().zip(counts) {
            found.insert(index, count);
        }
    }
    let mut outcomes = Vec::with_capacity(checks.len());
    for (index, check) in checks.iter().enumerate() {
        let found = match (found.remove(&index), &check.reads) {
            (Some(found), Reads::Rows { failing, .. }) if found.failing > 0 => {
                let sql = format!("SELECT * FROM {} WHERE {failing} LIMIT {EXAMPLES}", table(&check.node));
                let rows = query(context, &sql).await.map_err(|source| error(&check.node, &[check], source))?;
                Found { examples: rows.examples, ..found }
            }
            (Some(found), _) => found,
            (None, Reads::Keys { columns }) => {
                repeated(context, check, columns, asked).await.map_err(|source| error(&check.node, &[check], source))?
            }
            (None, _) => query(context, &check.sql()).await.map_err(|source| error(&check.node, &[check], source))?,
        };
        outcomes.push(outcome(check, found));
    }
    Ok(outcomes)
}

/// Keys that more than one row has. Hashes answer first; the keys themselves are grouped only where
/// hashes leave a doubt.
async fn repeated(
    context: &SessionContext,
    check: &Check,
    keys: &[String],
    asked: &Asked,
) -> Result<Found, DataFusionError> {
    let of = keys_of(check, keys);
    if asked.once(context, &of, all_differ(context, &of)).await? {
        return Ok(Found::default());
    }
    query(context, &check.sql()).await
}

fn keys_of(check: &Check, keys: &[String]) -> String {
    format!("SELECT {} FROM {}", columns(keys.iter().map(String::as_str)), table(&check.node))
}

/// Whether no key of the table in one session, of few rows, is in the one of another; other checks hold of both
/// where they hold of each. `false` says only that there is a doubt.
///
/// # Errors
/// Where the keys cannot be read.
pub async fn differ(
    few: &SessionContext,
    many: &SessionContext,
    check: &Check,
    asked: &Asked,
) -> Result<bool, AuditError> {
    let Reads::Keys { columns } = &check.reads else {
        return Ok(true);
    };
    let of = keys_of(check, columns);
    asked.once(many, &of, none_in_both(few, many, &of)).await.map_err(|source| error(&check.node, &[check], source))
}

/// The outcome of a check that is known to hold.
pub fn passed(check: &Check) -> AuditOutcome {
    outcome(check, Found::default())
}

#[derive(Default)]
struct Found {
    failing: u64,
    examples: Vec<String>,
}

fn outcome(check: &Check, found: Found) -> AuditOutcome {
    let passed = found.failing == 0;
    let examples = found.examples.join("; ");
    let message = match (passed, &check.reads) {
        (true, _) => check.promise.clone(),
        (false, Reads::Count { .. }) => format!("{}: {examples}", check.promise),
        (false, _) => {
            let rows = if found.failing == 1 { "row fails" } else { "rows fail" };
            format!("{}: {} {rows}, such as {examples}", check.promise, found.failing)
        }
    };
    AuditOutcome {
        node: check.node.clone(),
        audit: check.name.clone(),
        severity: check.severity,
        passed,
        failing_rows: found.failing,
        examples,
        message,
    }
}

fn error(node: &str, checks: &[&Check], source: DataFusionError) -> AuditError {
    let audit = checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>().join(", ");
    AuditError { node: node.to_owned(), audit, source }
}

/// One pass over the table for all its checks of rows and of their number.
async fn scan(context: &SessionContext, node: &str, checks: &[&Check]) -> Result<Vec<Found>, DataFusionError> {
    let counts: Vec<String> = checks
        .iter()
        .enumerate()
        .map(|(index, check)| match &check.reads {
            Reads::Rows { failing, .. } => format!("count(*) FILTER (WHERE {failing}) AS c{index}"),
            _ => format!("count(*) AS c{index}"),
        })
        .collect();
    let sql = format!("SELECT {} FROM {}", counts.join(", "), table(node));
    let batches = context.sql(&sql).await?.collect().await?;
    let count = |index: usize| {
        let batch = batches.iter().find(|batch| batch.num_rows() > 0)?;
        let column = batch.column(index).as_primitive_opt::<Int64Type>()?;
        u64::try_from(column.value(0)).ok()
    };
    let internal = || DataFusionError::Internal(format!("no count came back from {sql}"));
    checks
        .iter()
        .enumerate()
        .map(|(index, check)| {
            let rows = count(index).ok_or_else(internal)?;
            Ok(match check.reads {
                Reads::Count { min, max } => {
                    let outside = min.is_some_and(|min| rows < min) || max.is_some_and(|max| rows > max);
                    Found { failing: u64::from(outside), examples: vec![format!("rows={rows}")] }
                }
                _ => Found { failing: rows, examples: Vec::new() },
            })
        })
        .map(|found: Result<Found, DataFusionError>| {
            found.map(|found| if found.failing == 0 { Found::default() } else { found })
        })
        .collect()
}

/// Counts the rows of a query as they stream by, and keeps the first few.
async fn query(context: &SessionContext, sql: &str) -> Result<Found, DataFusionError> {
    let mut stream = context.sql(sql).await?.execute_stream().await?;
    let mut found = Found::default();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows().min(EXAMPLES.saturating_sub(found.examples.len())) {
            found.examples.push(show(&batch, row)?);
        }
        found.failing += batch.num_rows() as u64;
    }
    Ok(found)
}

/// A row as `column=value, column=value`; NULLs are named where they are the finding.
fn show(batch: &RecordBatch, row: usize) -> Result<String, DataFusionError> {
    let options = FormatOptions::default().with_null("NULL");
    let mut cells = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = ArrayFormatter::try_new(column.as_ref(), &options)?.value(row).to_string();
        let short: String = value.chars().take(60).collect();
        cells.push(format!("{}={short}", field.name()));
    }
    Ok(cells.join(", "))
}
