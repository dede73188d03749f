//! What changed in the inputs of a table in windows since its rows before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use super::compute::ComputeError;
use super::digests::{DayDigests, FileDigests, FileRows, Span, changed_days, digest, span, windows_of};
use super::error::RunError;
use super::reads::{BaseTable, ReadFiles};
use super::standing::Standing;
use super::windowed::WindowedInputs;
use super::work::{Attempt, Work};
use crate::graph::WindowedRead;
use crate::materialize::Range;
use crate::project::model::{Model, WindowLength};
use crate::table::DataFile;

/// The name of all files together, where they cannot be looked at one by one.
const ALL: &str = "all";

/// The inputs of a table as they are now.
pub(super) struct Seen {
    pub standing: Standing,
    /// The days of all its windows, up to the night's or to the last that has rows.
    pub whole: Option<Range>,
    /// Where the rows before may be built upon.
    pub changed: Option<Changed>,
}

/// Why the rows of a day are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It comes after all days before.
    New,
    /// Its rows are what they were, and a window that looks back on them has come.
    Due,
    /// Rows came to it.
    Late,
    /// Rows of it left, with others or none in their place.
    Corrected,
}

/// The windows of which the rows of an input changed, by their first days.
pub(super) struct Changed {
    pub windows: BTreeSet<NaiveDate>,
    /// Of each the tables that are read, and what happened to their rows.
    pub causes: BTreeMap<NaiveDate, BTreeSet<(Cause, String)>>,
    /// The last day of each read that had rows before.
    known: BTreeMap<String, NaiveDate>,
    /// First and last window that there were before.
    pub before: Option<Span>,
}

impl Changed {
    /// What rows of a day are that come to a read, by its id.
    pub fn cause(&self, read: &str, day: NaiveDate) -> Cause {
        match self.known.get(read) {
            Some(last) if day <= *last => Cause::Late,
            _ => Cause::New,
        }
    }

    /// Notes the windows that read a day's rows.
    fn take(&mut self, (read, rows): (&WindowedRead, &Read), length: WindowLength, last: NaiveDate) {
        for day in &rows.days {
            let cause = if rows.left.contains(day) { Cause::Corrected } else { self.cause(&read.id(), *day) };
            for window in windows_of(&BTreeSet::from([*day]), read, length).into_iter().filter(|window| *window <= last)
            {
                self.windows.insert(window);
                self.causes.entry(window).or_default().insert((cause, read.table.clone()));
            }
        }
    }

    /// Notes the windows that look back on rows of before, and were yet to come when the table was built.
    fn take_due(&mut self, inputs: &WindowedInputs, prior: &Standing, length: WindowLength, last: NaiveDate) {
        let Some(through) = built_through(prior, length) else { return };
        for (read, _) in inputs.reads.iter().filter(|(read, _)| read.is_looked_back_on()) {
            let spans: BTreeSet<Span> = prior.reads.get(&read.id()).into_iter().flat_map(FileDigests::spans).collect();
            let windows = spans.into_iter().filter_map(|(first, last)| {
                let ends = windows_of(&BTreeSet::from([first, last]), read, length);
                ends.first().copied().zip(ends.last().copied())
            });
            let windows: Vec<Span> = windows.filter(|(_, end)| *end > through).collect();
            let mut window = length.next(through);
            while window <= last {
                if windows.iter().any(|(first, end)| *first <= window && window <= *end) {
                    self.windows.insert(window);
                    self.causes.entry(window).or_default().insert((Cause::Due, read.table.clone()));
                }
                window = length.next(window);
            }
        }
    }

    /// Whether all that changed was delivered after all that was merged: then it wins, whatever it is.
    pub fn comes_after(&self) -> bool {
        match (self.before, self.windows.first()) {
            (Some((_, last)), Some(first)) => last < *first,
            _ => true,
        }
    }
}

/// Looks at the inputs, and at the rows before only where they may be built upon.
pub(super) async fn see(
    work: &Work,
    model: &Model,
    inputs: &WindowedInputs,
    attempt: Attempt,
) -> Result<Seen, ComputeError> {
    let inspector = Inspector { work, attempt };
    let prior = inputs.prior.as_ref().filter(|prior| prior.code == inputs.code);
    let entire = inspector.entire(inputs, prior).await?;
    let prior = prior.filter(|_| entire.same);
    let reads = match prior {
        Some(prior) => inspector.changed(inputs, prior).await?,
        None => None,
    };
    // Where a file that left is gone, nobody knows which rows it took.
    let (prior, reads) = match (prior, reads) {
        (Some(prior), Some(reads)) => (Some(prior), reads),
        _ => (None, inspector.spans(inputs).await?),
    };
    let standing = Standing {
        engine: Standing::engine(),
        code: inputs.code.clone(),
        reads: reads.iter().map(|(id, read)| (id.clone(), read.now.clone())).collect(),
        entire: entire.now,
        through: None,
        nights: BTreeMap::new(),
        same_as: None,
    };
    let length = model.spec.window();
    let last = last_window(work.night, length, prior.into_iter().chain([&standing]));
    let standing = Standing { through: Some(last), ..standing };
    let whole = windows_between(inputs, &standing, length).filter(|(first, _)| *first <= last);
    let whole = whole.map(|(first, end)| Range { start: first, end: length.next(end.min(last)) });
    let changed = prior.map(|prior| {
        let known = prior.reads.iter().filter_map(|(id, files)| Some((id.clone(), files.span()?.1)));
        let mut changed = Changed {
            windows: BTreeSet::new(),
            causes: BTreeMap::new(),
            known: known.collect(),
            before: windows_between(inputs, prior, length)
                .map(|(first, last)| (first, prior.through.map_or(last, |through| last.min(through)))),
        };
        for (read, _) in &inputs.reads {
            reads.get(&read.id()).into_iter().for_each(|rows| changed.take((read, rows), length, last));
        }
        changed.take_due(inputs, prior, length, last);
        changed
    });
    Ok(Seen { standing, whole, changed })
}

