//! The models that a recipe can be made of, as one type.

use linfa::ParamGuard;
use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Family, Kind, Recipe, RecipeError};
use crate::boosting::{BoostingClassifier, BoostingParams, BoostingRegressor, Loss};
use crate::encode::{ColumnKind, Encoder, EncoderParams, Style};
use crate::ensemble::{
    BoostingLearner, Contributions, EncodedBoosting, EncodedForest, EncodedLogistic, EncodedRidge, EnsembleError,
    Fitted, ForestLearner, Learner, LogisticLearner, RidgeLearner,
};
use crate::forest::{ForestClassifier, ForestParams, ForestRegressor, Mtry};
use crate::linear::{LogisticParams, RidgeParams};
use crate::tree::{Classifier, Regressor, Task};

/// A fitted model with its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Member {
    Logistic(EncodedLogistic),
    Ridge(EncodedRidge),
    ForestClassifier(EncodedForest<Classifier>),
    ForestRegressor(EncodedForest<Regressor>),
    BoostingClassifier(EncodedBoosting<Classifier>),
    BoostingRegressor(EncodedBoosting<Regressor>),
}

macro_rules! of_each {
    ($member:expr, $model:ident => $value:expr) => {
        match $member {
            Member::Logistic($model) => $value,
            Member::Ridge($model) => $value,
            Member::ForestClassifier($model) => $value,
            Member::ForestRegressor($model) => $value,
            Member::BoostingClassifier($model) => $value,
            Member::BoostingRegressor($model) => $value,
        }
    };
}

impl Fitted for Member {
    fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        of_each!(self, model => model.predict(x))
    }

    fn raw(&self, x: &ArrayView2<'_, f64>) -> Result<Array1<f64>, EnsembleError> {
        of_each!(self, model => model.raw(x))
    }

    fn contributions(&self, x: &ArrayView2<'_, f64>) -> Result<Contributions, EnsembleError> {
        of_each!(self, model => model.contributions(x))
    }
}

impl Member {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Logistic(_) | Self::ForestClassifier(_) | Self::BoostingClassifier(_) => Kind::Classifier,
            Self::Ridge(_) | Self::ForestRegressor(_) | Self::BoostingRegressor(_) => Kind::Regressor,
        }
    }

    pub(super) fn encoder(&self) -> &Encoder {
        of_each!(self, model => model.encoder())
    }

    /// Share of gain of each column, where there are trees.
    pub(super) fn gain(&self) -> Option<Array1<f64>> {
        of_each!(self, model => model.gain())
    }

    /// Trees, where there are some.
    pub(super) fn trees(&self) -> Option<usize> {
        match self {
            Self::Logistic(_) | Self::Ridge(_) => None,
            Self::ForestClassifier(model) => Some(model.model().trees()),
            Self::ForestRegressor(model) => Some(model.model().trees()),
            Self::BoostingClassifier(model) => Some(model.model().rounds()),
            Self::BoostingRegressor(model) => Some(model.model().rounds()),
        }
    }
}

macro_rules! from_each {
    ($($model:ty => $kind:ident),* $(,)?) => {
        $(impl From<$model> for Member {
            fn from(model: $model) -> Self {
                Self::$kind(model)
            }
        })*
    };
}

from_each! {
    EncodedLogistic => Logistic,
    EncodedRidge => Ridge,
    EncodedForest<Classifier> => ForestClassifier,
    EncodedForest<Regressor> => ForestRegressor,
    EncodedBoosting<Classifier> => BoostingClassifier,
    EncodedBoosting<Regressor> => BoostingRegressor,
}

/// A learner of a recipe.
pub(super) type Boxed = Box<dyn Learner<Member>>;

/// Makes learners of a recipe, for columns of these kinds and names.
pub(super) struct Bench<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) kinds: Vec<ColumnKind>,
    pub(super) names: Vec<String>,
    pub(super) rows: usize,
    pub(super) threads: usize,
}

/// Rows under which boosting has one thread: handing work over would take longer than the work.
const ONE_THREAD_ROWS: usize = 20_000;

