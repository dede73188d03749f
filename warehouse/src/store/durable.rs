//! A folder whose puts survive a power cut.
//!
//! `object_store`'s own folder writes beside the target and links it in place without syncing, so a
//! commit could be visible and empty after a crash. Here the order is: bytes, fsync of the file,
//! link or rename, fsync of the folder; only then does a put return. Where the last of it fails, the object is there and may
//! be gone after a power cut: nobody reads it, so that none takes it for a put whose answer was lost, before its folder is
//! synced after all.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

static FSYNC_NANOS: AtomicU64 = AtomicU64::new(0);
static FSYNC_CALLS: AtomicU64 = AtomicU64::new(0);

/// What this process has spent waiting for disks, added up over all threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsyncTotals {
    pub calls: u64,
    pub time: Duration,
}

/// The totals since the process started; benchmarks show them apart.
pub fn fsync_totals() -> FsyncTotals {
    FsyncTotals {
        calls: FSYNC_CALLS.load(Ordering::Relaxed),
        time: Duration::from_nanos(FSYNC_NANOS.load(Ordering::Relaxed)),
    }
}

fn timed_sync(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    let result = sync();
    let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    FSYNC_NANOS.fetch_add(nanos, Ordering::Relaxed);
    FSYNC_CALLS.fetch_add(1, Ordering::Relaxed);
    result
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    timed_sync(|| File::open(folder)?.sync_all())
}

/// Creates a folder and those above it, each entry on the disk.
pub(super) fn create_folder(folder: &FsPath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        create_folder(above)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    folder.parent().map_or(Ok(()), sync_folder)
}

/// The local file system with durable puts, rooted at `/`.
#[derive(Debug, Clone)]
pub struct DurableStore {
    inner: Arc<LocalFileSystem>,
    folders: Arc<Folders>,
}

/// Folders whose own entry is known to be on the disk. One that an earlier process created and was
/// killed before syncing is not, so each is synced once a process.
#[derive(Debug)]
struct Folders {
    known: Mutex<HashSet<PathBuf>>,
    /// Those with entries that could not be synced, and how many.
    behind: Mutex<HashMap<PathBuf, u64>>,
    sync: fn(&FsPath) -> io::Result<()>,
}

impl Default for Folders {
    fn default() -> Self {
        Self { known: Mutex::default(), behind: Mutex::default(), sync: sync_folder }
    }
}

impl Folders {
    /// Makes the entries of `folder`, its own and of those above it, durable.
    fn sync_entries(&self, folder: &FsPath) -> io::Result<()> {
        let before = self.behind(folder);
        let synced = (self.sync)(folder).and_then(|()| self.settle(folder));
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        match synced {
            // One that failed meanwhile may have come after what was synced here.
            Ok(()) if before > 0 && behind.get(folder) == Some(&before) => drop(behind.remove(folder)),
            Ok(()) => {}
            Err(_) => *behind.entry(folder.to_owned()).or_default() += 1,
        }
        synced
    }

    fn behind(&self, folder: &FsPath) -> u64 {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.get(folder).copied().unwrap_or_default()
    }

    /// Makes the entry of `folder`, and of those above it, durable.
    fn settle(&self, folder: &FsPath) -> io::Result<()> {
        for level in folder.ancestors() {
            if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(level) {
                break;
            }
            if let Some(above) = level.parent() {
                match (self.sync)(above) {
                    // A folder this user may not open was there before us: not ours to settle.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
                    result => result?,
                }
            }
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(level.to_owned());
        }
        Ok(())
    }

    fn forget(&self, folder: &FsPath) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
    }
}

impl Default for DurableStore {
    fn default() -> Self {
        Self::new()
    }
}

impl DurableStore {
    /// The whole file system; paths are absolute without the leading `/`.
    pub fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()), folders: Arc::default() }
    }

    async fn result_of(&self, location: &Path) -> Result<PutResult> {
        let meta = self.inner.head(location).await?;
        Ok(PutResult { e_tag: meta.e_tag, version: None })
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "durable {}", self.inner)
    }
}

fn failed(path: &FsPath, action: &'static str, source: io::Error) -> Error {
    let message = io::Error::new(source.kind(), format!("cannot {action} {}: {source}", path.display()));
    match source.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.display().to_string(), source: Box::new(message) },
        ErrorKind::AlreadyExists => {
            Error::AlreadyExists { path: path.display().to_string(), source: Box::new(message) }
        }
        ErrorKind::PermissionDenied => {
            Error::PermissionDenied { path: path.display().to_string(), source: Box::new(message) }
        }
        _ => Error::Generic { store: "file", source: Box::new(message) },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// A file beside its target, under a name that listings leave out (`target#N`).