/// The last window to build. Rows that are dated past the night, and do not wait for theirs, are in no window that a
/// later night changes; nor are those that were, and are gone.
fn last_window<'a>(night: NaiveDate, length: WindowLength, standings: impl Iterator<Item = &'a Standing>) -> NaiveDate {
    let days = standings.flat_map(|standing| standing.reads.values()).filter_map(|read| Some(read.span()?.1));
    length.start(days.max().map_or(night, |latest| latest.max(night)))
}

/// The last window that was built, or had rows to be built from: an older record does not say the former.
fn built_through(standing: &Standing, length: WindowLength) -> Option<NaiveDate> {
    let days = standing.reads.values().filter_map(|read| Some(read.span()?.1));
    standing.through.or_else(|| days.max().map(|latest| length.start(latest)))
}

/// The first and the last window that read a row.
fn windows_between(inputs: &WindowedInputs, standing: &Standing, length: WindowLength) -> Option<Span> {
    let mut windows = BTreeSet::new();
    for (read, _) in &inputs.reads {
        if let Some((first, last)) = standing.reads.get(&read.id()).and_then(FileDigests::span) {
            windows.extend(windows_of(&BTreeSet::from([first, last]), read, length));
        }
    }
    windows.first().copied().zip(windows.last().copied())
}

/// The files of a read now, and the days of which their rows are not what they were.
struct Read {
    now: FileDigests,
    days: BTreeSet<NaiveDate>,
    /// Days of which rows left.
    left: BTreeSet<NaiveDate>,
}

/// What is read whole, and whether it is as it was.
struct Entire {
    now: BTreeMap<String, FileDigests>,
    same: bool,
}

/// Reads files to learn what is in them.
struct Inspector<'a> {
    work: &'a Work,
    attempt: Attempt,
}

