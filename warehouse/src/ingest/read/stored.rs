//! The bytes of one object, in order, exactly as many as were listed, hashed on the way.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::ingest::discover::RawFile;
use crate::ingest::error::IngestError;

/// Bytes of one ranged request to a remote store.
const REQUEST_BYTES: u64 = 4 << 20;
/// Requests in flight for one file: enough to hide a remote store's latency.
const REQUESTS: usize = 4;

/// Opens files of one store from blocking threads.
#[derive(Clone)]
pub(crate) struct Opener {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) runtime: Handle,
}

impl Opener {
    /// Open a file as it was listed: the store is asked for that version only.
    pub(crate) fn open(&self, file: &RawFile) -> Result<StoredBytes, IngestError> {
        if file.size == 0 {
            return Ok(StoredBytes::new(file, Origin::Nothing));
        }
        let first = 0..file.size.min(REQUEST_BYTES);
        let failed = |source| IngestError::storage(&file.path, "open", source);
        let got = self.runtime.block_on(get(&*self.store, file, first.clone())).map_err(failed)?;
        let origin = match got.payload {
            GetResultPayload::File(file, _) => Origin::Local(file),
            GetResultPayload::Stream(stream) => self.prefetch(file, stream, first.end),
        };
        Ok(StoredBytes::new(file, origin))
    }

    /// A range of the file as it was listed.
    pub(crate) fn range(&self, file: &RawFile, range: Range<u64>) -> object_store::Result<Bytes> {
        self.runtime.block_on(async { get(&*self.store, file, range).await?.bytes().await })
    }

    /// Whether the file is still what was listed.
    pub(crate) fn verify(&self, file: &RawFile) -> Result<(), IngestError> {
        let meta = self
            .runtime
            .block_on(self.store.head(&file.location))
            .map_err(|source| IngestError::storage(&file.path, "check", source))?;
        let changed = |detail: String| Err(IngestError::Changed { path: file.path.clone(), detail });
        if meta.size != file.size {
            return changed(format!("{} bytes when listed, {} now", file.size, meta.size));
        }
        if meta.e_tag.is_some() && file.etag.is_some() && meta.e_tag != file.etag {
            return changed("its etag is another".to_owned());
        }
        // Remote stores answer with whole seconds where their listing had more.
        if meta.last_modified.timestamp() != file.modified.timestamp() {
            return changed(format!("modified {} when listed, {} now", file.modified, meta.last_modified));
        }
        Ok(())
    }

    /// blake3 of the stored bytes, in hex.
    pub(crate) fn hash(&self, file: &RawFile) -> Result<String, IngestError> {
        let mut stored = self.open(file)?;
        stored.drain().map_err(|error| from_io(error, &file.path))?;
        self.verify(file)?;
        Ok(stored.content())
    }

    /// The first answer, then ranged requests a few ahead, in order.
    fn prefetch(
        &self,
        file: &RawFile,
        first: futures::stream::BoxStream<'static, object_store::Result<Bytes>>,
        from: u64,
    ) -> Origin {
        let (sender, receiver) = mpsc::channel(REQUESTS);
        let (store, file) = (Arc::clone(&self.store), file.clone());
        self.runtime.spawn(async move {
            let size = file.size;
            let starts = (from..size).step_by(REQUEST_BYTES as usize);
            let rest = futures::stream::iter(starts).map(|start| {
                let (store, file) = (Arc::clone(&store), file.clone());
                async move { get(&*store, &file, start..size.min(start + REQUEST_BYTES)).await?.bytes().await }
            });
            let mut bytes = first.chain(rest.buffered(REQUESTS));
            while let Some(next) = bytes.next().await {
                let failed = next.is_err();
                let next = next.map_err(|source| IngestError::storage(&file.path, "read", source));
                if sender.send(next).await.is_err() || failed {
                    break;
                }
            }
        });
        Origin::Remote { receiver, current: Bytes::new() }
    }
}

async fn get(
    store: &dyn ObjectStore,
    file: &RawFile,
    range: Range<u64>,
) -> object_store::Result<object_store::GetResult> {
    let options = GetOptions { if_match: file.etag.clone(), range: Some(range.into()), ..GetOptions::default() };
    store.get_opts(&file.location, options).await
}

/// A reader of stored bytes; see [`Opener::open`].
pub(crate) struct StoredBytes {
    path: String,
    origin: Origin,
    /// Bytes read ahead to look at, not yet given out.
    peeked: Vec<u8>,
    left: u64,
    given: u64,
    hasher: blake3::Hasher,
}

enum Origin {
    Nothing,
    Local(File),
    Remote { receiver: mpsc::Receiver<Result<Bytes, IngestError>>, current: Bytes },
}

impl StoredBytes {
    fn new(file: &RawFile, origin: Origin) -> Self {
        Self {
            path: file.path.clone(),
            origin,
            peeked: Vec::new(),
            left: file.size,
            given: 0,
            hasher: blake3::Hasher::new(),
        }
    }

    /// Up to `n` first bytes, without taking them.
    pub(crate) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        let mut head = vec![0; n];
        let mut filled = 0;
        while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.read(room)? {
                0 => break,
                read => filled += read,
            }
        }
        head.truncate(filled);
        self.peeked = head;
        self.given = 0;
        Ok(&self.peeked)
    }

    /// Bytes given out so far.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    /// Read what is left, for the hash.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        io::copy(&mut io::BufReader::with_capacity(1 << 18, self), &mut io::sink()).map(|_| ())
    }

    /// blake3 in hex of all that was read; of the whole content after [`StoredBytes::drain`].
    pub(crate) fn content(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn shrunk(&self) -> io::Error {
        let detail = format!("{} bytes fewer than were listed", self.left);
        io::Error::other(IngestError::Changed { path: self.path.clone(), detail })
    }
}

impl Read for StoredBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.peeked.is_empty() {
            let read = self.peeked.as_slice().read(buffer)?;
            self.peeked.drain(..read);
            self.given += read as u64;
            return Ok(read);
        }
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..want).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let read = match &mut self.origin {
            Origin::Nothing => 0,
            Origin::Local(file) => file.read(buffer)?,
            Origin::Remote { receiver, current } => {
                while current.is_empty() {
                    match receiver.blocking_recv() {
                        Some(next) => *current = next.map_err(io::Error::other)?,
                        None => return Err(self.shrunk()),
                    }
                }
                let read = current.len().min(buffer.len());
                current.copy_to_slice(buffer.get_mut(..read).unwrap_or_default());
                read
            }
        };
        if read == 0 {
            return Err(self.shrunk());
        }
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.left -= read as u64;
        self.given += read as u64;
        Ok(read)
    }
}

/// The error behind an I/O error: ours where one was carried through a decoder.
pub(crate) fn from_io(error: io::Error, path: &str) -> IngestError {
    match error.downcast::<IngestError>() {
        Ok(ours) => ours,
        Err(source) => IngestError::Read { path: path.to_owned(), source },
    }
}
