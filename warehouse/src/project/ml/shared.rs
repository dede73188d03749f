//! The tables that all ML nodes of a project share.

use std::sync::Arc;

use super::tables::{Made, made_model};
use super::{MlNode, MlRole, NIGHT_COLUMN};
use crate::project::located::Located;
use crate::project::model::{Incremental, Materialized, Model};
use crate::project::types::ColumnType;

/// A heading of a model's report: a list of rows, each with the columns of the heading's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// What each candidate came to on rows it had not seen.
    Backtests,
    /// What each column weighs.
    Importance,
    /// Scores and what came, by bins of the test rows.
    Calibration,
    /// How far this night's columns are from those learnt from.
    Drift,
}

impl Section {
    /// Every heading.
    pub const ALL: [Self; 4] = [Self::Backtests, Self::Importance, Self::Calibration, Self::Drift];

    /// Its key in a report.
    pub fn key(self) -> &'static str {
        match self {
            Self::Backtests => "backtests",
            Self::Importance => "importance",
            Self::Calibration => "calibration",
            Self::Drift => "drift",
        }
    }

    /// The table of its rows.
    pub fn table(self) -> &'static str {
        match self {
            Self::Backtests => "ml.backtests",
            Self::Importance => "ml.feature_importance",
            Self::Calibration => "ml.calibration",
            Self::Drift => "ml.drift",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Backtests => "What each candidate came to on rows it had not seen, by night.",
            Self::Importance => "What each column weighs in each night's model.",
            Self::Calibration => "Scores and what came, by bins of the test rows.",
            Self::Drift => "How far each night's columns are from those learnt from.",
        }
    }

    /// Columns of its own, after model, night and version: name, type, meaning.
    fn columns(self) -> &'static [(&'static str, ColumnType, &'static str)] {
        use ColumnType::{Bigint, Boolean, Double, Integer, Varchar};
        match self {
            Self::Backtests => &[
                (
                    "role",
                    Varchar,
                    "`champion`: the night's recipe; `challenger`: one that was judged against it; `chance`: one score for all; `half_sample`: the night's recipe, learnt from half of the sampled entities; `candidate`: one that was tried on earlier rows alone, with what it came to there; `refused`: what the night would have shipped, and did not",
                ),
                ("family", Varchar, "Family of the candidate"),
                ("recipe", Varchar, "Family and parameters"),
                (
                    "metric",
                    Varchar,
                    "What it is judged by; `lift_1` … `lift_10`: mean label of that tenth of the scores, 1 the highest, over that of all",
                ),
                ("value", Double, "On the test rows"),
                ("gain", Double, "How much better than the champion; positive is better"),
                ("gain_low", Double, "Lower end of the gain's 95 % bootstrap interval, by entity"),
                ("gain_high", Double, "Upper end"),
                ("p_better", Double, "How likely a gain as great would be by chance, one-sided"),
                ("is_trusted", Boolean, "Whether its probabilities, or intervals, hold on the test rows"),
                ("failure", Varchar, "Why it could not be fitted"),
                ("rows", Bigint, "Test rows"),
                ("learnt_rows", Bigint, "Of a `candidate`, the rows that it learnt from"),
            ],
            Self::Importance => &[
                ("column_name", Varchar, "The column"),
                ("importance", Double, "Mean of the contributions' absolute values on rows of its own, linear scale"),
                ("place", Integer, "1 is the column that weighs most"),
                (
                    "treatment",
                    Varchar,
                    "What the model does with it: left out, missing values filled, levels spread out",
                ),
                (
                    "warning",
                    Varchar,
                    "What to look at: a column that looks like an identifier, or has one value, or hardly any",
                ),
            ],
            Self::Calibration => &[
                ("bin", Integer, "Bins of equally many test rows, 1 has the lowest scores"),
                ("rows", Bigint, "Rows in the bin"),
                ("mean_score", Double, "Mean of the scores"),
                ("mean_label", Double, "Mean of what came"),
                ("coverage", Double, "Of a regressor, share of the rows whose label lies in the interval"),
            ],
            Self::Drift => &[
                ("column_name", Varchar, "The column; NULL for all together"),
                (
                    "measure",
                    Varchar,
                    "`psi`: population stability index; `c2st`: AUC of a two-sample classifier; `unseen`: share of the rows with a level that was not learnt from",
                ),
                ("value", Double, "The measure"),
            ],
        }
    }
}

/// The tables shared by all nodes; none without a node.
pub(super) fn shared_tables(nodes: &[Arc<MlNode>]) -> Vec<Model> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut models: Vec<Model> = Section::ALL.into_iter().map(|section| report(section, nodes)).collect();
    models.push(versions(nodes));
    models.push(outcomes(nodes));
    models
}

/// `union all` of one SELECT for each node.
fn unions(nodes: &[Arc<MlNode>], select: impl Fn(&MlNode) -> String) -> String {
    nodes.iter().map(|node| select(node)).collect::<Vec<_>>().join(" union all ")
}

