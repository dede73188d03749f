//! What changed between two releases: columns, rows by key, totals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use serde::Serialize;

use super::error::RunError;
use crate::materialize::{agree, differ};
use crate::project::model::{Materialized, Model, VALID_FROM};
use crate::project::types::ColumnType;
use crate::release::Release;
use crate::session::{Effort, Engine, register};
use crate::sql_text::column;
use crate::table::{Lake, PinnedTable, TableSnapshot};

/// One table in two releases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableDiff {
    pub table: String,
    /// Versions; `None` where the release does not have the table.
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub rows_before: u64,
    pub rows_after: u64,
    /// Rows by key, of a history by state; `None` where the model names no key, or a column of it changed its type.
    pub added: Option<u64>,
    pub removed: Option<u64>,
    /// By the columns that both have with the same type.
    pub changed: Option<u64>,
    /// `+ column TYPE`, `- column`, `~ column OLD -> NEW`.
    pub columns: Vec<String>,
    /// What measures of the table came to, where it moved.
    pub totals: Vec<Total>,
}

/// The sum or the mean of a column, as text: DECIMAL keeps all its digits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    pub column: String,
    pub measure: Measure,
    pub before: String,
    pub after: String,
}

/// What a column comes to in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// DECIMAL, and whole numbers that have a unit.
    Sum,
    /// DOUBLE: rates, shares and averages do not add up.
    Mean,
}

impl Measure {
    fn sql(self, name: &str) -> String {
        match self {
            Self::Sum => format!("sum({})", column(name)),
            Self::Mean => format!("avg({})", column(name)),
        }
    }

    /// Whether it moved: a mean that is added up in another order has not, nor has a sum that is told with more digits.
    fn moved(self, before: &str, after: &str) -> bool {
        if self == Self::Mean
            && let (Ok(before), Ok(after)) = (before.parse::<f64>(), after.parse::<f64>())
        {
            return (before - after).abs() > SAME * before.abs().max(after.abs());
        }
        shortest(before) != shortest(after)
    }
}

/// A number without the digits behind its point that say nothing.
fn shortest(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// DOUBLE within this of each other, relative, is the same.
const SAME: f64 = 1e-9;

/// What releases are compared with: their lake, and models, which say what identifies a row and what has a unit.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    pub lake: &'a Lake,
    pub engine: &'a Engine,
    pub models: &'a BTreeMap<String, Model>,
}

/// Compares the tables of two releases; those at the same version are left out.
///
/// # Errors
/// Where a version cannot be read.
pub async fn diff(
    context: Comparison<'_>,
    before: &Release,
    after: &Release,
    tables: &BTreeSet<String>,
) -> Result<Vec<TableDiff>, RunError> {
    let mut found = Vec::new();
    for table in tables {
        let version = |release: &Release| release.tables.get(table).map(|table| table.version);
        if version(before) != version(after) {
            found.push(table_diff(context, table, version(before), version(after)).await?);
        }
    }
    Ok(found)
}

async fn table_diff(
    context: Comparison<'_>,
    table: &str,
    before: Option<u64>,
    after: Option<u64>,
) -> Result<TableDiff, RunError> {
    let session = context.engine.session(Effort::Fast);
    let old = open(context, &session, table, "before.t", before).await?;
    let new = open(context, &session, table, "after.t", after).await?;
    let mut found = TableDiff {
        table: table.to_owned(),
        before,
        after,
        rows_before: if old.is_some() { count(&session, table, "select count(*) from before.t").await? } else { 0 },
        rows_after: if new.is_some() { count(&session, table, "select count(*) from after.t").await? } else { 0 },
        added: None,
        removed: None,
        changed: None,
        columns: Vec::new(),
        totals: Vec::new(),
    };
    if let (Some(old), Some(new)) = (old, new) {
        found.columns = column_changes(&sql_types(&old), &sql_types(&new));
        by_key(context, &session, &mut found, &old, &new).await?;
        found.totals = totals(context, &session, table, (&old, &new)).await?;
    }
    Ok(found)
}

async fn open(
    context: Comparison<'_>,
    session: &SessionContext,
    table: &str,
    name: &str,
    version: Option<u64>,
) -> Result<Option<SchemaRef>, RunError> {
    let Some(version) = version else {
        return Ok(None);
    };
    let Some(snapshot) = TableSnapshot::load(context.lake, table, Some(version)).await? else {
        return Ok(None);
    };
    let provider = PinnedTable::from_snapshot(context.lake, &snapshot)?;
    register(session, name, Arc::new(provider)).map_err(|error| RunError::query(table, error))?;
    Ok(Some(snapshot.schema))
}

async fn count(session: &SessionContext, table: &str, sql: &str) -> Result<u64, RunError> {
    let failed = |error| RunError::query(table, error);
    let batches = session.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)?;
    let counted = batches.first().and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>().map(|c| c.value(0)));
    Ok(counted.unwrap_or_default().unsigned_abs())
}

fn types(schema: &SchemaRef) -> BTreeMap<&str, &DataType> {
    schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect()
}

/// SQL types by column; `None` for one that no table of ours has.
pub(super) fn sql_types(schema: &SchemaRef) -> Vec<(&str, Option<ColumnType>)> {
    let kind = |field: &Field| ColumnType::from_arrow(field.data_type());
    schema.fields().iter().map(|field| (field.name().as_str(), kind(field))).collect()
}

