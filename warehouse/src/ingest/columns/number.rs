//! Numbers from text: exact or refused, never rounded (but for what DOUBLE itself rounds).

use super::Unfit;

/// Digits that always fit a `u64` sum.
const SHORT_DIGITS: usize = 18;

/// Split a sign off.
#[inline]
fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    }
}

/// A whole number. `5.0` is one: exports write so where a column was once a float.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Result<i64, Unfit> {
    let (negative, digits) = signed(text);
    if digits.is_empty() || digits.len() > SHORT_DIGITS {
        return long_integer(text);
    }
    let mut sum = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return long_integer(text);
        }
        sum = sum * 10 + u64::from(digit);
    }
    let sum = sum as i64;
    Ok(if negative { -sum } else { sum })
}

#[cold]
fn long_integer(text: &[u8]) -> Result<i64, Unfit> {
    let value = match Number::parse(text)? {
        number if number.exponent.is_some() => return Err(Unfit::Shape),
        number => number.scaled(0)?,
    };
    i64::try_from(value).map_err(|_| Unfit::Range)
}

/// A decimal number times ten to `scale`; more digits than that only if they are zeros.
#[inline]
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, Unfit> {
    let (negative, digits) = signed(text);
    if digits.is_empty() || digits.len() > SHORT_DIGITS {
        return long_decimal(text, precision, scale);
    }
    let (mut sum, mut point) = (0_u64, digits.len());
    for (i, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            sum = sum * 10 + u64::from(digit);
        } else if *byte == b'.' && point == digits.len() && digits.len() > 1 {
            point = i;
        } else {
            return long_decimal(text, precision, scale);
        }
    }
    let fraction = digits.len().saturating_sub(point + 1);
    let Some(missing) = usize::from(scale).checked_sub(fraction) else {
        return long_decimal(text, precision, scale);
    };
    let value = i128::from(sum).checked_mul(power_of_ten(missing)).ok_or(Unfit::Range)?;
    if value >= power_of_ten(usize::from(precision)) {
        return Err(Unfit::Range);
    }
    Ok(if negative { -value } else { value })
}

#[cold]
fn long_decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, Unfit> {
    let value = Number::parse(text)?.scaled(i32::from(scale))?;
    if value.unsigned_abs() >= power_of_ten(usize::from(precision)).unsigned_abs() {
        return Err(Unfit::Range);
    }
    Ok(value)
}

/// Ten to `n`, at most 38; larger ones saturate and so fail every comparison.
#[inline]
fn power_of_ten(n: usize) -> i128 {
    #[expect(clippy::indexing_slicing, reason = "computed by the compiler, which refuses a wrong index")]
    const POWERS: [i128; 39] = {
        let mut powers = [1_i128; 39];
        let mut n = 1;
        while n < 39 {
            powers[n] = powers[n - 1] * 10;
            n += 1;
        }
        powers
    };
    POWERS.get(n).copied().unwrap_or(i128::MAX)
}

/// A finite floating-point number. Words (`nan`, `inf`) are no numbers.
#[inline]
pub(crate) fn double(text: &[u8]) -> Result<f64, Unfit> {
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.iter().all(numeric) {
        return Err(Unfit::Shape);
    }
    let text = std::str::from_utf8(text).map_err(|_| Unfit::Shape)?;
    let value: f64 = text.parse().map_err(|_| Unfit::Shape)?;
    if value.is_finite() { Ok(value) } else { Err(Unfit::Range) }
}

/// Rewrite `1.234,56` as `1234.56`. A dot is taken only where it parts thousands.
pub(crate) fn with_point(text: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    out.clear();
    let (negative, digits) = signed(text);
    if negative {
        out.push(b'-');
    }
    let mut halves = digits.splitn(2, |byte| *byte == b',');
    let whole = halves.next().unwrap_or_default();
    let fraction = halves.next();
    let grouped = whole.contains(&b'.');
    for (i, group) in whole.split(|byte| *byte == b'.').enumerate() {
        let fits = if i == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
        if grouped && !fits {
            return Err(Unfit::Shape);
        }
        out.extend_from_slice(group);
    }
    if let Some(fraction) = fraction {
        if fraction.iter().any(|byte| matches!(byte, b'.' | b',')) {
            return Err(Unfit::Shape);
        }
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    Ok(())
}

/// The parts of a written number.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: Option<i32>,
}

impl<'a> Number<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, Unfit> {
        let (negative, rest) = signed(text);
        let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (rest.get(..at).unwrap_or_default(), Some(exponent(rest.get(at + 1..).unwrap_or_default())?)),
            None => (rest, None),
        };
        let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
            Some(at) => (mantissa.get(..at).unwrap_or_default(), mantissa.get(at + 1..).unwrap_or_default()),
            None => (mantissa, [].as_slice()),
        };
        let digits = whole.iter().chain(fraction);
        if whole.is_empty() && fraction.is_empty() || !digits.clone().all(u8::is_ascii_digit) {
            return Err(Unfit::Shape);
        }
        Ok(Self { negative, whole, fraction, exponent })
    }

    /// Times ten to `scale`, exactly.
    fn scaled(&self, scale: i32) -> Result<i128, Unfit> {
        let places = i64::from(scale) + i64::from(self.exponent.unwrap_or(0));
        let digits = || self.whole.iter().chain(self.fraction);
        // The digits that stand before the point once it is moved.
        let kept = i64::try_from(self.whole.len()).map_err(|_| Unfit::Range)? + places;
        let mut value = 0_i128;
        let mut index = 0_i64;
        for byte in digits() {
            let digit = i128::from(byte - b'0');
            if index < kept {
                value = value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(Unfit::Range)?;
            } else if digit != 0 {
                return Err(Unfit::Scale);
            }
            index += 1;
        }
        while index < kept && value != 0 {
            value = value.checked_mul(10).ok_or(Unfit::Range)?;
            index += 1;
        }
        Ok(if self.negative { -value } else { value })
    }
}

/// Exponents past any type's range are cut to one that still is.
fn exponent(text: &[u8]) -> Result<i32, Unfit> {
    let (negative, digits) = signed(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unfit::Shape);
    }
    let size = digits.iter().fold(0_i32, |sum, byte| (sum * 10 + i32::from(byte - b'0')).min(100_000));
    Ok(if negative { -size } else { size })
}
