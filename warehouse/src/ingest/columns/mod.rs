//! Fields to typed Arrow columns; values that do not fit their column are told apart.

mod build;
mod number;
mod set;
mod time;
mod tokens;
mod zone;

pub(crate) use number::{decimal, double, integer, with_point};
pub(crate) use set::ColumnSet;
pub(crate) use time::{Layout, Written, iso_date, iso_timestamp};
pub(crate) use tokens::{Field, Misfit, Row, Tokens};

use crate::plain::plain;
use crate::project::types::ColumnType;

/// Why a text is no value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not written like one.
    Shape,
    /// It is one, but larger than the type holds.
    Range,
    /// It has more decimal places than the type.
    Scale,
    /// 31 February.
    NoSuchDay,
    /// 25:00.
    NoSuchTime,
    /// A time of day where a date is wanted.
    TimeInDate,
    /// There is none, and the column is required.
    Missing,
}

/// Characters of a value that a reason repeats.
const SHOWN_CHARS: usize = 60;

impl Unfit {
    /// The reason for the quarantine: what, and what to do where that is plain.
    pub(crate) fn reason(self, text: &[u8], kind: ColumnType) -> String {
        let shown = plain(&String::from_utf8_lossy(text), SHOWN_CHARS);
        match self {
            Self::Missing => "required, but there is no value".to_owned(),
            Self::Range => format!("`{shown}` is outside {kind}"),
            Self::Scale => format!("`{shown}` has more decimal places than {kind}"),
            Self::NoSuchDay => format!("`{shown}` is no day of the calendar"),
            Self::NoSuchTime => format!("`{shown}` is no time of day"),
            Self::TimeInDate => format!("`{shown}` has a time of day, {kind} has none"),
            Self::Shape if is_number(kind) && shown.contains(',') => {
                format!("`{shown}` is not {kind} (`decimal_comma: true` reads 1.234,56)")
            }
            Self::Shape => format!("`{shown}` is not {kind}"),
        }
    }
}

fn is_number(kind: ColumnType) -> bool {
    use ColumnType as T;
    matches!(kind, T::Integer | T::Bigint | T::Double | T::Decimal(..))
}

/// The words for yes and no, in any case.
pub(crate) fn boolean(text: &[u8]) -> Result<bool, Unfit> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["true", "1", "t", "yes", "y", "si"])
        || text == "sí".as_bytes()
        || text == "Sí".as_bytes()
        || text == "SÍ".as_bytes()
    {
        return Ok(true);
    }
    if is(&["false", "0", "f", "no", "n"]) {
        return Ok(false);
    }
    Err(Unfit::Shape)
}
