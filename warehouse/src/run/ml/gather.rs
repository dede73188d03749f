//! Spine, features and labels of past nights, each staged once.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::cast;
use datafusion::prelude::{DataFrame, SessionContext, ident};

use crate::graph::schemas::model_schema;
use crate::graph::{GraphErrors, Moment, parse, spine_path};
use crate::project::ml::{LABEL_COLUMN, MlNode, NIGHT_COLUMN};
use crate::project::model::Model;
use crate::run::compute::{ComputeError, stage_query};
use crate::run::error::RunError;
use crate::run::scene::Scene;
use crate::run::views;
use crate::run::work::{Attempt, Work};
use crate::sql_text::{column, columns, table, text};
use crate::table::{PinnedTable, StagedFile};

/// The longest horizon: ten years.
const LONGEST_DAYS: i64 = 3_660;

/// What past nights are gathered for.
#[derive(Clone, Copy)]
pub(super) struct Gather<'a> {
    pub work: &'a Work,
    pub node: &'a MlNode,
    pub attempt: Attempt,
}

impl Gather<'_> {
    /// A model of the project that the node names.
    pub fn model(&self, name: &str) -> Result<&Model, ComputeError> {
        let missing = || RunError::Defect { what: format!("{name} is not in the project") };
        self.work.context.project.models.get(name).ok_or_else(|| ComputeError::Other(missing()))
    }

    fn refused(&self, message: &str) -> ComputeError {
        ComputeError::Other(RunError::refused(&self.work.name, message))
    }

    async fn session(&self, scene: &Scene, night: NaiveDate) -> Result<SessionContext, ComputeError> {
        let session = self.work.context.engine.session(self.attempt.effort);
        scene.open(&session, night).await.map_err(ComputeError::Other)?;
        Ok(session)
    }

    /// One value of a query, as text; `None` where it is NULL or there is no row.
    async fn one_value(&self, query: DataFrame) -> Result<Option<String>, ComputeError> {
        let rows = query.limit(0, Some(1))?.collect().await?;
        let Some(batch) = rows.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
        let Some(first) = batch.columns().first().filter(|first| !first.is_null(0)) else { return Ok(None) };
        let options = FormatOptions::default();
        let shown = ArrayFormatter::try_new(first.as_ref(), &options).map(|format| format.value(0).to_string());
        shown.map(Some).map_err(|error| ComputeError::Engine(error.into()))
    }

    /// How many days the label looks ahead.
    pub async fn horizon(&self) -> Result<u32, ComputeError> {
        let spec = &self.node.spec.horizon;
        let Some(sql) = &spec.sql else {
            return Ok(spec.days.as_ref().map_or(0, |days| days.value));
        };
        let session = self.session(&self.work.scene, self.work.night).await?;
        let query = views::query(&session, &self.node.file, sql, self.work.night).await.map_err(ComputeError::Other)?;
        let found = self.one_value(query).await?;
        let days = found.as_deref().and_then(|days| days.parse::<i64>().ok());
        match days.filter(|days| (0..=LONGEST_DAYS).contains(days)).and_then(|days| u32::try_from(days).ok()) {
            Some(days) => Ok(days),
            None => {
                let found = found.as_deref().unwrap_or("nothing");
                Err(self.refused(&format!(
                    "`horizon` of {} gives {found}, not a number of days from 0 to {LONGEST_DAYS} — let its SQL give one, or write `days`",
                    self.node.file
                )))
            }
        }
    }

    /// The spine of past nights: its SQL asked for each, of a sample where one is declared and smaller than all; and
    /// then of how many entities it is one.
    pub async fn spine(&self, nights: &[NaiveDate]) -> Result<(Vec<StagedFile>, Option<u64>), ComputeError> {
        let (model, sample_of) = self.sampled(self.model(&self.node.spec.spine)?).await?;
        let mut files = Vec::new();
        for night in nights {
            let target = self.work.scratch(self.attempt, &format!("-spine-{night}"));
            let scene = &self.work.scene;
            let session = self.work.context.engine.session(self.attempt.effort);
            files.extend(self.work.stage_model(&model, scene, (*night).into(), &session, &target).await?);
        }
        Ok((files, sample_of))
    }

    /// The spine with those entities alone that a hash of seed and entity chooses: the same at every night.
    pub(super) async fn sampled(&self, spine: &Model) -> Result<(Model, Option<u64>), ComputeError> {
        let Some(sample) = &self.node.spec.sample else { return Ok((spine.clone(), None)) };
        let entity = column(&self.node.spec.entity);
        let session = self.session(&self.work.scene, self.work.night).await?;
        let count = format!("SELECT count(DISTINCT {entity}) FROM {}", table(&spine.name));
        let count = self.one_value(session.sql(&count).await?).await?;
        let count = count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        if count <= sample.entities.value {
            return Ok((spine.clone(), None));
        }
        // Eight hexadecimal digits of the hash, evenly spread, below the share that is wanted.
        let below = u128::from(sample.entities.value) * (1u128 << 32) / u128::from(count);
        let hash = format!("md5(concat({}, cast(s.{entity} as varchar)))", text(&format!("{}:", sample.seed)));
        let chosen = columns(spine.spec.columns.iter().map(|column| column.name.as_str()));
        let sql = format!("SELECT {chosen} FROM (\n{}\n) AS s WHERE substr({hash}, 1, 8) < '{below:08x}'", spine.sql);
        Ok((Model { sql, ..spine.clone() }, Some(count)))
    }

    /// The tables behind those that are read, with a spine of other nights in place of tonight's.
    fn scene_over<'a>(
        &self,
        spine: &[StagedFile],
        read: impl IntoIterator<Item = &'a str>,
    ) -> Result<Scene, ComputeError> {
        let (graph, project) = (&self.work.context.graph, &self.work.context.project);
        let (spine_name, features) = (&self.node.spec.spine, &self.node.spec.features);
        let path = spine_path(|name| graph.node(name).map(|node| &node.inputs), spine_name, features);
        let mut tables = self.work.scene.tables.clone();
        tables.retain(|name, _| !path.contains(name));
        let schema = model_schema(self.model(spine_name)?);
        let rows = PinnedTable::from_staged(&self.work.context.lake, &self.work.name, &schema, spine)?;
        tables.insert(spine_name.value.clone(), Arc::new(rows));
        let is_view = |name: &String| self.work.scene.views.iter().any(|(view, _)| view == name);
        let planned = graph.nodes.iter().filter(|node| node.name != spine_name.as_str());
        let behind = graph.ancestors(read);
        let planned = planned.filter(|node| behind.contains(&node.name));
        let planned = planned.filter(|node| path.contains(&node.name) || is_view(&node.name));
        let views = planned.filter_map(|node| Some((node.name.clone(), project.models.get(&node.name)?.sql.clone())));
        Ok(Scene { tables, views: views.collect() })
    }

    /// The features of a spine, computed once for all its nights.
    pub async fn features(&self, spine: &[StagedFile]) -> Result<Vec<StagedFile>, ComputeError> {
        let features = self.model(&self.node.spec.features)?;
        let session = self.session(&self.scene_over(spine, [features.name.as_str()])?, self.work.night).await?;
        let declared = columns(features.spec.columns.iter().map(|column| column.name.as_str()));
        let query = views::sql(&session, &format!("SELECT {declared} FROM {}", table(&features.name))).await?;
        stage_query(&self.work.context.lake, &self.work.scratch(self.attempt, "-features"), query, &session).await
    }

    /// Entity, night, label.
    pub fn labels_schema(&self) -> Result<SchemaRef, ComputeError> {
        let features = model_schema(self.model(&self.node.spec.features)?);
        let keys = [self.node.spec.entity.as_str(), NIGHT_COLUMN].map(|name| features.field_with_name(name).cloned());
        let mut fields = keys.into_iter().collect::<Result<Vec<Field>, _>>().map_err(DataFusionError::from)?;
        fields.push(Field::new(LABEL_COLUMN, DataType::Float64, true));
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The labels of a spine, as DOUBLE.
    pub async fn labels(&self, spine: &[StagedFile], horizon: u32) -> Result<Vec<StagedFile>, ComputeError> {
        let parsed = parse(&self.node.file, &self.node.spec.label);
        let parsed = parsed.map_err(|error| ComputeError::Other(GraphErrors(vec![error]).into()))?;
        let scene = self.scene_over(spine, parsed.inputs.keys().map(String::as_str))?;
        let session = self.session(&scene, self.work.night).await?;
        let moment = Moment { horizon: Some(horizon), ..self.work.night.into() };
        let query = views::query(&session, &self.node.file, &self.node.spec.label, moment)
            .await
            .map_err(ComputeError::Other)?;
        let label = cast(ident(LABEL_COLUMN), DataType::Float64).alias(LABEL_COLUMN);
        let query = query.select(vec![ident(self.node.spec.entity.as_str()), ident(NIGHT_COLUMN), label])?;
        stage_query(
            &self.work.context.lake,
            &self.work.scratch(self.attempt, &format!("-{}-{horizon}-labels", self.node.name)),
            query,
            &session,
        )
        .await
    }
}
