//! The night's scores: every entity by the night's model, then where each stands among all.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::cast::AsArray;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt, stream};

use super::blocks::{self, Scores};
use super::rows::{first_row, in_types};
use super::tiers::Standing;
use super::{kept, night, words};
use crate::graph::schemas::model_schema;
use crate::learn::{Scored, Scorer};
use crate::materialize::ROWS;
use crate::project::ml::{MlKind, MlNode, NIGHT_COLUMN, VALUE_COLUMN};
use crate::project::model::Model;
use crate::run::compute::{ComputeError, stage_rows, target_schema};
use crate::run::error::RunError;
use crate::run::views;
use crate::run::work::{Attempt, Made, Work};
use crate::session::{Effort, register};
use crate::sql_text::{column, columns, table, text};
use crate::table::{PinnedTable, StagedFile};

/// One night's scoring.
struct Scoring<'a> {
    work: &'a Work,
    node: &'a MlNode,
    features: &'a Model,
    attempt: Attempt,
    session: SessionContext,
}

pub(super) async fn make(
    work: &Work,
    model: &Model,
    node: &MlNode,
    features_read: &str,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    let missing = || RunError::Defect { what: format!("{} is not in the project", node.spec.features.as_str()) };
    let features =
        work.context.project.models.get(node.spec.features.as_str()).ok_or_else(|| ComputeError::Other(missing()))?;
    let session = work.context.engine.session(attempt.effort);
    work.scene.open(&session, work.night).await.map_err(ComputeError::Other)?;
    let scoring = Scoring { work, node, features, attempt, session };
    let training = node.training_table();
    let Some(kept) = kept::of_night(&scoring.session, &training, work.night).await? else {
        return Err(ComputeError::Other(scoring.waits(&training).await?));
    };
    let bytes = kept.bytes(&training).map_err(ComputeError::Other)?;
    let scorer = work.context.learner.open(&bytes).map_err(|error| {
        let message = format!(
            "model {} cannot be read: {error} — train anew: `buho run --select {training}+ --full-refresh`",
            kept.version
        );
        ComputeError::Other(RunError::refused(&work.name, &message))
    })?;
    scoring.none_lost().await?;
    let (files, scores) = scoring.score(Arc::from(scorer)).await?;
    let made_with = [kept.version.as_str(), features_read];
    let adds = scoring.finish(model, &files, scores, made_with).await?;
    night::replace(work, model, &[work.night].into(), adds, attempt).await
}

