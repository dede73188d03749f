//! What a night learns: the champion's recipe fitted anew, or another's where it was judged better.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use models::metrics::Metric;
use models::recipe::{
    FittedModel, Judgement, Judging, Part, Recipe, RecipeError, Search, SearchRecord, Standing, Training as Rows,
    Tried, Verdict as Ruling, fit, judge, refit_ships,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warehouse::learn::{Champion, LearnError, MEMORY, Training, Verdict, promised};
use warehouse::project::ml::Section;

use super::backtest::{Backtest, Cut, cut};
use super::sample;
use super::table::Table;
use super::{candidates, columns, drift, refused};

/// Candidates of the first rung of a search.
const CANDIDATES: usize = 12;
/// Fits x rows of a search, in times the rows there are; at most so many.
const BUDGET_ROUNDS: u64 = 40;
const MOST_BUDGET: u64 = 5_000_000;
/// Of that, what a night between two searches spends on the best few of the last.
const USUAL_PART: u64 = 8;
/// Candidates that are fitted anew on a night between two searches.
const FEW: usize = 3;
/// Challengers that a judgement hears.
const CHALLENGERS: usize = 2;
/// Tonight differs from what was learnt by so much that a search is due (AUC of telling them apart), where that is so
/// much more than at the last search: some columns move every night.
const DRIFTED: f64 = 0.8;
const MORE_DRIFTED: f64 = 0.05;

/// What is remembered from night to night.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    /// The night of the last search.
    searched_on: Option<NaiveDate>,
    /// The night on which the champion was chosen among others last.
    judged_on: Option<NaiveDate>,
    search: SearchRecord,
    /// How well that night could be told from what was learnt.
    drift: Option<f64>,
}

impl Memory {
    /// What cannot be read is forgotten: a search follows.
    fn of(champion: &Champion) -> Self {
        let memory = champion.report.get(MEMORY).cloned().unwrap_or_default();
        serde_json::from_value(memory).unwrap_or_default()
    }
}

/// One night's learning.
struct Night<'a> {
    task: &'a Training,
    table: Table,
    metric: Metric,
    cut: Cut,
    /// How well tonight can be told from the newest night that is learnt from.
    drift: Option<f64>,
}

/// The champion of the night before, where its recipe can be read and is still asked for.
struct Incumbent<'a> {
    champion: &'a Champion,
    recipe: Recipe,
    memory: Memory,
}

/// Learns what a night is asked to.
///
/// # Errors
/// Rows that no candidate can be fitted on.
pub(super) fn train(mut task: Training) -> Result<Verdict, LearnError> {
    let drifted = drift::measure(&task)?;
    let table = Table::of(&mut task)?;
    let task = &task;
    let cut = cut(task, &table)?;
    let night = Night { task, table, metric: candidates::metric(&task.node), cut, drift: drifted.auc };
    let incumbent = task.champion.as_ref().and_then(|champion| {
        let recipe: Recipe = champion.recipe.parse().ok()?;
        Some(Incumbent { champion, recipe, memory: Memory::of(champion) })
    });
    let mut verdict = match incumbent {
        None => night.first(),
        Some(incumbent) if incumbent.champion.is_promoted => night.promoted(&incumbent),
        Some(incumbent) if night.is_due(&incumbent.memory) => night.challenged(&incumbent),
        Some(incumbent) => night.usual(&incumbent),
    }?;
    verdict.sections.insert(Section::Drift.key(), drifted.rows);
    Ok(verdict)
}

/// A recipe that is to be fitted on all rows, and what is known of it.
struct Chosen {
    recipe: Recipe,
    memory: Memory,
    reason: String,
    backtests: Vec<Value>,
}

