//! The columns of a contract, compiled once, read block by block.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, new_null_array};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono_tz::Tz;

use super::build::{Bad, Cells, NullRule, booleans, primitive, strings};
use super::number::{decimal, double, integer, with_point};
use super::time::{Layout, iso_date, iso_timestamp};
use super::tokens::{Misfit, Tokens};
use super::zone::ZoneClock;
use super::{Unfit, Written};
use crate::ingest::error::IngestError;
use crate::project::contract::{Contract, FormatKind};
use crate::project::types::ColumnType;

/// How the values of a contract's columns are written.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSet {
    columns: Vec<ColumnReader>,
    style: Style,
}

/// A block in types.
pub(crate) struct Typed {
    /// One a column, as long as the block has rows with fields.
    pub(crate) arrays: Vec<ArrayRef>,
    /// Rows that do not fit, by their place among those.
    pub(crate) misfits: Vec<(usize, Misfit)>,
}

/// What columns share.
#[derive(Debug, Clone)]
struct Style {
    /// `1.234,56`.
    decimal_comma: bool,
    /// In JSON a bare number has a point whatever the contract says.
    bare_has_point: bool,
    dates: Vec<Layout>,
    timestamps: Vec<Layout>,
    clock: ZoneClock,
    /// Room for a number rewritten with a point.
    room: Vec<u8>,
}

#[derive(Debug, Clone)]
struct ColumnReader {
    kind: ColumnType,
    nulls: NullRule,
}

impl ColumnSet {
    /// # Errors
    /// [`IngestError::Contract`] where a date or timestamp format cannot be read.
    pub(crate) fn new(contract: &Contract, project_zone: Tz) -> Result<Self, IngestError> {
        let format = &contract.spec.format;
        let is_csv = format.kind == FormatKind::Csv;
        let words = if is_csv { format.null_words.as_slice() } else { &[] };
        let columns = contract.spec.columns.iter();
        let columns =
            columns.map(|column| ColumnReader { kind: *column.kind, nulls: NullRule::new(words, column.required) });
        let zone = contract.spec.time_zone.as_ref().map_or(project_zone, |zone| zone.value.0);
        Ok(Self {
            columns: columns.collect(),
            style: Style {
                decimal_comma: format.decimal_comma,
                bare_has_point: !is_csv,
                dates: layouts(contract, "format.date_formats", &format.date_formats)?,
                timestamps: layouts(contract, "format.timestamp_formats", &format.timestamp_formats)?,
                clock: ZoneClock::new(zone, project_zone),
                room: Vec::new(),
            },
        })
    }

    /// Build every column of a block's rows; `places` gives each column's field.
    ///
    /// What does not fit is in the misfits (one a row, the first column to blame) and NULL in the
    /// arrays: the caller takes those rows out.
    pub(crate) fn read(
        &mut self,
        tokens: &Tokens,
        bytes: &[u8],
        places: &[Option<usize>],
    ) -> Result<Typed, ArrowError> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut misfits: Vec<(usize, Misfit)> = Vec::new();
        let mut bad = Vec::new();
        for (column, reader) in self.columns.iter().enumerate() {
            let Some(place) = places.get(column).copied().flatten() else {
                arrays.push(new_null_array(&reader.kind.arrow(), tokens.rows.len()));
                continue;
            };
            let cells = Cells { tokens, bytes, place };
            arrays.push(reader.read(cells, &mut self.style, &mut bad)?);
            for Bad { row, text, unfit } in bad.drain(..) {
                if let Some(place) = tokens.rows.get(row) {
                    let reason = unfit.reason(text, reader.kind);
                    misfits.push((row, Misfit { row: *place, column: Some(column), reason }));
                }
            }
        }
        // Stable: of one row's misfits the first column's stays.
        misfits.sort_by_key(|(row, _)| *row);
        misfits.dedup_by_key(|(row, _)| *row);
        Ok(Typed { arrays, misfits })
    }
}

impl ColumnSet {
    /// Build one column from the texts of another format.
    pub(crate) fn read_one(
        &mut self,
        column: usize,
        tokens: &Tokens,
        bytes: &[u8],
    ) -> Result<(ArrayRef, Vec<(usize, String)>), ArrowError> {
        let Some(reader) = self.columns.get(column) else {
            return Err(ArrowError::SchemaError(format!("there is no column {column}")));
        };
        let mut bad = Vec::new();
        let array = reader.read(Cells { tokens, bytes, place: 0 }, &mut self.style, &mut bad)?;
        let reasons = bad.into_iter().map(|bad| (bad.row, bad.unfit.reason(bad.text, reader.kind)));
        Ok((array, reasons.collect()))
    }