fn report(section: Section, nodes: &[Arc<MlNode>]) -> Model {
    let mut columns = vec![
        Made::new("model", ColumnType::Varchar, "t.model", "Name of the ML node"),
        Made::new(NIGHT_COLUMN, ColumnType::Date, "t.night", "The night of the report"),
        Made::new("version", ColumnType::Varchar, "t.version", "The version that the night scored with"),
    ];
    let own = section.columns().iter();
    columns.extend(own.map(|(name, kind, description)| Made::new(name, *kind, "t.report", description)));
    let select: Vec<String> = columns.iter().map(Made::sql).collect();
    let mut model = made_model(section.table(), Some(MlRole::Report(section)), &columns, "");
    model.sql = unions(nodes, |node| format!("select {} from {} as t", select.join(", "), node.training_table()));
    section.description().clone_into(&mut model.spec.description);
    model
}

/// A table of plain SQL: one row a training row, without its report and its bytes.
fn versions(nodes: &[Arc<MlNode>]) -> Model {
    use ColumnType::{Bigint, Date, Double, Integer, Varchar};
    let column = |name: &str, kind, description| Made::new(name, kind, &format!("t.{name}"), description);
    let columns = [
        column("model", Varchar, "Name of the ML node"),
        column(NIGHT_COLUMN, Date, "The night"),
        column("outcome", Varchar, "`shipped`, `kept` or `none`"),
        column("reason", Varchar, "Why"),
        column("version", Varchar, "The version that the night scored with"),
        column("family", Varchar, "Family of the champion"),
        column("recipe", Varchar, "What the champion is fitted by"),
        column("metric", Varchar, "What candidates are compared by"),
        column("metric_value", Double, "The metric on the test rows"),
        column("rows", Bigint, "Rows that were learnt from"),
        column("entities", Bigint, "Entities among them"),
        column("unlabelled", Bigint, "Rows left out: their label is NULL"),
        column("mean_label", Double, "Mean of the label"),
        column("snapshots", Integer, "Nights that were learnt from"),
        column("first_snapshot", Date, "The first of them"),
        column("last_snapshot", Date, "The last of them"),
        column("horizon_days", Integer, "How far ahead the label looks"),
        column("checksum", Varchar, "BLAKE3 of the model's bytes"),
    ];
    let select: Vec<String> = columns.iter().map(Made::sql).collect();
    let mut model = made_model("ml.model_versions", None, &columns, "");
    model.sql = unions(nodes, |node| format!("select {} from {} as t", select.join(", "), node.training_table()));
    "The version that each night scored with, and why.".clone_into(&mut model.spec.description);
    "one row per model and night".clone_into(&mut model.spec.grain);
    model.spec.key = ["model", NIGHT_COLUMN].map(|name| Located::nowhere(name.to_owned())).to_vec();
    model
}

fn outcomes(nodes: &[Arc<MlNode>]) -> Model {
    use ColumnType::{Bigint, Date, Double, Integer, Varchar};
    let of = |name: &str, kind, from: &str, description| Made::new(name, kind, from, description);
    let columns = [
        of("model", Varchar, "t.model", "Name of the ML node"),
        of(NIGHT_COLUMN, Date, "s.night", "The night of the scores, whose horizon has passed"),
        of("version", Varchar, "s.model_version", "The version that made them"),
        of("decile", Integer, "s.percentile", "0: all entities; 1: the tenth with the highest scores; … 10"),
        of("rows", Bigint, "s.percentile", "Scores whose label is known"),
        of("mean_score", Double, "s.percentile", "Mean of the scores: what was promised"),
        of("mean_label", Double, "s.percentile", "Mean of what came"),
        of("lift", Double, "s.percentile", "Mean label over that of all entities"),
        of(
            "metric",
            Varchar,
            "t.metric",
            "What `value` is: `roc_auc` of a classifier, `rmse` of a regressor; decile 0",
        ),
        of("value", Double, "s.percentile", "Live, on what came"),
        of("promised", Double, "t.report", "The same in the backtest of the version"),
        of("promised_lift", Double, "t.report", "The lift of the same tenth in that backtest; deciles 1 to 10"),
    ];
    let select: Vec<String> = columns.iter().map(Made::sql).collect();
    let mut model = made_model("ml.outcomes", Some(MlRole::Outcomes(nodes.to_vec())), &columns, "");
    model.sql = unions(nodes, |node| {
        let (scores, training) = (node.spec.output.as_str(), node.training_table());
        format!(
            "select {} from {scores} as s inner join {training} as t on t.night = s.night where s.night <= $night",
            select.join(", ")
        )
    });
    "Past scores held against what came, once their horizon has passed.".clone_into(&mut model.spec.description);
    "one row per model, night and decile".clone_into(&mut model.spec.grain);
    model.spec.materialized = Materialized::Nightly;
    model.spec.incremental = Some(Incremental::by_night(NIGHT_COLUMN));
    let key = ["model", NIGHT_COLUMN, "version", "decile"];
    model.spec.key = key.map(|name| Located::nowhere(name.to_owned())).to_vec();
    model
}
