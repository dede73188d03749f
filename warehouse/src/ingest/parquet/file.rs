//! A file whose footer was read, and batches of its row groups: no more of it at a time than fits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use super::guard::{Group, Refusal, Room, Seen, Stored};
use super::paged::PagedFile;
use super::reader::ObjectReader;
use super::views::{Text, types};
use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;
use crate::ingest::read::{Opener, UnpackLimits};

/// Rows decoded at a time, where they are not wide.
const BATCH_ROWS: usize = 8192;
/// By how much a batch that was too wide gets smaller.
const SMALLER: usize = 8;
/// What a batch may hold of rows that are wider than the others, by what it holds of equal ones.
const UNEVEN: u64 = 4;

/// What one file may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParquetLimits {
    pub(crate) unpack: UnpackLimits,
    /// Bytes of one record.
    pub(crate) record_bytes: u64,
    /// Bytes of a row group that are fetched at once, and of a batch.
    pub(crate) batch_bytes: u64,
}

/// A Parquet file that is open.
pub(crate) struct ParquetFile {
    opener: Opener,
    file: RawFile,
    /// With the types it says it was written with.
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) limits: ParquetLimits,
    seen: Arc<Seen>,
    /// Whether a value was too long to be copied into each row.
    has_long_values: AtomicBool,
}

/// Top-level columns of a file that are wanted, in its order.
pub(crate) struct Columns {
    leaves: Vec<usize>,
    copied: FieldLevels,
    shared: FieldLevels,
}

/// Why a batch is not there.
enum Stopped {
    TooWide,
    TooLong,
    Failed(IngestError),
}

