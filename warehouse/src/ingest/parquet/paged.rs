//! A file read by blocks, for row groups that are too large to be held at once.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::ingest::discover::RawFile;
use crate::ingest::read::Opener;

/// The least and the most bytes of a block: a request's latency against the memory of many columns.
const BLOCK_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=4 << 20;

/// A listed file as the Parquet decoder wants it that asks for one page after the other.
///
/// Each column is read in order, so the last block of each is all that is kept.
#[derive(Clone)]
pub(crate) struct PagedFile(Arc<Blocks>);

struct Blocks {
    opener: Opener,
    file: RawFile,
    block_bytes: u64,
    columns: usize,
    kept: Mutex<VecDeque<(u64, Bytes)>>,
    /// Why the store did not answer: the decoder turns errors into text.
    failure: Mutex<Option<object_store::Error>>,
}

impl PagedFile {
    /// A file of which so many columns are read side by side, within about `budget` bytes.
    pub(crate) fn new(opener: Opener, file: RawFile, columns: usize, budget: u64) -> Self {
        let block_bytes = (budget / columns.max(1) as u64).clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end());
        Self(Arc::new(Blocks {
            opener,
            file,
            block_bytes,
            columns,
            kept: Mutex::new(VecDeque::new()),
            failure: Mutex::new(None),
        }))
    }

    /// The store's error that made the decoder fail, if one did.
    pub(super) fn take_failure(&self) -> Option<object_store::Error> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Blocks {
    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(of, _)| *of == number).and_then(|at| kept.remove(at));
        let bytes = match found {
            Some((_, bytes)) => bytes,
            None => self.fetch(number)?,
        };
        kept.push_back((number, bytes.clone()));
        if kept.len() > self.columns + 1 {
            kept.pop_front();
        }
        Ok(bytes)
    }

    fn fetch(&self, number: u64) -> io::Result<Bytes> {
        let start = number * self.block_bytes;
        let range = start..self.file.size.min(start + self.block_bytes);
        self.opener.range(&self.file, range).map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            told
        })
    }
}

impl Length for PagedFile {
    fn len(&self) -> u64 {
        self.0.file.size
    }
}

impl ChunkReader for PagedFile {
    type T = BufReader<Place>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Place { file: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let missing = || ParquetError::EOF(format!("{length} bytes at {start} are not in the file"));
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(missing());
        }
        let mut bytes = Vec::with_capacity(length);
        Place { file: self.clone(), at: start }.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(missing());
        }
        Ok(bytes.into())
    }
}

/// A place in a file, from which is read on.
pub(crate) struct Place {
    file: PagedFile,
    at: u64,
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let blocks = &self.file.0;
        if self.at >= blocks.file.size || buffer.is_empty() {
            return Ok(0);
        }
        let bytes = blocks.block(self.at / blocks.block_bytes)?;
        let mut rest = bytes.get((self.at % blocks.block_bytes) as usize..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    use tokio::runtime::Runtime;

    use super::*;

    const COLUMNS: usize = 3;

    fn paged(runtime: &Runtime, content: &[u8], stored: bool) -> PagedFile {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let location = Path::from("raw/a.parquet");
        runtime.block_on(store.put(&location, content.to_vec().into())).unwrap();
        let meta = runtime.block_on(store.head(&location)).unwrap();
        if !stored {
            runtime.block_on(store.delete(&location)).unwrap();
        }
        let file = RawFile {
            path: "a.parquet".to_owned(),
            location,
            size: meta.size,
            etag: meta.e_tag,
            modified: meta.last_modified,
            date: None,
        };
        PagedFile::new(Opener { store, runtime: runtime.handle().clone() }, file, COLUMNS, 0)
    }

    #[test]
    fn every_range_is_exact_and_no_more_is_kept_than_a_block_a_column() {
        let runtime = Runtime::new().unwrap();
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = paged(&runtime, &content, true);
        let block = *BLOCK_BYTES.start() as usize;
        for start in [0, 1, block - 1, block, 700_000, content.len() - 5, 17] {
            for length in [0, 1, 5, block, 3 * block].into_iter().filter(|length| start + length <= content.len()) {
                assert_eq!(file.get_bytes(start as u64, length).unwrap(), content[start..start + length]);
                let mut read = vec![0; length];
                file.get_read(start as u64).unwrap().read_exact(&mut read).unwrap();
                assert_eq!(read, content[start..start + length]);
                assert!(file.0.kept.lock().unwrap().len() <= COLUMNS + 1);
            }
        }
        assert!(matches!(file.get_bytes(content.len() as u64 - 1, 2), Err(ParquetError::EOF(_))));
    }

    #[test]
    fn the_error_of_a_store_is_kept_apart_from_damage() {
        let runtime = Runtime::new().unwrap();
        let file = paged(&runtime, b"PAR1", false);
        assert!(file.get_bytes(0, 4).is_err());
        assert!(matches!(file.take_failure(), Some(object_store::Error::NotFound { .. })));
    }
}
