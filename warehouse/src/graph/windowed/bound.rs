//! The bounds that a window sets, found again in the filters of a plan.

use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Nanoseconds of a day.
pub(super) const DAY: i64 = 1000 * MICROS_A_DAY;
const MICROS_A_DAY: i64 = 86_400_000_000;
/// Days that a bound may be away from the window's own: 27 years.
const FARTHEST: i64 = 10_000;

/// What a time is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Nanoseconds since 1970.
    pub nanos: i64,
    /// Whether it is a DATE, compared with another.
    pub is_date: bool,
}

impl Bound {
    /// Its day, counted from 1970.
    pub fn day(&self) -> i64 {
        self.nanos.div_euclid(DAY)
    }

    /// The first day of which anything comes after it.
    pub fn day_after_it(&self) -> i64 {
        if self.is_date { self.day() + 1 } else { self.day() }
    }

    /// The first day of which nothing comes before it.
    pub fn day_not_before_it(&self) -> i64 {
        if self.nanos.rem_euclid(DAY) == 0 { self.day() } else { self.day() + 1 }
    }
}

/// An expression that is compared with a day, or a moment.
pub(super) fn comparison(filter: &Expr) -> Option<(Expr, Operator, Bound)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (time, Expr::Literal(value, _)) => Some((time.clone(), *op, bound_of(value)?)),
        (Expr::Literal(value, _), time) => Some((time.clone(), op.swap()?, bound_of(value)?)),
        _ => None,
    }
}

/// Of a DATE or TIMESTAMP.
fn bound_of(value: &ScalarValue) -> Option<Bound> {
    let (nanos, is_date) = match value {
        ScalarValue::Date32(day) => ((*day).map(i64::from)?.checked_mul(DAY)?, true),
        ScalarValue::TimestampMicrosecond(micros, None) => ((*micros)?.checked_mul(1000)?, false),
        ScalarValue::TimestampNanosecond(nanos, None) => ((*nanos)?, false),
        _ => return None,
    };
    Some(Bound { nanos, is_date })
}

/// Whether a value is a day, a moment or the text of one that is near a window's bound.
pub(super) fn is_near(value: &ScalarValue, bound: NaiveDate) -> bool {
    let of_text = |text: &str| text.get(..10)?.parse::<NaiveDate>().ok().map(day_number);
    let day = match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref().and_then(of_text)
        }
        other => bound_of(other).map(|bound| bound.day()),
    };
    day.is_some_and(|day| near(day, bound).is_some())
}

/// Days from the window's bound, where it is one.
pub(super) fn near(day: i64, bound: NaiveDate) -> Option<i64> {
    let days = day - day_number(bound);
    (days.abs() < FARTHEST).then_some(days)
}

/// Nanoseconds from 1970 to the begin of a day.
pub(super) fn nanos(day: NaiveDate) -> i64 {
    day_number(day).saturating_mul(DAY)
}

fn day_number(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}