impl Scoring<'_> {
    /// Why there is nothing to score with, as the night's training row says.
    async fn waits(&self, training: &str) -> Result<RunError, ComputeError> {
        let query = format!("SELECT reason FROM {} ORDER BY night DESC LIMIT 1", table(training));
        let reason = first_row(&self.session, &query).await?.and_then(|row| row.into_iter().next());
        let because = format!("there is no model yet: {}", reason.unwrap_or_else(|| "nothing was trained".to_owned()));
        Ok(RunError::Waits { node: self.work.name.clone(), because })
    }

    /// Everybody of tonight's spine has features, of whom all in the population are scored.
    async fn none_lost(&self) -> Result<(), ComputeError> {
        let (entity, night) = (column(&self.node.spec.entity), self.work.night);
        let lost = format!(
            "SELECT count(*), min(cast(s.{entity} AS VARCHAR)) FROM {} AS s LEFT JOIN {} AS f \
             ON s.{entity} = f.{entity} AND s.night = f.night WHERE s.night = DATE '{night}' AND f.night IS NULL",
            table(&self.node.spec.spine),
            table(&self.node.spec.features)
        );
        match first_row(&self.session, &lost).await?.as_deref() {
            Some([count, one]) if count != "0" => {
                let message = format!(
                    "{count} entities of the spine are not in the features `{}`, {} {one} among them — start its joins from the spine with LEFT JOIN",
                    self.node.spec.features.as_str(),
                    self.node.spec.entity.as_str()
                );
                Err(ComputeError::Other(RunError::refused(&self.work.name, &message)))
            }
            _ => Ok(()),
        }
    }

    /// Scores and reasons by entity, staged for this attempt alone, and all scores.
    async fn score(&self, scorer: Arc<dyn Scorer>) -> Result<(Vec<StagedFile>, Scores), ComputeError> {
        let learnt = self.node.learnt(self.features.spec.columns.iter().map(|column| column.name.as_str()));
        let query = format!(
            "SELECT {}, {} FROM {} AS f WHERE night = DATE '{}'",
            column(&self.node.spec.entity),
            columns(learnt),
            self.node.population(&table(&self.features.name)),
            self.work.night
        );
        let rows = views::sql(&self.session, &query).await?.execute_stream().await?;
        let schema = self.scored_schema();
        let pool = Arc::clone(self.session.task_ctx().memory_pool());
        let scores = Arc::new(Mutex::new(Scores::none(&self.work.name, &pool)));
        let (all, out) = (Arc::clone(&scores), Arc::clone(&schema));
        let (node, declared) = (self.node.clone(), model_schema(self.features));
        let name = self.work.name.clone();
        let blocks = rows.map_ok(|batch| stream::iter(blocks::cut(&batch)).map(Ok)).try_flatten();
        let scored = blocks.map_ok(move |block| {
            let (scorer, node) = (Arc::clone(&scorer), node.clone());
            let (out, declared) = (Arc::clone(&out), Arc::clone(&declared));
            let room = blocks::reserved(&block, &name, &pool);
            async move {
                let _until_scored = room?;
                let scored =
                    tokio::task::spawn_blocking(move || one_batch(&block, scorer.as_ref(), &node, &out, &declared));
                scored.await.map_err(|error| DataFusionError::External(Box::new(error)))?
            }
        });
        let batches = scored.try_buffered(self.side_by_side()).map(move |scored| {
            let (batch, scores) = scored?;
            all.lock().unwrap_or_else(PoisonError::into_inner).keep(&scores)?;
            Ok(batch)
        });
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
        let target = self.work.scratch(self.attempt, "-scored");
        let files = stage_rows(&self.work.context.lake, &target, vec![stream], &self.session).await?;
        let none = Scores::none(&self.work.name, self.session.task_ctx().memory_pool());
        let scores = std::mem::replace(&mut *scores.lock().unwrap_or_else(PoisonError::into_inner), none);
        Ok((files, scores))
    }

    /// Batches that are scored at a time: each on a thread of its own, unless memory is short.
    fn side_by_side(&self) -> usize {
        match self.attempt.effort {
            Effort::Spilling => 1,
            Effort::Fast | Effort::Fair => self.work.context.engine.threads(),
        }
    }

    /// Entity, score, interval, reasons.
    fn scored_schema(&self) -> SchemaRef {
        let entity =
            self.features.spec.columns.iter().find(|column| column.name.as_str() == self.node.spec.entity.as_str());
        let kind = entity.map_or(DataType::Utf8, |column| column.kind.value.arrow());
        let mut fields = vec![Field::new(self.node.spec.entity.as_str(), kind, true)];
        fields.push(Field::new(self.node.score_column(), DataType::Float64, true));
        if self.node.spec.kind == MlKind::Regressor {
            fields.extend(["prediction_low", "prediction_high"].map(|name| Field::new(name, DataType::Float64, true)));
        }
        fields.extend(words::fields(self.node));
        Arc::new(Schema::new(fields))
    }

    /// The rows of the table, by entity.
    async fn finish(
        &self,
        model: &Model,
        files: &[StagedFile],
        scores: Scores,
        [version, read]: [&str; 2],
    ) -> Result<Vec<StagedFile>, ComputeError> {
        let scored = PinnedTable::from_staged(&self.work.context.lake, &self.work.name, &self.scored_schema(), files)?;
        register(&self.session, ROWS, Arc::new(scored))?;
        let entity = column(&self.node.spec.entity);
        // A hash join holds its left side: the values, not the rows with their words.
        let (value, join, on) = match self.value_table().await? {
            Some(name) => (
                format!("cast(v.{VALUE_COLUMN} AS DOUBLE)"),
                format!("{name} AS v RIGHT JOIN"),
                format!("ON v.{entity} = s.{entity}"),
            ),
            None => ("cast(NULL AS DOUBLE)".to_owned(), String::new(), String::new()),
        };
        let query = format!(
            "SELECT s.*, DATE '{}' AS {NIGHT_COLUMN}, {} AS model_version, {} AS features_read, {value} AS value \
             FROM {join} {ROWS} AS s {on} ORDER BY s.{entity}",
            self.work.night,
            text(version),
            text(read)
        );
        let rows = self.session.sql(&query).await?.execute_stream().await?;
        let schema = target_schema(&model.spec.columns);
        let (node, out) = (self.node.clone(), Arc::clone(&schema));
        let (scores, _until_written) = scores.into_parts();
        let sorted = Standing::new(scores);
        let batches = rows.map(move |batch| placed(&batch?, &node, &sorted, &out));
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
        let target = self.work.target(model, self.attempt, "");
        stage_rows(&self.work.context.lake, &target, vec![stream], &self.session).await
    }

    /// What is at stake, registered as a table of entity and value.
    async fn value_table(&self) -> Result<Option<&'static str>, ComputeError> {
        const VALUES: &str = "buho.stakes";
        let Some(spec) = &self.node.spec.value else { return Ok(None) };
        let sql = match (&spec.sql, &spec.column) {
            (Some(sql), _) => sql.value.clone(),
            (None, Some(named)) => {
                let (from, name) = named.rsplit_once('.').unwrap_or(("", named));
                format!(
                    "SELECT {}, {} AS {VALUE_COLUMN} FROM {}",
                    column(&self.node.spec.entity),
                    column(name),
                    table(from)
                )
            }
            (None, None) => return Ok(None),
        };
        views::register_view(&self.session, VALUES, &sql, self.work.night).await.map_err(ComputeError::Other)?;
        Ok(Some(VALUES))
    }
}