/// `+ column TYPE`, `- column`, `~ column OLD -> NEW`.
pub(super) fn column_changes(
    before: &[(&str, Option<ColumnType>)],
    after: &[(&str, Option<ColumnType>)],
) -> Vec<String> {
    let shown = |kind: &Option<ColumnType>| kind.map_or_else(|| "another type".to_owned(), |kind| kind.to_string());
    let find = |columns: &[(&str, Option<ColumnType>)], name: &str| {
        columns.iter().find(|(column, _)| *column == name).map(|(_, kind)| *kind)
    };
    let mut changes: Vec<String> = Vec::new();
    for (name, kind) in after {
        match find(before, name) {
            None => changes.push(format!("+ {name} {}", shown(kind))),
            Some(was) if was != *kind => changes.push(format!("~ {name} {} -> {}", shown(&was), shown(kind))),
            Some(_) => {}
        }
    }
    changes.extend(before.iter().filter(|(name, _)| find(after, name).is_none()).map(|(name, _)| format!("- {name}")));
    changes
}

/// What tells the rows of a table apart: of a history a key has a row for each of its states.
fn row_key(model: &Model) -> Vec<&str> {
    let mut key = model.spec.key_names();
    let is_history = model.spec.materialized == Materialized::Scd2 && !key.is_empty();
    if is_history && !key.contains(&VALID_FROM) {
        key.push(VALID_FROM);
    }
    key
}

/// Rows added, removed and changed, where the model names a key that both versions have. Values of another type are not
/// compared: a text need not be a number.
async fn by_key(
    context: Comparison<'_>,
    session: &SessionContext,
    found: &mut TableDiff,
    old: &SchemaRef,
    new: &SchemaRef,
) -> Result<(), RunError> {
    let (before, after) = (types(old), types(new));
    let both = |name: &str| match (before.get(name), after.get(name)) {
        (Some(old), Some(new)) => {
            old == new || ColumnType::from_arrow(old).is_some_and(|old| Some(old) == ColumnType::from_arrow(new))
        }
        _ => false,
    };
    let key = context.models.get(&found.table).map(row_key).unwrap_or_default();
    if key.is_empty() || !key.iter().all(|column| both(column)) {
        return Ok(());
    }
    let sides = |name: &str| (format!("a.{}", column(name)), format!("b.{}", column(name)));
    let same: Vec<String> = key.iter().map(|name| sides(name)).map(|(a, b)| agree(&a, &b)).collect();
    let same = same.join(" and ");
    let differs: Vec<String> = after
        .keys()
        .filter(|name| both(name) && !key.contains(name))
        .map(|name| sides(name))
        .map(|(a, b)| differ(&a, &b))
        .collect();
    let anti = |left: &str, right: &str| {
        format!("select count(*) from {left}.t as a where not exists (select 1 from {right}.t as b where {same})")
    };
    found.added = Some(count(session, &found.table, &anti("after", "before")).await?);
    found.removed = Some(count(session, &found.table, &anti("before", "after")).await?);
    found.changed = Some(if differs.is_empty() {
        0
    } else {
        let differs = differs.join(" or ");
        let sql = format!("select count(*) from after.t as a inner join before.t as b on {same} where {differs}");
        count(session, &found.table, &sql).await?
    });
    Ok(())
}

/// Sums and means that moved.
async fn totals(
    context: Comparison<'_>,
    session: &SessionContext,
    table: &str,
    (old, new): (&SchemaRef, &SchemaRef),
) -> Result<Vec<Total>, RunError> {
    let before = types(old);
    let counts: BTreeSet<&str> = match context.models.get(table) {
        Some(model) => {
            let counted = model.spec.columns.iter().filter(|column| column.unit.is_some());
            counted.map(|column| column.name.value.as_str()).collect()
        }
        None => BTreeSet::new(),
    };
    let measure = |name: &str, kind: &DataType| match kind {
        DataType::Decimal128(..) => Some(Measure::Sum),
        DataType::Float64 => Some(Measure::Mean),
        kind if kind.is_integer() && counts.contains(name) => Some(Measure::Sum),
        _ => None,
    };
    let columns: Vec<(&str, Measure)> = types(new)
        .into_iter()
        .filter_map(|(name, kind)| Some((name, measure(name, kind)?)))
        .filter(|(name, found)| before.get(name).is_some_and(|kind| measure(name, kind) == Some(*found)))
        .collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let (old, new) = (sums(session, table, "before", &columns).await?, sums(session, table, "after", &columns).await?);
    let both = columns.iter().zip(old).zip(new);
    let moved = both.filter(|(((_, measure), before), after)| measure.moved(before, after));
    Ok(moved
        .map(|((&(column, measure), before), after)| Total { column: column.to_owned(), measure, before, after })
        .collect())
}

async fn sums(
    session: &SessionContext,
    table: &str,
    side: &str,
    columns: &[(&str, Measure)],
) -> Result<Vec<String>, RunError> {
    let failed = |error| RunError::query(table, error);
    let list: Vec<String> = columns.iter().map(|(name, measure)| measure.sql(name)).collect();
    let sql = format!("select {} from {side}.t", list.join(", "));
    let batches = session.sql(&sql).await.map_err(failed)?.collect().await.map_err(failed)?;
    let Some(batch) = batches.first() else {
        return Ok(vec![String::new(); columns.len()]);
    };
    let options = FormatOptions::default().with_null("NULL");
    batch
        .columns()
        .iter()
        .map(|column| {
            let shown = ArrayFormatter::try_new(column.as_ref(), &options).map(|shown| shown.value(0).to_string());
            shown.map_err(|error| RunError::Defect { what: format!("{table}: {error}") })
        })
        .collect()
}
