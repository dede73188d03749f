//! Files that grow piece by piece, in the order of the pieces, without being held open.
//!
//! A shop has a file for each source and delivery: more than a process may hold open. So pieces wait
//! in memory until there are enough of them, and then each file is opened, extended and closed.
//! Sources in Parquet cannot be extended: their packed rows are set aside in the same way, and
//! encoded when all of them are known.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Crc;

use super::super::calendar::Calendar;
use super::super::error::DemoError;
use super::dirt::Dirt;
use super::gzip::{self, Deflater};
use super::parquet;
use super::sink::Batch;
use super::source::Format;
use super::tables::Source;

/// Bytes of pieces that wait in memory before the files are extended.
pub const WAITING_BYTES: usize = 64 << 20;

/// A file that is complete.
#[derive(Debug)]
pub struct Written {
    /// Its source.
    pub source: Source,
    /// Path below the raw folder (or the truth's), with `/`.
    pub name: String,
    /// Rows, dirty ones included.
    pub rows: u64,
    /// Size on disk.
    pub bytes: u64,
    /// Planted rows: record number in the file from 1, header not counted, and what is wrong.
    pub dirt: Vec<(u64, Dirt)>,
}

struct Target {
    source: Source,
    name: String,
    path: PathBuf,
    waiting: Vec<u8>,
    begun: bool,
    crc: Crc,
    rows: u64,
    dirt: Vec<(u64, Dirt)>,
}

/// All files of a demo while they are written.
pub struct Spool {
    targets: Vec<Target>,
    waiting: usize,
    /// Bytes that may wait.
    most: usize,
}

impl Spool {
    /// Plans every file of the demo and makes its folders. At `most` bytes that wait the files are extended.
    ///
    /// # Errors
    /// [`DemoError::Foreign`] where a source's folder holds a file that is not planned,
    /// [`DemoError::File`] where a folder cannot be made.
    pub fn open(raw: &Path, truth: &Path, calendar: &Calendar, most: usize) -> Result<Self, DemoError> {
        let mut targets = Vec::new();
        for source in Source::EXPORTS {
            let shape = source.shape();
            for day in calendar.deliveries() {
                let name = format!("{0}/{0}_{1}{2}", shape.name, day.date(), shape.extension());
                targets.push(Target::new(source, raw, name));
            }
            create_folder(&raw.join(shape.name))?;
        }
        let name = format!("{}.parquet", Source::TruthCustomers.shape().name);
        targets.push(Target::new(Source::TruthCustomers, truth, name));
        create_folder(truth)?;
        let spool = Self { targets, waiting: 0, most };
        spool.refuse_foreign(raw)?;
        Ok(spool)
    }

    fn refuse_foreign(&self, raw: &Path) -> Result<(), DemoError> {
        let planned: std::collections::HashSet<&Path> =
            self.targets.iter().map(|target| target.path.as_path()).collect();
        for source in Source::EXPORTS {
            let folder = raw.join(source.shape().name);
            let read = |source| DemoError::File { action: "read", path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(read)? {
                let path = entry.map_err(read)?.path();
                let aside = path.extension().is_some_and(|extension| extension == "rows");
                if !planned.contains(path.as_path()) && !aside {
                    return Err(DemoError::Foreign { path });
                }
            }
        }
        Ok(())
    }

    /// Takes the rows of a part of the shop. Parts must come in the same order every time.
    ///
    /// # Errors
    /// [`DemoError::File`] where a file cannot be extended.
    pub fn take(&mut self, batch: Batch) -> Result<(), DemoError> {
        for planted in &batch.planted {
            if let Some(target) = self.targets.get_mut(planted.slot) {
                target.dirt.push((target.rows + planted.row + 1, planted.dirt));
            }
        }
        for piece in batch.pieces {
            let Some(target) = self.targets.get_mut(piece.slot) else { continue };
            let before = target.waiting.len();
            target.begin();
            if target.is_parquet() {
                let length = u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX);
                target.waiting.extend_from_slice(&length.to_le_bytes());
            }
            target.waiting.extend_from_slice(&piece.bytes);
            target.crc.combine(&piece.crc);
            target.rows += piece.rows;
            self.waiting += target.waiting.len() - before;
        }
        if self.waiting >= self.most {
            // A file of which nothing is known yet is not begun: it has to begin with its header.
            for target in self.targets.iter_mut().filter(|target| !target.waiting.is_empty()) {
                target.flush()?;
            }
            self.waiting = 0;
        }
        Ok(())
    }

