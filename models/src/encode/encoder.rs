//! The encoder: learnt from training rows, applied to any.

use ndarray::{Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, statistics};
use super::profile::{Profile, check_codes, tells_label};
use super::report::{ColumnReport, EncodeReport};
use super::{ColumnKind, EncodeError, EncoderValidParams, Style};
use crate::input::{self, InputError, column_name};
use crate::parallel;
use crate::random::Random;

/// What to do with each column of a table. Made by [`EncoderValidParams::fit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Encoder {
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    kind: ColumnKind,
    plan: Plan,
}

/// What a file says before it is believed.
#[derive(Deserialize)]
struct Stored {
    columns: Vec<Column>,
}

impl TryFrom<Stored> for Encoder {
    type Error = EncodeError;

    fn try_from(stored: Stored) -> Result<Self, EncodeError> {
        let rising = |codes: &[f64]| codes.is_sorted_by(|a, b| a < b);
        for column in &stored.columns {
            let sound = match &column.plan {
                Plan::Dropped(_) => true,
                Plan::Kept { low, high } => low <= high && low.is_finite() && high.is_finite(),
                Plan::Filled { low, high, median, .. } => low <= median && median <= high && (high - low).is_finite(),
                Plan::Codes { known } => rising(known),
                Plan::OneHot { levels, pooled, .. } => rising(levels) && rising(pooled),
                Plan::Statistic { levels, prior } => {
                    let finite = levels.iter().all(|level| level.mean.is_finite() && level.share.is_finite());
                    finite && prior.is_finite() && levels.is_sorted_by(|a, b| a.code < b.code)
                }
            };
            if !sound {
                return Err(EncodeError::Damaged { what: format!("the plan of column {}", column.name) });
            }
        }
        Ok(Self { columns: stored.columns })
    }
}

/// What a fit gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// For scoring.
    pub encoder: Encoder,
    /// The training rows, prepared: target statistics are the ordered ones.
    pub x: Array2<f64>,
    /// What was found and done.
    pub report: EncodeReport,
}

/// What scoring gives.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The rows, prepared.
    pub x: Array2<f64>,
    /// What was found in them.
    pub report: EncodeReport,
}

/// One column's plan with what training rows themselves get where that differs.
struct Learnt {
    column: Column,
    own: Option<Vec<f64>>,
    report: ColumnReport,
}

impl EncoderValidParams {
    /// What a fit would find and do, without preparing anything.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn inspect(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<EncodeReport, EncodeError> {
        let columns = self.learn_all(&x, &y)?.into_iter().map(|part| part.report).collect();
        Ok(EncodeReport { rows: x.nrows(), columns })
    }

    /// Learns from `x` (n_samples, n_columns; NaN missing) and the target, and prepares `x`.
    ///
    /// # Errors
    /// [`EncodeError::TellsLabel`] for a column that was made from the label, [`EncodeError::Code`] for a category whose
    /// codes are no whole numbers, [`EncodeError::NothingLeft`], [`EncodeError::Input`] for other lengths.
    pub fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<Encoded, EncodeError> {
        let (mut columns, mut reports, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for part in self.learn_all(&x, &y)? {
            columns.push(part.column);
            reports.push(part.report);
            own.push(part.own);
        }
        let encoder = Encoder { columns };
        let mut out = encoder.write(&x);
        let mut start = 0;
        for (column, own) in encoder.columns.iter().zip(own) {
            if let Some(own) = own {
                out.column_mut(start).iter_mut().zip(own).for_each(|(cell, value)| *cell = value);
            }
            start += column.plan.width();
        }
        Ok(Encoded { encoder, x: out, report: EncodeReport { rows: x.nrows(), columns: reports } })
    }

    fn learn_all(&self, x: &ArrayView2<'_, f64>, y: &ArrayView1<'_, f64>) -> Result<Vec<Learnt>, EncodeError> {
        input::same_columns(x, self.kinds.len())?;
        input::same_rows("the target", y.len(), x.nrows())?;
        input::finite("the target", y)?;
        let places: Vec<(usize, ColumnKind)> = self.kinds.iter().copied().enumerate().collect();
        let learnt =
            parallel::map(&places, self.threads, |(column, kind)| self.learn(*column, *kind, &x.column(*column), y));
        let learnt = learnt.into_iter().collect::<Result<Vec<Learnt>, EncodeError>>()?;
        if learnt.iter().all(|part| part.column.plan.width() == 0) {
            return Err(EncodeError::NothingLeft { columns: self.kinds.len() });
        }
        Ok(learnt)
    }

    fn learn(
        &self,
        at: usize,
        kind: ColumnKind,
        values: &ArrayView1<'_, f64>,
        y: &ArrayView1<'_, f64>,
    ) -> Result<Learnt, EncodeError> {
        let name = column_name(&self.names, at);
        if tells_label(values, y) {
            return Err(EncodeError::TellsLabel { column: at, name });
        }
        let profile = Profile::of(values);
        let (plan, own) = match (profile.dropped(kind), kind) {
            (Some(why), _) => (Plan::Dropped(why), None),
            (None, ColumnKind::Numeric) => (self.numeric(&profile), None),
            (None, ColumnKind::Categorical) => {
                check_codes(at, &name, values)?;
                self.categorical(&profile, at, values, y)
            }
        };
        let report = ColumnReport {
            column: at,
            name: name.clone(),
            kind,
            action: plan.action(),
            missing: profile.missing,
            infinite: profile.infinite,
            unseen: 0,
            warning: profile.warning(kind),
        };
        Ok(Learnt { column: Column { name, kind, plan }, own, report })
    }

    fn numeric(&self, profile: &Profile) -> Plan {
        let (low, high) = (profile.low(), profile.high());
        match self.style {
            Style::Native => Plan::Kept { low, high },
            Style::Dense => Plan::Filled { low, high, median: profile.median(), indicator: profile.missing > 0 },
        }
    }

    fn categorical(
        &self,
        profile: &Profile,
        at: usize,
        values: &ArrayView1<'_, f64>,
        y: &ArrayView1<'_, f64>,
    ) -> (Plan, Option<Vec<f64>>) {
        let levels = profile.levels();
        if levels.len() > self.level_limit {
            // A column's chance is its own: another column more or less does not change it.
            let mut random = Random::stream(self.seed, at as u64);
            let (plan, own) = statistics(values, y, self.prior_rows, &mut random);
            return (plan, Some(own));
        }
        if self.style == Style::Native {
            return (Plan::Codes { known: levels.into_iter().map(|(code, _)| code).collect() }, None);
        }
        let (kept, pooled): (Vec<_>, Vec<_>) = levels.into_iter().partition(|(_, rows)| *rows >= self.rare_rows);
        let codes = |levels: Vec<(f64, usize)>| levels.into_iter().map(|(code, _)| code).collect();
        (Plan::OneHot { levels: codes(kept), pooled: codes(pooled), missing: profile.missing > 0 }, None)
    }
}

