//! Dates and timestamps from text: ISO 8601 by hand, other layouts by a small compiled format,
//! the rest by chrono.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::Unfit;

pub(crate) const MICROS: i64 = 1_000_000;
pub(crate) const DAY_SECONDS: i64 = 86_400;
/// Days from 0001-01-01 to 1970-01-01, as chrono counts.
const EPOCH_FROM_CE: i32 = 719_163;

/// A point in time as written: the wall clock, and the offset from UTC where one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Microseconds of the wall clock since 1970-01-01.
    pub(crate) micros: i64,
    /// Seconds east of UTC.
    pub(crate) offset: Option<i32>,
}

/// Days since 1970-01-01, for years 1 to 9999.
#[inline]
fn days(year: u32, month: u32, day: u32) -> Result<i32, Unfit> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return Err(Unfit::NoSuchDay),
    };
    if day == 0 || day > longest || year == 0 {
        return Err(Unfit::NoSuchDay);
    }
    // Years from March, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    let within = (month * 153 + 2) / 5 + day - 1;
    Ok((before + within) as i32 - 719_468)
}

/// Two digits at `at`.
#[inline]
fn two(text: &[u8], at: usize) -> Option<u32> {
    let tens = text.get(at)?.wrapping_sub(b'0');
    let ones = text.get(at + 1)?.wrapping_sub(b'0');
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// `YYYY-MM-DD` at the begin of `text`.
#[inline]
fn iso_day(text: &[u8]) -> Result<i32, Unfit> {
    let parts = || Some((two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?));
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return Err(Unfit::Shape);
    }
    let (year, month, day) = parts().ok_or(Unfit::Shape)?;
    days(year, month, day)
}

/// An ISO date. With a time of midnight it still is one: exports of timestamps do that.
#[inline]
pub(crate) fn iso_date(text: &[u8]) -> Result<i32, Unfit> {
    let day = iso_day(text)?;
    if text.len() == 10 {
        return Ok(day);
    }
    match iso_timestamp(text)? {
        Written { micros, offset: None } if micros % (DAY_SECONDS * MICROS) == 0 => Ok(day),
        _ => Err(Unfit::TimeInDate),
    }
}

/// `YYYY-MM-DD[( |T)HH:MM[:SS[.fraction]][Z|±HH[[:]MM]]]`. Digits past microseconds are cut.
#[inline]
pub(crate) fn iso_timestamp(text: &[u8]) -> Result<Written, Unfit> {
    let day = i64::from(iso_day(text)?) * DAY_SECONDS;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
        return Ok(Written { micros: day * MICROS, offset: None });
    };
    if !matches!(rest.first(), Some(b' ' | b'T' | b't')) || rest.get(3) != Some(&b':') {
        return Err(Unfit::Shape);
    }
    let (hour, minute) = two(rest, 1).zip(two(rest, 4)).ok_or(Unfit::Shape)?;
    let mut at = 6;
    let mut second = 0;
    if rest.get(at) == Some(&b':') {
        second = two(rest, at + 1).ok_or(Unfit::Shape)?;
        at += 3;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Unfit::NoSuchTime);
    }
    let mut fraction = 0;
    if at > 6 && matches!(rest.get(at), Some(b'.' | b',')) {
        let digits = rest.get(at + 1..).unwrap_or_default();
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        fraction = micros_of(digits.get(..length).unwrap_or_default())?;
        at += 1 + length;
    }
    let offset = offset(rest.get(at..).unwrap_or_default())?;
    let seconds = day + i64::from(hour * 3600 + minute * 60 + second);
    Ok(Written { micros: seconds * MICROS + fraction, offset })
}

fn micros_of(digits: &[u8]) -> Result<i64, Unfit> {
    if digits.is_empty() {
        return Err(Unfit::Shape);
    }
    let digit = |place: usize| digits.get(place).map_or(0, |byte| i64::from(byte - b'0'));
    Ok((0..6).fold(0, |sum, place| sum * 10 + digit(place)))
}

fn offset(text: &[u8]) -> Result<Option<i32>, Unfit> {
    let text = match text {
        [] => return Ok(None),
        [b'Z' | b'z'] => return Ok(Some(0)),
        [b' ', rest @ ..] => rest,
        text => text,
    };
    if text == b"UTC" {
        return Ok(Some(0));
    }
    let sign = match text.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(Unfit::Shape),
    };
    let hours = two(text, 1).ok_or(Unfit::Shape)?;
    let minutes = match (text.len(), text.get(3)) {
        (3, _) => 0,
        (5, _) => two(text, 3).ok_or(Unfit::Shape)?,
        (6, Some(b':')) => two(text, 4).ok_or(Unfit::Shape)?,
        _ => return Err(Unfit::Shape),
    };
    if hours > 18 || minutes > 59 {
        return Err(Unfit::NoSuchTime);
    }
    Ok(Some(sign * (hours * 3600 + minutes * 60) as i32))
}

/// A strftime format, compiled where its parts are digits and literals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    text: String,
    /// `None`: chrono parses it.
    parts: Option<Vec<Part>>,
    /// It has `%s`, seconds of UTC.
    epoch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Literal(u8),
}