    /// Completes every file; a delivery without rows is a file without rows.
    ///
    /// # Errors
    /// [`DemoError`] where a file cannot be completed.
    pub fn finish(self, threads: usize) -> Result<Vec<Written>, DemoError> {
        let next = AtomicUsize::new(0);
        let slots: Vec<_> = self.targets.into_iter().map(|target| std::sync::Mutex::new(Some(target))).collect();
        let work = || {
            let mut done = BTreeMap::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = slots.get(index) else { return Ok(done) };
                let target = slot.lock().map_err(|_poisoned| DemoError::Worker)?.take();
                if let Some(target) = target {
                    done.insert(index, target.finish()?);
                }
            }
        };
        let mut all = BTreeMap::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                let done: BTreeMap<usize, Written> = worker.join().map_err(|_panic| DemoError::Worker)??;
                all.extend(done);
            }
            Ok::<_, DemoError>(())
        })?;
        Ok(all.into_values().collect())
    }
}

impl Target {
    fn new(source: Source, folder: &Path, name: String) -> Self {
        let path = folder.join(&name);
        Self { source, name, path, waiting: Vec::new(), begun: false, crc: Crc::new(), rows: 0, dirt: Vec::new() }
    }

    fn is_parquet(&self) -> bool {
        matches!(self.source.shape().format, Format::Parquet)
    }

    /// Where bytes go until the file is complete.
    fn growing(&self) -> PathBuf {
        if self.is_parquet() { self.path.with_extension("rows") } else { self.path.clone() }
    }

    /// Puts what a file begins with before the first piece.
    fn begin(&mut self) {
        if self.begun || !self.waiting.is_empty() {
            return;
        }
        let shape = self.source.shape();
        let header = shape.header();
        if !shape.gzip() {
            self.waiting = header;
            return;
        }
        self.waiting = gzip::HEADER.to_vec();
        if !header.is_empty()
            && let Ok(crc) = Deflater::new().piece(&header, &mut self.waiting)
        {
            self.crc = crc;
        }
    }

    /// Moves what waits to the disk.
    fn flush(&mut self) -> Result<(), DemoError> {
        if self.waiting.is_empty() && self.begun {
            return Ok(());
        }
        let path = self.growing();
        let fail = |source| DemoError::File { action: "write", path: path.clone(), source };
        let mut options = OpenOptions::new();
        if self.begun {
            options.append(true);
        } else {
            options.write(true).create(true).truncate(true);
        }
        let mut file: File = options.open(&path).map_err(fail)?;
        file.write_all(&self.waiting).map_err(fail)?;
        self.waiting = Vec::new();
        self.begun = true;
        Ok(())
    }

    fn finish(mut self) -> Result<Written, DemoError> {
        if self.is_parquet() {
            self.finish_parquet()?;
        } else {
            self.begin();
            if self.source.shape().gzip() {
                self.waiting.extend_from_slice(&gzip::trailer(&self.crc));
            }
            self.flush()?;
        }
        let path = self.path;
        let read = |source| DemoError::File { action: "read", path: path.clone(), source };
        let bytes = fs::metadata(&path).map_err(read)?.len();
        Ok(Written { source: self.source, name: self.name, rows: self.rows, bytes, dirt: self.dirt })
    }

    fn finish_parquet(&mut self) -> Result<(), DemoError> {
        let aside = self.growing();
        let shape = self.source.shape();
        if !self.begun {
            return parquet::write(shape, &self.path, self.waiting.as_slice());
        }
        self.flush()?;
        let fail = |action| {
            let path = aside.clone();
            move |source| DemoError::File { action, path, source }
        };
        let file = File::open(&aside).map_err(fail("read"))?;
        parquet::write(shape, &self.path, std::io::BufReader::with_capacity(1 << 20, file))?;
        fs::remove_file(&aside).map_err(fail("remove"))
    }
}

fn create_folder(path: &Path) -> Result<(), DemoError> {
    fs::create_dir_all(path).map_err(|source| DemoError::File { action: "create", path: path.to_owned(), source })
}
