//! What a source's files look like.

use super::cell::DateStyle;

/// How a column's values are typed by the source's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// VARCHAR
    Text,
    /// INTEGER
    Integer,
    /// BIGINT
    Long,
    /// DECIMAL
    Decimal,
    /// DOUBLE
    Double,
    /// BOOLEAN
    Boolean,
    /// DATE
    Date,
    /// TIMESTAMP
    Timestamp,
}

/// A column of a source.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the file.
    pub name: &'static str,
    /// Type by the contract.
    pub kind: Kind,
    /// A row without it is not accepted.
    pub required: bool,
}

/// How a CSV export is written.
#[derive(Clone, Copy, Debug)]
pub struct CsvStyle {
    /// Between fields.
    pub delimiter: u8,
    /// Between whole and fraction.
    pub decimal_mark: u8,
    /// Order of a date's parts.
    pub dates: DateStyle,
    /// What stands for no value.
    pub null: &'static str,
    /// Compressed as `.csv.gz`.
    pub gzip: bool,
}

/// File format of a source.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// Delimited text.
    Csv(CsvStyle),
    /// One JSON object a line, gzip.
    JsonLines,
    /// Parquet.
    Parquet,
}

/// The shape of a source's files.
#[derive(Debug)]
pub struct Shape {
    /// Name of the source and of its folder.
    pub name: &'static str,
    /// Format of its files.
    pub format: Format,
    /// The newest row of a key wins, so a repeated row does no harm.
    pub upsert: bool,
    /// Columns in the order of the file.
    pub columns: &'static [Column],
}

impl Shape {
    /// How names of the files end, with the dot.
    pub fn extension(&self) -> &'static str {
        match self.format {
            Format::Csv(style) if style.gzip => ".csv.gz",
            Format::Csv(_) => ".csv",
            Format::JsonLines => ".jsonl.gz",
            Format::Parquet => ".parquet",
        }
    }

    /// Whether rows are deflated as they are written.
    pub fn gzip(&self) -> bool {
        match self.format {
            Format::Csv(style) => style.gzip,
            Format::JsonLines => true,
            Format::Parquet => false,
        }
    }

    /// The first line of a file: column names for CSV, nothing for the others.
    pub fn header(&self) -> Vec<u8> {
        let Format::Csv(style) = self.format else { return Vec::new() };
        let mut line = Vec::new();
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                line.push(style.delimiter);
            }
            line.extend_from_slice(column.name.as_bytes());
        }
        line.push(b'\n');
        line
    }
}
