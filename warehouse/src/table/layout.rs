//! How a table's rows are laid out in files: kept apart by partition, in order within a file.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::partition;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::error::TableError;

/// The layout of a table's files; by default rows come as they come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Columns of which each file has one value (Delta partitions). Files hold these columns too.
    pub partition_by: Vec<String>,
    /// Columns by which the rows of a file are in order.
    pub sort: Vec<String>,
}

/// The partition of a file: text of each partition column's value, `None` where it is NULL (Delta protocol,
/// "Partition Value Serialization").
pub type PartitionValues = BTreeMap<String, Option<String>>;

impl Layout {
    /// The columns by which rows have to be sorted before they are written.
    pub fn order(&self) -> impl Iterator<Item = &str> {
        self.partition_by.iter().chain(&self.sort).map(String::as_str)
    }

    pub fn is_plain(&self) -> bool {
        self.partition_by.is_empty() && self.sort.is_empty()
    }

    /// A sorted batch in parts of one partition each.
    ///
    /// # Errors
    /// Where a partition column is missing, or holds a text that Delta cannot tell from NULL.
    pub fn split(&self, table: &str, batch: &RecordBatch) -> Result<Vec<(PartitionValues, RecordBatch)>, TableError> {
        if self.partition_by.is_empty() || batch.num_rows() == 0 {
            return Ok(vec![(PartitionValues::new(), batch.clone())]);
        }
        let missing = |name: &str| TableError::defect(table, format!("no column {name} to partition by"));
        let columns: Vec<ArrayRef> = self
            .partition_by
            .iter()
            .map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name)))
            .collect::<Result<_, _>>()?;
        let parts = partition(&columns).map_err(|error| TableError::defect(table, error))?;
        let part = |range: std::ops::Range<usize>| {
            let named = self.partition_by.iter().zip(&columns);
            let values = named.map(|(name, column)| Ok((name.clone(), text(table, name, column, range.start)?)));
            Ok((values.collect::<Result<_, TableError>>()?, batch.slice(range.start, range.len())))
        };
        parts.ranges().into_iter().map(part).collect()
    }
}

fn text(table: &str, column: &str, values: &ArrayRef, row: usize) -> Result<Option<String>, TableError> {
    if values.is_null(row) {
        return Ok(None);
    }
    let format = FormatOptions::new();
    let shown = ArrayFormatter::try_new(values.as_ref(), &format)
        .and_then(|formatter| formatter.value(row).try_to_string())
        .map_err(|error| TableError::defect(table, error))?;
    if shown.is_empty() {
        return Err(TableError::EmptyPartition { table: table.to_owned(), column: column.to_owned() });
    }
    Ok(Some(shown))
}

/// As the log's actions want it.
pub(super) fn for_log(values: &PartitionValues) -> HashMap<String, Option<String>> {
    values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
