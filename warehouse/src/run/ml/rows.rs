//! Rows to learn from: features and labels joined, checked, in one order.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{cast, concat, concat_batches};
use arrow::datatypes::{DataType, Date32Type, FieldRef, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{NaiveDate, TimeDelta};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::prelude::{SessionContext, ident};
use futures::TryStreamExt;

use super::gather::Gather;
use crate::graph::schemas::model_schema;
use crate::learn::TrainingRows;
use crate::project::ml::{MlKind, NIGHT_COLUMN};
use crate::run::compute::ComputeError;
use crate::run::error::RunError;
use crate::run::views;
use crate::session::{Effort, register};
use crate::sql_text::{column, columns};
use crate::table::{PinnedTable, StagedFile};

/// Rows of tonight that drift is judged on: so many, and of wide tables so many values, but never under a thousand rows.
const TONIGHT_ROWS: usize = 20_000;
const TONIGHT_VALUES: usize = 10_000_000;
const TONIGHT_FEWEST: usize = 1_000;

/// Times that rows are there at once while they are learnt from.
const COPIES: usize = 3;
/// What is kept of an entity beside the letters of its name.
const NAME_BYTES: usize = 48;

const SPINE: &str = "buho.spine";
const FEATURES: &str = "buho.features";
const LABELS: &str = "buho.labels";

/// Staged rows of past nights.
pub(super) struct Past<'a> {
    pub gather: Gather<'a>,
    pub spine: &'a [StagedFile],
    pub features: &'a [StagedFile],
    pub labels: &'a [StagedFile],
}

/// What is learnt from, and what was left out.
pub(super) struct Joined {
    pub rows: TrainingRows,
    /// The room that the rows take of the budget, to be given back once they are learnt from.
    pub room: MemoryReservation,
    /// Rows of the newest night, drawn by chance: with or without a label.
    pub newest: RecordBatch,
    /// Rows of the spine whose label is not known.
    pub unlabelled: u64,
}

