//! One value of one record, before it is written in a source's format.

use super::super::calendar::{Day, Moment};

/// A key as exports show it: a prefix and a number of at least seven digits, e.g. `C0000042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// What kind of thing it names.
    pub prefix: &'static str,
    /// Which one.
    pub number: u64,
}

impl Id {
    /// The key of thing `number` of the kind `prefix`.
    pub const fn new(prefix: &'static str, number: u64) -> Self {
        Self { prefix, number }
    }

    /// Appends the key's text.
    pub fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        put_padded(out, self.number, 7);
    }
}

/// A value of a record. Text is borrowed so that a record costs no allocation.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text as it is.
    Text(&'a str),
    /// A key.
    Id(Id),
    /// A whole number.
    Integer(i64),
    /// An amount of money in cents, shown with two decimals.
    Cents(i64),
    /// An amount of money in hundredths of a cent, shown with four decimals.
    Fine(i64),
    /// A fraction, shown with three decimals in text formats.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// A business day.
    Date(Day),
    /// A wall-clock time in the shop's time zone.
    Time(Moment),
}

impl<'a> Cell<'a> {
    /// The text, or no value.
    pub fn text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }

    /// The key, or no value.
    pub fn id(value: Option<Id>) -> Self {
        value.map_or(Self::Null, Self::Id)
    }

    /// The time, or no value.
    pub fn time(value: Option<Moment>) -> Self {
        value.map_or(Self::Null, Self::Time)
    }

    /// The day, or no value.
    pub fn date(value: Option<Day>) -> Self {
        value.map_or(Self::Null, Self::Date)
    }
}

/// Appends `number` with at least `width` digits.
pub fn put_padded(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = number;
    while rest > 0 || digits.len() - at < width.clamp(1, 20) {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends a signed whole number.
pub fn put_integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    put_padded(out, number.unsigned_abs(), 1);
}

/// Appends `units` of 10^-`scale` as a decimal with `scale` decimals and the given decimal mark.
pub fn put_decimal(out: &mut Vec<u8>, units: i64, scale: u32, mark: u8) {
    if units < 0 {
        out.push(b'-');
    }
    let one = 10_u64.pow(scale);
    let units = units.unsigned_abs();
    put_padded(out, units / one, 1);
    out.push(mark);
    put_padded(out, units % one, scale as usize);
}

/// How a text format writes dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateStyle {
    /// `2026-01-31`
    Iso,
    /// `31/01/2026`
    DayFirst,
}

/// Appends a day.
pub fn put_date(out: &mut Vec<u8>, day: Day, style: DateStyle) {
    let (year, month, date) = day.civil();
    let year = u64::try_from(year).unwrap_or(0);
    match style {
        DateStyle::Iso => {
            put_padded(out, year, 4);
            out.push(b'-');
            put_padded(out, u64::from(month), 2);
            out.push(b'-');
            put_padded(out, u64::from(date), 2);
        }
        DateStyle::DayFirst => {
            put_padded(out, u64::from(date), 2);
            out.push(b'/');
            put_padded(out, u64::from(month), 2);
            out.push(b'/');
            put_padded(out, year, 4);
        }
    }
}

/// Appends a day and a wall-clock time, to the second.
pub fn put_time(out: &mut Vec<u8>, moment: Moment, style: DateStyle) {
    put_date(out, moment.day(), style);
    let second = u64::from(moment.second_of_day());
    out.push(b' ');
    put_padded(out, second / 3600, 2);
    out.push(b':');
    put_padded(out, second / 60 % 60, 2);
    out.push(b':');
    put_padded(out, second % 60, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(text(|out| put_integer(out, -120)), "-120");
        assert_eq!(text(|out| put_integer(out, 0)), "0");
        assert_eq!(text(|out| put_decimal(out, 5, 2, b'.')), "0.05");
        assert_eq!(text(|out| put_decimal(out, -123_456, 2, b',')), "-1234,56");
        assert_eq!(text(|out| put_decimal(out, 199_900, 4, b'.')), "19.9900");
        assert_eq!(text(|out| Id::new("C", 42).put(out)), "C0000042");
        assert_eq!(text(|out| Id::new("E", 123_456_789).put(out)), "E123456789");
    }

    #[test]
    fn dates_follow_their_style() {
        let day = Day::from_civil(2024, 2, 29).expect("a leap day");
        assert_eq!(text(|out| put_date(out, day, DateStyle::Iso)), "2024-02-29");
        assert_eq!(text(|out| put_date(out, day, DateStyle::DayFirst)), "29/02/2024");
        assert_eq!(text(|out| put_time(out, day.at(3661), DateStyle::Iso)), "2024-02-29 01:01:01");
    }
}