    pub(crate) fn kind(&self, column: usize) -> Option<ColumnType> {
        self.columns.get(column).map(|reader| reader.kind)
    }

    pub(crate) fn is_required(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|reader| reader.nulls.required)
    }

    pub(crate) fn clock(&mut self) -> &mut ZoneClock {
        &mut self.style.clock
    }
}

fn layouts(contract: &Contract, field: &str, formats: &[String]) -> Result<Vec<Layout>, IngestError> {
    let compiled = formats.iter().map(|format| {
        Layout::new(format).map_err(|reason| IngestError::Contract {
            contract: contract.file.clone(),
            field: field.to_owned(),
            found: format.clone(),
            reason,
        })
    });
    compiled.collect()
}

impl ColumnReader {
    fn read<'a>(&self, cells: Cells<'a>, style: &mut Style, bad: &mut Vec<Bad<'a>>) -> Result<ArrayRef, ArrowError> {
        let nulls = &self.nulls;
        Ok(match self.kind {
            ColumnType::Varchar => strings(cells, nulls, bad)?,
            ColumnType::Boolean => Arc::new(booleans(cells, nulls, bad)),
            ColumnType::Integer => Arc::new(primitive::<Int32Type>(cells, nulls, bad, |text, quoted| {
                i32::try_from(style.number(text, quoted, integer)?).map_err(|_| Unfit::Range)
            })),
            ColumnType::Bigint => {
                Arc::new(primitive::<Int64Type>(cells, nulls, bad, |text, quoted| style.number(text, quoted, integer)))
            }
            ColumnType::Double => {
                Arc::new(primitive::<Float64Type>(cells, nulls, bad, |text, quoted| style.number(text, quoted, double)))
            }
            ColumnType::Decimal(precision, scale) => {
                let places = scale.unsigned_abs();
                let values: Decimal128Array = primitive::<Decimal128Type>(cells, nulls, bad, |text, quoted| {
                    style.number(text, quoted, |text| decimal(text, precision, places))
                });
                Arc::new(values.with_precision_and_scale(precision, scale)?)
            }
            ColumnType::Date if style.dates.is_empty() => {
                let days: Date32Array = primitive::<Date32Type>(cells, nulls, bad, |text, _| iso_date(text));
                Arc::new(days)
            }
            ColumnType::Date => Arc::new(primitive::<Date32Type>(cells, nulls, bad, |text, _| style.date(text))),
            ColumnType::Timestamp if style.timestamps.is_empty() => {
                Arc::new(primitive::<TimestampMicrosecondType>(cells, nulls, bad, |text, _| {
                    style.clock.convert(iso_timestamp(text)?)
                }))
            }
            ColumnType::Timestamp => {
                Arc::new(primitive::<TimestampMicrosecondType>(cells, nulls, bad, |text, _| style.timestamp(text)))
            }
        })
    }
}

impl Style {
    #[inline]
    fn number<T>(&mut self, text: &[u8], quoted: bool, parse: impl Fn(&[u8]) -> Result<T, Unfit>) -> Result<T, Unfit> {
        if !self.decimal_comma || self.bare_has_point && !quoted {
            return parse(text);
        }
        let mut room = std::mem::take(&mut self.room);
        let parsed = with_point(text, &mut room).and_then(|()| parse(&room));
        self.room = room;
        parsed
    }

    fn date(&self, text: &[u8]) -> Result<i32, Unfit> {
        first_fit(&self.dates, |layout| layout.date(text))
    }

    fn timestamp(&mut self, text: &[u8]) -> Result<i64, Unfit> {
        let written: Written = first_fit(&self.timestamps, |layout| layout.timestamp(text))?;
        self.clock.convert(written)
    }
}

/// The first layout that reads a text; else the most telling refusal.
fn first_fit<T>(layouts: &[Layout], parse: impl Fn(&Layout) -> Result<T, Unfit>) -> Result<T, Unfit> {
    let mut refusal = Unfit::Shape;
    for layout in layouts {
        match parse(layout) {
            Ok(value) => return Ok(value),
            Err(Unfit::Shape) => {}
            Err(unfit) => refusal = unfit,
        }
    }
    Err(refusal)
}
