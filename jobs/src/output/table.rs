//! A table for people: columns as wide as the first rows need, numbers to the right.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use warehouse::plain::is_plain;

use super::{RowWriter, Sink, of_arrow};
use crate::exit::CommandError;

/// Rows that decide the widths; those after them may push a line out.
const MEASURED: usize = 1_000;
/// Characters of a value that are shown; the other formats show all.
const WIDEST: usize = 80;

pub struct TableWriter {
    out: Sink,
    names: Vec<String>,
    right: Vec<bool>,
    /// Rows kept back until the widths are known.
    held: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    rows: u64,
}

impl TableWriter {
    pub fn new(schema: &SchemaRef, out: Sink) -> Self {
        let names = schema.fields().iter().map(|field| shown(field.name())).collect();
        let right = schema.fields().iter().map(|field| is_number(field.data_type())).collect();
        Self { out, names, right, held: Vec::new(), widths: None, rows: 0 }
    }

    fn line(&mut self, cells: &[String], widths: &[usize]) -> Result<(), CommandError> {
        let last = cells.len().saturating_sub(1);
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if index > 0 {
                line.push_str("  ");
            }
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if self.right.get(index) == Some(&true) {
                line.push_str(&pad);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                if index < last {
                    line.push_str(&pad);
                }
            }
        }
        writeln!(self.out, "{line}").map_err(CommandError::output)
    }

    /// Fixes the widths and writes the header and the rows held back.
    fn settle(&mut self) -> Result<Vec<usize>, CommandError> {
        if let Some(widths) = &self.widths {
            return Ok(widths.clone());
        }
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.chars().count()).collect();
        for row in &self.held {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let names = std::mem::take(&mut self.names);
        self.line(&names, &widths)?;
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        self.line(&rule, &widths)?;
        for row in std::mem::take(&mut self.held) {
            self.line(&row, &widths)?;
        }
        self.widths = Some(widths.clone());
        Ok(widths)
    }
}

impl RowWriter for TableWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<ArrayFormatter> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()
            .map_err(of_arrow)?;
        for row in 0..batch.num_rows() {
            let cells: Result<Vec<String>, _> =
                columns.iter().map(|column| column.value(row).try_to_string().map(|text| shown(&text))).collect();
            let cells = cells.map_err(of_arrow)?;
            self.rows += 1;
            match self.widths.clone() {
                Some(widths) => self.line(&cells, &widths)?,
                None => {
                    self.held.push(cells);
                    if self.held.len() >= MEASURED {
                        self.settle()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CommandError> {
        self.settle()?;
        let plural = if self.rows == 1 { "" } else { "s" };
        writeln!(self.out, "({} row{plural})", self.rows).and_then(|()| self.out.flush()).map_err(CommandError::output)
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A value on one line, without what would move a terminal's cursor or turn round what is read.
fn shown(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == WIDEST {
            cell.push('…');
            break;
        }
        if is_plain(character) {
            cell.push(character);
        } else {
            cell.extend(character.escape_default());
        }
    }
    cell
}
