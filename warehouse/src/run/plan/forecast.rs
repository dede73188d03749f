//! Which windows of a table a run would build and why, as far as that is known before the run.
//!
//! | what the table reads | is known from |
//! |---|---|
//! | rows that are in the lake and were not built from yet | their files, which are read for it as a run would |
//! | a delivery that is not loaded, read by the night of its delivery | its name |
//! | a correction, read by a day of its rows | the rows that it replaces; what it brings is not known |
//! | a table in windows that would be built before it | that table's own windows |
//! | anything else that would come before it | nothing: it is named |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::prelude::ident;
use serde::Serialize;

use crate::graph::{Node, WindowedRead};
use crate::project::model::{Materialized, Model, WindowLength};
use crate::run::build::Build;
use crate::run::changed::{Cause, Changed};
use crate::run::changes;
use crate::run::digests::{digest, windows_of};
use crate::run::error::RunError;
use crate::run::reads::{BaseTable, ReadFiles};
use crate::run::standing::Standing;
use crate::run::windowed::WindowedInputs;
use crate::run::work::{Attempt, Method, Work};
use crate::session::Effort;
use crate::table::TableSnapshot;

/// Windows that follow each other and would be built for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowsPlan {
    /// First days of the first and of the last of them; `None` where it is all of the table's.
    pub first: Option<NaiveDate>,
    pub last: Option<NaiveDate>,
    pub why: String,
}

/// A delivery that the run would load.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub path: String,
    pub night: NaiveDate,
    /// The delivery whose rows it replaces.
    pub replaces: Option<i64>,
}

/// What is known of a table's windows.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    length: Option<WindowLength>,
    all: Option<String>,
    windows: BTreeMap<NaiveDate, BTreeSet<String>>,
    unknown: BTreeSet<String>,
    /// Why the run would build none of them.
    pub refused: Option<String>,
}

impl Forecast {
    fn all(why: &str) -> Self {
        Self { all: Some(why.to_owned()), ..Self::default() }
    }

    fn add(&mut self, windows: impl IntoIterator<Item = NaiveDate>, why: &str) {
        for window in windows {
            self.windows.entry(window).or_default().insert(why.to_owned());
        }
    }

    /// The windows, those that follow each other for the same reasons as one.
    pub fn windows(&self) -> Vec<WindowsPlan> {
        let all = self.all.iter().map(|why| WindowsPlan { first: None, last: None, why: why.clone() });
        let mut found: Vec<WindowsPlan> = all.collect();
        for (window, reasons) in &self.windows {
            let why = reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
            match found.last_mut() {
                Some(last) if last.why == why && self.follows(last.last, *window) => last.last = Some(*window),
                _ => found.push(WindowsPlan { first: Some(*window), last: Some(*window), why }),
            }
        }
        found
    }

    fn follows(&self, last: Option<NaiveDate>, window: NaiveDate) -> bool {
        self.length.zip(last).is_some_and(|(length, last)| length.next(last) == window)
    }

    /// Whether it is known that nothing would be built.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.windows.is_empty() && self.unknown.is_empty()
    }

    /// What may be built beyond that.
    pub fn unknown(&self) -> Vec<String> {
        self.unknown.iter().cloned().collect()
    }
}

/// What a run would do before a table, and what it is then known of it.
pub(super) struct Ahead<'a> {
    pub build: Build<'a>,
    /// By bronze table.
    pub pending: BTreeMap<String, Vec<Pending>>,
    /// Tables that would be built, those in windows with what is known of these.
    pub built: BTreeMap<String, Option<Forecast>>,
}

