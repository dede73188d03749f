//! Which parameters are worth a fit: successive halving, and what it remembers.

use serde::{Deserialize, Serialize};

use super::fit::fit;
use super::part::Part;
use super::training::{LEAST_ROWS, Training};
use super::{Family, Recipe, RecipeError};
use crate::metrics::Metric;
use crate::random::Random;

/// Of how many candidates one goes on to the next rung.
const KEPT_OF: usize = 3;

/// The folds that candidates are fitted with: what ships has those of its recipe.
const FOLDS: f64 = 2.0;

/// The range of a parameter that is searched.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    parameter: String,
    low: f64,
    high: f64,
    whole: bool,
}

/// A recipe and the ranges of some of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    base: Recipe,
    ranges: Vec<Range>,
}

impl Space {
    /// Only the recipe itself.
    pub fn new(base: Recipe) -> Self {
        Self { base, ranges: Vec::new() }
    }

    /// Searches a parameter from `low` to `high`: by its logarithm where the range spans a factor of ten.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`] and [`RecipeError::Range`] for a parameter or an end that the recipe has not.
    pub fn range(mut self, parameter: &str, low: f64, high: f64) -> Result<Self, RecipeError> {
        for end in [low, high] {
            self.base.clone().with(parameter, end)?;
        }
        if low > high {
            let (family, must) = (self.base.family().name(), format!("at most its other end, {high}"));
            return Err(RecipeError::Range { family, parameter: parameter.to_owned(), value: low, must });
        }
        let whole = self.base.parameters().iter().any(|known| known.name == parameter && known.whole);
        self.ranges.retain(|range| range.parameter != parameter);
        self.ranges.push(Range { parameter: parameter.to_owned(), low, high, whole });
        Ok(self)
    }

    fn draw(&self, random: &mut Random) -> Result<Recipe, RecipeError> {
        let mut recipe = self.base.clone();
        for Range { parameter, low, high, whole } in &self.ranges {
            let share = random.uniform();
            let by_logarithm = *low > 0.0 && high / low >= 10.0;
            let value = if by_logarithm { low * (high / low).powf(share) } else { low + (high - low) * share };
            let value = if *whole { value.round() } else { rounded(value) };
            recipe = recipe.with(parameter, value.clamp(*low, *high))?;
        }
        Ok(recipe)
    }
}

/// Three digits: a recipe is for people too.
fn rounded(value: f64) -> f64 {
    let text = format!("{value:.2e}");
    text.parse().unwrap_or(value)
}

/// One candidate on one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was fitted.
    pub recipe: Recipe,
    /// Rows it learnt from.
    pub rows: usize,
    /// What it lost on rows that it had not learnt from, by the search's metric, smaller is better; `None` where it
    /// could not be fitted.
    pub loss: Option<f64>,
}

/// What searches have tried: stored between nights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchRecord {
    /// Searches so far: the next draws other candidates.
    pub searches: u64,
    /// Fits x rows that the last one took.
    pub spent: u64,
    /// Candidates of the last one, rung by rung.
    pub tried: Vec<Tried>,
}

impl SearchRecord {
    /// The best of the last search: of those that learnt from the most rows, the least loss first.
    pub fn best(&self, count: usize) -> Vec<Recipe> {
        let mut found: Vec<(&Tried, f64)> = self.tried.iter().filter_map(|tried| Some((tried, tried.loss?))).collect();
        found.sort_by(|a, b| b.0.rows.cmp(&a.0.rows).then(a.1.total_cmp(&b.1)));
        let mut best: Vec<Recipe> = Vec::new();
        for (tried, _) in found {
            if best.len() < count && !best.contains(&tried.recipe) {
                best.push(tried.recipe.clone());
            }
        }
        best
    }
}

/// Successive halving (Jamieson & Talwalkar 2016): many candidates on few rows, the better third on three times as
/// many, until one is left or all rows are used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Candidates of the first rung.
    pub candidates: usize,
    /// Fits x rows that may be spent. Never seconds: a slow night finds what a fast one does.
    pub budget: u64,
    /// What candidates are compared by.
    pub metric: Metric,
}

impl Search {
    /// Tries the recipes of the spaces themselves, the best few of the last search, and draws from the ranges.
    ///
    /// # Errors
    /// [`RecipeError::TooFewRows`] where the budget does not give every candidate of the first rung 50 rows; those of the
    /// split. A candidate that cannot be fitted is remembered as such.
    pub fn run(
        &self,
        spaces: &[Space],
        training: &Training<'_>,
        last: &SearchRecord,
    ) -> Result<SearchRecord, RecipeError> {
        let mut candidates = self.candidates(spaces, training.seed, last)?;
        let mut record = SearchRecord { searches: last.searches + 1, spent: 0, tried: Vec::new() };
        let Some(kind) = candidates.first().map(Recipe::kind) else { return Ok(record) };
        let cut = training.held_out(kind, None)?;
        let order = by_entity(training, &cut.train);
        let test = Part::of(training, &cut.test);
        let rungs = (1..).take_while(|rung| candidates.len() / KEPT_OF.pow(*rung) > 0).count() as u64 + 1;
        loop {
            let fits: u64 = candidates.iter().map(fits_of).sum();
            let rows = (self.budget / rungs / fits.max(1)).min(order.len() as u64) as usize;
            if rows < LEAST_ROWS {
                return Err(RecipeError::TooFewRows { rows, needed: LEAST_ROWS });
            }
            let some = order.get(..rows).unwrap_or(&order);
            let mut losses = self.rung(&candidates, training, some, &test, &mut record);
            losses.sort_by(|a, b| a.1.total_cmp(&b.1));
            let kept = losses.len().div_ceil(KEPT_OF);
            candidates = losses.into_iter().take(kept).map(|(recipe, _)| recipe).collect();
            if candidates.len() < 2 || rows == order.len() {
                return Ok(record);
            }
        }
    }

