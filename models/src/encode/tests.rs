//! Promises of the encoder.

use linfa::ParamGuard;
use ndarray::{Array1, Array2, array};

use super::*;
use crate::random::Random;

const NAN: f64 = f64::NAN;

fn params(kinds: &[ColumnKind]) -> EncoderParams {
    EncoderParams::new(kinds.to_vec()).rare_rows(2)
}

fn fit(params: EncoderParams, x: &Array2<f64>, y: &Array1<f64>) -> Result<Encoded, EncodeError> {
    params.check().unwrap().fit(x.view(), y.view())
}

#[test]
fn missing_numbers_become_the_median_with_a_column_that_says_so() {
    let x = array![[1.0, 1.0], [NAN, 2.0], [3.0, 3.0], [10.0, f64::INFINITY]];
    let done = fit(params(&[ColumnKind::Numeric; 2]), &x, &array![0.0, 1.0, 0.0, 1.0]).unwrap();
    assert_eq!(done.x, array![[1.0, 0.0, 1.0], [3.0, 1.0, 2.0], [3.0, 0.0, 3.0], [10.0, 0.0, 3.0]]);
    assert_eq!(done.encoder.names(), ["feature-0", "feature-0 missing", "feature-1"]);
    assert_eq!((done.report.columns[0].missing, done.report.columns[1].infinite), (1, 1));
    let later = done.encoder.transform(array![[NAN, NAN], [f64::NEG_INFINITY, 99.0]].view()).unwrap();
    assert_eq!(later.x, array![[3.0, 1.0, 2.0], [1.0, 0.0, 99.0]]);
}

#[test]
fn short_categories_are_spread_out_and_rare_and_unseen_levels_share_a_column() {
    let x = array![[0.0], [0.0], [1.0], [1.0], [2.0], [NAN]];
    let y = array![0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    let done = fit(params(&[ColumnKind::Categorical]).names(vec!["plan".to_owned()]), &x, &y).unwrap();
    assert_eq!(done.encoder.names(), ["plan=0", "plan=1", "plan=other", "plan missing"]);
    assert_eq!(done.report.columns[0].action, Action::OneHot { levels: 2, pooled: 1 });
    let later = done.encoder.transform(array![[1.0], [2.0], [77.0], [NAN]].view()).unwrap();
    assert_eq!(later.x, array![[0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]]);
    assert_eq!((later.report.columns[0].unseen, later.report.columns[0].missing), (1, 1));
}

#[test]
fn a_level_unseen_where_nothing_was_rare_leaves_every_column_0() {
    let x = array![[0.0], [0.0], [1.0], [1.0]];
    let done = fit(params(&[ColumnKind::Categorical]), &x, &array![0.0, 1.0, 0.0, 1.0]).unwrap();
    assert_eq!(done.encoder.transform(array![[5.0], [NAN]].view()).unwrap().x, Array2::<f64>::zeros((2, 2)));
}

#[test]
fn trees_keep_missing_values_and_codes() {
    let kinds = [ColumnKind::Numeric, ColumnKind::Categorical];
    let x = array![[1.0, 0.0], [NAN, 1.0], [3.0, NAN], [4.0, 1.0]];
    let done = fit(params(&kinds).style(Style::Native), &x, &array![0.0, 1.0, 0.0, 1.0]).unwrap();
    let same = |a: &Array2<f64>, b: &Array2<f64>| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same(&done.x, &x));
    let later = done.encoder.transform(array![[f64::INFINITY, 9.0]].view()).unwrap();
    assert!(same(&later.x, &array![[4.0, NAN]]));
}

/// A training row's own label is not in its statistic: on pure noise the statistic must not tell the label.
#[test]
fn long_categories_get_statistics_that_do_not_leak_the_label() {
    let mut random = Random::new(6);
    let rows = 3000;
    let x = Array2::from_shape_simple_fn((rows, 1), || random.below(900) as f64);
    let y = Array1::from_shape_simple_fn(rows, || random.below(2) as f64);
    let done = fit(params(&[ColumnKind::Categorical]), &x, &y).unwrap();
    let auc = |scores: &Array2<f64>| crate::metrics::roc_auc(y.view(), scores.column(0), None).unwrap();
    assert!((auc(&done.x) - 0.5).abs() < 0.04, "{}", auc(&done.x));
    let leaking = done.encoder.transform(x.view()).unwrap().x;
    assert!(auc(&leaking) > 0.7, "what scoring uses would have leaked: {}", auc(&leaking));
    let unseen = done.encoder.transform(array![[5000.0]].view()).unwrap().x;
    assert_eq!(unseen, array![[y.mean().unwrap(), 0.0]]);
}