/// One batch of features scored: entity, score, interval, reasons; and the scores.
fn one_batch(
    batch: &RecordBatch,
    scorer: &dyn Scorer,
    node: &MlNode,
    schema: &SchemaRef,
    declared: &Schema,
) -> Result<(RecordBatch, Vec<f64>), DataFusionError> {
    let names = batch.schema();
    let learnt = names.fields().iter().zip(batch.columns()).skip(1);
    let learnt = learnt.map(|(field, values)| (field.name().as_str(), values));
    let features = in_types(learnt, declared, batch.num_rows())?;
    let reasons = node.spec.reasons.count.value as usize;
    let refused = |message: String| DataFusionError::Execution(message);
    let scored = scorer.score(&features, reasons).map_err(|error| refused(error.to_string()))?;
    if scored.scores.len() != batch.num_rows() || scored.scores.iter().any(|score| !score.is_finite()) {
        return Err(refused("the model does not give a finite score for each row".to_owned()));
    }
    let entity = batch.column(0);
    let first = schema.field(0).data_type();
    let mut columns: Vec<ArrayRef> = vec![cast(entity, first)?, Arc::new(Float64Array::from(scored.scores.clone()))];
    columns.extend(interval_columns(node, &scored));
    columns.extend(words::columns(node, &features, &scored)?);
    Ok((RecordBatch::try_new(Arc::clone(schema), columns)?, scored.scores))
}

fn interval_columns(node: &MlNode, scored: &Scored) -> Vec<ArrayRef> {
    if node.spec.kind == MlKind::Classifier {
        return Vec::new();
    }
    let rows = scored.scores.len();
    let end = |pick: fn(&(f64, f64)) -> f64| -> ArrayRef {
        let values = match &scored.intervals {
            Some(intervals) => intervals.iter().map(|interval| Some(pick(interval))).collect(),
            None => vec![None; rows],
        };
        Arc::new(Float64Array::from(values))
    };
    vec![end(|interval| interval.0), end(|interval| interval.1)]
}

/// Adds percentile, tier and value at risk, and puts the columns in the table's order.
fn placed(
    batch: &RecordBatch,
    node: &MlNode,
    sorted: &Standing,
    schema: &SchemaRef,
) -> Result<RecordBatch, DataFusionError> {
    let named = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| DataFusionError::Internal(format!("scores without `{name}`")))
    };
    let scores = named(node.score_column())?.as_primitive::<Float64Type>();
    let each = || scores.values().iter().copied();
    let values = named("value")?.as_primitive::<Float64Type>();
    let columns = schema.fields().iter().map(|field| {
        let made: ArrayRef = match field.name().as_str() {
            "percentile" => Arc::new(Float64Array::from_iter_values(each().map(|score| sorted.percentile(score)))),
            "tier" => Arc::new(StringArray::from_iter(each().map(|score| sorted.tier(score, &node.spec.tiers)))),
            "value_at_risk" => {
                let at_risk = values.iter().zip(each()).map(|(value, score)| value.map(|value| value * score));
                Arc::new(Float64Array::from_iter(at_risk))
            }
            name => Arc::clone(named(name)?),
        };
        Ok(cast(&made, field.data_type())?)
    });
    let columns = columns.collect::<Result<Vec<_>, DataFusionError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
