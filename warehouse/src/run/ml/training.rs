//! The night's training row: a new model, or the champion kept and why.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::checks::Looked;
use super::decisions::Decided;
use super::gather::Gather;
use super::kept::{self, KeptModel};
use super::leak::Raw;
use super::rows::{Joined, Past, tonight};
use super::{checks, night, report, snapshots};
use crate::error::ErrorKind;
use crate::learn::{Champion, Training, TrainingRows, Verdict};
use crate::project::ml::{MlKind, MlNode, Section};
use crate::project::model::Model;
use crate::run::compute::ComputeError;
use crate::run::error::{RunError, is_out_of_memory};
use crate::run::work::{Attempt, Made, Work};

/// Of zstd: an artefact is written once and read each night.
const LEVEL: i32 = 9;
/// Columns that a warning names, of those that it is of.
const NAMED_COLUMNS: usize = 5;
/// Share of positive labels below which people are told that they are rare.
const RARE: f64 = 0.01;

/// What is asked of a training beyond the node's file.
pub(super) struct Asked<'a> {
    /// Identity of the recipe of the night's row.
    pub identity: &'a str,
    /// What somebody asked last.
    pub decided: Option<&'a Decided>,
    /// Raw tables behind the features.
    pub raw: &'a [Raw],
}

/// What was learnt from.
#[derive(Default)]
struct Facts {
    horizon: u32,
    nights: Vec<NaiveDate>,
    rows: usize,
    entities: usize,
    unlabelled: u64,
    mean_label: Option<f64>,
    /// How many entities the rows are a sample of.
    sample_of: Option<u64>,
    looked: Looked,
}

pub(super) async fn make(
    work: &Work,
    model: &Model,
    node: &std::sync::Arc<MlNode>,
    asked: Asked<'_>,
    attempt: Attempt,
) -> Result<Made, ComputeError> {
    let gather = Gather { work, node, attempt };
    let before = kept::before(work, model, asked.decided, attempt).await?;
    let mut facts = Facts::default();
    let learnt = match gathered(gather, &asked, before.as_ref(), &mut facts).await {
        // The rows keep their room of the budget until they are learnt from.
        Ok(Joined { rows, room: _room, newest, .. }) => match unfit(node, &rows) {
            Some(why) => Err(why),
            None => {
                warn_of_rarity(gather, &facts);
                learn(gather, node, (rows, newest), &facts, before.as_ref()).await?
            }
        },
        Err(error) => Err(not_known(error)?),
    };
    if let Some(why) = nothing_new(&learnt) {
        let keeps =
            before.as_ref().map_or("there is no model yet".to_owned(), |kept| format!("{} stays", kept.version));
        match work.is_fed {
            true => tracing::warn!(node = %work.name, "nothing learnt: {why}; {keeps}"),
            false => tracing::debug!(node = %work.name, "nothing learnt: {why}; {keeps}"),
        }
    }
    let row = row(work.night, node, &facts, before.as_ref(), learnt, &asked);
    let adds = report::stage_made(work, model, &[row], attempt).await?;
    night::replace(work, model, &[work.night].into(), adds, attempt).await
}

/// Why the night has no model of its own, where it has none.
fn nothing_new(learnt: &Result<Verdict, String>) -> Option<&str> {
    match learnt {
        Ok(verdict) => verdict.artefact.is_none().then_some(verdict.reason.as_str()),
        Err(why) => Some(why),
    }
}

/// A label query that fails on its rows is said and the champion kept; any other error is the run's.
fn not_known(error: LabelOr) -> Result<String, ComputeError> {
    match error {
        LabelOr::Label(why) => Ok(why),
        LabelOr::Other(error) => Err(error),
    }
}

enum LabelOr {
    Label(String),
    Other(ComputeError),
}

impl From<ComputeError> for LabelOr {
    fn from(error: ComputeError) -> Self {
        Self::Other(error)
    }
}