impl Bench<'_> {
    /// The learners of the recipe: one, or the members of its ensemble.
    pub(super) fn learners(&self) -> Result<Vec<Boxed>, RecipeError> {
        let recipe = self.recipe;
        Ok(match (recipe.family(), recipe.kind()) {
            (Family::Logistic, _) => vec![self.logistic()?],
            (Family::Ridge, _) => vec![self.ridge()?],
            (Family::Forest, kind) => vec![self.forest(kind, "trees", "depth")?],
            (Family::Boosting | Family::BoostingQuantile, Kind::Classifier) => vec![self.boosting_classifier()?],
            (Family::Boosting, Kind::Regressor) => vec![self.boosting_regressor(self.loss())?],
            (Family::BoostingQuantile, Kind::Regressor) => vec![self.quantile(0.5)?],
            (Family::Ensemble, Kind::Classifier) => {
                let forest = self.forest(Kind::Classifier, "forest_trees", "forest_depth")?;
                let deep = self.deep_boosting(BoostingClassifier::params())?;
                [self.logistic()?, self.boosting_classifier()?, forest].into_iter().chain(deep).collect()
            }
            (Family::Ensemble, Kind::Regressor) => {
                let forest = self.forest(Kind::Regressor, "forest_trees", "forest_depth")?;
                let deep = self.deep_boosting(BoostingRegressor::params(Loss::Squared))?;
                [self.ridge()?, self.boosting_regressor(Loss::Squared)?, forest].into_iter().chain(deep).collect()
            }
        })
    }

    /// Boosting of a quantile.
    pub(super) fn quantile(&self, level: f64) -> Result<Boxed, RecipeError> {
        self.boosting_regressor(Loss::Quantile { level })
    }

    fn loss(&self) -> Loss {
        match self.recipe.real("power") {
            0.0 => Loss::Squared,
            1.0 => Loss::Poisson,
            power => Loss::Tweedie { power },
        }
    }

    fn encoder(&self, style: Style) -> EncoderParams {
        EncoderParams::new(self.kinds.clone())
            .names(self.names.clone())
            .style(style)
            .level_limit(self.recipe.whole("levels"))
            .threads(self.threads)
    }

    fn logistic(&self) -> Result<Boxed, RecipeError> {
        let params = LogisticParams::new()
            .penalty(self.recipe.real("penalty"))
            .l1_ratio(self.recipe.real("l1_ratio"))
            .threads(self.threads);
        params.check_ref().map_err(|error| EnsembleError::member("logistic", error))?;
        Ok(Box::new(LogisticLearner::new("logistic", self.encoder(Style::Dense), params)))
    }

    fn ridge(&self) -> Result<Boxed, RecipeError> {
        let params = RidgeParams::new().penalty(self.recipe.real("penalty")).threads(self.threads);
        params.check_ref().map_err(|error| EnsembleError::member("ridge", error))?;
        Ok(Box::new(RidgeLearner::new("ridge", self.encoder(Style::Dense), params)))
    }

    fn forest(&self, kind: Kind, trees: &str, depth: &str) -> Result<Boxed, RecipeError> {
        let encoder = self.encoder(Style::Native);
        Ok(match kind {
            Kind::Classifier => {
                let params = self.shaped_forest(ForestClassifier::params(), trees, depth)?;
                Box::new(ForestLearner::new("forest", encoder, params))
            }
            Kind::Regressor => {
                let params = self.shaped_forest(ForestRegressor::params(), trees, depth)?;
                Box::new(ForestLearner::new("forest", encoder, params))
            }
        })
    }

    fn shaped_forest<K: Task>(
        &self,
        params: ForestParams<K>,
        trees: &str,
        depth: &str,
    ) -> Result<ForestParams<K>, RecipeError> {
        let recipe = self.recipe;
        let mut params = params.trees(recipe.whole(trees)).depth(recipe.whole(depth)).threads(self.threads);
        if recipe.family() == Family::Forest {
            params = params.min_samples(recipe.whole("min_rows"));
            if recipe.real("column_share") > 0.0 {
                params = params.mtry(Mtry::Share(recipe.real("column_share")));
            }
        }
        params.check_ref().map_err(|error| EnsembleError::member("forest", error))?;
        Ok(params)
    }

    fn boosting_classifier(&self) -> Result<Boxed, RecipeError> {
        self.boosting(BoostingClassifier::params())
    }

    fn boosting_regressor(&self, loss: Loss) -> Result<Boxed, RecipeError> {
        self.boosting(BoostingRegressor::params(loss))
    }

    fn boosting_threads(&self) -> usize {
        if self.rows < ONE_THREAD_ROWS { 1 } else { self.threads }
    }

    /// Larger trees that learn faster than those of [`Self::boosting`], are not stopped, and see categories another way:
    /// what two members get wrong of one column should not be the same.
    fn deep_boosting<K: Task>(&self, params: BoostingParams<K>) -> Result<Option<Boxed>, RecipeError>
    where
        Member: From<EncodedBoosting<K>>,
    {
        let trees = self.recipe.whole("deep_trees");
        if trees == 0 {
            return Ok(None);
        }
        let params = params.rounds(trees).leaves(31).shrinkage(0.1).threads(self.boosting_threads());
        params.check_ref().map_err(|error| EnsembleError::member("deep boosting", error))?;
        Ok(Some(Box::new(BoostingLearner::new("deep boosting", self.encoder(Style::Ordered), params))))
    }

    fn boosting<K: Task>(&self, params: BoostingParams<K>) -> Result<Boxed, RecipeError>
    where
        Member: From<EncodedBoosting<K>>,
    {
        let recipe = self.recipe;
        let or = |name: &str, default: f64| recipe.value(name).unwrap_or(default);
        let params = params
            .rounds(recipe.whole("trees"))
            .leaves(recipe.whole("leaves"))
            .shrinkage(recipe.real("learning_rate"))
            .min_samples(recipe.whole("min_rows"))
            .depth(or("depth", 64.0) as usize)
            .l2(or("l2", 0.0))
            .row_share(or("row_share", 1.0))
            .column_share(or("column_share", 1.0))
            .threads(self.boosting_threads());
        params.check_ref().map_err(|error| EnsembleError::member("boosting", error))?;
        let learner = BoostingLearner::new("boosting", self.encoder(Style::Native), params);
        let patience = or("patience", 50.0) as usize;
        Ok(Box::new(if patience > 0 { learner.early_stopping(patience) } else { learner }))
    }
}
