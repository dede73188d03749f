//! The pages of a row group, looked at before they are unpacked and before they are decoded.
//!
//! A decoder believes a page: it makes room for as many bytes and values as the page says it has.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::chunk::Chunk;
use super::delta;
use super::header::PageHeader;
use super::room::Room;
use crate::ingest::parquet::paged::PagedFile;
use crate::ingest::parquet::views::Text;

/// Bytes of a number that is written as bytes: more than any type of the contract holds.
const LONGEST_NUMBER: u32 = 64;

/// A row group to decode.
pub(in crate::ingest::parquet) struct Group {
    pub(in crate::ingest::parquet) metadata: Arc<ParquetMetaData>,
    pub(in crate::ingest::parquet) group: usize,
    pub(in crate::ingest::parquet) stored: Stored,
    pub(in crate::ingest::parquet) text: Text,
    pub(in crate::ingest::parquet) room: Arc<Room>,
}

/// Where its bytes come from.
pub(in crate::ingest::parquet) enum Stored {
    /// Fetched at once, by column.
    Whole(BTreeMap<usize, Bytes>),
    ByBlocks(PagedFile),
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.group).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let metadata = self.metadata.row_group(self.group).column(leaf);
        let chunk = Arc::new(Chunk::new(metadata, self.text)?);
        let source = match &self.stored {
            Stored::Whole(chunks) => Source::Whole(chunk.start, chunks.get(&leaf).cloned().unwrap_or_default()),
            Stored::ByBlocks(file) => Source::ByBlocks(file.clone()),
        };
        let reader = CheckedChunk {
            source,
            chunk: Arc::clone(&chunk),
            room: Arc::clone(&self.room),
            next_header: AtomicU64::new(chunk.start),
            batch: AtomicU64::new(u64::MAX),
        };
        let pages = SerializedPageReader::new(Arc::new(reader), metadata, self.num_rows(), None)?;
        Ok(Box::new(Once(Some(CheckedPages { pages, chunk, room: Arc::clone(&self.room) }))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The only column chunk of one row group.
struct Once(Option<CheckedPages>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for Once {}

enum Source {
    /// Where in the file the bytes begin.
    Whole(u64, Bytes),
    ByBlocks(PagedFile),
}

/// A column chunk whose page headers are read before the decoder reads them.
struct CheckedChunk {
    source: Source,
    chunk: Arc<Chunk>,
    room: Arc<Room>,
    /// Where the header of the next page begins.
    next_header: AtomicU64,
    /// The batch that the last page was read for.
    batch: AtomicU64,
}

impl CheckedChunk {
    fn read_from(&self, start: u64) -> Result<Box<dyn Read>> {
        Ok(match &self.source {
            Source::Whole(begin, bytes) => Box::new(part(*begin, bytes, start)?.reader()),
            Source::ByBlocks(file) => Box::new(file.get_read(start)?),
        })
    }

    /// A page that is about to be read, and unpacked.
    fn look(&self, header: &PageHeader) -> Result<()> {
        if header.is_dictionary && header.values.saturating_mul(self.chunk.least_width) > header.unpacked {
            let counts = format!("a dictionary of {} bytes says that it has {} values", header.unpacked, header.values);
            return Err(self.room.implausible(&counts));
        }
        let decoded = self.chunk.decoded_bytes(header.values);
        self.room.unpack(header.length + header.packed, header.unpacked.saturating_add(decoded))?;
        let batch = self.room.batch();
        // What a batch begins with would be read for fewer rows too.
        if !header.is_dictionary && self.batch.swap(batch, Ordering::Relaxed) == batch {
            self.room.hold(header.unpacked.saturating_add(decoded))?;
        }
        Ok(())
    }
}

fn part(begin: u64, bytes: &Bytes, start: u64) -> Result<Bytes> {
    let from = start.checked_sub(begin).and_then(|from| usize::try_from(from).ok());
    match from.filter(|from| *from <= bytes.len()) {
        Some(from) => Ok(bytes.slice(from..)),
        None => Err(ParquetError::EOF(format!("byte {start} is not in its column"))),
    }
}

impl Length for CheckedChunk {
    fn len(&self) -> u64 {
        self.chunk.end
    }
}

impl ChunkReader for CheckedChunk {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        if start == self.next_header.load(Ordering::Relaxed) && start < self.chunk.end {
            let header = PageHeader::read(self.read_from(start)?)
                .map_err(|error| ParquetError::General(format!("the header of a page is damaged: {error}")))?;
            self.look(&header)?;
            self.next_header.store(start + header.length + header.packed, Ordering::Relaxed);
        }
        self.read_from(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match &self.source {
            Source::ByBlocks(file) => file.get_bytes(start, length),
            Source::Whole(begin, bytes) => {
                let rest = part(*begin, bytes, start)?;
                if length > rest.len() {
                    return Err(ParquetError::EOF(format!("{length} bytes at {start} are not in its column")));
                }
                Ok(rest.slice(..length))
            }
        }
    }
}

/// Pages that are unpacked, looked at before they are decoded.
struct CheckedPages {
    pages: SerializedPageReader<CheckedChunk>,
    chunk: Arc<Chunk>,
    room: Arc<Room>,
}

impl CheckedPages {
    fn look(&self, page: &Page) -> Result<()> {
        let (data, values) = match page {
            Page::DictionaryPage { buf, .. } => return self.look_at_dictionary(buf),
            Page::DataPage { buf, num_values, rep_level_encoding, def_level_encoding, .. } => {
                let levels = self.chunk.levels(buf, *num_values, *rep_level_encoding, *def_level_encoding);
                (levels.and_then(|levels| buf.get(levels..)), *num_values)
            }
            Page::DataPageV2 { buf, num_values, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                (usize::try_from(levels).ok().and_then(|levels| buf.get(levels..)), *num_values)
            }
        };
        let counts = || self.room.implausible("a page has more lengths than values");
        let (data, values) = (data.unwrap_or_default(), u64::from(values));
        match page.encoding() {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                self.room.unpack(0, 4 * values)?;
                if !data.is_empty() && !delta::has_lengths(data, values) {
                    return Err(counts());
                }
            }
            Encoding::DELTA_BYTE_ARRAY => {
                self.room.unpack(0, 8 * values)?;
                let unfolded = if data.is_empty() { 0 } else { delta::unfolded(data, values).ok_or_else(counts)? };
                self.room.unpack(0, unfolded)?;
                self.room.hold_share(unfolded, values)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Where each row gets its own copy of a value, the longest one decides what they take.
    fn look_at_dictionary(&self, values: &Bytes) -> Result<()> {
        if !self.chunk.is_copied {
            return Ok(());
        }
        let (mut rest, mut longest) = (&**values, 0);
        while let Ok(length) = rest.try_get_u32_le() {
            longest = longest.max(length);
            rest = rest.get(length as usize..).unwrap_or_default();
        }
        if !self.chunk.is_number {
            return self.room.copy(u64::from(longest));
        }
        if longest > LONGEST_NUMBER {
            return Err(self.room.implausible(&format!("a number of it is {longest} bytes long")));
        }
        Ok(())
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.look(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
