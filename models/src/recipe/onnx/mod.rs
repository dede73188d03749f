//! A model as ONNX, for programs that are not this one.
//!
//! | | |
//! |---|---|
//! | inputs | one for each column that the model looks at, (rows, 1), by its name: `double` for numbers and booleans (NaN is missing), `string` for text (empty is missing, unless the text of training had an empty level) |
//! | outputs | `score` (rows, 1): the calibrated probability or the expected target; of regressors `lower` and `upper` too |
//! | operators | `ai.onnx` 15 and `ai.onnx.ml` 3: LabelEncoder, TreeEnsembleRegressor and arithmetic in double precision |
//!
//! Sums of trees leave their operator in single precision, which is what agreement to 1e-5 allows for. A condition of a
//! tree on a set of categories is a column of its own, looked up by category.

mod columns;
mod graph;
mod proto;
mod trees;

use columns::{Input, prepared};
use graph::{Attribute, Graph};

use super::member::Member;
use super::model::{FittedModel, Model};
use super::{Kind, RecipeError};
use crate::boosting::{Boosting, Loss};
use crate::calibration::{BetaCalibration, Calibrator};
use crate::encode::Encoder;
use crate::ensemble::NEAREST;
use crate::forest::Forest;
use crate::tree::Task;

/// What calibration holds probabilities off 0 and 1 by.
const CLIP: f64 = 1e-12;

impl FittedModel {
    /// The model as ONNX: the bytes of an `.onnx` file. See the source's module for inputs and outputs.
    ///
    /// # Errors
    /// [`RecipeError::Damaged`] for a model that no fit could have made.
    pub fn to_onnx(&self) -> Result<Vec<u8>, RecipeError> {
        let mut graph = Graph::default();
        let columns = self.schema.kept_levels();
        let inputs: Vec<Input> =
            columns.into_iter().map(|(name, levels)| Input::new(&mut graph, name, levels)).collect();
        let mut writer = Writer { graph: &mut graph, inputs: &inputs };
        let outputs = writer.outputs(&self.model)?;
        let names: &[&str] =
            if self.recipe.kind() == Kind::Classifier { &["score"] } else { &["score", "lower", "upper"] };
        for (name, output) in names.iter().zip(&outputs) {
            graph.output(name, output);
        }
        Ok(graph.into_bytes())
    }
}

struct Writer<'a> {
    graph: &'a mut Graph,
    inputs: &'a [Input],
}

