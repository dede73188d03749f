//! Opening a file: what it is packed with, its encoding, its header.

use std::sync::{Arc, Mutex};

use encoding_rs::Encoding;

use super::job::{Job, Shared, lock};
use super::text::{TextFeed, TextFormat};
use crate::ingest::blocks::{Cutter, Dialect};
use crate::ingest::error::IngestError;
use crate::ingest::parquet::ParquetFeed;
use crate::ingest::read::{TextReader, UnpackLimits, Unpacked};
use crate::ingest::{csv, jsonl};
use crate::project::contract::{Contract, FormatKind};

/// Text looked at before the first record is cut.
const AHEAD_BYTES: usize = 1 << 16;

/// A file that workers take blocks from.
pub(super) enum Feed {
    Text(Box<TextFeed>),
    Parquet(Box<ParquetFeed>),
}

/// Open the file of a delivery.
pub(super) fn open(shared: &Shared, job: Arc<Job>) -> Result<Feed, IngestError> {
    let contract = &*shared.contract;
    match contract.spec.format.kind {
        FormatKind::Parquet => {
            let (feed, warnings) = ParquetFeed::open(&shared.opener, contract, &shared.options, job.clone())?;
            warn(shared, &warnings, &job);
            Ok(Feed::Parquet(Box::new(feed)))
        }
        kind => open_text(shared, job, kind).map(|feed| Feed::Text(Box::new(feed))),
    }
}

fn open_text(shared: &Shared, job: Arc<Job>, kind: FormatKind) -> Result<TextFeed, IngestError> {
    let contract = &*shared.contract;
    let limits = &shared.options.limits;
    let stored = shared.opener.open(&job.file)?;
    let compression = contract.spec.format.compression;
    let unpack_limits = UnpackLimits::of(contract, limits);
    let unpacked = Unpacked::new(stored, compression, &job.file.path, unpack_limits)?;
    let text = TextReader::new(unpacked, encoding(contract)?, AHEAD_BYTES)?;
    let encoding = text.encoding();
    let dialect = match kind {
        FormatKind::Jsonl => jsonl_dialect(&text, limits.record_bytes, &job)?,
        _ => csv::dialect(contract, limits.record_bytes)?,
    };
    let mut cutter = Cutter::new(text, dialect);
    let dialect = cutter.dialect();
    let format = match kind {
        FormatKind::Jsonl => TextFormat::Jsonl(jsonl::Keys::new(contract)),
        _ => TextFormat::Csv(csv_header(shared, &job, &mut cutter, encoding)?),
    };
    Ok(TextFeed { job, dialect, encoding, format, cutter: Mutex::new(Some(cutter)) })
}

fn csv_header(
    shared: &Shared,
    job: &Arc<Job>,
    cutter: &mut Cutter,
    encoding: &'static Encoding,
) -> Result<csv::Header, IngestError> {
    let contract = &*shared.contract;
    if !contract.spec.format.header {
        return Ok(csv::Header::by_position(contract));
    }
    // A file without any record is an export without rows, and needs no header.
    let Some(block) = cutter.take_header()? else { return Ok(csv::Header::by_position(contract)) };
    let header = csv::Header::by_name(&block, &cutter.dialect(), encoding, contract, &job.file.path)?;
    job.note_columns(&header.places);
    warn(shared, &header.warnings, job);
    Ok(header)
}

fn jsonl_dialect(text: &TextReader, record_bytes: usize, job: &Job) -> Result<Dialect, IngestError> {
    if text.ahead().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(IngestError::JsonArray { path: job.file.path.clone() });
    }
    Ok(Dialect { delimiter: b',', quote: None, newline: b'\n', record_bytes })
}

fn warn(shared: &Shared, warnings: &[String], job: &Job) {
    let mut told = lock(&shared.warnings);
    warnings.iter().for_each(|warning| told.add(warning, &job.path));
}

/// The encoding a contract declares.
///
/// # Errors
/// [`IngestError::Contract`] for a label the WHATWG standard does not know.
pub(super) fn encoding(contract: &Contract) -> Result<&'static Encoding, IngestError> {
    let label = contract.spec.format.encoding.as_str();
    Encoding::for_label(label.as_bytes()).ok_or_else(|| IngestError::Contract {
        contract: contract.file.clone(),
        field: "format.encoding".to_owned(),
        found: label.to_owned(),
        reason: "is no encoding of the WHATWG standard; e.g. `utf-8`, `utf-16le`, `windows-1252`".to_owned(),
    })
}
