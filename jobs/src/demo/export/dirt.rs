//! Planted dirt: garbled copies of rows that are also exported whole.
//!
//! A dirty row is always *extra*. What it garbles is in the same file unharmed, so that a warehouse
//! that keeps bad rows back loses nothing, and totals can be compared to the cent.

use serde::Serialize;

use super::source::{Format, Kind, Shape};

/// What is wrong with a planted row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dirt {
    /// A number with a letter in it.
    UnparsableAmount,
    /// 31 February.
    ImpossibleDate,
    /// No value in a required column.
    MissingKey,
    /// A record that ends before its last fields; in JSON lines, in the middle of the object.
    RaggedRow,
    /// A byte that is not UTF-8.
    BadUtf8,
    /// The row once more. Not a bad row: the newest of a key wins.
    DuplicateKey,
}

impl Dirt {
    /// Whether a warehouse keeps such a row back.
    pub fn quarantined(self) -> bool {
        self != Self::DuplicateKey
    }

    /// The name used in the truth.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnparsableAmount => "unparsable_amount",
            Self::ImpossibleDate => "impossible_date",
            Self::MissingKey => "missing_key",
            Self::RaggedRow => "ragged_row",
            Self::BadUtf8 => "bad_utf8",
            Self::DuplicateKey => "duplicate_key",
        }
    }
}

/// A kind of dirt and the column it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub dirt: Dirt,
    /// Position of the garbled column; for a ragged row, of the first column that is gone.
    pub column: usize,
}

/// The faults that a source's format can carry, in the order in which they are planted.
///
/// A Parquet file is typed, so all that can be wrong in it is a value that is not there.
pub fn faults(shape: &Shape) -> Vec<Fault> {
    let position = |wanted: &dyn Fn(Kind) -> bool| shape.columns.iter().position(|column| wanted(column.kind));
    let fault = |dirt| move |column| Fault { dirt, column };
    let number = position(&|kind| kind == Kind::Decimal)
        .or_else(|| position(&|kind| matches!(kind, Kind::Integer | Kind::Long)));
    let date = position(&|kind| matches!(kind, Kind::Date | Kind::Timestamp));
    let key = shape.columns.iter().position(|column| column.required);
    let text = shape.columns.iter().rposition(|column| column.kind == Kind::Text);
    let typed = matches!(shape.format, Format::Parquet);
    let text_formats = [
        number.map(fault(Dirt::UnparsableAmount)),
        date.map(fault(Dirt::ImpossibleDate)),
        text.map(fault(Dirt::BadUtf8)),
        Some(Fault { dirt: Dirt::RaggedRow, column: shape.columns.len() / 2 }),
    ];
    let mut faults: Vec<Fault> = text_formats.into_iter().filter(|_| !typed).flatten().collect();
    faults.extend(key.map(fault(Dirt::MissingKey)));
    if shape.upsert {
        faults.push(Fault { dirt: Dirt::DuplicateKey, column: 0 });
    }
    faults
}

/// A planted row: where it is, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// File slot, see [`super::sink::Sink`].
    pub slot: usize,
    /// Position among the rows of its file or piece, from 0, header not counted.
    pub row: u64,
    /// What is wrong with it.
    pub dirt: Dirt,
}

#[cfg(test)]
mod tests {
    use super::super::tables::Source;
    use super::*;

    #[test]
    fn every_export_can_be_dirty_and_text_formats_in_four_ways_or_more() {
        for source in Source::EXPORTS {
            let shape = source.shape();
            let faults = faults(shape);
            let bad = faults.iter().filter(|fault| fault.dirt.quarantined()).count();
            if matches!(shape.format, Format::Parquet) {
                assert_eq!(bad, 1, "{}", shape.name);
            } else {
                assert!(bad >= 4, "{}", shape.name);
            }
            assert!(faults.iter().all(|fault| fault.column < shape.columns.len()));
        }
    }
}
