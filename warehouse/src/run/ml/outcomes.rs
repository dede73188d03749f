//! Past scores held against what came, once: in the first night after their horizon has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type};
use chrono::NaiveDate;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::gather::Gather;
use super::judged::{Judged, Night};
use super::rows::day;
use super::{kept, night, report};
use crate::learn::{lift_of, promised};
use crate::materialize::PRIOR;
use crate::project::ml::{LABEL_COLUMN, MlKind, MlNode, NIGHT_COLUMN};
use crate::project::model::Model;
use crate::run::compute::{ComputeError, stage_query};
use crate::run::windowed::prior_table;
use crate::run::work::{Attempt, Made, Work};
use crate::session::register;
use crate::sql_text::{column, table, text};
use crate::table::{DataFile, PinnedTable, StagedFile};

const LABELS: &str = "buho.labels";

/// Judges the scores whose horizon has passed and that were not judged before; `None` where there are none.
pub(super) async fn make(
    work: &Work,
    model: &Model,
    nodes: &[Arc<MlNode>],
    attempt: Attempt,
) -> Result<Option<Made>, ComputeError> {
    let mut rows = Vec::new();
    let mut nights = BTreeSet::new();
    let mut earlier = Vec::new();
    for node in nodes {
        let outcomes = Outcomes { gather: Gather { work, node, attempt }, model };
        let due = outcomes.due().await?;
        nights.extend(due.keys().copied());
        rows.extend(outcomes.judged(&due).await?);
    }
    if nights.is_empty() && work.base.is_some() {
        return Ok(None);
    }
    // Several nodes share a night: what others were judged to be that night stays.
    if work.base.is_some() {
        earlier.extend(before(work, model, &nights, attempt).await?);
    }
    earlier.extend(rows);
    let adds = report::stage_made(work, model, &earlier, attempt).await?;
    night::replace(work, model, &nights, adds, attempt).await.map(Some)
}

/// The rows that the table has of nights that are judged again for another node.
async fn before(
    work: &Work,
    model: &Model,
    nights: &BTreeSet<NaiveDate>,
    attempt: Attempt,
) -> Result<Vec<Value>, ComputeError> {
    let files: Vec<DataFile> = work.base_files().cloned().collect();
    let session = work.context.engine.session(attempt.effort);
    prior_table(work, model, &files, &session)?;
    let dates: Vec<String> = nights.iter().map(|night| format!("DATE '{night}'")).collect();
    let query =
        format!("SELECT * FROM {PRIOR} WHERE night IN ({}) ORDER BY model, night, version, decile", dates.join(", "));
    let batches = session.sql(&query).await?.collect().await?;
    let mut written = Vec::new();
    let mut writer = arrow::json::ArrayWriter::new(&mut written);
    let failed = |error: arrow::error::ArrowError| ComputeError::Engine(error.into());
    for batch in &batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let form = |source| crate::run::error::RunError::Form { what: "outcomes of before".to_owned(), source };
    serde_json::from_slice(&written).map_err(|source| ComputeError::Other(form(source)))
}

/// The night of scores and the version that made them.
type Scored = (NaiveDate, String);

struct Outcomes<'a> {
    gather: Gather<'a>,
    model: &'a Model,
}

