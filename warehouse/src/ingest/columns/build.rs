//! One column of a block, built in one pass by one parser.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::ArrowPrimitiveType;
use arrow::error::ArrowError;

use super::Unfit;
use super::tokens::Tokens;

/// The fields of one column.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) bytes: &'a [u8],
    pub(super) place: usize,
}

impl<'a> Cells<'a> {
    /// Each row's text and whether it was quoted.
    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = Option<(&'a [u8], bool)>> {
        let fields = self.tokens.fields.get(self.place..).unwrap_or_default();
        let scratch = self.tokens.scratch.as_slice();
        fields
            .iter()
            .step_by(self.tokens.width.max(1))
            .take(self.tokens.rows.len())
            .map(move |field| field.text(self.bytes, scratch))
    }

    fn rows(self) -> usize {
        self.tokens.rows.len()
    }
}

/// What means NULL.
#[derive(Debug, Clone, Default)]
pub(super) struct NullRule {
    words: Vec<Vec<u8>>,
    /// Bit `n` is set where a word has `n` bytes, so that most values are told by their length.
    lengths: u64,
    pub(super) required: bool,
}

impl NullRule {
    pub(super) fn new(words: &[String], required: bool) -> Self {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_bytes()).collect();
        let lengths = words.iter().fold(0, |bits, word| bits | 1 << word.len().min(63));
        Self { words, lengths, required }
    }

    #[inline]
    fn is_word(&self, text: &[u8]) -> bool {
        self.lengths >> text.len().min(63) & 1 == 1 && self.words.iter().any(|word| word == text)
    }
}

/// A value that does not fit: its row among the tokens' rows.
pub(super) struct Bad<'a> {
    pub(super) row: usize,
    pub(super) text: &'a [u8],
    pub(super) unfit: Unfit,
}

/// Build a column of numbers, dates or timestamps.
#[inline]
pub(super) fn primitive<'a, T: ArrowPrimitiveType>(
    cells: Cells<'a>,
    nulls: &NullRule,
    bad: &mut Vec<Bad<'a>>,
    mut parse: impl FnMut(&[u8], bool) -> Result<T::Native, Unfit>,
) -> PrimitiveArray<T> {
    let mut values: Vec<T::Native> = Vec::with_capacity(cells.rows());
    let mut valid = NullBufferBuilder::new(cells.rows());
    for (row, cell) in cells.iter().enumerate() {
        let (text, quoted) = match cell {
            Some((text, quoted)) => (text.trim_ascii(), quoted),
            None => ([].as_slice(), false),
        };
        if text.is_empty() || nulls.is_word(text) {
            values.push(T::Native::default());
            valid.append_null();
            if nulls.required {
                bad.push(Bad { row, text, unfit: Unfit::Missing });
            }
            continue;
        }
        match parse(text, quoted) {
            Ok(value) => {
                values.push(value);
                valid.append_non_null();
            }
            Err(unfit) => {
                values.push(T::Native::default());
                valid.append_null();
                bad.push(Bad { row, text, unfit });
            }
        }
    }
    PrimitiveArray::new(ScalarBuffer::from(values), valid.finish())
}

/// Build a column of truth values.
pub(super) fn booleans<'a>(cells: Cells<'a>, nulls: &NullRule, bad: &mut Vec<Bad<'a>>) -> BooleanArray {
    let mut values = BooleanBufferBuilder::new(cells.rows());
    let mut valid = NullBufferBuilder::new(cells.rows());
    for (row, cell) in cells.iter().enumerate() {
        let text = cell.map_or([].as_slice(), |(text, _)| text.trim_ascii());
        let parsed = if text.is_empty() || nulls.is_word(text) {
            if nulls.required { Err(Unfit::Missing) } else { Ok(None) }
        } else {
            super::boolean(text).map(Some)
        };
        let value = parsed.unwrap_or_else(|unfit| {
            bad.push(Bad { row, text, unfit });
            None
        });
        values.append(value == Some(true));
        valid.append(value.is_some());
    }
    let values: BooleanBuffer = values.finish();
    BooleanArray::new(values, valid.finish())
}

/// Build a column of text, exactly as written. An empty field is NULL unless it was quoted.
pub(super) fn strings<'a>(cells: Cells<'a>, nulls: &NullRule, bad: &mut Vec<Bad<'a>>) -> Result<ArrayRef, ArrowError> {
    let mut values: Vec<u8> = Vec::with_capacity(cells.rows() * 16);
    let mut offsets: Vec<i32> = Vec::with_capacity(cells.rows() + 1);
    let mut valid = NullBufferBuilder::new(cells.rows());
    offsets.push(0);
    for (row, cell) in cells.iter().enumerate() {
        match cell {
            Some((text, quoted)) if (quoted || !text.is_empty()) && !nulls.is_word(text) => {
                values.extend_from_slice(text);
                valid.append_non_null();
            }
            _ => {
                valid.append_null();
                if nulls.required {
                    bad.push(Bad { row, text: &[], unfit: Unfit::Missing });
                }
            }
        }
        offsets.push(i32::try_from(values.len()).map_err(|_| ArrowError::OffsetOverflowError(values.len()))?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(values), valid.finish())?))
}
