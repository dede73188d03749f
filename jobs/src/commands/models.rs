//! `buho models list|show|compare|explain|export|promote|rollback`: what was learnt, why, and which recipe is the champion's.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use warehouse::error::ErrorKind;
use warehouse::project::{MlNode, Project};
use warehouse::run::{Decision, Reader, RunError, decide_on_model, model_bytes};
use warehouse::session::Engine;
use warehouse::sql_text::{column, text};
use warehouse::table::Lake;

use crate::cli::{ModelPart, ModelsCommand, RowFormat};
use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::learn::to_onnx;
use crate::output::{Destination, write_batches};

pub fn run(context: &Context, command: &ModelsCommand) -> Result<Exit, CommandError> {
    let project = context.load_project()?;
    let settings = project.settings.clone();
    context.block_on(&settings, async {
        let (lake, engine) = super::sql::open(context, &project)?;
        let models = Models { context, project: &project, lake: &lake, engine: &engine };
        models.answer(command).await
    })?;
    Ok(Exit::Done)
}

struct Models<'a> {
    context: &'a Context,
    project: &'a Project,
    lake: &'a Lake,
    engine: &'a Engine,
}

impl Models<'_> {
    async fn answer(&self, command: &ModelsCommand) -> Result<(), CommandError> {
        match command {
            ModelsCommand::List { format } => self.print(LIST, *format).await,
            ModelsCommand::Show { name, part, limit, format } => {
                self.node(name)?;
                self.print(&shown(name, *part, *limit), *format).await
            }
            ModelsCommand::Compare { name, one, other, format } => {
                self.node(name)?;
                for version in [one, other] {
                    self.recipe_of(name, version).await?;
                }
                self.print(&compared(name, one, other), *format).await
            }
            ModelsCommand::Explain { name, entity, night, format } => {
                let node = self.node(name)?;
                let night = match night {
                    Some(night) => format!("date '{night}'"),
                    None => format!("(select max(night) from {})", node.spec.output.as_str()),
                };
                self.explain(node, entity, &night, *format).await
            }
            ModelsCommand::Export { name, version, out } => self.export(name, version.as_deref(), out).await,
            ModelsCommand::Promote { name, version } => {
                self.node(name)?;
                let recipe = self.recipe_of(name, version).await?;
                self.decide(name, "promote", version, &recipe).await
            }
            ModelsCommand::Rollback { name } => {
                self.node(name)?;
                let (version, recipe) = self.recipe_before(name).await?;
                self.decide(name, "rollback", &version, &recipe).await
            }
        }
    }

    /// The node of that name.
    fn node(&self, name: &str) -> Result<&MlNode, CommandError> {
        let found = self.project.ml.iter().find(|node| node.name == name);
        found.map(Arc::as_ref).ok_or_else(|| {
            let known: Vec<&str> = self.project.ml.iter().map(|node| node.name.as_str()).collect();
            let advice = match warehouse::nearest::nearest(name, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None if known.is_empty() => "write sql/ml/<name>.yml; `buho schema ml` prints its form".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            CommandError::user(format!("there is no ML node `{name}` — {advice}"))
        })
    }

    async fn rows(&self, query: &str) -> Result<Vec<RecordBatch>, CommandError> {
        let reader = Reader::open(self.project, self.lake, self.engine, None, self.context.clock.as_ref()).await?;
        let rows = reader.query(query).await?.collect().await;
        rows.map_err(|error| RunError::while_running("query", &error).into())
    }

    async fn print(&self, query: &str, format: RowFormat) -> Result<(), CommandError> {
        let reader = Reader::open(self.project, self.lake, self.engine, None, self.context.clock.as_ref()).await?;
        let rows = reader.query(query).await?;
        let schema = Arc::clone(rows.schema().inner());
        let batches = rows.collect().await.map_err(|error| RunError::while_running("query", &error))?;
        write_batches(&batches, schema, format, Destination::new(None))
    }

    /// Rows of two texts.
    async fn pairs(&self, query: &str) -> Result<Vec<(String, String)>, CommandError> {
        let mut found = Vec::new();
        for batch in self.rows(query).await? {
            let texts =
                batch.columns().iter().map(|values| arrow::compute::cast(values, &arrow::datatypes::DataType::Utf8));
            let texts: Vec<_> =
                texts.collect::<Result<_, _>>().map_err(|error| CommandError::of(ErrorKind::Defect, &error))?;
            if let [first, second] = texts.as_slice() {
                let (first, second) = (first.as_string::<i32>(), second.as_string::<i32>());
                found.extend(
                    (0..batch.num_rows()).map(|row| (first.value(row).to_owned(), second.value(row).to_owned())),
                );
            }
        }
        Ok(found)
    }

    /// Versions and recipes that a node scored with, the last night first.
    async fn versions(&self, name: &str) -> Result<Vec<(String, String)>, CommandError> {
        let query = format!(
            "select version, recipe from ml.model_versions where model = {} and version is not null order by night desc",
            text(name)
        );
        self.pairs(&query).await
    }

    async fn recipe_of(&self, name: &str, version: &str) -> Result<String, CommandError> {
        let versions = self.versions(name).await?;
        let found = versions.iter().find(|(known, _)| known == version).map(|(_, recipe)| recipe.clone());
        found.ok_or_else(|| {
            let known = versions.iter().map(|(known, _)| known.as_str());
            let advice = match warehouse::nearest::nearest(version, known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("`buho models show {name}` lists them"),
            };
            CommandError::user(format!("`{name}` has no version `{version}` — {advice}"))
        })
    }

    /// Writes a version as ONNX.
    async fn export(&self, name: &str, version: Option<&str>, out: &Path) -> Result<(), CommandError> {
        let training = self.node(name)?.training_table();
        let version = match version {
            Some(version) => version.to_owned(),
            None => self.versions(name).await?.into_iter().next().map(|(version, _)| version).ok_or_else(|| {
                CommandError::user(format!("`{name}` has no model yet — `buho models show {name}` says why"))
            })?,
        };
        self.recipe_of(name, &version).await?;
        let query = format!(
            "select artefact, checksum from {training} where version = {} and artefact is not null limit 1",
            text(&version)
        );
        let Some((artefact, checksum)) = self.pairs(&query).await?.into_iter().next() else {
            return Err(CommandError::user(format!("the bytes of {version} are not in {training} any more")));
        };
        let bytes = model_bytes(&training, &version, &artefact, &checksum)?;
        let bytes = to_onnx(&bytes).map_err(|error| CommandError::of(ErrorKind::Data, &error))?;
        fs::write(out, bytes).map_err(|source| CommandError::file("write", out, source))?;
        self.context.say(format!("{version} of {name} is written to {}", out.display()))
    }

    /// The last version whose recipe is not the champion's.
    async fn recipe_before(&self, name: &str) -> Result<(String, String), CommandError> {
        let versions = self.versions(name).await?;
        let champion = versions.first().map(|(_, recipe)| recipe.clone());
        let before = versions.into_iter().find(|(_, recipe)| Some(recipe) != champion.as_ref());
        before.ok_or_else(|| {
            CommandError::user(format!("`{name}` has had one recipe only — there is none to go back to"))
        })
    }

    async fn decide(&self, name: &str, action: &str, version: &str, recipe: &str) -> Result<(), CommandError> {
        let decision =
            Decision { action: action.to_owned(), version: version.to_owned(), at: self.context.clock.now() };
        decide_on_model(self.lake, name, &decision).await?;
        self.context
            .say(format!("the next night that is trained fits the recipe of {version} anew and ships it: {recipe}"))
    }

    async fn explain(&self, node: &MlNode, entity: &str, night: &str, format: RowFormat) -> Result<(), CommandError> {
        let id = column(&node.spec.entity);
        let columns = format!("night, model_version, {}, percentile, tier", node.score_column());
        let whose = format!("cast({id} as varchar) = {} and night = {night}", text(entity));
        let scores = node.spec.output.as_str();
        let found = self.rows(&format!("select night from {scores} where {whose}")).await?;
        if found.iter().all(|batch| batch.num_rows() == 0) {
            let population =
                node.spec.population.as_ref().map(|condition| format!(", or `{}` not true", condition.trim()));
            return Err(CommandError::user(format!(
                "{} {entity} has no score that night — it was not in `{}`{}",
                node.spec.entity.as_str(),
                node.spec.spine.as_str(),
                population.unwrap_or_default()
            )));
        }
        let reason = |place: u32| {
            format!(
                "select {columns}, {place} as place, reason_{place} as reason, reason_{place}_value as value, \
                 reason_{place}_contribution as contribution, reason_{place}_words as words from {scores} where {whose}"
            )
        };
        let count = node.spec.reasons.count.value;
        let query = match count {
            0 => format!("select {columns} from {scores} where {whose}"),
            _ => format!("{} order by place", (1..=count).map(reason).collect::<Vec<_>>().join(" union all ")),
        };
        self.print(&query, format).await
    }
}

