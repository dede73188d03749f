//! Moments among the columns of rows, and how far around the windows all rows of such a moment are there.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::super::bound::DAY;
use crate::project::model::WindowLength;

/// Nanoseconds before the windows that are asked for, and after them, up to which the rows are those that they are
/// whichever windows are asked for; negative where it ends within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub before: i64,
    pub after: i64,
}

impl Reach {
    /// All that there is.
    pub const ALL: Self = Self { before: i64::MAX / 4, after: i64::MAX / 4 };
    const WINDOWS: Self = Self { before: 0, after: 0 };
    const NONE: Self = Self { before: -DAY, after: -DAY };

    /// Where both are.
    pub fn least(self, other: Self) -> Self {
        Self { before: self.before.min(other.before), after: self.after.min(other.after) }
    }

    /// Whether all rows of the windows are there.
    pub fn holds_windows(self) -> bool {
        self.before >= 0 && self.after >= 0
    }

    /// Of moments that come later by so much.
    fn moved(self, by: i64) -> Self {
        Self { before: self.before.saturating_sub(by), after: self.after.saturating_add(by) }
    }

    /// Of the days that are there whole.
    fn of_days(self) -> Self {
        let days = |nanos: i64| nanos.div_euclid(DAY).saturating_mul(DAY);
        Self { before: days(self.before), after: days(self.after) }
    }

    fn of_months(self) -> Self {
        if self.holds_windows() { Self::WINDOWS } else { Self::NONE }
    }
}

/// What a moment is rounded down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Nothing,
    Day,
    /// Of windows that are months.
    Month,
}

/// A column's value: a moment of a class of them, moved by some time and then rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub class: usize,
    shift: i64,
    unit: Unit,
}

impl Time {
    pub fn of(class: usize) -> Self {
        Self { class, shift: 0, unit: Unit::Nothing }
    }

    /// How far the rows of its values are there, given how far those of its class are.
    pub fn reach_of(self, class: Reach) -> Reach {
        self.rounded(class.moved(self.shift))
    }

    /// How far the rows of its class are there, given how far those of its values are.
    pub fn class_reach(self, values: Reach) -> Reach {
        self.rounded(values).moved(-self.shift)
    }

    fn rounded(self, reach: Reach) -> Reach {
        match self.unit {
            Unit::Nothing => reach,
            Unit::Day => reach.of_days(),
            Unit::Month => reach.of_months(),
        }
    }

    /// Itself without the days that it is moved by at last, and these.
    pub fn split(self) -> (Self, i64) {
        let shift = match self.unit {
            Unit::Nothing => 0,
            Unit::Day => self.shift.rem_euclid(DAY),
            Unit::Month => self.shift,
        };
        (Self { shift, ..self }, self.shift - shift)
    }

    /// The day that it is in.
    pub fn day(self) -> Self {
        if self.unit == Unit::Nothing { Self { unit: Unit::Day, ..self } } else { self }
    }

    fn month(self) -> Self {
        Self { unit: Unit::Month, ..self }
    }

    fn moved(self, by: i64) -> Option<Self> {
        let is_exact = match self.unit {
            Unit::Nothing => true,
            Unit::Day => by % DAY == 0,
            Unit::Month => by == 0,
        };
        is_exact.then_some(Self { shift: self.shift.checked_add(by)?, ..self })
    }
}

/// Whether values of a type are days or moments without a time zone.
pub(super) fn is_moment(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None))
}

/// Reads expressions over rows.
#[derive(Clone, Copy)]
pub(super) struct Times<'a> {
    pub schema: &'a DFSchema,
    pub columns: &'a [Option<Time>],
    pub length: WindowLength,
}

impl Times<'_> {
    /// The moment that an expression is, where it is one of a class.
    pub fn of(&self, expr: &Expr) -> Option<Time> {
        match expr {
            Expr::Alias(alias) => self.of(&alias.expr),
            Expr::Column(column) => self.columns.get(self.schema.maybe_index_of_column(column)?).copied().flatten(),
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                let time = self.of(expr)?;
                match field.data_type() {
                    DataType::Date32 => Some(time.day()),
                    kind => is_moment(kind).then_some(time),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => {
                let (time, by) = self.of(left).zip(span(right)).or_else(|| self.of(right).zip(span(left)))?;
                time.moved(by)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
                self.of(left)?.moved(span(right)?.checked_neg()?)
            }
            Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
                ("day_of", [moment]) => Some(self.of(moment)?.day()),
                ("date_trunc", [Expr::Literal(unit, _), moment]) => {
                    let time = self.of(moment)?;
                    match unit.try_as_str().flatten()?.to_lowercase().as_str() {
                        "day" => Some(time.day()),
                        "month" if self.length == WindowLength::Month => Some(time.month()),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Nanoseconds that are added to a moment, where they are the same at any.
fn span(added: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = added else { return None };
    match value {
        ScalarValue::IntervalMonthDayNano(Some(span)) if span.months == 0 => {
            i64::from(span.days).checked_mul(DAY)?.checked_add(span.nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(span)) => {
            i64::from(span.days).checked_mul(DAY)?.checked_add(i64::from(span.milliseconds).checked_mul(1_000_000)?)
        }
        ScalarValue::DurationSecond(Some(seconds)) => seconds.checked_mul(1_000_000_000),
        ScalarValue::DurationMicrosecond(Some(micros)) => micros.checked_mul(1000),
        ScalarValue::DurationNanosecond(Some(nanos)) => Some(*nanos),
        _ => None,
    }
}