async fn gathered(
    gather: Gather<'_>,
    asked: &Asked<'_>,
    before: Option<&KeptModel>,
    facts: &mut Facts,
) -> Result<Joined, LabelOr> {
    facts.horizon = gather.horizon().await?;
    let nights = snapshots::nights(gather.work.night, facts.horizon, &gather.node.spec.snapshots);
    let (spine, sample_of) = gather.spine(&nights).await?;
    facts.sample_of = sample_of;
    let labels = match gather.labels(&spine, facts.horizon).await {
        Ok(labels) => labels,
        Err(ComputeError::Engine(error)) if is_out_of_memory(&error) => return Err(ComputeError::Engine(error).into()),
        Err(error) => {
            let error = error.of(&gather.work.name);
            return Err(match error.kind() {
                ErrorKind::Data => LabelOr::Label(format!("the label query failed: {error}")),
                _ => LabelOr::Other(ComputeError::Other(error)),
            });
        }
    };
    let features = gather.features(&spine).await?;
    let past = Past { gather, spine: &spine, features: &features, labels: &labels };
    let joined = Box::pin(past.join()).await?;
    facts.looked = Box::pin(checks::look_for_leaks(&past, asked.raw, before, &nights)).await?;
    facts.unlabelled = joined.unlabelled;
    let rows = &joined.rows;
    facts.nights.clone_from(&rows.nights);
    facts.nights.dedup();
    facts.rows = rows.labels.len();
    facts.entities = rows.entities.iter().max().map_or(0, |last| *last as usize + 1);
    let sum: f64 = rows.labels.iter().sum();
    facts.mean_label = (facts.rows > 0).then(|| sum / facts.rows as f64);
    Ok(joined)
}

/// Why rows are too few or too much alike to learn from.
fn unfit(node: &MlNode, rows: &TrainingRows) -> Option<String> {
    let gate = &node.spec.gate;
    let count = rows.labels.len() as u64;
    if count == 0 {
        return Some("no row of a night whose horizon has passed has a label".to_owned());
    }
    if count < gate.min_rows {
        return Some(format!("{count} rows have a label, and `gate` asks for {}", gate.min_rows));
    }
    let first = rows.labels.first()?;
    if rows.labels.iter().all(|label| label == first) {
        return Some(format!("the label is {first} on all {count} rows"));
    }
    let positives = rows.labels.iter().filter(|label| **label == 1.0).count() as u64;
    let fewest = positives.min(count - positives);
    let short = node.spec.kind == MlKind::Classifier && fewest < gate.min_each_class;
    short.then(|| {
        format!("{positives} of {count} rows are positive, and `gate` asks for {} of either class", gate.min_each_class)
    })
}

/// Asks the learner, off the threads that serve queries.
async fn learn(
    gather: Gather<'_>,
    node: &std::sync::Arc<MlNode>,
    (rows, newest): (TrainingRows, RecordBatch),
    facts: &Facts,
    before: Option<&KeptModel>,
) -> Result<Result<Verdict, String>, ComputeError> {
    let champion = match before {
        Some(kept) => kept.champion(&gather.work.name).map_err(ComputeError::Other)?,
        None => None,
    };
    let task = Training {
        node: std::sync::Arc::clone(node),
        night: gather.work.night,
        horizon_days: facts.horizon,
        rows,
        sample_of: facts.sample_of,
        tonight: tonight(&gather).await?,
        newest,
        champion,
        threads: gather.work.context.engine.threads(),
    };
    let (learner, clock) = (std::sync::Arc::clone(&gather.work.context.learner), &gather.work.context.clock);
    let began = clock.now();
    let answer = tokio::task::spawn_blocking(move || learner.train(task)).await;
    let seconds = (clock.now() - began).as_seconds_f64();
    tracing::info!(node = %gather.work.name, rows = facts.rows, snapshots = facts.nights.len(), seconds, "learnt");
    let stopped = |error| RunError::Defect { what: format!("the learner of {} stopped: {error}", gather.work.name) };
    let answer = answer.map_err(|error| ComputeError::Other(stopped(error)))?;
    if let Ok(verdict) = &answer {
        warn_of_columns(gather, verdict);
    }
    Ok(answer.map_err(|error| error.to_string()))
}

/// Says what the learner wants people to look at: columns that look like identifiers, that have one value or hardly any.
/// Thousands of columns with the same are told of together.
fn warn_of_columns(gather: Gather<'_>, verdict: &Verdict) {
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in verdict.sections.get(Section::Importance.key()).into_iter().flatten() {
        let said = |key: &str| row.get(key).and_then(Value::as_str);
        if let (Some(column), Some(warning)) = (said("column_name"), said("warning")) {
            told.entry(warning).or_default().push(column);
        }
    }
    let features = gather.node.spec.features.as_str();
    for (warning, columns) in told {
        let named: Vec<String> = columns.iter().take(NAMED_COLUMNS).map(|column| format!("`{column}`")).collect();
        let named = named.join(", ");
        match columns.len() {
            1 => tracing::warn!(node = %gather.work.name, "column {named} of `{features}` {warning}"),
            all => {
                tracing::warn!(node = %gather.work.name, "{all} columns of `{features}`, {named} among them: each {warning}")
            }
        }
    }
}