#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
    target: PathBuf,
    folders: Arc<Folders>,
    placed: bool,
}

impl Staged {
    fn create(target: PathBuf, folders: Arc<Folders>) -> Result<Self> {
        let mut number = 1_u64;
        loop {
            let mut name = target.as_os_str().to_owned();
            name.push(format!("#{number}"));
            let path = PathBuf::from(name);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path, target, folders, placed: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let folder = path.parent().unwrap_or(FsPath::new("/"));
                    folders.forget(folder);
                    std::fs::create_dir_all(folder).map_err(|source| failed(folder, "create the folder", source))?;
                }
                Err(source) => return Err(failed(&path, "create", source)),
            }
        }
    }

    /// Syncs the bytes, puts the file in place and syncs the folder.
    fn place(&mut self, mode: &PutMode) -> Result<()> {
        timed_sync(|| self.file.sync_data()).map_err(|source| failed(&self.target, "sync", source))?;
        if matches!(mode, PutMode::Create) {
            std::fs::hard_link(&self.path, &self.target).map_err(|source| failed(&self.target, "create", source))?;
            // The target is in place: a leftover name beside it is hidden and harmless.
            let _ = std::fs::remove_file(&self.path);
        } else {
            std::fs::rename(&self.path, &self.target).map_err(|source| failed(&self.target, "replace", source))?;
        }
        self.placed = true;
        settle_entry(&self.target, &self.folders)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the name of a file, and the folders it lies in, durable.
fn settle_entry(target: &FsPath, folders: &Folders) -> Result<()> {
    let folder = target.parent().unwrap_or(FsPath::new("/"));
    folders.sync_entries(folder).map_err(|source| failed(folder, "sync the folder", source))
}

fn refuse_attributes(is_empty: bool, operation: &'static str) -> Result<()> {
    if is_empty {
        return Ok(());
    }
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: "file".to_owned() })
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) {
            refuse_attributes(false, "put with a version condition")?;
        }
        refuse_attributes(opts.attributes.is_empty(), "put with attributes")?;
        let target = self.inner.path_to_filesystem(location)?;
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            let mut staged = Staged::create(target, folders)?;
            for chunk in payload.iter() {
                staged.file.write_all(chunk).map_err(|source| failed(&staged.target, "write", source))?;
            }
            staged.place(&opts.mode)
        })
        .await?;
        self.result_of(location).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        refuse_attributes(opts.attributes.is_empty(), "upload with attributes")?;
        let target = self.inner.path_to_filesystem(location)?;
        let folders = Arc::clone(&self.folders);
        let staged = blocking(move || Staged::create(target, folders)).await?;
        Ok(Box::new(DurableUpload {
            store: self.clone(),
            location: location.clone(),
            staged: Some(Arc::new(staged)),
            offset: 0,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let target = self.inner.path_to_filesystem(location)?;
        if target.parent().is_some_and(|folder| self.folders.behind(folder) > 0) {
            self.settle(location).await?;
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.settle(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.settle(to).await?;
        self.settle(from).await
    }
}

impl DurableStore {
    async fn settle(&self, location: &Path) -> Result<()> {
        let target = self.inner.path_to_filesystem(location)?;
        let folders = Arc::clone(&self.folders);
        blocking(move || settle_entry(&target, &folders)).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    store: DurableStore,
    location: Path,
    /// Taken when the upload ends, one way or the other.
    staged: Option<Arc<Staged>>,
    offset: u64,
}

fn ended() -> Error {
    Error::Generic { store: "file", source: "the upload was completed or aborted before".into() }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += data.content_length() as u64;
        let staged = self.staged.clone();
        blocking(move || {
            let staged = staged.ok_or_else(ended)?;
            for chunk in data.iter() {
                staged.file.write_all_at(chunk, offset).map_err(|source| failed(&staged.target, "write", source))?;
                offset += chunk.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().ok_or_else(ended)?;
        // A part still being written holds the file; placing it now would publish a hole.
        let mut staged = Arc::try_unwrap(staged).map_err(|staged| Error::Generic {
            store: "file",
            source: format!("{} was completed before its parts", staged.target.display()).into(),
        })?;
        blocking(move || staged.place(&PutMode::Overwrite)).await?;
        self.store.result_of(&self.location).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged.take().map(drop).ok_or_else(ended)
    }
}

#[cfg(test)]
mod tests;