impl Ahead<'_> {
    /// What is known of the windows that the run would build of a table.
    pub async fn forecast(&self, node: &Node, base: Option<TableSnapshot>) -> Result<Option<Forecast>, RunError> {
        let context = self.build.context;
        let Some(model) = context.project.models.get(&node.name) else { return Ok(None) };
        if node.materialized != Materialized::Incremental {
            return Ok(None);
        }
        let inputs = self.build.windowed(node, base.as_ref()).await?;
        if let Some(why) = anew(&self.build, &inputs) {
            return Ok(Some(Forecast::all(why)));
        }
        let work = self.looking_at(node, base).await?;
        let attempt = Attempt { effort: Effort::Fair, number: 1 };
        let seen = changes::see(&work, model, &inputs, attempt).await.map_err(|error| error.of(&node.name))?;
        let Some(changed) = seen.changed else {
            let is_of_another = inputs.prior.as_ref().is_some_and(Standing::is_of_another_engine);
            return Ok(Some(Forecast::all(match is_of_another {
                true => "this version of buho cannot compare what it reads with what the one before noted of it",
                false => "what it reads beyond the window changed, or a file that it was made of is gone",
            })));
        };
        let mut forecast = Forecast { length: Some(model.spec.window()), ..Forecast::default() };
        for (window, causes) in &changed.causes {
            for (cause, table) in causes {
                forecast.add([*window], &said(*cause, table));
            }
        }
        for (read, from) in &inputs.reads {
            let input = Input { work: &work, model, read, from, changed: &changed };
            self.take_read(&input, &mut forecast).await?;
        }
        let mut whole_moves = false;
        for (read, _) in &inputs.whole {
            for table in self.moving(&read.table) {
                forecast.unknown.insert(format!("all windows, where `{table}` changes in what is read of it whole"));
                whole_moves = true;
            }
        }
        let over = |windows: &mut dyn Iterator<Item = &NaiveDate>| changed.over_limit(windows, &work, model, &inputs);
        forecast.refused = over(&mut changed.windows.iter()).filter(|_| !whole_moves);
        let may_be = over(&mut forecast.windows.keys()).filter(|_| forecast.refused.is_none());
        forecast.unknown.extend(may_be.map(|said| format!("whether it is refused: {said}")));
        Ok(Some(forecast))
    }

    /// What reads the inputs of a table, and computes nothing of it.
    async fn looking_at(&self, node: &Node, base: Option<TableSnapshot>) -> Result<Work, RunError> {
        Ok(Work {
            context: self.build.context.clone(),
            may_resume: false,
            may_compute: false,
            is_stage: false,
            is_fed: true,
            ahead: false,
            released: None,
            name: node.name.clone(),
            scene: self.build.scene(&node.inputs).await?,
            base,
            method: Method::Whole,
            night: self.build.night(),
            attempt: self.build.run_id().to_owned(),
            gate: Arc::default(),
        })
    }

    async fn take_read(&self, input: &Input<'_>, forecast: &mut Forecast) -> Result<(), RunError> {
        let Some(base) = &input.from.base else {
            let moving = self.moving(&input.read.table);
            forecast.unknown.extend(moving.iter().map(|table| format!("the days of `{table}` that change")));
            return Ok(());
        };
        let by_night = self.column_behind(&input.read.table, input.read.column()).as_deref() == Some("_night");
        for pending in self.pending.get(&base.table).into_iter().flatten() {
            let cause = match pending.replaces {
                Some(_) => Cause::Corrected,
                None => input.changed.cause(&input.read.id(), pending.night),
            };
            let why = format!("{}: {}", delivered(cause), pending.path);
            if by_night {
                forecast.add(input.windows(&BTreeSet::from([pending.night])), &why);
                continue;
            }
            if let Some(number) = pending.replaces {
                forecast.add(input.windows(&input.days_of(base, number).await?), &why);
            }
            forecast.unknown.insert(format!("the days of the rows in {}, which is not loaded yet", pending.path));
        }
        match self.built.get(&base.table) {
            None => {}
            Some(Some(before)) if before.all.is_none() && self.is_by_its_windows(input, base) => {
                for (window, reasons) in &before.windows {
                    let days = before.length.map(|length| days_of(*window, length)).unwrap_or_default();
                    reasons.iter().for_each(|why| forecast.add(input.windows(&days), why));
                }
                forecast.unknown.extend(before.unknown.iter().cloned());
            }
            Some(_) => {
                forecast.unknown.insert(format!("the days of `{}` that change, once it is built", base.table));
            }
        }
        Ok(())
    }

    /// Whether a table is read by the very days that its windows are of.
    fn is_by_its_windows(&self, input: &Input<'_>, base: &BaseTable) -> bool {
        let model = self.build.context.project.models.get(&base.table);
        let time = model.and_then(|model| model.spec.time()).map(|time| time.as_str().to_owned());
        time.is_some() && self.column_behind(&input.read.table, input.read.column()) == time
    }

    /// Stored tables behind a table or view that the run would change.
    fn moving(&self, table: &str) -> BTreeSet<String> {
        let graph = &self.build.context.graph;
        let mut waiting = vec![table];
        let mut found = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            match graph.node(name).filter(|node| node.materialized == Materialized::View) {
                Some(view) => waiting.extend(view.inputs.iter().map(String::as_str)),
                None if self.built.contains_key(name) || self.pending.get(name).is_some_and(|all| !all.is_empty()) => {
                    found.insert(name.to_owned());
                }
                None => {}
            }
        }
        found
    }

    /// The column of the stored table that a column of a table or view is.
    fn column_behind(&self, table: &str, column: Option<&str>) -> Option<String> {
        let context = self.build.context;
        let (mut table, mut column) = (table.to_owned(), column?.to_owned());
        while context.graph.node(&table).is_some_and(|node| node.materialized == Materialized::View) {
            let plan = context.resolved.plans.get(&table)?;
            (table, column) = scanned(plan, &column)?;
        }
        Some(column)
    }
}

