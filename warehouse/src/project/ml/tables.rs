//! The two tables of an ML node, as models of the project.
//!
//! A table that is learnt has no SELECT. It stands in the graph with one that reads what the table is made of, column by
//! column: lineage, selection and the order of the graph follow from it. It is never run.

use std::sync::Arc;

use super::{MlNode, MlRole, NIGHT_COLUMN};
use crate::project::located::Located;
use crate::project::ml::MlKind;
use crate::project::model::{ColumnAudit, Incremental, Materialized, Model, ModelColumn, ModelFile};
use crate::project::types::ColumnType;

/// Money: value and value at risk.
const MONEY: ColumnType = ColumnType::Decimal(18, 2);

/// One column and the expression that stands for what it is made of.
pub(in crate::project) struct Made {
    pub name: String,
    pub kind: ColumnType,
    pub from: String,
    pub description: &'static str,
    pub is_required: bool,
}

impl Made {
    pub fn new(name: &str, kind: ColumnType, from: &str, description: &'static str) -> Self {
        Self { name: name.to_owned(), kind, from: from.to_owned(), description, is_required: false }
    }

    fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub fn sql(&self) -> String {
        format!("cast({} as {}) as {}", self.from, self.kind, self.name)
    }

    pub fn column(&self) -> ModelColumn {
        ModelColumn {
            name: Located::nowhere(self.name.clone()),
            kind: Located::nowhere(self.kind),
            description: self.description.to_owned(),
            unit: None,
            pii: None,
            tolerance: None,
            fixed: false,
            audits: if self.is_required { vec![ColumnAudit::NotNull] } else { Vec::new() },
        }
    }
}

/// A model of the project whose rows the engine makes.
pub(in crate::project) fn made_model(name: &str, role: Option<MlRole>, columns: &[Made], from: &str) -> Model {
    let select: Vec<String> = columns.iter().map(Made::sql).collect();
    let (layer, _) = name.split_once('.').unwrap_or(("ml", name));
    Model {
        name: name.to_owned(),
        layer: layer.to_owned(),
        pack: None,
        sql_file: name.to_owned(),
        yml_file: name.to_owned(),
        sql: format!("select {} {from}", select.join(", ")),
        spec: ModelFile {
            description: String::new(),
            grain: String::new(),
            key: Vec::new(),
            materialized: Materialized::Table,
            incremental: None,
            merge: None,
            partition_by: Vec::new(),
            sort: Vec::new(),
            tags: Vec::new(),
            columns: columns.iter().map(Made::column).collect(),
            audits: Vec::new(),
            tests: Vec::new(),
        },
        ml: role,
    }
}

/// The training table and the table of scores of a node whose features are known.
pub(super) fn own_tables(node: &Arc<MlNode>, features: &Model) -> [Model; 2] {
    [training(node, features), scores(node, features)]
}

/// Columns that are told one by one where they are read; more are put together first, a group at a time.
const MOST_COLUMNS: usize = 256;
const GROUP: usize = 64;

/// All columns that are learnt from, as what is read of the features.
struct Learnt {
    /// As one expression.
    all: String,
    /// What has to stand before the SELECT, and what it reads as `f`.
    with: String,
    from: String,
}

/// Each column of a table of the node is made of all that are learnt from: of thousands, a planner that is told of each
/// in each would take minutes.
fn learnt(node: &MlNode, features: &Model) -> Learnt {
    let columns = features.spec.columns.iter().map(|column| column.name.as_str());
    let texts: Vec<String> = node.learnt(columns).iter().map(|column| format!("cast(f.{column} as varchar)")).collect();
    let any = |texts: &[String]| format!("coalesce({}, cast(null as varchar))", texts.join(", "));
    let read = node.population(node.spec.features.as_str());
    if texts.len() <= MOST_COLUMNS {
        return Learnt { all: any(&texts), with: String::new(), from: format!("{read} as f") };
    }
    let groups: Vec<String> =
        texts.chunks(GROUP).enumerate().map(|(n, group)| format!("{} as group_{n}", any(group))).collect();
    let names: Vec<String> = (0..groups.len()).map(|n| format!("f.group_{n}")).collect();
    let entity = node.spec.entity.as_str();
    Learnt {
        all: any(&names),
        with: format!("with learnt as (select f.{entity}, {} from {read} as f) ", groups.join(", ")),
        from: "learnt as f".to_owned(),
    }
}

