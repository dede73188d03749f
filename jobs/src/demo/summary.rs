//! What a demo wrote, to be printed and to be checked against.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::export::spool::Written;
use super::export::tables::Source;

/// What a demo wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoSummary {
    /// Export files, those without rows included; the truth's are not counted.
    pub files: u64,
    /// Rows in them, planted dirt included.
    pub rows: u64,
    /// Their size on disk.
    pub bytes: u64,
    /// The same by source, in the order of the contracts' list.
    pub sources: Vec<SourceSummary>,
    /// Planted dirt by source, kind and file.
    pub dirt: Vec<DirtSummary>,
}

/// What a demo wrote of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceSummary {
    /// Name of the source.
    pub source: String,
    /// Its files.
    pub files: u64,
    /// Rows in them, planted dirt included.
    pub rows: u64,
    /// Their size on disk.
    pub bytes: u64,
    /// Rows that a warehouse must hold back: exactly these.
    pub quarantined: u64,
    /// Rows that repeat the row before them, and must be taken as one.
    pub repeated: u64,
}

/// Planted rows of one kind in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirtSummary {
    /// Name of the source.
    pub source: String,
    /// What is wrong: `unparsable_amount`, `impossible_date`, `missing_key`, `ragged_row`,
    /// `bad_utf8`, or `duplicate_key`, which is not held back.
    pub kind: String,
    /// How many rows.
    pub rows: u64,
    /// The file, below the raw folder.
    pub file: String,
    /// Their record numbers in the file, from 1, header not counted.
    pub records: Vec<u64>,
    /// Whether a warehouse must hold them back.
    pub quarantined: bool,
}

impl DemoSummary {
    /// Sums up the files of a demo.
    pub(super) fn of(files: &[Written]) -> Self {
        let mut summary = Self { files: 0, rows: 0, bytes: 0, sources: Vec::new(), dirt: Vec::new() };
        for source in Source::EXPORTS {
            let name = source.shape().name;
            let mut sums =
                SourceSummary { source: name.to_owned(), files: 0, rows: 0, bytes: 0, quarantined: 0, repeated: 0 };
            for file in files.iter().filter(|file| file.source == source) {
                sums.files += 1;
                sums.rows += file.rows;
                sums.bytes += file.bytes;
                let bad = file.dirt.iter().filter(|(_, dirt)| dirt.quarantined()).count() as u64;
                sums.quarantined += bad;
                sums.repeated += file.dirt.len() as u64 - bad;
                summary.dirt.extend(dirt_of(file));
            }
            summary.files += sums.files;
            summary.rows += sums.rows;
            summary.bytes += sums.bytes;
            summary.sources.push(sums);
        }
        summary
    }

    /// Rows that a warehouse must hold back, by source; sources without any are not named.
    pub fn expected_quarantine(&self) -> BTreeMap<&str, u64> {
        self.sources
            .iter()
            .filter(|sums| sums.quarantined > 0)
            .map(|sums| (sums.source.as_str(), sums.quarantined))
            .collect()
    }
}

fn dirt_of(file: &Written) -> Vec<DirtSummary> {
    let mut kinds = BTreeMap::<_, Vec<u64>>::new();
    for &(record, dirt) in &file.dirt {
        kinds.entry(dirt).or_default().push(record);
    }
    kinds
        .into_iter()
        .map(|(dirt, records)| DirtSummary {
            source: file.source.shape().name.to_owned(),
            kind: dirt.name().to_owned(),
            rows: records.len() as u64,
            file: file.name.clone(),
            records,
            quarantined: dirt.quarantined(),
        })
        .collect()
}

impl fmt::Display for DemoSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        writeln!(out, "{:<24}{:>7}{:>12}{:>10}{:>12}{:>10}", "source", "files", "rows", "MB", "bad rows", "repeated")?;
        for sums in &self.sources {
            writeln!(
                out,
                "{:<24}{:>7}{:>12}{:>10.2}{:>12}{:>10}",
                sums.source,
                sums.files,
                sums.rows,
                megabytes(sums.bytes),
                sums.quarantined,
                sums.repeated
            )?;
        }
        let bad: u64 = self.sources.iter().map(|sums| sums.quarantined).sum();
        let repeated: u64 = self.sources.iter().map(|sums| sums.repeated).sum();
        write!(
            out,
            "{:<24}{:>7}{:>12}{:>10.2}{:>12}{:>10}",
            "total",
            self.files,
            self.rows,
            megabytes(self.bytes),
            bad,
            repeated
        )
    }
}
