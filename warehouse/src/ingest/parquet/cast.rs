//! Values of Parquet's types to the contract's: as they are where nothing can be lost, through
//! their text where the rules of CSV decide.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use crate::ingest::columns::{ColumnSet, Field, Row, Tokens, Unfit, Written};
use crate::project::types::ColumnType;

/// A batch in the contract's types.
pub(super) struct Cast {
    pub(super) columns: Vec<ArrayRef>,
    /// One a row, the first column to blame.
    pub(super) misfits: Vec<CastMisfit>,
}

pub(super) struct CastMisfit {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) reason: String,
}

/// Cast every column of the contract; `places` are columns of `batch`.
pub(super) fn cast_batch(
    batch: &RecordBatch,
    places: &[Option<usize>],
    set: &mut ColumnSet,
) -> Result<Cast, ArrowError> {
    let mut cast = Cast { columns: Vec::with_capacity(places.len()), misfits: Vec::new() };
    for (column, place) in places.iter().enumerate() {
        let kind = set.kind(column).unwrap_or(ColumnType::Varchar);
        let Some(array) = place.and_then(|place| batch.columns().get(place)) else {
            cast.columns.push(arrow::array::new_null_array(&kind.arrow(), batch.num_rows()));
            continue;
        };
        cast.column(column, kind, array, set)?;
    }
    cast.misfits.sort_by_key(|misfit| misfit.row);
    cast.misfits.dedup_by_key(|misfit| misfit.row);
    Ok(cast)
}

impl Cast {
    fn column(
        &mut self,
        column: usize,
        kind: ColumnType,
        array: &ArrayRef,
        set: &mut ColumnSet,
    ) -> Result<(), ArrowError> {
        let array = &flat(array)?;
        let made = match route(array.data_type(), kind) {
            Route::Same => Arc::clone(array),
            Route::Cast => safe_cast(array, &kind.arrow())?,
            Route::Clock => self.wall_clock(column, array, set)?,
            Route::Text => return self.through_text(column, array, set),
        };
        for row in 0..array.len() {
            let unfit = match (array.is_null(row), made.is_null(row)) {
                (true, _) if set.is_required(column) => Unfit::Missing,
                (false, true) => Unfit::Range,
                _ => continue,
            };
            let text = arrow::util::display::array_value_to_string(array, row).unwrap_or_default();
            self.misfits.push(CastMisfit { row, column, reason: unfit.reason(text.as_bytes(), kind) });
        }
        self.columns.push(made);
        Ok(())
    }

    /// Timestamps to the project's wall clock.
    fn wall_clock(&mut self, column: usize, array: &ArrayRef, set: &mut ColumnSet) -> Result<ArrayRef, ArrowError> {
        let instants = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
        let micros = safe_cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let mut made = TimestampMicrosecondArray::builder(micros.len());
        for (row, value) in micros.as_primitive::<TimestampMicrosecondType>().iter().enumerate() {
            let converted = value.map(|micros| {
                if instants {
                    set.clock().instant(micros)
                } else {
                    set.clock().convert(Written { micros, offset: None })
                }
            });
            match converted.transpose() {
                Ok(value) => made.append_option(value),
                Err(unfit) => {
                    made.append_null();
                    let reason = unfit.reason(value.unwrap_or_default().to_string().as_bytes(), ColumnType::Timestamp);
                    self.misfits.push(CastMisfit { row, column, reason });
                }
            }
        }
        Ok(Arc::new(made.finish()))
    }

    fn through_text(&mut self, column: usize, array: &ArrayRef, set: &mut ColumnSet) -> Result<(), ArrowError> {
        let was_text = array.data_type() == &DataType::Utf8;
        let texts = safe_cast(array, &DataType::Utf8)?;
        let texts: &StringArray = texts.as_string();
        let mut tokens = Tokens::default();
        tokens.clear(1);
        for row in 0..texts.len() {
            let offsets = texts.value_offsets();
            let range = offsets.get(row).copied().zip(offsets.get(row + 1).copied());
            tokens.fields.push(match range {
                Some((start, end)) if texts.is_valid(row) && was_text => Field::quoted(start as usize, end as usize),
                Some((start, end)) if texts.is_valid(row) => Field::plain(start as usize, end as usize),
                _ => Field::NULL,
            });
            tokens.rows.push(Row { start: 0, end: 0, ordinal: row as u32 });
        }
        let (made, misfits) = set.read_one(column, &tokens, texts.value_data())?;
        self.misfits.extend(misfits.into_iter().map(|(row, reason)| CastMisfit { row, column, reason }));
        self.columns.push(made);
        Ok(())
    }
}

/// How a type becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Same,
    /// Arrow's cast is exact here, or gives NULL, which is a value outside the type.
    Cast,
    Clock,
    /// By the same rules as the text of a CSV.
    Text,
}

fn route(from: &DataType, to: ColumnType) -> Route {
    use ColumnType as T;
    if matches!(from, DataType::Timestamp(..)) && to == T::Timestamp {
        return Route::Clock;
    }
    // Text is read by the rules of the contract, be it only for what is required.
    if from == &DataType::Utf8 && to != T::Varchar {
        return Route::Text;
    }
    if *from == to.arrow() {
        return Route::Same;
    }
    match to {
        T::Integer | T::Bigint | T::Decimal(..) if from.is_integer() => Route::Cast,
        T::Double if from.is_numeric() => Route::Cast,
        T::Date if from == &DataType::Date64 => Route::Cast,
        T::Timestamp if from == &DataType::Date32 => Route::Cast,
        T::Varchar => Route::Cast,
        _ => Route::Text,
    }
}

/// Text of any layout as one, and nested values as JSON.
fn flat(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            safe_cast_checked(array)
        }
        DataType::Dictionary(_, values) => {
            let plain = safe_cast(array, values)?;
            flat(&plain)
        }
        kind if kind.is_nested() => nested(array),
        _ => Ok(Arc::clone(array)),
    }
}

/// Bytes that are not UTF-8 are no text: they stay bytes, and the cast after this refuses them.
fn safe_cast_checked(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let text = safe_cast(array, &DataType::Utf8)?;
    if text.null_count() == array.null_count() { Ok(text) } else { Ok(Arc::clone(array)) }
}

fn nested(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let schema = Arc::new(Schema::new(vec![ArrowField::new("v", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(array)])?;
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    let lines = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    let inside = |line: &str| line.strip_prefix("{\"v\":").and_then(|line| line.strip_suffix('}')).map(str::to_owned);
    Ok(Arc::new(lines.lines().map(inside).collect::<StringArray>()))
}

fn safe_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() })
}
