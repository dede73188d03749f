//! What `tests/bench/models.py` measures: fits, scores and explains tables given as raw little-endian f64 files.
//!
//! `bench <task> <settings.json> <train folder> <test folder> <columns>`; the answer is one line of JSON.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Instant;

use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use models::boosting::BoostingClassifier;
use models::forest::{ForestClassifier, Mtry};
use models::linear::{FittedLogistic, LogisticParams};
use ndarray::{Array1, Array2};
use serde_json::{Value, json};

type Answer<T> = Result<T, Box<dyn Error>>;

fn numbers(file: &Path) -> Answer<Vec<f64>> {
    let file = File::open(file)?;
    let mut found = Vec::with_capacity(usize::try_from(file.metadata()?.len())? / 8);
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut word = [0; 8];
    while found.len() < found.capacity() {
        reader.read_exact(&mut word)?;
        found.push(f64::from_le_bytes(word));
    }
    Ok(found)
}

fn table(folder: &str, columns: usize) -> Answer<(Array2<f64>, Array1<f64>)> {
    let y = numbers(&Path::new(folder).join("y.f64"))?;
    let x = numbers(&Path::new(folder).join("x.f64"))?;
    Ok((Array2::from_shape_vec((y.len(), columns), x)?, Array1::from(y)))
}

fn whole(settings: &Value, name: &str) -> Answer<usize> {
    let found = settings.get(name).and_then(Value::as_u64).ok_or_else(|| format!("no whole number `{name}`"))?;
    Ok(usize::try_from(found)?)
}

fn real(settings: &Value, name: &str) -> Answer<f64> {
    Ok(settings.get(name).and_then(Value::as_f64).ok_or_else(|| format!("no number `{name}`"))?)
}

fn boosting(settings: &Value, x: Array2<f64>, y: Array1<f64>) -> Answer<BoostingClassifier> {
    let given = settings.get("boosting").ok_or("no settings of boosting")?;
    let params = BoostingClassifier::params()
        .rounds(whole(given, "rounds")?)
        .leaves(whole(given, "leaves")?)
        .shrinkage(real(given, "shrinkage")?)
        .bins(whole(given, "bins")?)
        .min_samples(whole(given, "min_samples")?)
        .min_hessian(real(given, "min_hessian")?)
        .l2(real(given, "l2")?)
        .seed(whole(settings, "seed")? as u64)
        .threads(whole(settings, "threads")?);
    Ok(params.fit(&DatasetBase::new(x, y))?)
}

/// Probability that a positive is scored above a negative, ties counted half.
fn auc(scores: &[f64], y: &Array1<f64>) -> f64 {
    let mut pairs: Vec<(f64, f64)> = scores.iter().copied().zip(y.iter().copied()).collect();
    pairs.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut wins, mut positives) = (0.0, 0.0, 0.0);
    for tied in pairs.chunk_by(|one, other| one.0 == other.0) {
        let of_class = tied.iter().map(|pair| pair.1).sum::<f64>();
        let others = tied.len() as f64 - of_class;
        wins += of_class * (below + others / 2.0);
        (below, positives) = (below + others, positives + of_class);
    }
    wins / (positives * below)
}

/// A fitted model of any kind.
enum Model {
    Boosting(BoostingClassifier),
    Forest(ForestClassifier),
    Logistic(FittedLogistic),
}

impl Model {
    fn probabilities(&self, x: &Array2<f64>) -> Vec<f64> {
        match self {
            Self::Boosting(model) => model.predict_probabilities(&x.view()).to_vec(),
            Self::Forest(model) => model.predict_probabilities(&x.view()).to_vec(),
            Self::Logistic(model) => model.predict_probabilities(&x.view()).to_vec(),
        }
    }
}

fn mtry(given: &Value) -> Answer<Mtry> {
    match given.get("columns_per_split").and_then(Value::as_str) {
        Some("sqrt") => Ok(Mtry::Sqrt),
        other => Err(format!("columns_per_split is {other:?}: it must be `sqrt`").into()),
    }
}

fn forest(settings: &Value, x: Array2<f64>, y: Array1<f64>) -> Answer<ForestClassifier> {
    let given = settings.get("forest").ok_or("no settings of the forest")?;
    let params = ForestClassifier::params()
        .trees(whole(given, "trees")?)
        .depth(whole(given, "depth")?)
        .min_samples(whole(given, "min_samples")?)
        .mtry(mtry(given)?)
        .seed(whole(settings, "seed")? as u64)
        .threads(whole(settings, "threads")?);
    Ok(params.fit(&DatasetBase::new(x, y))?)
}

/// The fit standardises the columns itself: a part of what is measured.
fn logistic(settings: &Value, x: &Array2<f64>, y: &Array1<f64>) -> Answer<FittedLogistic> {
    let given = settings.get("logistic").ok_or("no settings of the logistic regression")?;
    let params = LogisticParams::new().penalty(real(given, "penalty")?).threads(whole(settings, "threads")?).check()?;
    Ok(params.fit_arrays(x.view(), y.view(), None, None)?)
}

/// Missing values as 0: neither side's logistic regression takes them.
fn filled(mut x: Array2<f64>, task: &str) -> Array2<f64> {
    if task == "logistic" {
        x.mapv_inplace(|value| if value.is_nan() { 0.0 } else { value });
    }
    x
}

/// Largest difference between a row's score and the sum of its reasons.
fn gap(model: &BoostingClassifier, x: &Array2<f64>, reasons: &Array2<f64>) -> f64 {
    let scores = model.predict_raw(&x.view());
    let sums = reasons.rows().into_iter().map(|row| row.sum());
    scores.iter().zip(sums).fold(0.0, |most, (score, sum)| f64::max(most, (score - sum).abs()))
}

fn main() -> Answer<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [task, settings, train, test, columns] = given.as_slice() else {
        return Err(
            "bench <boosting|forest|logistic|score|shap> <settings.json> <train folder> <test folder> <columns>".into(),
        );
    };
    let settings: Value = serde_json::from_reader(File::open(settings)?)?;
    let columns: usize = columns.parse()?;
    let (x, y) = table(train, columns)?;
    let x = filled(x, task);
    let started = Instant::now();
    let model = match task.as_str() {
        "forest" => Model::Forest(forest(&settings, x, y)?),
        "logistic" => Model::Logistic(logistic(&settings, &x, &y)?),
        _ => Model::Boosting(boosting(&settings, x, y)?),
    };
    let mut seconds = started.elapsed().as_secs_f64();
    let (x, y) = table(test, columns)?;
    let x = filled(x, task);
    let started = Instant::now();
    let answer = match (&model, task.as_str()) {
        (Model::Boosting(model), "shap") => {
            let reasons = model.contributions(&x.view())?;
            seconds = started.elapsed().as_secs_f64();
            json!({"seconds": seconds, "gap": gap(model, &x, &reasons)})
        }
        (_, "score") => {
            let scores = model.probabilities(&x);
            seconds = started.elapsed().as_secs_f64();
            json!({"seconds": seconds, "auc": auc(&scores, &y)})
        }
        (Model::Logistic(fitted), _) => {
            let objective = fitted.objective();
            json!({"seconds": seconds, "auc": auc(&model.probabilities(&x), &y), "objective": objective})
        }
        _ => json!({"seconds": seconds, "auc": auc(&model.probabilities(&x), &y)}),
    };
    write(&answer);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "standard output is the answer")]
fn write(answer: &Value) {
    println!("{answer}");
}