impl Past<'_> {
    fn refused(&self, message: String) -> ComputeError {
        ComputeError::Other(RunError::refused(&self.gather.work.name, &message))
    }

    fn entity(&self) -> String {
        column(&self.gather.node.spec.entity)
    }

    /// A session that sees the staged rows under the engine's own names.
    fn session(&self) -> Result<SessionContext, ComputeError> {
        let gather = &self.gather;
        let session = gather.work.context.engine.session(gather.attempt.effort);
        let spine = model_schema(gather.model(&gather.node.spec.spine)?);
        let features = model_schema(gather.model(&gather.node.spec.features)?);
        let labels = gather.labels_schema()?;
        for (name, schema, files) in
            [(SPINE, spine, self.spine), (FEATURES, features, self.features), (LABELS, labels, self.labels)]
        {
            let rows = PinnedTable::from_staged(&gather.work.context.lake, &gather.work.name, &schema, files)?;
            register(&session, name, Arc::new(rows))?;
        }
        Ok(session)
    }

    /// Joins features and labels by entity and night.
    ///
    /// # Errors
    /// Two rows of an entity and night, one that is lost on the way, a label that is no label, a column that is the label.
    pub async fn join(&self) -> Result<Joined, ComputeError> {
        let session = self.session()?;
        let node = self.gather.node;
        let places = [
            (SPINE, format!("the spine `{}`", node.spec.spine.as_str())),
            (FEATURES, format!("the features `{}`", node.spec.features.as_str())),
            (LABELS, format!("the `label` of {}", node.file)),
        ];
        for (name, place) in &places {
            self.one_each(&session, name, place).await?;
        }
        self.none_lost(&session).await?;
        let entity = self.entity();
        let unlabelled = format!(
            "SELECT count(*), min(cast(s.{entity} AS VARCHAR)) FROM {} AS s LEFT JOIN {LABELS} AS l \
             ON s.{entity} = l.{entity} AND s.night = l.night WHERE l.label IS NULL",
            node.population(FEATURES)
        );
        let unlabelled = self.told_of_unlabelled(first_row(&session, &unlabelled).await?);
        let (rows, room) = self.rows(&session).await?;
        self.labels_are_labels(&rows)?;
        self.no_column_is_the_label(&rows)?;
        let newest = match rows.nights.last() {
            Some(night) => some_of(&self.gather, &session, FEATURES, *night, "newest ").await?,
            None => rows.features.slice(0, 0),
        };
        Ok(Joined { rows, room, newest, unlabelled })
    }

    /// How many rows have no label; said with one of them.
    fn told_of_unlabelled(&self, found: Option<Vec<String>>) -> u64 {
        let Some([count, one]) = found.as_deref() else { return 0 };
        let count = count.parse().unwrap_or(0);
        if count > 0 {
            let (entity, file) = (self.gather.node.spec.entity.as_str(), &self.gather.node.file);
            tracing::info!(
                node = %self.gather.work.name,
                "{count} rows of the spine have no label, {entity} {one} among them: they are scored and not learnt from; where that is not meant, let the `label` of {file} give one for each row of the spine"
            );
        }
        count
    }

    async fn one_each(&self, session: &SessionContext, name: &str, place: &str) -> Result<(), ComputeError> {
        let entity = self.entity();
        let twice = format!(
            "SELECT {entity}, night, count(*) AS rows FROM {name} GROUP BY {entity}, night HAVING count(*) > 1 \
             ORDER BY night, {entity} LIMIT 1"
        );
        match first_row(session, &twice).await?.as_deref() {
            Some([entity, night, rows]) => Err(self.refused(format!(
                "{place} has {rows} rows for {} {entity} at night {night} — it must give one row per entity and night: aggregate before the join that doubles them",
                self.gather.node.spec.entity.as_str()
            ))),
            _ => Ok(()),
        }
    }

    /// An entity that is in the spine and not in the features would never be scored.
    async fn none_lost(&self, session: &SessionContext) -> Result<(), ComputeError> {
        let entity = self.entity();
        let lost = format!(
            "SELECT count(*), min(cast(s.{entity} AS VARCHAR)) FROM {SPINE} AS s LEFT JOIN {FEATURES} AS f \
             ON s.{entity} = f.{entity} AND s.night = f.night WHERE f.night IS NULL"
        );
        match first_row(session, &lost).await?.as_deref() {
            Some([count, one]) if count != "0" => Err(self.refused(format!(
                "{count} rows of the spine are not in the features `{}`, {} {one} among them — start its joins from the spine with LEFT JOIN",
                self.gather.node.spec.features.as_str(),
                self.gather.node.spec.entity.as_str()
            ))),
            _ => Ok(()),
        }
    }

    /// All rows by night and entity, and the room that learning from them takes within the memory budget.
    async fn rows(&self, session: &SessionContext) -> Result<(TrainingRows, MemoryReservation), ComputeError> {
        let gather = &self.gather;
        let (entity, features) = (self.entity(), gather.model(&gather.node.spec.features)?);
        let learnt = gather.node.learnt(features.spec.columns.iter().map(|column| column.name.as_str()));
        let chosen: Vec<String> = learnt.iter().map(|name| format!("f.{}", column(name))).collect();
        let query = format!(
            "SELECT f.{entity}, f.night, l.label, {} FROM {} AS f INNER JOIN {LABELS} AS l \
             ON f.{entity} = l.{entity} AND f.night = l.night WHERE l.label IS NOT NULL",
            chosen.join(", "),
            gather.node.population(FEATURES)
        );
        let room =
            MemoryConsumer::new(format!("rows of {}", gather.work.name)).register(session.task_ctx().memory_pool());
        let order = [NIGHT_COLUMN, gather.node.spec.entity.as_str()].map(|name| ident(name).sort(true, false));
        let query = views::sql(session, &query).await?.sort(order.to_vec())?;
        let schema = Arc::clone(query.schema().inner());
        let mut stream = query.execute_stream().await?;
        let mut parts = vec![Vec::new(); schema.fields().len()];
        let mut rows = 0;
        while let Some(batch) = stream.try_next().await? {
            let more = room_of(&batch);
            if let Err(error) = room.try_grow(more) {
                return Err(self.too_many(rows, room.size(), error));
            }
            rows += batch.num_rows();
            parts.iter_mut().zip(batch.columns()).for_each(|(parts, part)| parts.push(Arc::clone(part)));
        }
        let all = whole(&schema, parts, rows).map_err(DataFusionError::from)?;
        Ok((training_rows(&all, &model_schema(features))?, room))
    }

    /// Rows for which there is no room: beside others they are tried again alone.
    fn too_many(&self, rows: usize, bytes: usize, error: DataFusionError) -> ComputeError {
        let gather = &self.gather;
        if gather.attempt.effort == Effort::Fast {
            return ComputeError::Engine(error);
        }
        self.refused(format!(
            "the rows to learn from do not fit into `memory`: the first {rows} of them take {} MiB while they are learnt from — declare a sample in {}, such as `sample: {{ entities: {} }}`, or raise `memory`; all are scored in any case",
            bytes >> 20,
            gather.node.file,
            rounded_down(rows / 2 / gather.node.spec.snapshots.count.value.max(1) as usize)
        ))
    }

    fn labels_are_labels(&self, rows: &TrainingRows) -> Result<(), ComputeError> {
        let is_class = |label: f64| label == 0.0 || label == 1.0;
        let is_label = |label: f64| match self.gather.node.spec.kind {
            MlKind::Classifier => is_class(label),
            MlKind::Regressor => label.is_finite(),
        };
        match rows.labels.iter().find(|label| !is_label(**label)) {
            Some(label) => Err(self.refused(format!(
                "the `label` of {} gives {label} — a classifier's is 0 or 1, a regressor's a finite number",
                self.gather.node.file
            ))),
            None => Ok(()),
        }
    }

    /// A column that equals the label on every row knows what came.
    fn no_column_is_the_label(&self, rows: &TrainingRows) -> Result<(), ComputeError> {
        let first = rows.labels.first();
        if rows.labels.iter().all(|label| Some(label) == first) {
            return Ok(());
        }
        for (field, values) in rows.features.schema().fields().iter().zip(rows.features.columns()) {
            let Ok(values) = cast(values, &DataType::Float64) else { continue };
            let values = values.as_primitive::<Float64Type>();
            let equal = |negated: bool| {
                let of = |label: f64| if negated { 1.0 - label } else { label };
                values.null_count() == 0
                    && values.values().iter().zip(&rows.labels).all(|(value, label)| *value == of(*label))
            };
            if equal(false) || (self.gather.node.spec.kind == MlKind::Classifier && equal(true)) {
                return Err(self.refused(format!(
                    "column `{}` of `{}` is the label itself on all {} rows — it knows what came: name it in `exclude` of {}, or compute it from what was known that night",
                    field.name(),
                    self.gather.node.spec.features.as_str(),
                    rows.labels.len(),
                    self.gather.node.file
                )));
            }
        }
        Ok(())
    }
}