fn training(node: &Arc<MlNode>, features: &Model) -> Model {
    use ColumnType::{Bigint, Date, Double, Integer, Varchar};
    let Learnt { all, with, from } = learnt(node, features);
    let text = |name: &str, description| Made::new(name, Varchar, &all, description);
    let named = format!("'{}'", node.name);
    let columns = [
        Made::new(NIGHT_COLUMN, Date, "$night", "The night that the model is for").required(),
        Made::new("model", Varchar, &named, "Name of the ML node").required(),
        text("outcome", "`shipped`: a new version; `kept`: the champion of before; `none`: there is no model yet")
            .required(),
        text("reason", "Why it was shipped, kept, or why there is none").required(),
        text("version", "The version that scores are made with; NULL where there is none"),
        text("family", "Family of the champion"),
        text("recipe", "What the champion is fitted by: family and parameters"),
        text("metric", "What candidates are compared by"),
        Made::new("metric_value", Double, &all, "The metric on the test rows"),
        Made::new("rows", Bigint, &all, "Rows with a label that were learnt from"),
        Made::new("entities", Bigint, &all, "Entities among them"),
        Made::new("unlabelled", Bigint, &all, "Rows left out: their label is NULL"),
        Made::new("mean_label", Double, &all, "Mean of the label: of a classifier the share of positives"),
        Made::new("snapshots", Integer, &all, "Nights that were learnt from"),
        Made::new("first_snapshot", Date, &all, "The first of them"),
        Made::new("last_snapshot", Date, &all, "The last of them"),
        Made::new("horizon_days", Integer, &all, "How far ahead the label looks"),
        text("report", "Backtests, importance, calibration and drift, as JSON"),
        text("artefact", "The model: zstd, base64; NULL where it is that of an earlier night"),
        text("checksum", "BLAKE3 of the model's bytes"),
        Made::new("decision", Integer, &all, "Number of the last `promote` or `rollback` that the night knew"),
        Made::new(
            "late_rows",
            Bigint,
            &all,
            "Of 200 entities of the checked snapshot, those that deliveries after its night changed",
        ),
        Made::new(
            "restated_rows",
            Bigint,
            &all,
            "Of 200 entities of the oldest kept night that the same SQL made, those whose features come out otherwise now",
        ),
        Made::new("leaks_checked_on", Date, &all, "The night on which leaks were looked for last"),
        text("leaks_checked_code", "Identity of the SQL that was checked"),
        text("read", "Identity of the rows that it was learnt from"),
    ];
    let from = format!("from {from}");
    let mut model = made_model(&node.training_table(), Some(MlRole::Training(Arc::clone(node))), &columns, &from);
    model.sql.insert_str(0, &with);
    model.spec.description = format!("Models of `{}`: one row a night, the model's bytes in it.", node.name);
    "one row per night".clone_into(&mut model.spec.grain);
    model.spec.key = vec![Located::nowhere(NIGHT_COLUMN.to_owned())];
    nightly(model, node)
}

fn scores(node: &Arc<MlNode>, features: &Model) -> Model {
    let Learnt { all, with, from } = learnt(node, features);
    let entity = node.spec.entity.as_str();
    let entity_type = features.spec.columns.iter().find(|column| column.name.as_str() == entity);
    let entity_type = entity_type.map_or(ColumnType::Varchar, |column| column.kind.value);
    let mut columns = vec![
        Made::new(entity, entity_type, &format!("f.{entity}"), "Who was scored").required(),
        Made::new(NIGHT_COLUMN, ColumnType::Date, "$night", "The night of the score").required(),
        Made::new("model_version", ColumnType::Varchar, "t.version", "The version of the model").required(),
        Made::new(
            "features_read",
            ColumnType::Varchar,
            "t.read",
            "Identity of the features' rows: the release that names it has them",
        ),
    ];
    columns.extend(score_columns(node, &all));
    columns.extend((1..=node.spec.reasons.count.value).flat_map(|place| reason_columns(node, place, &all)));
    if node.spec.value.is_some() {
        columns.push(Made::new("value", MONEY, &all, "What is at stake, in the currency of the project"));
        columns.push(Made::new("value_at_risk", MONEY, &all, "Score times value"));
    }
    let from = format!("from {from} cross join {} as t", node.training_table());
    let mut model = made_model(node.spec.output.as_str(), Some(MlRole::Scores(Arc::clone(node))), &columns, &from);
    model.sql.insert_str(0, &with);
    model.spec.description.clone_from(&node.spec.description);
    model.spec.grain = format!("one row per {entity} and night");
    model.spec.key = [entity, NIGHT_COLUMN].map(|name| Located::nowhere(name.to_owned())).to_vec();
    model.spec.audits.clone_from(&node.spec.audits);
    nightly(model, node)
}

fn score_columns(node: &MlNode, all: &str) -> Vec<Made> {
    let score = node.score_column();
    let double = |name: &str, description| Made::new(name, ColumnType::Double, all, description);
    let mut columns = match node.spec.kind {
        MlKind::Classifier => vec![double(score, "How likely it is, calibrated").required()],
        MlKind::Regressor => vec![
            double(score, "What is expected").required(),
            double("prediction_low", "Lower end of the interval"),
            double("prediction_high", "Upper end of the interval"),
        ],
    };
    columns.push(double("percentile", "Share of the night's entities whose score is at most this").required());
    columns.push(Made::new("tier", ColumnType::Varchar, all, "The first tier that the score reaches"));
    columns
}

fn reason_columns(node: &MlNode, place: u32, all: &str) -> Vec<Made> {
    let text = |name: String, description| Made::new(&name, ColumnType::Varchar, all, description);
    let mut columns = vec![
        text(
            format!("reason_{place}"),
            "Of the columns of one measure (`orders_30d`, `orders_trend`, …) that moved the score most, next most, …, the one that did most of it",
        ),
        text(format!("reason_{place}_value"), "Its value"),
        Made::new(
            &format!("reason_{place}_contribution"),
            ColumnType::Double,
            all,
            "By how much all columns of that measure moved the score on the model's linear scale; above 0: upwards",
        ),
        text(format!("reason_{place}_words"), "In words"),
    ];
    if node.spec.reasons.words.values().any(|words| words.es.is_some()) {
        columns.push(text(format!("reason_{place}_words_es"), "In Spanish"));
    }
    columns
}

/// A table of which each night replaces its own rows.
fn nightly(mut model: Model, node: &MlNode) -> Model {
    model.pack.clone_from(&node.pack);
    model.sql_file.clone_from(&node.file);
    model.yml_file.clone_from(&node.file);
    model.spec.tags.clone_from(&node.spec.tags);
    model.spec.materialized = Materialized::Nightly;
    model.spec.incremental = Some(Incremental::by_night(NIGHT_COLUMN));
    model
}