    /// Fits the best few of the last search anew, on as many rows as the budget gives each: for a night between two
    /// searches. Nothing is drawn, and the searches so far stay as many.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn again(&self, training: &Training<'_>, last: &SearchRecord) -> Result<SearchRecord, RecipeError> {
        let few = last.best(self.candidates.min(KEPT_OF));
        let mut record = SearchRecord { searches: last.searches, spent: 0, tried: Vec::new() };
        let Some(kind) = few.first().map(Recipe::kind) else { return Ok(last.clone()) };
        let cut = training.held_out(kind, None)?;
        let order = by_entity(training, &cut.train);
        let fits: u64 = few.iter().map(fits_of).sum();
        let rows = (self.budget / fits.max(1)).min(order.len() as u64) as usize;
        if rows < LEAST_ROWS {
            return Err(RecipeError::TooFewRows { rows, needed: LEAST_ROWS });
        }
        let some = order.get(..rows).unwrap_or(&order);
        self.rung(&few, training, some, &Part::of(training, &cut.test), &mut record);
        Ok(record)
    }

    /// Fits each candidate on some rows and remembers what it lost; gives those that could be fitted.
    fn rung(
        &self,
        candidates: &[Recipe],
        training: &Training<'_>,
        rows: &[usize],
        test: &Part<'_>,
        record: &mut SearchRecord,
    ) -> Vec<(Recipe, f64)> {
        let mut some = rows.to_vec();
        some.sort_unstable();
        let train = Part::of(training, &some);
        let mut losses = Vec::with_capacity(candidates.len());
        for recipe in candidates {
            let loss = self.loss(recipe, &train.training(training), test).ok();
            record.tried.push(Tried { recipe: recipe.clone(), rows: rows.len(), loss });
            losses.extend(loss.map(|loss| (recipe.clone(), loss)));
            record.spent += fits_of(recipe) * rows.len() as u64;
        }
        losses
    }

    fn candidates(&self, spaces: &[Space], seed: u64, last: &SearchRecord) -> Result<Vec<Recipe>, RecipeError> {
        let mut found: Vec<Recipe> = Vec::new();
        let mut add = |recipe: Recipe| {
            if !found.contains(&recipe) {
                found.push(recipe);
            }
        };
        spaces.iter().for_each(|space| add(space.base.clone()));
        last.best(KEPT_OF).into_iter().for_each(&mut add);
        let mut random = Random::stream(seed, last.searches);
        let free: Vec<&Space> = spaces.iter().filter(|space| !space.ranges.is_empty()).collect();
        for place in 0..self.candidates {
            if let Some(space) = free.get(place % free.len().max(1)) {
                add(space.draw(&mut random)?);
            }
        }
        found.truncate(self.candidates.max(spaces.len()));
        Ok(found)
    }

    fn loss(&self, recipe: &Recipe, train: &Training<'_>, test: &Part<'_>) -> Result<f64, RecipeError> {
        let model = fit(&recipe.clone().with("folds", FOLDS)?, train)?.with_threads(train.threads);
        let found = model.score(&test.frame())?;
        let value = self.metric.evaluate(test.target(), found.values.view(), test.weights())?;
        Ok(if self.metric.higher_is_better() { -value } else { value })
    }
}

/// Most model fits that one candidate costs: each member on every fold and on all rows, and on a fold once more where
/// trees are counted and the others' best was further than its own was followed.
fn fits_of(recipe: &Recipe) -> u64 {
    let folds = FOLDS as u64;
    let counted = if recipe.value("patience") == Some(0.0) { 0 } else { folds };
    match recipe.family() {
        Family::Logistic | Family::Ridge | Family::Forest => folds + 1,
        Family::Boosting => folds + 1 + counted,
        Family::BoostingQuantile => 3 * (folds + 1 + counted),
        Family::Ensemble => 4 * (folds + 1) + counted,
    }
}

/// Rows in an order in which entities are whole and drawn by the seed: the first so many are a sample, and each
/// sample holds the smaller ones.
fn by_entity(training: &Training<'_>, rows: &[usize]) -> Vec<usize> {
    let entity = |row: usize| training.entities.and_then(|all| all.get(row)).copied().unwrap_or(row as u64);
    let mut names: Vec<u64> = rows.iter().map(|row| entity(*row)).collect();
    names.sort_unstable();
    names.dedup();
    let mut places: Vec<usize> = (0..names.len()).collect();
    Random::new(training.seed).shuffle(&mut places);
    let place = |row: usize| names.binary_search(&entity(row)).ok().and_then(|at| places.get(at)).copied();
    let mut order: Vec<(Option<usize>, usize)> = rows.iter().map(|row| (place(*row), *row)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}