const LIST: &str = "select v.model, v.night, v.version, v.outcome, v.family, v.metric, v.metric_value, v.rows, v.reason
    from ml.model_versions as v
    inner join (select model, max(night) as night from ml.model_versions group by model) as l
        on l.model = v.model and l.night = v.night
    order by v.model";

fn shown(name: &str, part: ModelPart, limit: usize) -> String {
    let (columns, table, order) = match part {
        ModelPart::Nights => (
            "night, outcome, version, family, metric, metric_value, rows, snapshots, horizon_days, reason",
            "ml.model_versions",
            "night desc",
        ),
        ModelPart::Backtests => (
            "night, role, family, recipe, metric, value, gain, p_better, is_trusted, rows",
            "ml.backtests",
            "night desc, role = 'candidate', role, metric like 'lift%', recipe, metric",
        ),
        ModelPart::Importance => {
            ("night, place, column_name, importance, treatment, warning", "ml.feature_importance", "night desc, place")
        }
        ModelPart::Calibration => {
            ("night, bin, rows, mean_score, mean_label, coverage", "ml.calibration", "night desc, bin")
        }
        ModelPart::Drift => ("night, measure, column_name, value", "ml.drift", "night desc, value desc"),
        ModelPart::Outcomes => (
            "night, version, decile, rows, mean_score, mean_label, lift, metric, value, promised, promised_lift",
            "ml.outcomes",
            "night desc, decile",
        ),
    };
    format!("select {columns} from {table} where model = {} order by {order} limit {limit}", text(name))
}

/// The backtests of two versions, metric by metric, each of the last night that scored with it.
fn compared(name: &str, one: &str, other: &str) -> String {
    let of = |version: &str| {
        format!(
            "select metric, value, recipe, night, rows from ml.backtests where model = {} and version = {} \
             and role = 'champion' and night = (select max(night) from ml.backtests where model = {} and version = {})",
            text(name),
            text(version),
            text(name),
            text(version)
        )
    };
    format!(
        "select coalesce(a.metric, b.metric) as metric, a.value as {}, b.value as {}, b.value - a.value as difference, \
         a.recipe as recipe_1, b.recipe as recipe_2 from ({}) as a full outer join ({}) as b on a.metric = b.metric order by metric",
        column(one),
        column(other),
        of(one),
        of(other)
    )
}