impl Outcomes<'_> {
    async fn session(&self) -> Result<SessionContext, ComputeError> {
        let work = self.gather.work;
        let session = work.context.engine.session(self.gather.attempt.effort);
        work.scene.open(&session, work.night).await.map_err(ComputeError::Other)?;
        Ok(session)
    }

    /// Nights of scores whose horizon has passed and that were not judged yet, and each one's horizon.
    async fn due(&self) -> Result<BTreeMap<NaiveDate, u32>, ComputeError> {
        let (work, node) = (self.gather.work, self.gather.node);
        let session = self.session().await?;
        let files: Vec<DataFile> = work.base_files().cloned().collect();
        prior_table(work, self.model, &files, &session)?;
        let query = format!(
            "SELECT DISTINCT s.night, t.horizon_days FROM {} AS s INNER JOIN {} AS t ON t.night = s.night \
             LEFT JOIN (SELECT DISTINCT night FROM {PRIOR} WHERE model = {}) AS o ON o.night = s.night \
             WHERE o.night IS NULL",
            table(&node.spec.output),
            table(&node.training_table()),
            text(&node.name)
        );
        let mut due = BTreeMap::new();
        for batch in session.sql(&query).await?.collect().await? {
            let (nights, days) =
                (batch.column(0).as_primitive::<Date32Type>(), batch.column(1).as_primitive::<Int32Type>());
            for (night, horizon) in nights.iter().zip(days).filter_map(|(night, days)| Some((day(night?), days?))) {
                let horizon = u32::try_from(horizon).unwrap_or_default();
                let known = night.checked_add_days(chrono::Days::new(horizon.into()));
                // What was known at its night was learnt from: nothing came after that could judge.
                if horizon > 0 && known.is_some_and(|known| known <= work.night) {
                    due.insert(night, horizon);
                }
            }
        }
        Ok(due)
    }

    async fn judged(&self, due: &BTreeMap<NaiveDate, u32>) -> Result<Vec<Value>, ComputeError> {
        let horizons: BTreeSet<u32> = due.values().copied().collect();
        let mut rows = Vec::new();
        for horizon in horizons {
            let nights: Vec<NaiveDate> =
                due.iter().filter(|(_, days)| **days == horizon).map(|(night, _)| *night).collect();
            let spine = self.spine(&nights, horizon).await?;
            let labels = self.gather.labels(&spine, horizon).await?;
            rows.extend(self.held_against(&labels).await?);
        }
        Ok(rows)
    }

    /// Who was scored in past nights, as a spine.
    async fn spine(&self, nights: &[NaiveDate], horizon: u32) -> Result<Vec<StagedFile>, ComputeError> {
        let (work, node) = (self.gather.work, self.gather.node);
        let session = self.session().await?;
        let spine = self.gather.model(&node.spec.spine)?;
        let columns: Vec<String> = spine
            .spec
            .columns
            .iter()
            .map(|declared| match declared.name.as_str() {
                name if name == node.spec.entity.as_str() || name == NIGHT_COLUMN => format!("s.{}", column(name)),
                name => format!("cast(NULL AS {}) AS {}", declared.kind.value, column(name)),
            })
            .collect();
        let dates: Vec<String> = nights.iter().map(|night| format!("DATE '{night}'")).collect();
        let query = format!(
            "SELECT {} FROM {} AS s WHERE s.night IN ({})",
            columns.join(", "),
            table(&node.spec.output),
            dates.join(", ")
        );
        let target = work.scratch(self.gather.attempt, &format!("-{}-{horizon}-scored", node.name));
        stage_query(&work.context.lake, &target, session.sql(&query).await?, &session).await
    }

    /// One row for each night, version and tenth of the scores.
    async fn held_against(&self, labels: &[StagedFile]) -> Result<Vec<Value>, ComputeError> {
        let (work, node) = (self.gather.work, self.gather.node);
        let session = self.session().await?;
        let schema = self.gather.labels_schema()?;
        let rows = PinnedTable::from_staged(&work.context.lake, &work.name, &schema, labels)?;
        register(&session, LABELS, Arc::new(rows))?;
        let (entity, score) = (column(&node.spec.entity), column(node.score_column()));
        let query = format!(
            "SELECT s.night, s.model_version, s.{score}, cast(count(*) AS DOUBLE), sum(l.{LABEL_COLUMN}), \
             sum((l.{LABEL_COLUMN} - s.{score}) * (l.{LABEL_COLUMN} - s.{score})) FROM {} AS s INNER JOIN {LABELS} AS l \
             ON l.{entity} = s.{entity} AND l.night = s.night WHERE l.{LABEL_COLUMN} IS NOT NULL \
             GROUP BY s.night, s.model_version, s.{score} ORDER BY s.night, s.model_version, s.{score} DESC",
            table(&node.spec.output)
        );
        let mut stream = session.sql(&query).await?.execute_stream().await?;
        let mut made = Vec::new();
        let mut open: Option<(Scored, Night)> = None;
        while let Some(batch) = stream.try_next().await? {
            for (key, judged) in judged_rows(&batch)? {
                if let Some((closed, night)) = open.take_if(|(before, _)| *before != key) {
                    made.extend(self.closed(&session, closed, &night).await?);
                }
                open.get_or_insert_with(|| (key, Night::default())).1.add(judged);
            }
        }
        if let Some((closed, night)) = open {
            made.extend(self.closed(&session, closed, &night).await?);
        }
        Ok(made)
    }

    async fn closed(
        &self,
        session: &SessionContext,
        (night, version): Scored,
        scores: &Night,
    ) -> Result<Vec<Value>, ComputeError> {
        let node = self.gather.node;
        let is_classifier = node.spec.kind == MlKind::Classifier;
        let (metric, value) = if is_classifier { ("roc_auc", scores.auc()) } else { ("rmse", scores.rmse()) };
        let trained = kept::of_night(session, &node.training_table(), night).await?;
        let trained = trained.filter(|kept| kept.version == version);
        let promise = |metric: &str| trained.as_ref().and_then(|kept| promised(&kept.report, metric));
        let lift = |mean: Option<f64>| Some(mean? / scores.mean_label().filter(|all| *all != 0.0)?);
        let tenths = scores.tenths();
        let rows = tenths.iter().enumerate().filter(|(_, tenth)| tenth.rows > 0.0);
        let mut made: Vec<Value> = rows
            .map(|(place, tenth)| {
                json!({
                    "model": node.name, "night": night, "version": version, "decile": place + 1,
                    "rows": tenth.rows.round() as u64, "mean_score": tenth.mean_score(),
                    "mean_label": tenth.mean_label(), "lift": lift(tenth.mean_label()),
                    "promised_lift": promise(&lift_of(place + 1)),
                })
            })
            .collect();
        made.push(json!({
            "model": node.name, "night": night, "version": version, "decile": 0,
            "rows": scores.rows().round() as u64, "mean_score": scores.mean_score(),
            "mean_label": scores.mean_label(), "lift": lift(scores.mean_label()),
            "metric": metric, "value": value, "promised": promise(metric),
        }));
        Ok(made)
    }
}

/// Night and version of each row, and its equal scores.
fn judged_rows(batch: &RecordBatch) -> Result<Vec<(Scored, Judged)>, ComputeError> {
    let failed = |error: arrow::error::ArrowError| ComputeError::Engine(error.into());
    let nights = batch.column(0).as_primitive::<Date32Type>();
    let versions = arrow::compute::cast(batch.column(1), &DataType::Utf8).map_err(failed)?;
    let versions = versions.as_string::<i32>();
    let number = |place: usize| batch.column(place).as_primitive::<Float64Type>();
    let (scores, rows, sums, squares) = (number(2), number(3), number(4), number(5));
    let row = |at: usize| {
        let judged = Judged {
            score: scores.value(at),
            rows: rows.value(at),
            labels: sums.value(at),
            squares: squares.value(at),
        };
        ((day(nights.value(at)), versions.value(at).to_owned()), judged)
    };
    Ok((0..batch.num_rows()).filter(|at| scores.is_valid(*at)).map(row).collect())
}