impl Inspector<'_> {
    async fn entire(&self, inputs: &WindowedInputs, prior: Option<&Standing>) -> Result<Entire, ComputeError> {
        let mut now = BTreeMap::new();
        let mut same = prior.is_some_and(|prior| prior.entire.len() == inputs.whole.len());
        for (read, from) in &inputs.whole {
            let before = prior.and_then(|prior| prior.entire.get(&read.id())).filter(|_| same);
            let changed = match before {
                Some(before) => self.compare(read, from, before).await?,
                None => None,
            };
            same &= changed.as_ref().is_some_and(|changed| changed.days.is_empty());
            let files = match changed {
                Some(changed) => changed.now,
                None => self.look(read, from, false).await?,
            };
            now.insert(read.id(), files);
        }
        Ok(Entire { now, same })
    }

    /// `None` where it cannot be told.
    async fn changed(
        &self,
        inputs: &WindowedInputs,
        prior: &Standing,
    ) -> Result<Option<BTreeMap<String, Read>>, ComputeError> {
        let mut reads = BTreeMap::new();
        for (read, from) in &inputs.reads {
            let Some(before) = prior.reads.get(&read.id()) else {
                return Ok(None);
            };
            let Some(changed) = self.compare(read, from, before).await? else {
                return Ok(None);
            };
            reads.insert(read.id(), changed);
        }
        Ok(Some(reads))
    }

    /// The first and last days of all files.
    async fn spans(&self, inputs: &WindowedInputs) -> Result<BTreeMap<String, Read>, ComputeError> {
        let mut reads = BTreeMap::new();
        for (read, from) in &inputs.reads {
            reads.insert(
                read.id(),
                Read { now: self.look(read, from, true).await?, days: BTreeSet::new(), left: BTreeSet::new() },
            );
        }
        Ok(reads)
    }

    /// The files of a read, without their digests wherever these can be asked for later.
    async fn look(&self, read: &WindowedRead, from: &ReadFiles, dated: bool) -> Result<FileDigests, ComputeError> {
        let Some(base) = &from.base else {
            return Ok(FileDigests(BTreeMap::from([(ALL.to_owned(), self.all(read, from).await?)])));
        };
        let mut files = FileDigests::default();
        for file in base.files() {
            let days = if dated { self.span(read, from, base, &file).await? } else { None };
            files.0.insert(base.key(&file, self.work.night), FileRows { span: days, days: None });
        }
        Ok(files)
    }

    /// `None` where a file that left cannot be read any more.
    async fn compare(
        &self,
        read: &WindowedRead,
        from: &ReadFiles,
        before: &FileDigests,
    ) -> Result<Option<Read>, ComputeError> {
        let Some(base) = &from.base else {
            let now = self.all(read, from).await?;
            let then = before.0.get(ALL).and_then(|rows| rows.days.as_ref());
            let days = changed_days(&now.days, then);
            return Ok(then.map(|then| Read {
                now: FileDigests(BTreeMap::from([(ALL.to_owned(), now)])),
                days,
                left: then.keys().copied().collect(),
            }));
        };
        let files: BTreeMap<String, DataFile> =
            base.files().into_iter().map(|file| (base.key(&file, self.work.night), file)).collect();
        let mut left = Vec::new();
        for (key, rows) in before.0.iter().filter(|(key, _)| !files.contains_key(*key)) {
            match &rows.days {
                Some(days) => left.push(days.clone()),
                None => match self.gone(read, from, base, key).await? {
                    Some(days) => left.push(days),
                    None => return Ok(None),
                },
            }
        }
        let mut now = FileDigests::default();
        for (key, file) in &files {
            let rows = match before.0.get(key) {
                Some(known) => known.clone(),
                None => FileRows::digested(self.digest(read, from, base, file).await?),
            };
            now.0.insert(key.clone(), rows);
        }
        let came = now.beyond(before);
        let came = came.iter().filter_map(|key| now.0.get(key)?.days.as_ref());
        let days = changed_days(came, &left);
        let left = left.iter().flat_map(DayDigests::keys).copied().collect();
        Ok(Some(Read { now, days, left }))
    }

    /// Digests of a file that is not of the table any more; `None` where nothing kept it.
    async fn gone(
        &self,
        read: &WindowedRead,
        from: &ReadFiles,
        base: &BaseTable,
        key: &str,
    ) -> Result<Option<DayDigests>, ComputeError> {
        let lake = &self.work.context.lake;
        let Some((file, night)) = base.gone(lake, key).await.map_err(ComputeError::Other)? else {
            tracing::info!(node = %self.work.name, file = %key, "an input's file of before is gone; building all windows");
            return Ok(None);
        };
        let provider = base.provider_then(lake, std::slice::from_ref(&file), night);
        let session = self.session(from, base, provider, night.unwrap_or(self.work.night)).await?;
        Ok(Some(digest(&session, read).await?))
    }

    async fn digest(
        &self,
        read: &WindowedRead,
        from: &ReadFiles,
        base: &BaseTable,
        file: &DataFile,
    ) -> Result<DayDigests, ComputeError> {
        Ok(digest(&self.of_file(from, base, file).await?, read).await?)
    }

    /// From the file's statistics where the table itself is read by a column, else from that column.
    async fn span(
        &self,
        read: &WindowedRead,
        from: &ReadFiles,
        base: &BaseTable,
        file: &DataFile,
    ) -> Result<Option<Span>, ComputeError> {
        let column = read.column().filter(|_| read.table == base.table && base.key(file, self.work.night) == file.path);
        let ends = column.and_then(|column| Some((file.first_day(column)?, file.last_day(column)?)));
        match ends {
            Some((first, last)) => Ok(first.zip(last)),
            None => Ok(span(&self.of_file(from, base, file).await?, read).await?),
        }
    }

    async fn all(&self, read: &WindowedRead, from: &ReadFiles) -> Result<FileRows, ComputeError> {
        let session = self.work.context.engine.session(self.attempt.effort);
        from.scene.open(&session, self.work.night).await.map_err(ComputeError::Other)?;
        Ok(FileRows::digested(digest(&session, read).await?))
    }

    /// A session that sees one file of the table, as the night sees it.
    async fn of_file(
        &self,
        from: &ReadFiles,
        base: &BaseTable,
        file: &DataFile,
    ) -> Result<SessionContext, ComputeError> {
        let provider = base.provider(&self.work.context.lake, std::slice::from_ref(file), self.work.night);
        self.session(from, base, provider, self.work.night).await
    }

    async fn session(
        &self,
        from: &ReadFiles,
        base: &BaseTable,
        provider: Result<Arc<dyn TableProvider>, RunError>,
        night: NaiveDate,
    ) -> Result<SessionContext, ComputeError> {
        let session = self.work.context.engine.session(self.attempt.effort);
        let mut scene = from.scene.clone();
        scene.tables.insert(base.table.clone(), provider.map_err(ComputeError::Other)?);
        scene.open(&session, night).await.map_err(ComputeError::Other)?;
        Ok(session)
    }
}