impl Encoder {
    /// Columns of the table.
    pub fn inputs(&self) -> usize {
        self.columns.len()
    }

    /// Columns after preparation.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.plan.width()).sum()
    }

    /// Names after preparation.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().flat_map(|column| column.plan.names(&column.name)).collect()
    }

    /// For each column after preparation the column of the table that it comes from.
    pub fn sources(&self) -> Vec<usize> {
        let sources = self.columns.iter().enumerate();
        sources.flat_map(|(at, column)| std::iter::repeat_n(at, column.plan.width())).collect()
    }

    /// Columns after preparation that hold codes.
    pub fn categorical(&self) -> Vec<usize> {
        let plans = self.columns.iter().filter(|column| column.plan.width() > 0);
        let codes = plans.flat_map(|c| std::iter::repeat_n(matches!(c.plan, Plan::Codes { .. }), c.plan.width()));
        codes.enumerate().filter(|(_, codes)| *codes).map(|(at, _)| at).collect()
    }

    /// Prepares rows as training did, and says what was found in them.
    ///
    /// # Errors
    /// [`InputError::Columns`] for a table of another width; [`EncodeError::Code`] for a category whose codes are no
    /// whole numbers.
    pub fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Transformed, EncodeError> {
        input::same_columns(&x, self.columns.len())?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            let values = x.column(at);
            let categorical = column.kind == ColumnKind::Categorical;
            if categorical {
                check_codes(at, &column.name, &values)?;
            }
            let unseen = |value: &&f64| categorical && !value.is_nan() && !column.plan.knows(**value);
            columns.push(ColumnReport {
                column: at,
                name: column.name.clone(),
                kind: column.kind,
                action: column.plan.action(),
                missing: values.iter().filter(|value| value.is_nan()).count(),
                infinite: values.iter().filter(|value| value.is_infinite()).count(),
                unseen: values.iter().filter(unseen).count(),
                warning: None,
            });
        }
        Ok(Transformed { x: self.write(&x), report: EncodeReport { rows: x.nrows(), columns } })
    }

    /// Prepares rows as training did, without counting what was found in them.
    ///
    /// # Errors
    /// [`InputError::Columns`] for a table of another width. A code that is no whole number is an unseen level.
    pub fn apply(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, EncodeError> {
        input::same_columns(&x, self.columns.len())?;
        Ok(self.write(&x))
    }

    fn write(&self, x: &ArrayView2<'_, f64>) -> Array2<f64> {
        let mut out = Array2::zeros((x.nrows(), self.width()));
        let mut start = 0;
        for (column, values) in self.columns.iter().zip(x.columns()) {
            let end = start + column.plan.width();
            column.plan.write(&values, &mut out.slice_mut(s![.., start..end]));
            start = end;
        }
        out
    }

    /// Adds what prepared columns contribute to the columns that they come from: (n_samples, inputs).
    ///
    /// # Errors
    /// [`InputError::Columns`] for a matrix that is not as wide as the prepared columns.
    pub fn fold(&self, contributions: &ArrayView2<'_, f64>) -> Result<Array2<f64>, InputError> {
        input::same_columns(contributions, self.width())?;
        let mut out = Array2::zeros((contributions.nrows(), self.inputs()));
        for (values, source) in contributions.columns().into_iter().zip(self.sources()) {
            let mut sum = out.column_mut(source);
            sum += &values;
        }
        Ok(out)
    }
}