impl Writer<'_> {
    /// The score, and of regressors the ends of the interval.
    fn outputs(&mut self, model: &Model) -> Result<Vec<String>, RecipeError> {
        Ok(match model {
            Model::Classifier { member, calibrator } => {
                let p = self.predicted(member)?;
                vec![self.calibrated(&p, calibrator)]
            }
            Model::ClassifierEnsemble { stack } => {
                let mut parts = Vec::new();
                for (member, bend) in stack.members().iter().zip(stack.bends()) {
                    let p = self.predicted(member)?;
                    parts.push(self.bent(&p, bend, NEAREST));
                }
                let raw = self.weighed(&parts, &stack.weights(), stack.meta().intercept());
                let p = self.graph.op("Sigmoid", &[&raw], vec![]);
                vec![self.calibrated(&p, stack.calibrator())]
            }
            Model::Regressor { member, interval } => {
                let value = self.predicted(member)?;
                self.around(value, interval.width())
            }
            Model::RegressorEnsemble { stack, interval, .. } => {
                let parts: Vec<String> =
                    stack.members().iter().map(|member| self.predicted(member)).collect::<Result<_, _>>()?;
                let value = self.weighed(&parts, &stack.weights(), stack.meta().intercept());
                self.around(value, interval.width())
            }
            Model::Quantiles { middle, lower, upper, interval } => {
                let (value, one, other) = (self.predicted(middle)?, self.predicted(lower)?, self.predicted(upper)?);
                let graph = &mut *self.graph;
                let (low, high) = (graph.op("Min", &[&one, &other], vec![]), graph.op("Max", &[&one, &other], vec![]));
                let (low, high) =
                    (graph.with("Sub", &low, interval.margin()), graph.with("Add", &high, interval.margin()));
                // Inside out is the point halfway.
                let (sum, gap) = (graph.op("Add", &[&low, &high], vec![]), graph.op("Sub", &[&high, &low], vec![]));
                let (middle, half) = (graph.with("Mul", &sum, 0.5), graph.with("Mul", &gap, 0.5));
                let half = graph.with("Max", &half, 0.0);
                let low = graph.op("Sub", &[&middle, &half], vec![]);
                vec![value, low, graph.op("Add", &[&middle, &half], vec![])]
            }
        })
    }

    fn around(&mut self, value: String, width: f64) -> Vec<String> {
        let (low, high) = (self.graph.with("Sub", &value, width), self.graph.with("Add", &value, width));
        vec![value, low, high]
    }

    fn weighed(&mut self, parts: &[String], weights: &[f64], intercept: f64) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let all = self.graph.op("Concat", &parts, vec![Attribute::Integer("axis", 1)]);
        self.linear(&all, weights, intercept)
    }

    fn linear(&mut self, x: &str, weights: &[f64], intercept: f64) -> String {
        let weights = self.graph.constant(&[weights.len(), 1], weights);
        let product = self.graph.op("MatMul", &[x, &weights], vec![]);
        self.graph.with("Add", &product, intercept)
    }

    /// What a member predicts: a probability or a value.
    fn predicted(&mut self, member: &Member) -> Result<String, RecipeError> {
        match member {
            Member::Logistic(found) => {
                let x = prepared(self.graph, self.inputs, found.encoder(), None)?;
                let raw = self.linear(&x.matrix, found.model().coefficients(), found.model().intercept());
                Ok(self.graph.op("Sigmoid", &[&raw], vec![]))
            }
            Member::Ridge(found) => {
                let x = prepared(self.graph, self.inputs, found.encoder(), None)?;
                Ok(self.linear(&x.matrix, found.model().coefficients(), found.model().intercept()))
            }
            Member::ForestClassifier(found) => {
                let mean = self.forest(found.encoder(), found.model())?;
                Ok(self.graph.within(&mean, 0.0, 1.0))
            }
            Member::ForestRegressor(found) => self.forest(found.encoder(), found.model()),
            Member::BoostingClassifier(found) => self.boosting(found.encoder(), found.model()),
            Member::BoostingRegressor(found) => self.boosting(found.encoder(), found.model()),
        }
    }

    fn forest<K: Task>(&mut self, encoder: &Encoder, model: &Forest<K>) -> Result<String, RecipeError> {
        let x = prepared(self.graph, self.inputs, encoder, Some((model.grown(), model.columns())))?;
        let sum = trees::sum(self.graph, &x, model.grown());
        Ok(self.graph.with("Div", &sum, model.trees() as f64))
    }

    fn boosting<K: Task>(&mut self, encoder: &Encoder, model: &Boosting<K>) -> Result<String, RecipeError> {
        let x = prepared(self.graph, self.inputs, encoder, Some((model.grown(), model.columns())))?;
        let sum = trees::sum(self.graph, &x, model.grown());
        let raw = self.graph.with("Add", &sum, model.start());
        Ok(match model.loss() {
            Loss::Logistic => self.graph.op("Sigmoid", &[&raw], vec![]),
            Loss::Squared | Loss::Quantile { .. } => raw,
            Loss::Poisson | Loss::Tweedie { .. } => self.graph.op("Exp", &[&raw], vec![]),
        })
    }

    fn calibrated(&mut self, p: &str, calibrator: &Calibrator) -> String {
        let (raw, nearest) = match calibrator {
            Calibrator::Identity => return self.graph.within(p, CLIP, 1.0 - CLIP),
            Calibrator::Platt(platt) => {
                let (slope, intercept) = platt.line();
                let (yes, no) = self.graph.logarithms(p, CLIP);
                let score = self.graph.op("Sub", &[&yes, &no], vec![]);
                let scaled = self.graph.with("Mul", &score, slope);
                (self.graph.with("Add", &scaled, intercept), CLIP)
            }
            Calibrator::Beta(beta) => (self.bent(p, beta, CLIP), CLIP),
            Calibrator::Isotonic(isotonic) => {
                let (scores, values, nearest) = isotonic.points();
                let p = self.stairs(p, scores, values);
                return self.graph.within(&p, nearest, 1.0 - nearest);
            }
            Calibrator::Blended(beta, isotonic) => {
                let one = self.calibrated(p, &Calibrator::Beta(*beta));
                let other = self.calibrated(p, &Calibrator::Isotonic(isotonic.clone()));
                let sum = self.graph.op("Add", &[&one, &other], vec![]);
                return self.graph.with("Mul", &sum, 0.5);
            }
        };
        let p = self.graph.op("Sigmoid", &[&raw], vec![]);
        self.graph.within(&p, nearest, 1.0 - nearest)
    }

    /// Log-odds of a probability by a beta calibration.
    fn bent(&mut self, p: &str, beta: &BetaCalibration, nearest: f64) -> String {
        let (a, b, c) = beta.parameters();
        let (yes, no) = self.graph.logarithms(p, nearest);
        let (yes, no) = (self.graph.with("Mul", &yes, a), self.graph.with("Mul", &no, b));
        let score = self.graph.op("Sub", &[&yes, &no], vec![]);
        self.graph.with("Add", &score, c)
    }

    /// Linear between points, constant beyond them: the first value and what each stretch adds.
    fn stairs(&mut self, p: &str, scores: &[f64], values: &[f64]) -> String {
        let (first, starts) = (values.first().copied().unwrap_or(0.0), scores.len().saturating_sub(1));
        let pairs = || scores.iter().zip(scores.iter().skip(1)).zip(values.iter().zip(values.iter().skip(1)));
        let left: Vec<f64> = pairs().map(|((left, _), _)| *left).collect();
        let right: Vec<f64> = pairs().map(|((_, right), _)| *right).collect();
        let rise: Vec<f64> = pairs().map(|((left, right), (low, high))| (high - low) / (right - left)).collect();
        if starts == 0 {
            let none = self.graph.with("Mul", p, 0.0);
            return self.graph.with("Add", &none, first);
        }
        let left = self.graph.constant(&[1, starts], &left);
        let right = self.graph.constant(&[1, starts], &right);
        let raised = self.graph.op("Max", &[p, &left], vec![]);
        let held = self.graph.op("Min", &[&raised, &right], vec![]);
        let gone = self.graph.op("Sub", &[&held, &left], vec![]);
        self.linear(&gone, &rise, first)
    }
}
