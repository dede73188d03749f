//! Two tables as multisets of rows, and how they differ.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::plain::counted;

/// DOUBLEs closer than this (relative) are equal: the last digits depend on the order of a sum.
const RELATIVE: f64 = 1e-9;
/// And these, near zero, where relative means nothing.
const ABSOLUTE: f64 = 1e-12;

/// Rows of a difference that are shown.
const SHOWN: usize = 10;

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Text(String),
    Double(f64),
}

impl Cell {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ABSOLUTE.max(RELATIVE * a.abs().max(b.abs()))
            }
            _ => false,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Double(value) => value.to_string(),
        }
    }
}

type Line = Vec<Cell>;

/// `None` where both hold the same rows in the named columns, else the difference in lines.
///
/// # Errors
/// A column that one of the batches does not have.
pub fn difference(
    columns: &[String],
    expected: &[RecordBatch],
    got: &[RecordBatch],
) -> Result<Option<String>, ArrowError> {
    let expected = lines(columns, expected)?;
    let mut got = lines(columns, got)?;
    let (wanted, came) = (expected.len(), got.len());
    let mut missing = Vec::new();
    for line in expected {
        match got.iter().position(|other| equal(&line, other)) {
            Some(position) => drop(got.swap_remove(position)),
            None => missing.push(line),
        }
    }
    if missing.is_empty() && got.is_empty() {
        return Ok(None);
    }
    let mut text = vec![format!("expected {}, got {came}; - is missing, + is there instead:", counted(wanted, "row"))];
    for line in missing.iter().take(SHOWN) {
        text.push(format!("  - {}", show(columns, line)));
        if let Some(nearest) = nearest(line, &got) {
            let other = got.swap_remove(nearest);
            let differs: Vec<&str> = columns
                .iter()
                .zip(line.iter().zip(&other))
                .filter(|(_, (a, b))| !a.same(b))
                .map(|(name, _)| name.as_str())
                .collect();
            text.push(format!("  + {}   (differs in {})", show(columns, &other), differs.join(", ")));
        }
    }
    text.extend(got.iter().take(SHOWN).map(|line| format!("  + {}", show(columns, line))));
    let hidden = missing.len().saturating_sub(SHOWN) + got.len().saturating_sub(SHOWN);
    if hidden > 0 {
        text.push(format!("  and {hidden} more"));
    }
    Ok(Some(text.join("\n")))
}

fn equal(a: &Line, b: &Line) -> bool {
    a.iter().zip(b).all(|(a, b)| a.same(b))
}

/// The row that agrees in most cells, if it agrees in any.
fn nearest(line: &Line, others: &[Line]) -> Option<usize> {
    let agreeing = |other: &Line| line.iter().zip(other).filter(|(a, b)| a.same(b)).count();
    let best = others.iter().enumerate().map(|(index, other)| (agreeing(other), std::cmp::Reverse(index))).max()?;
    (best.0 > 0).then_some(best.1.0)
}

fn show(columns: &[String], line: &Line) -> String {
    columns.iter().zip(line).map(|(name, cell)| format!("{name}: {}", cell.show())).collect::<Vec<_>>().join(", ")
}

fn lines(columns: &[String], batches: &[RecordBatch]) -> Result<Vec<Line>, ArrowError> {
    let mut lines = Vec::new();
    for batch in batches {
        let mut rows: Vec<Line> = vec![Vec::with_capacity(columns.len()); batch.num_rows()];
        for name in columns {
            let position = batch.schema().index_of(name)?;
            let array = batch.column(position);
            for (row, cell) in rows.iter_mut().zip(cells(array.as_ref())?) {
                row.push(cell);
            }
        }
        lines.append(&mut rows);
    }
    Ok(lines)
}

fn cells(array: &dyn Array) -> Result<Vec<Cell>, ArrowError> {
    if array.data_type() == &DataType::Float64 {
        let doubles = array.as_primitive::<Float64Type>();
        return Ok(doubles.iter().map(|value| value.map_or(Cell::Null, Cell::Double)).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let cell = |row| match array.is_null(row) {
        true => Cell::Null,
        false => Cell::Text(formatter.value(row).to_string()),
    };
    Ok((0..array.len()).map(cell).collect())
}