impl ParquetFile {
    pub(crate) fn open(opener: &Opener, file: &RawFile, limits: ParquetLimits) -> Result<Self, IngestError> {
        let mut reader = ObjectReader { store: Arc::clone(&opener.store), file: file.clone() };
        let load = || opener.runtime.block_on(ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()));
        let metadata = guarded(&file.path, load)?;
        let (opener, file) = (opener.clone(), file.clone());
        Ok(Self { opener, file, metadata, limits, seen: Arc::default(), has_long_values: AtomicBool::new(false) })
    }

    /// Columns by their places.
    pub(crate) fn columns(&self, places: impl IntoIterator<Item = usize>) -> Result<Columns, IngestError> {
        let schema = self.metadata.parquet_schema();
        let mask = ProjectionMask::roots(schema, places);
        let leaves: Vec<usize> = (0..schema.num_columns()).filter(|leaf| mask.leaf_included(*leaf)).collect();
        for leaf in &leaves {
            let column = schema.column(*leaf);
            let bytes = fixed_bytes(&column);
            if bytes > self.limits.record_bytes {
                let most = self.limits.record_bytes;
                let reason = format!(
                    "each value of its column `{}` is {bytes} bytes long, and a record may have {most}",
                    column.path().string()
                );
                return Err(IngestError::Parquet { path: self.file.path.clone(), reason });
            }
        }
        let levels = |text: Text| {
            let hint = types(self.metadata.schema().fields(), text);
            guarded(&self.file.path, || parquet_to_arrow_field_levels(schema, mask.clone(), Some(&hint)))
        };
        Ok(Columns { copied: levels(Text::Copied)?, shared: levels(Text::Shared)?, leaves })
    }

    /// Hand the rows of a row group on in order, with how many there were before; until `take` has enough.
    pub(crate) fn each_batch(
        &self,
        columns: &Columns,
        group: usize,
        take: &mut dyn FnMut(&RecordBatch, i64) -> Result<bool, IngestError>,
    ) -> Result<(), IngestError> {
        let mut rows = self.rows_of_batch(columns, group);
        let mut done = 0;
        loop {
            match self.batches_from(columns, group, &mut done, rows, take) {
                // Wide rows that lie together: those that are left are read in smaller batches.
                Err(Stopped::TooWide) => rows = (rows / SMALLER).max(1),
                Err(Stopped::TooLong) => self.has_long_values.store(true, Ordering::Relaxed),
                Err(Stopped::Failed(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Count text that is to be copied into each row, past what was unpacked.
    pub(crate) fn unfold(&self, bytes: u64) -> Result<(), IngestError> {
        self.seen.add(self.limits.unpack, 0, bytes).map_or(Ok(()), |refusal| Err(self.refused(refusal)))
    }

    fn batches_from(
        &self,
        columns: &Columns,
        group: usize,
        done: &mut i64,
        rows: usize,
        take: &mut dyn FnMut(&RecordBatch, i64) -> Result<bool, IngestError>,
    ) -> Result<(), Stopped> {
        let room = Arc::new(Room::new(&self.seen, self.limits.unpack, rows, UNEVEN * self.limits.batch_bytes));
        let stored = self.stored(columns, group).map_err(Stopped::Failed)?;
        let paged = match &stored {
            Stored::Whole(_) => None,
            Stored::ByBlocks(file) => Some(file.clone()),
        };
        let told = |error| match (room.take_refusal(), paged.as_ref().and_then(PagedFile::take_failure)) {
            (Some(Refusal::TooWide), _) => Stopped::TooWide,
            (Some(Refusal::TooLong), _) => Stopped::TooLong,
            (Some(refusal), _) => Stopped::Failed(self.refused(refusal)),
            (None, Some(source)) => Stopped::Failed(IngestError::storage(&self.file.path, "read", source)),
            (None, None) => Stopped::Failed(error),
        };
        let metadata = Arc::clone(self.metadata.metadata());
        let left = metadata.row_group(group).num_rows() - *done;
        let skip = |done| RowSelection::from(vec![RowSelector::skip(done), RowSelector::select(left as usize)]);
        let selection = usize::try_from(*done).ok().filter(|done| *done > 0 && left > 0).map(skip);
        let (text, levels) = match self.has_long_values.load(Ordering::Relaxed) {
            false => (Text::Copied, &columns.copied),
            true => (Text::Shared, &columns.shared),
        };
        let pages = Group { metadata, group, stored, text, room: Arc::clone(&room) };
        let build = || ParquetRecordBatchReader::try_new_with_row_groups(levels, &pages, rows, selection);
        let mut batches = guarded(&self.file.path, build).map_err(told)?;
        loop {
            room.begin_batch();
            let next = guarded(&self.file.path, || Ok(batches.next().transpose()?)).map_err(told)?;
            let Some(batch) = next else { return Ok(()) };
            let goes_on = take(&batch, *done).map_err(Stopped::Failed)?;
            *done += batch.num_rows() as i64;
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// The bytes of a row group: fetched at once, its columns beside each other, or where it is larger
    /// than may be held, one page of each column at a time.
    fn stored(&self, columns: &Columns, group: usize) -> Result<Stored, IngestError> {
        let metadata = self.metadata.metadata().row_group(group);
        let bytes = |leaf: &usize| metadata.column(*leaf).compressed_size().unsigned_abs();
        let stored = columns.leaves.iter().fold(0_u64, |all, leaf| all.saturating_add(bytes(leaf)));
        let (opener, file) = (self.opener.clone(), self.file.clone());
        if stored > self.limits.batch_bytes {
            return Ok(Stored::ByBlocks(PagedFile::new(opener, file, columns.leaves.len(), self.limits.batch_bytes)));
        }
        let fetch = || {
            let range = |leaf: &usize| {
                let (start, length) = metadata.column(*leaf).byte_range();
                start..start.saturating_add(length)
            };
            let ranges = columns.leaves.iter().map(range).collect();
            let mut reader = ObjectReader { store: opener.store, file };
            opener.runtime.block_on(reader.get_byte_ranges(ranges))
        };
        let fetched = guarded(&self.file.path, fetch)?;
        Ok(Stored::Whole(columns.leaves.iter().copied().zip(fetched).collect()))
    }

    /// As many rows as fit into a batch if all are as wide as the row group says.
    fn rows_of_batch(&self, columns: &Columns, group: usize) -> usize {
        let metadata = self.metadata.metadata().row_group(group);
        let rows = metadata.num_rows().unsigned_abs().max(1);
        let chunks = || columns.leaves.iter().map(|leaf| metadata.column(*leaf));
        let sum =
            |of: fn(&ColumnChunkMetaData) -> u64| chunks().fold(0_u64, |all, chunk| all.saturating_add(of(chunk)));
        let stated = sum(|chunk| chunk.uncompressed_size().unsigned_abs()) / rows;
        let fixed = sum(|chunk| fixed_bytes(chunk.column_descr()));
        let fitting = self.limits.batch_bytes / stated.max(fixed).max(1);
        usize::try_from(fitting.min(rows)).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS)
    }

    fn refused(&self, refusal: Refusal) -> IngestError {
        let path = self.file.path.clone();
        match refusal {
            Refusal::Bomb { limit, advice, packed, unpacked } => {
                IngestError::Bomb { path, limit, packed, unpacked, advice }
            }
            Refusal::Implausible(reason) => IngestError::Parquet { path, reason },
            // Each is read again in another way.
            Refusal::TooWide | Refusal::TooLong => {
                IngestError::Parquet { path, reason: "a row of it is too wide".to_owned() }
            }
        }
    }
}

/// Bytes of every value of a column, its NULLs too; 0 where the values differ or are small.
fn fixed_bytes(column: &parquet::schema::types::ColumnDescriptor) -> u64 {
    match column.physical_type() {
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or(0),
        _ => 0,
    }
}

/// Damaged files make the decoder fail, and a few make it panic: both are the file's fault.
fn guarded<T>(path: &str, decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, IngestError> {
    let failed = |reason: String| IngestError::Parquet { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(error))) => match error.downcast::<object_store::Error>() {
            Ok(error) => Err(IngestError::storage(path, "read", *error)),
            Err(error) => Err(failed(error.to_string())),
        },
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("its pages are damaged".to_owned())),
    }
}