impl Night<'_> {
    /// A search is due when so many days have passed, or when tonight is unlike what was learnt from, and more so than at
    /// the last search.
    fn is_due(&self, memory: &Memory) -> bool {
        let Some(last) = memory.searched_on else { return true };
        let is_heard = self.next_judgement(memory).is_none_or(|next| next <= self.task.night);
        let before = memory.drift.unwrap_or(0.5);
        let drifted = self.drift.is_some_and(|auc| auc > DRIFTED && auc > before + MORE_DRIFTED);
        is_heard || (drifted && self.task.night > last)
    }

    /// The first night on which challengers are heard again: a search that drift asks for waits for it.
    fn next_judgement(&self, memory: &Memory) -> Option<NaiveDate> {
        let days = Days::new(self.task.node.spec.gate.challenge_every_days.into());
        memory.judged_on.or(memory.searched_on)?.checked_add_days(days)
    }

    /// Runs a search on the rows before the cut: what judges a candidate later has not chosen it.
    fn on_earlier_rows(
        &self,
        search: impl Fn(&Rows<'_>) -> Result<SearchRecord, RecipeError>,
    ) -> Result<SearchRecord, RecipeError> {
        let whole = self.table.rows();
        let earlier = Part::of(&whole, &self.cut.fold.train);
        let found = match search(&earlier.training(&whole)) {
            // One night alone is before the cut: other entities choose.
            Err(RecipeError::Split(_)) => search(&earlier.training(&whole).without_days()),
            found => found,
        };
        match found {
            Ok(found) if !found.best(1).is_empty() => Ok(found),
            // So few rows, or of one class, are before the cut that all have to choose.
            _ => search(&whole),
        }
    }

    fn budget(&self) -> u64 {
        (BUDGET_ROUNDS * self.table.labels.len() as u64).min(MOST_BUDGET)
    }

    fn search(&self, last: &SearchRecord) -> Result<SearchRecord, LearnError> {
        let spaces = candidates::spaces(&self.task.node)?;
        let candidates = CANDIDATES.max(spaces.len());
        let search = Search { candidates, budget: self.budget(), metric: self.metric };
        let found = self.on_earlier_rows(|rows| search.run(&spaces, rows, last));
        found.map_err(|error| refused(&error))
    }

    /// The best few of the last search, fitted anew; `None` where there are none, or too few rows for them.
    fn best_few(&self, last: &SearchRecord) -> Option<SearchRecord> {
        let search = Search { candidates: FEW, budget: self.budget() / USUAL_PART, metric: self.metric };
        let found = self.on_earlier_rows(|rows| search.again(rows, last)).ok();
        found.filter(|found| !last.tried.is_empty() && !found.tried.is_empty())
    }

    /// What candidates came to on rows that they had not learnt from, as rows of the backtests.
    fn tried(&self, search: &SearchRecord) -> Vec<Value> {
        let value = |loss: f64| if self.metric.higher_is_better() { -loss } else { loss };
        let row = |tried: &Tried| {
            json!({
                "role": "candidate", "family": tried.recipe.family().name(), "recipe": tried.recipe.to_string(),
                "metric": self.metric.name(), "value": tried.loss.map(value), "learnt_rows": tried.rows,
            })
        };
        search.tried.iter().map(row).collect()
    }

    /// Why no candidate could be fitted: what the first says of all rows.
    fn why_none(&self, search: &SearchRecord) -> LearnError {
        let first = search.tried.first().and_then(|tried| fit(&tried.recipe, &self.table.rows()).err());
        let why = first.map_or_else(String::new, |error| format!(": {error}"));
        LearnError::new(format!("no candidate could be fitted on these rows{why}"))
    }

    /// No champion: the best of a search.
    fn first(&self) -> Result<Verdict, LearnError> {
        let search = self.search(&SearchRecord::default())?;
        let recipe = search.best(1).pop().ok_or_else(|| self.why_none(&search))?;
        let reason = format!("the best of {} candidates", search.tried.len());
        let (backtests, tonight) = (self.tried(&search), Some(self.task.night));
        let memory = Memory { searched_on: tonight, judged_on: tonight, search, drift: self.drift };
        self.backtested(Chosen { recipe, memory, reason, backtests }, None)
    }

    fn promoted(&self, incumbent: &Incumbent<'_>) -> Result<Verdict, LearnError> {
        let reason = format!("the recipe of {} was promoted", incumbent.champion.version);
        let (recipe, memory) = (incumbent.recipe.clone(), incumbent.memory.clone());
        self.backtested(Chosen { recipe, memory, reason, backtests: Vec::new() }, None)
    }

    /// The champion before the judge, against the best of a search.
    fn challenged(&self, incumbent: &Incumbent<'_>) -> Result<Verdict, LearnError> {
        let search = self.search(&incumbent.memory.search)?;
        let (mut backtests, tonight) = (self.tried(&search), Some(self.task.night));
        if let Some(next) = self.next_judgement(&incumbent.memory).filter(|next| *next > self.task.night) {
            let judged_on = incumbent.memory.judged_on.or(incumbent.memory.searched_on);
            let memory = Memory { searched_on: tonight, judged_on, search, drift: self.drift };
            let reason = format!("searched, for tonight drifted; challengers are heard from {next} on");
            return self
                .backtested(Chosen { recipe: incumbent.recipe.clone(), memory, reason, backtests }, Some(incumbent));
        }
        let mut challengers = search.best(CHALLENGERS + 1);
        challengers.retain(|recipe| *recipe != incumbent.recipe);
        challengers.truncate(CHALLENGERS);
        let mut judging = Judging::by(self.metric);
        if let Some(day) = self.cut.test_from {
            judging = judging.test_from(day);
        }
        let judgement = judge(&incumbent.recipe, &challengers, &self.table.rows(), &judging);
        let judgement = judgement.map_err(|error| refused(&error))?;
        let memory = Memory { searched_on: tonight, judged_on: tonight, search, drift: self.drift };
        backtests.extend(heard(&judgement));
        let winner = match judgement.verdict {
            Ruling::Ship { challenger } => judgement.challengers.get(challenger),
            Ruling::Keep => None,
        };
        match winner {
            Some(winner) => {
                let p = winner.comparison.map_or(f64::NAN, |found| found.p_better);
                let reason = format!("better than {} on later rows: p {p:.4}", incumbent.recipe.family().name());
                self.backtested(Chosen { recipe: winner.recipe.clone(), memory, reason, backtests }, None)
            }
            None => {
                let reason = format!("{} challengers were not better by more than chance", challengers.len());
                let recipe = incumbent.recipe.clone();
                self.backtested(Chosen { recipe, memory, reason, backtests }, Some(incumbent))
            }
        }
    }

    fn usual(&self, incumbent: &Incumbent<'_>) -> Result<Verdict, LearnError> {
        let reason = format!("refitted with the rows of {}", self.task.night);
        let mut memory = incumbent.memory.clone();
        let mut backtests = Vec::new();
        if let Some(search) = self.best_few(&memory.search) {
            backtests = self.tried(&search);
            memory.search = search;
        }
        self.backtested(Chosen { recipe: incumbent.recipe.clone(), memory, reason, backtests }, Some(incumbent))
    }

    /// Judges a recipe on rows it has not seen, holds it against the gate and against chance, and ships its fit of all
    /// rows unless that is worse than the model before by more than chance.
    fn backtested(&self, chosen: Chosen, before: Option<&Incumbent<'_>>) -> Result<Verdict, LearnError> {
        let Chosen { recipe, memory, reason, backtests } = chosen;
        let found = Backtest::run(&recipe, &self.table, &self.cut, self.metric, self.task.node.spec.kind)?;
        let value = found.value();
        let (cost, half) = self.cost_of_sample(&recipe, &found, memory.searched_on).unwrap_or_default();
        let mut verdict = Verdict {
            artefact: None,
            reason: reason + &cost,
            family: recipe.family().name().to_owned(),
            recipe: recipe.to_string(),
            metric: self.metric.name().to_owned(),
            metric_value: value,
            sections: BTreeMap::from([
                (Section::Backtests.key(), found.report(&recipe).chain(backtests).chain(half).collect()),
                (Section::Calibration.key(), found.calibration.clone()),
                (Section::Importance.key(), found.importance.clone()),
            ]),
            memory: json!(memory),
        };
        if let (Some(bound), Some(value)) = (self.task.node.spec.gate.metric, value)
            && !candidates::passes(self.metric, value, bound)
        {
            verdict.reason = format!("{} is {value:.4} on later rows, and `gate` asks for {bound}", self.metric.name());
            return Ok(verdict);
        }
        // Who promoted a recipe has seen what it is worth.
        let is_promoted = self.task.champion.as_ref().is_some_and(|champion| champion.is_promoted);
        if let Some(chance) = found.is_chance().filter(|_| !is_promoted) {
            verdict.reason = chance;
            return Ok(verdict);
        }
        let model = fit(&recipe, &self.table.rows()).map_err(|error| refused(&error))?.with_threads(self.table.threads);
        let is_doubted = |before: &&Incumbent<'_>| self.is_below_promise(before, value);
        if let Some(worse) = before.filter(is_doubted).and_then(|before| self.worse_than(before, &model)) {
            verdict.reason = worse;
            return Ok(verdict);
        }
        verdict.sections.insert(Section::Importance.key(), columns::report(&model, &self.table.identifiers));
        verdict.artefact = Some(model.to_bytes().map_err(|error| refused(&error))?);
        Ok(verdict)
    }

    /// What it costs to learn from a sample, in words and as rows of the backtests; asked on nights that search alone.
    fn cost_of_sample(
        &self,
        recipe: &Recipe,
        found: &Backtest,
        searched_on: Option<NaiveDate>,
    ) -> Option<(String, Vec<Value>)> {
        let all = self.task.sample_of.filter(|_| searched_on == Some(self.task.night))?;
        Some(match sample::half(recipe, &self.table, &self.cut, found, self.task) {
            Ok(half) => (format!("; {}", half.told(all)), half.report(recipe)),
            Err(error) => (format!("; what the sample costs is not known: {error}"), Vec::new()),
        })
    }

    /// Whether the recipe came to less on unseen rows than it did for the model before. That model has learnt the newest
    /// rows too: where it is better on them alone, it may only know them better by heart.
    fn is_below_promise(&self, before: &Incumbent<'_>, value: Option<f64>) -> bool {
        match (value, promised(&before.champion.report, self.metric.name())) {
            (Some(value), Some(promised)) if self.metric.higher_is_better() => value < promised,
            (Some(value), Some(promised)) => value > promised,
            _ => true,
        }
    }

    /// Why tonight's fit is worse than the last one on the newest rows with a label, where it is by more than chance.
    fn worse_than(&self, before: &Incumbent<'_>, tonight: &FittedModel) -> Option<String> {
        let last = FittedModel::from_bytes(&before.champion.artefact).ok()?.with_threads(self.table.threads);
        let newest = self.table.days.iter().max()?;
        let rows: Vec<usize> =
            self.table.days.iter().enumerate().filter(|(_, day)| *day == newest).map(|(row, _)| row).collect();
        let newest = self.table.some(&rows);
        // Rows that cannot judge, of one class or without a column it knows, are no reason to keep an old model.
        let (ships, found) = refit_ships(&last, tonight, &newest.rows(), &Judging::by(self.metric)).ok()?;
        (!ships).then(|| {
            format!(
                "tonight's fit is worse on the newest rows: {} {:.4}, the model before {:.4}, p {:.4}",
                self.metric.name(),
                found.challenger,
                found.champion,
                found.p_worse
            )
        })
    }
}

/// The challengers of a judgement, as rows of the backtests.
fn heard(judgement: &Judgement) -> Vec<Value> {
    let row = |standing: &Standing| {
        let found = standing.comparison;
        json!({
            "role": "challenger",
            "family": standing.recipe.family().name(),
            "recipe": standing.recipe.to_string(),
            "metric": judgement.metric,
            "value": standing.metric,
            "gain": found.map(|found| found.gain),
            "gain_low": found.map(|found| found.lower),
            "gain_high": found.map(|found| found.upper),
            "p_better": found.map(|found| found.p_better),
            "is_trusted": standing.trust.map(|trust| trust.holds()),
            "failure": standing.failure,
            "rows": judgement.test_rows,
        })
    };
    judgement.challengers.iter().map(row).collect()
}
