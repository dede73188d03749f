//! Promises of the intervals.

use linfa::Dataset;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, array};

use super::*;
use crate::random::Random;

fn covered(y: &Array1<f64>, intervals: &Intervals) -> f64 {
    let inside = y.iter().zip(intervals.lower.iter().zip(&intervals.upper)).filter(|(y, (a, b))| *a <= *y && *y <= *b);
    inside.count() as f64 / y.len() as f64
}

/// The mean coverage over 300 calibrations of 49 rows is between .9 and .9 + 1/50 (Lei et al. 2018, theorem 2);
/// three standard errors of the simulation are .008.
#[test]
fn split_intervals_cover_as_often_as_they_say_even_after_few_rows() {
    let mut total = 0.0;
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut sample = |rows: usize| -> Array1<f64> { (0..rows).map(|_| random.normal().exp()).collect() };
        let (past, future) = (sample(49), sample(200));
        let model = SplitConformal::fit(past.view(), Array1::ones(49).view(), None, 0.9).unwrap();
        total += covered(&future, &model.intervals(Array1::ones(200).view(), None).unwrap());
    }
    let coverage = total / 300.0;
    assert!((0.892..0.928).contains(&coverage), "{coverage}");
}

#[test]
fn quantile_intervals_cover_and_follow_the_spread() {
    let mut total = 0.0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut sample = |rows: usize| -> (Array1<f64>, Array1<f64>) {
            (0..rows)
                .map(|_| {
                    let x = random.uniform();
                    (x, (0.1 + x) * random.normal())
                })
                .unzip_arrays()
        };
        let ((x, y), (new_x, new_y)) = (sample(99), sample(200));
        // Quantiles that are half as wide as they should be.
        let ends = |x: &Array1<f64>| (x.mapv(|x| -0.8 * (0.1 + x)), x.mapv(|x| 0.8 * (0.1 + x)));
        let (low, high) = ends(&x);
        let model = ConformalQuantiles::fit(y.view(), low.view(), high.view(), 0.8).unwrap();
        let (low, high) = ends(&new_x);
        let intervals = model.intervals(low.view(), high.view()).unwrap();
        total += covered(&new_y, &intervals);
        assert!(intervals.upper.iter().zip(&intervals.lower).all(|(b, a)| b >= a));
    }
    let coverage = total / 200.0;
    assert!((0.79..0.822).contains(&coverage), "{coverage}");
}

/// Splits pairs into two arrays.
trait UnzipArrays {
    fn unzip_arrays(self) -> (Array1<f64>, Array1<f64>);
}

impl<I: Iterator<Item = (f64, f64)>> UnzipArrays for I {
    fn unzip_arrays(self) -> (Array1<f64>, Array1<f64>) {
        let (a, b): (Vec<f64>, Vec<f64>) = self.unzip();
        (Array1::from(a), Array1::from(b))
    }
}

/// Ranks by hand: of 9 scores at .9 the ninth, of 19 the eighteenth.
#[test]
fn the_quantile_is_the_finite_sample_one() {
    let fit = |rows: usize| {
        let y = Array1::from_shape_fn(rows, |row| (row + 1) as f64);
        SplitConformal::fit(y.view(), Array1::zeros(rows).view(), None, 0.9)
    };
    assert_eq!(fit(9).unwrap().width(), 9.0);
    assert_eq!(fit(19).unwrap().width(), 18.0);
    assert!(matches!(fit(8), Err(ConformalError::TooFew { rows: 8, needed: 9, coverage: 0.9 })));
}

#[test]
fn scales_stretch_the_intervals_and_must_be_given_again() {
    let y = Array1::from_shape_fn(40, |row| if row % 2 == 0 { 1.0 } else { 10.0 });
    let scales = y.clone();
    let model = SplitConformal::fit(y.view(), Array1::zeros(40).view(), Some(scales.view()), 0.9).unwrap();
    let intervals = model.intervals(array![0.0, 0.0].view(), Some(array![1.0, 10.0].view())).unwrap();
    assert_eq!(intervals.upper, array![1.0, 10.0]);
    assert!(model.intervals(array![0.0].view(), None).is_err());
    assert!(matches!(model.intervals(array![0.0].view(), Some(array![0.0].view())), Err(ConformalError::Scale { .. })));
}

#[test]
fn too_wide_quantiles_are_narrowed_and_never_turned_inside_out() {
    let y = Array1::zeros(30);
    let model = ConformalQuantiles::fit(y.view(), (&y - 5.0).view(), (&y + 5.0).view(), 0.9).unwrap();
    assert_eq!(model.margin(), -5.0);
    let intervals = model.intervals(array![1.0, -8.0].view(), array![2.0, 8.0].view()).unwrap();
    assert_eq!((intervals.lower, intervals.upper), (array![1.5, -3.0], array![1.5, 3.0]));
}

#[test]
fn intervals_survive_their_file_and_damaged_ones_are_refused() {
    let y = Array1::from_shape_fn(40, |row| row as f64 / 3.0);
    let split = SplitConformal::fit(y.view(), Array1::zeros(40).view(), None, 0.8).unwrap();
    let text = serde_json::to_string(&split).unwrap();
    assert_eq!(serde_json::from_str::<SplitConformal>(&text).unwrap(), split);
    assert!(serde_json::from_str::<SplitConformal>(&text.replace("0.8", "1.8")).is_err());
    let quantiles = ConformalQuantiles::fit(y.view(), y.view(), y.view(), 0.8).unwrap();
    let text = serde_json::to_string(&quantiles).unwrap();
    assert_eq!(serde_json::from_str::<ConformalQuantiles>(&text).unwrap(), quantiles);
    assert!(serde_json::from_str::<ConformalQuantiles>(&text.replace("\"rows\":40", "\"rows\":0")).is_err());
}

#[test]
fn linfa_fits_and_asks_the_same_intervals() {
    let y: Array1<f64> = (0..40).map(|row| f64::from(row % 7)).collect();
    let rows = Dataset::new(Array2::from_elem((40, 1), 3.0), y.clone());
    let model = ConformalParams::new().coverage(0.8).fit(&rows).unwrap();
    assert_eq!(model, SplitConformal::fit(y.view(), Array1::from_elem(40, 3.0).view(), None, 0.8).unwrap());
    let ends = model.predict(&array![[1.0], [5.0]]);
    let said = model.intervals(array![1.0, 5.0].view(), None).unwrap();
    assert_eq!((ends.column(0), ends.column(1)), (said.lower.view(), said.upper.view()));
    assert!(model.predict(&array![[1.0, 2.0]]).iter().all(|end| end.is_nan()));
    let error = ConformalParams::new().coverage(1.0).fit(&rows).unwrap_err();
    assert!(matches!(error, ConformalError::Coverage { coverage: 1.0 }), "{error}");
    let wide = Dataset::new(Array2::zeros((40, 2)), y);
    assert!(matches!(ConformalParams::new().fit(&wide), Err(ConformalError::Input(_))));
}