#[test]
fn constant_and_empty_columns_and_identifiers_are_left_out_and_said() {
    let rows = 200;
    let kinds =
        [ColumnKind::Numeric, ColumnKind::Numeric, ColumnKind::Categorical, ColumnKind::Numeric, ColumnKind::Numeric];
    let x = Array2::from_shape_fn((rows, 5), |(row, column)| match column {
        0 => 7.0,
        1 => NAN,
        2 | 3 => row as f64,
        _ => (row % 7) as f64,
    });
    let y = Array1::from_shape_fn(rows, |row| f64::from(u8::from(row % 3 == 0)));
    let done = fit(params(&kinds), &x, &y).unwrap();
    let actions: Vec<&Action> = done.report.columns.iter().map(|column| &column.action).collect();
    assert_eq!(actions[0], &Action::Dropped(Dropped::Constant));
    assert_eq!(actions[1], &Action::Dropped(Dropped::AllMissing));
    assert_eq!(actions[2], &Action::Dropped(Dropped::Identifier));
    assert_eq!(done.report.columns[3].warning, Some(Warning::LooksLikeIdentifier));
    assert_eq!(done.encoder.sources(), [3, 4]);
    let constant = fit(params(&kinds[..1]), &Array2::ones((9, 1)), &Array1::zeros(9));
    assert_eq!(constant.unwrap_err(), EncodeError::NothingLeft { columns: 1 });
}

#[test]
fn a_column_that_tells_the_label_is_refused_by_name() {
    let y = Array1::from_shape_fn(60, |row| f64::from(u8::from(row % 3 == 0)));
    for column in [y.clone(), y.mapv(|y| 5.0 - 3.0 * y), y.mapv(|y| if y == 1.0 { NAN } else { 2.0 })] {
        let x = column.insert_axis(ndarray::Axis(1));
        let error = fit(params(&[ColumnKind::Numeric]).names(vec!["cancelled".to_owned()]), &x, &y).unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }
}

#[test]
fn a_code_that_is_no_whole_number_is_refused_with_its_row() {
    let x = array![[0.0], [1.5], [0.0]];
    let error = fit(params(&[ColumnKind::Categorical]), &x, &array![0.0, 1.0, 0.0]).unwrap_err();
    assert!(matches!(error, EncodeError::Code { row: 1, .. }));
}

#[test]
fn threads_do_not_change_a_byte_and_an_encoder_survives_its_file() {
    let mut random = Random::new(8);
    let kinds = [ColumnKind::Numeric, ColumnKind::Categorical, ColumnKind::Categorical];
    let x = Array2::from_shape_fn((500, 3), |(_, column)| {
        if random.below(10) == 0 { NAN } else { random.below([1000, 6, 60][column]) as f64 }
    });
    let y = Array1::from_shape_simple_fn(500, || random.below(2) as f64);
    let one = fit(params(&kinds).seed(3), &x, &y).unwrap();
    let two = fit(params(&kinds).seed(3).threads(2), &x, &y).unwrap();
    assert_eq!(one.x, two.x);
    let text = serde_json::to_string(&one.encoder).unwrap();
    assert_eq!(text, serde_json::to_string(&two.encoder).unwrap());
    let loaded: Encoder = serde_json::from_str(&text).unwrap();
    assert_eq!(loaded.transform(x.view()).unwrap().x, one.encoder.transform(x.view()).unwrap().x);
    let damaged = text.replace("\"median\":", "\"median\":1e300,\"was\":");
    assert!(serde_json::from_str::<Encoder>(&damaged).unwrap_err().to_string().contains("feature-0"));
}

#[test]
fn contributions_fold_back_onto_the_tables_columns() {
    let kinds = [ColumnKind::Numeric, ColumnKind::Categorical];
    let x = array![[1.0, 0.0], [NAN, 0.0], [3.0, 1.0], [4.0, 1.0]];
    let done = fit(params(&kinds), &x, &array![0.0, 1.0, 0.0, 1.0]).unwrap();
    let folded = done.encoder.fold(&array![[1.0, 2.0, 10.0, 20.0]].view()).unwrap();
    assert_eq!(folded, array![[3.0, 30.0]]);
}

#[test]
fn levels_are_codes_and_back() {
    let levels = Levels::of([Some("b"), None, Some("a"), Some("b")]);
    assert_eq!((levels.code(Some("a")), levels.code(Some("b")), levels.code(Some("z"))), (0.0, 1.0, 2.0));
    assert!(levels.code(None).is_nan());
    assert_eq!((levels.text(1.0), levels.text(2.0), levels.text(NAN)), (Some("b"), None, None));
    let text = serde_json::to_string(&levels).unwrap();
    assert_eq!(serde_json::from_str::<Levels>(&text).unwrap(), levels);
    assert!(serde_json::from_str::<Levels>(r#"["b","a"]"#).is_err());
}