/// A read of a table that is looked at.
struct Input<'a> {
    work: &'a Work,
    model: &'a Model,
    read: &'a WindowedRead,
    from: &'a ReadFiles,
    changed: &'a Changed,
}

impl Input<'_> {
    fn windows(&self, days: &BTreeSet<NaiveDate>) -> BTreeSet<NaiveDate> {
        windows_of(days, self.read, self.model.spec.window())
    }

    /// The days of the rows of a delivery, as they are in bronze.
    async fn days_of(&self, base: &BaseTable, delivery: i64) -> Result<BTreeSet<NaiveDate>, RunError> {
        let failed = |error| RunError::query(&base.table, error);
        let session = self.work.context.engine.session(Effort::Fair);
        let provider = base.provider(&self.work.context.lake, &base.files(), self.work.night)?;
        let of_delivery = ident("_delivery").eq(lit(ScalarValue::Int64(Some(delivery))));
        let rows = session.read_table(provider).and_then(|rows| rows.filter(of_delivery)).map_err(failed)?;
        let mut scene = self.from.scene.clone();
        scene.tables.insert(base.table.clone(), rows.into_view());
        scene.open(&session, self.work.night).await?;
        Ok(digest(&session, self.read).await.map_err(failed)?.into_keys().collect())
    }
}

/// Why a table would be built whole, whatever its inputs are.
fn anew(build: &Build<'_>, inputs: &WindowedInputs) -> Option<&'static str> {
    match &inputs.prior {
        _ if build.request.full_refresh => Some("a full refresh is asked for"),
        None => Some("it was never built, or what it was made of is not noted"),
        Some(prior) if prior.code != inputs.code => {
            Some("its SQL or columns changed, or those of a view that it reads, or the `event_time` of a source")
        }
        Some(prior) if inputs.may_have_met(prior) => {
            Some("this version of buho builds it one window at a time, those of days without rows too")
        }
        Some(prior) if inputs.reads.iter().any(|(read, _)| !prior.reads.contains_key(&read.id())) => {
            Some("this version of buho, or the type of a column, has other days of its inputs read by a window")
        }
        Some(_) => None,
    }
}

fn said(cause: Cause, table: &str) -> String {
    match cause {
        Cause::New => format!("new data in {table}"),
        Cause::Due => format!("its day has come, and it looks back on {table}"),
        Cause::Quiet => format!("its day has come, and it may have a row without any in {table}"),
        Cause::Late => format!("late rows in {table}"),
        Cause::Corrected => format!("corrected rows in {table}"),
    }
}

fn delivered(cause: Cause) -> &'static str {
    match cause {
        Cause::New | Cause::Due | Cause::Quiet => "new data",
        Cause::Late => "late delivery",
        Cause::Corrected => "corrected delivery",
    }
}

fn days_of(window: NaiveDate, length: WindowLength) -> BTreeSet<NaiveDate> {
    let end = length.next(window);
    window.iter_days().take_while(|day| *day < end).collect()
}

/// The table and column that a column of a row-wise plan is read from, where it is taken over as it is.
fn scanned(plan: &LogicalPlan, column: &str) -> Option<(String, String)> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.iter().find(|expr| expr.qualified_name().1 == column)?;
            scanned(&projection.input, &taken_over(expr)?)
        }
        LogicalPlan::Filter(filter) => scanned(&filter.input, column),
        LogicalPlan::SubqueryAlias(alias) => scanned(&alias.input, column),
        LogicalPlan::TableScan(scan) => {
            Some((format!("{}.{}", scan.table_name.schema()?, scan.table_name.table()), column.to_owned()))
        }
        _ => None,
    }
}

fn taken_over(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Alias(alias) => taken_over(&alias.expr),
        Expr::Cast(cast) => taken_over(&cast.expr),
        Expr::Column(column) => Some(column.name.clone()),
        _ => None,
    }
}