impl Layout {
    /// # Errors
    /// Where the format has a part that chrono does not know.
    pub(crate) fn new(format: &str) -> Result<Self, String> {
        use chrono::format::{Item, StrftimeItems};
        if StrftimeItems::new(format).any(|item| item == Item::Error) {
            return Err("is not a strftime format, e.g. `%d/%m/%Y`".to_owned());
        }
        Ok(Self { text: format.to_owned(), parts: compile(format), epoch: format.contains("%s") })
    }

    pub(crate) fn date(&self, text: &[u8]) -> Result<i32, Unfit> {
        if let Some(parts) = &self.parts {
            let fields = Fields::parse(parts, text)?;
            return if fields.time() == 0 { fields.day() } else { Err(Unfit::TimeInDate) };
        }
        let text = std::str::from_utf8(text).map_err(|_| Unfit::Shape)?;
        if let Ok(date) = NaiveDate::parse_from_str(text, &self.text) {
            return day_of(date);
        }
        let written = self.timestamp(text.as_bytes())?;
        match written.micros.rem_euclid(DAY_SECONDS * MICROS) {
            0 => i32::try_from(written.micros.div_euclid(DAY_SECONDS * MICROS)).map_err(|_| Unfit::Range),
            _ => Err(Unfit::TimeInDate),
        }
    }

    pub(crate) fn timestamp(&self, text: &[u8]) -> Result<Written, Unfit> {
        if let Some(parts) = &self.parts {
            let fields = Fields::parse(parts, text)?;
            let seconds = i64::from(fields.day()?) * DAY_SECONDS + fields.time();
            return Ok(Written { micros: seconds * MICROS, offset: None });
        }
        let text = std::str::from_utf8(text).map_err(|_| Unfit::Shape)?;
        let (time, offset) = if let Ok(time) = DateTime::parse_from_str(text, &self.text) {
            (time.naive_local(), Some(time.offset().local_minus_utc()))
        } else if let Ok(time) = NaiveDateTime::parse_from_str(text, &self.text) {
            (time, self.epoch.then_some(0))
        } else {
            let date = NaiveDate::parse_from_str(text, &self.text).map_err(|_| Unfit::Shape)?;
            (date.and_time(NaiveTime::MIN), None)
        };
        day_of(time.date())?;
        Ok(Written { micros: time.and_utc().timestamp_micros(), offset })
    }
}

fn day_of(date: NaiveDate) -> Result<i32, Unfit> {
    use chrono::Datelike;
    if !(1..=9999).contains(&date.year()) {
        return Err(Unfit::Range);
    }
    Ok(date.num_days_from_ce() - EPOCH_FROM_CE)
}

fn compile(format: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            parts.push(Part::Literal(byte));
            continue;
        }
        match bytes.next()? {
            b'Y' => parts.push(Part::Year),
            b'm' => parts.push(Part::Month),
            b'd' => parts.push(Part::Day),
            b'H' => parts.push(Part::Hour),
            b'M' => parts.push(Part::Minute),
            b'S' => parts.push(Part::Second),
            b'F' => parts.extend(compile("%Y-%m-%d")?),
            b'T' => parts.extend(compile("%H:%M:%S")?),
            b'R' => parts.extend(compile("%H:%M")?),
            b'D' | b'y' => return None,
            b'%' => parts.push(Part::Literal(b'%')),
            _ => return None,
        }
    }
    Some(parts)
}

/// The numbers a layout picks from a text.
#[derive(Default)]
struct Fields {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Fields {
    /// One or two digits a part (four a year); as many as there are where a literal follows.
    fn parse(parts: &[Part], text: &[u8]) -> Result<Self, Unfit> {
        let mut fields = Self { month: 1, day: 1, ..Self::default() };
        let mut rest = text;
        for part in parts {
            let slot = match part {
                Part::Literal(byte) => {
                    rest = rest.strip_prefix(&[*byte]).ok_or(Unfit::Shape)?;
                    continue;
                }
                Part::Year => &mut fields.year,
                Part::Month => &mut fields.month,
                Part::Day => &mut fields.day,
                Part::Hour => &mut fields.hour,
                Part::Minute => &mut fields.minute,
                Part::Second => &mut fields.second,
            };
            let most = if *part == Part::Year { 4 } else { 2 };
            let length = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 || *part == Part::Year && length != 4 {
                return Err(Unfit::Shape);
            }
            let (digits, after) = rest.split_at_checked(length).ok_or(Unfit::Shape)?;
            *slot = digits.iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(Unfit::Shape);
        }
        if fields.hour > 23 || fields.minute > 59 || fields.second > 59 {
            return Err(Unfit::NoSuchTime);
        }
        Ok(fields)
    }

    fn day(&self) -> Result<i32, Unfit> {
        days(self.year, self.month, self.day)
    }

    fn time(&self) -> i64 {
        i64::from(self.hour * 3600 + self.minute * 60 + self.second)
    }
}