/// Bytes that rows take while they are learnt from: their values three times, as they were read, as numbers and as the
/// model sees them; and for each the entity's name with its number.
fn room_of(batch: &RecordBatch) -> usize {
    let names = batch.columns().first().map_or(0, |names| names.get_array_memory_size());
    let values = COPIES * batch.num_columns() * size_of::<f64>() * batch.num_rows();
    values.max(batch.get_array_memory_size()) + names + NAME_BYTES * batch.num_rows()
}

/// A number of one digit and zeros, for people to read; 1 at least.
fn rounded_down(number: usize) -> usize {
    let magnitude = 10_usize.pow(number.max(1).ilog10());
    (number / magnitude).max(1) * magnitude
}

/// Columns from their parts: those of one are let go before the next is put together.
fn whole(schema: &SchemaRef, parts: Vec<Vec<ArrayRef>>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let columns = parts.into_iter().zip(schema.fields()).map(|(parts, field)| {
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() { Ok(new_empty_array(field.data_type())) } else { concat(&parts) }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The first row of a query as text, where it has one.
pub(super) async fn first_row(session: &SessionContext, sql: &str) -> Result<Option<Vec<String>>, ComputeError> {
    let rows = session.sql(sql).await?.collect().await?;
    let Some(batch) = rows.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let options = FormatOptions::default();
    let shown = |values: &ArrayRef| {
        ArrayFormatter::try_new(values.as_ref(), &options).map(|format| format.value(0).to_string())
    };
    let shown: Result<Vec<String>, _> = batch.columns().iter().map(shown).collect();
    Ok(Some(shown.map_err(DataFusionError::from)?))
}

/// Entity, night, label, features: taken apart; features in the types of their yml.
fn training_rows(all: &RecordBatch, declared: &Schema) -> Result<TrainingRows, DataFusionError> {
    let [entity, night, label, ..] = all.columns() else {
        return Err(DataFusionError::Internal("rows without entity, night and label".to_owned()));
    };
    let options = FormatOptions::default();
    let names = ArrayFormatter::try_new(entity.as_ref(), &options)?;
    let mut codes: HashMap<String, u32> = HashMap::new();
    let entities = (0..all.num_rows()).map(|row| {
        let next = u32::try_from(codes.len()).unwrap_or(u32::MAX);
        *codes.entry(names.value(row).to_string()).or_insert(next)
    });
    let entities = entities.collect();
    let nights = cast(night, &DataType::Date32)?;
    let nights = nights.as_primitive::<Date32Type>().values().iter().map(|days| day(*days)).collect();
    let labels = label.as_primitive::<Float64Type>().values().to_vec();
    Ok(TrainingRows { features: features_of(all, declared)?, entities, nights, labels })
}

/// The date of a number of days since 1970.
pub(super) fn day(days: i32) -> NaiveDate {
    NaiveDate::default().checked_add_signed(TimeDelta::days(days.into())).unwrap_or_default()
}

/// The columns after entity, night and label, in the types of their yml.
fn features_of(all: &RecordBatch, declared: &Schema) -> Result<RecordBatch, DataFusionError> {
    let schema = all.schema();
    let given = schema.fields().iter().zip(all.columns()).skip(3);
    in_types(given.map(|(field, values)| (field.name().as_str(), values)), declared, all.num_rows())
}

/// Columns cast to the types that a schema declares for their names.
pub(super) fn in_types<'a>(
    given: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    declared: &Schema,
    rows: usize,
) -> Result<RecordBatch, DataFusionError> {
    let known: HashMap<&str, &FieldRef> =
        declared.fields().iter().map(|field| (field.name().as_str(), field)).collect();
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (name, values) in given {
        let missing = || DataFusionError::Internal(format!("column `{name}` is not declared"));
        let field = Arc::clone(known.get(name).ok_or_else(missing)?);
        columns.push(cast(values, field.data_type())?);
        fields.push(field);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Some of tonight's rows, the same ones each time, with no look at a label.
pub(super) async fn tonight(gather: &Gather<'_>) -> Result<RecordBatch, ComputeError> {
    let features = gather.model(&gather.node.spec.features)?;
    let session = gather.work.context.engine.session(gather.attempt.effort);
    gather.work.scene.open(&session, gather.work.night).await.map_err(ComputeError::Other)?;
    some_of(gather, &session, &crate::sql_text::table(&features.name), gather.work.night, "").await
}

/// Rows of a night drawn by chance, another draw by another salt.
async fn some_of(
    gather: &Gather<'_>,
    session: &SessionContext,
    from: &str,
    night: NaiveDate,
    salt: &str,
) -> Result<RecordBatch, ComputeError> {
    const PLACE: &str = "$place";
    let features = gather.model(&gather.node.spec.features)?;
    let learnt = gather.node.learnt(features.spec.columns.iter().map(|column| column.name.as_str()));
    let most = (TONIGHT_VALUES / learnt.len().max(1)).clamp(TONIGHT_FEWEST, TONIGHT_ROWS);
    let entity = column(&gather.node.spec.entity);
    // A hash says nothing of a row, and no two entities have one.
    let query = format!(
        "SELECT {}, md5(concat('{salt}', cast({entity} AS VARCHAR))) AS {} FROM {} AS f WHERE night = DATE '{night}'",
        columns(learnt.iter().copied()),
        column(PLACE),
        gather.node.population(from)
    );
    let query = views::sql(session, &query).await?.sort(vec![ident(PLACE).sort(true, false)])?.limit(0, Some(most))?;
    let schema = Arc::clone(query.schema().inner());
    let batches = query.collect().await?;
    let all = concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
    let given = learnt.iter().copied().zip(all.columns());
    in_types(given, &model_schema(features), all.num_rows()).map_err(ComputeError::Engine)
}