/// Says that what is learnt is rare.
fn warn_of_rarity(gather: Gather<'_>, facts: &Facts) {
    let Some(share) = facts.mean_label.filter(|share| *share > 0.0 && *share < RARE) else { return };
    if gather.node.spec.kind == MlKind::Classifier {
        let (positives, percent) = ((share * facts.rows as f64).round(), 100.0 * share);
        tracing::warn!(
            node = %gather.work.name,
            "{positives} of {} labels are positive, {percent:.2} %: probabilities will be as low, and few entities reach a tier of `tiers` — go by their percentile, or declare tiers as low in {}",
            facts.rows, gather.node.file
        );
    }
}

/// The night's row of the training table.
fn row(
    night: NaiveDate,
    node: &MlNode,
    facts: &Facts,
    before: Option<&KeptModel>,
    learnt: Result<Verdict, String>,
    asked: &Asked<'_>,
) -> Value {
    let mut row = BTreeMap::from([
        ("night", json!(night)),
        ("model", json!(node.name)),
        ("rows", json!(facts.rows)),
        ("entities", json!(facts.entities)),
        ("unlabelled", json!(facts.unlabelled)),
        ("mean_label", json!(facts.mean_label)),
        ("snapshots", json!(facts.nights.len())),
        ("first_snapshot", json!(facts.nights.first())),
        ("last_snapshot", json!(facts.nights.last())),
        ("horizon_days", json!(facts.horizon)),
        ("late_rows", json!(facts.looked.late)),
        ("restated_rows", json!(facts.looked.restated)),
        ("leaks_checked_on", json!(facts.looked.checked.as_ref().map(|(night, _)| night))),
        ("leaks_checked_code", json!(facts.looked.checked.as_ref().map(|(_, code)| code))),
        ("read", json!(asked.identity)),
        ("decision", json!(asked.decided.map_or(0, |decided| decided.number))),
    ]);
    let kept = |row: &mut BTreeMap<&str, Value>| {
        let outcome = if before.is_some() { "kept" } else { "none" };
        row.insert("outcome", json!(outcome));
        let Some(before) = before else { return };
        row.insert("version", json!(before.version));
        row.insert("checksum", json!(before.checksum));
        row.insert("family", json!(before.family));
        row.insert("recipe", json!(before.recipe));
        row.insert("metric", json!(before.metric));
        row.insert("metric_value", json!(before.metric_value));
        // How far ahead its scores look.
        row.insert("horizon_days", json!(before.horizon_days));
    };
    row.insert("report", json!(told(before, &learnt).map(|report| report.to_string())));
    match learnt {
        Err(why) => {
            kept(&mut row);
            row.insert("reason", json!(why));
        }
        Ok(verdict) => {
            match &verdict.artefact {
                None => kept(&mut row),
                Some(bytes) => {
                    let checksum = blake3::hash(bytes).to_hex().to_string();
                    let short = checksum.get(..8).unwrap_or(&checksum);
                    row.insert("outcome", json!("shipped"));
                    row.insert("version", json!(format!("{night}.{short}")));
                    row.insert("artefact", json!(pack(bytes)));
                    row.insert("checksum", json!(checksum));
                    row.insert("family", json!(verdict.family));
                    row.insert("recipe", json!(verdict.recipe));
                    row.insert("metric", json!(verdict.metric));
                    row.insert("metric_value", json!(verdict.metric_value));
                }
            }
            row.insert("reason", json!(verdict.reason));
        }
    }
    json!(row)
}

/// The night's report; `None` where nothing was learnt and there is no model.
fn told(before: Option<&KeptModel>, learnt: &Result<Verdict, String>) -> Option<Value> {
    let champion = before.map(|before| &before.report);
    match learnt {
        Ok(verdict) if verdict.artefact.is_some() => Some(verdict.report()),
        Ok(verdict) => Some(report::of_kept(champion, Some(verdict))),
        Err(_) => champion.map(|champion| report::of_kept(Some(champion), None)),
    }
}

/// A model's bytes as they are kept; what cannot be compressed is kept as it is.
fn pack(bytes: &[u8]) -> String {
    STANDARD.encode(zstd::encode_all(bytes, LEVEL).unwrap_or_else(|_| bytes.to_vec()))
}

impl KeptModel {
    /// As the learner sees it; `None` where there is a row and no model.
    fn champion(&self, table: &str) -> Result<Option<Champion>, RunError> {
        Ok(Some(Champion {
            night: self.night,
            version: self.version.clone(),
            recipe: self.recipe.clone(),
            is_promoted: self.is_promoted,
            artefact: self.bytes(table)?,
            report: self.report.clone(),
        }))
    }
}
