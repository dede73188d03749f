//! Wall clocks: from the zone a timestamp was written in to the project's.

use chrono::{DateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::Unfit;
use super::time::{MICROS, Written};

/// Offsets change on quarters of an hour, in every zone since 1972.
const BUCKET_SECONDS: i64 = 900;
const BUCKETS_FROM: i64 = 2 * 365 * 86_400 + 366 * 86_400;

/// Converts timestamps to the project's wall clock.
///
/// A time that occurs twice (clocks set back) is taken as the earlier one. A time that never was
/// (clocks set forward) is read with the offset that was in force before, so 02:30 is 03:30; but
/// where the file's zone is the project's nothing is converted, and 02:30 stays as delivered.
#[derive(Debug, Clone)]
pub(crate) struct ZoneClock {
    /// The project's.
    to: Tz,
    /// Of timestamps without offset.
    from: Tz,
    to_offset: Cached,
    from_offset: Cached,
}

/// The offset of the quarter of an hour that was asked for last.
#[derive(Debug, Clone, Copy)]
struct Cached {
    bucket: i64,
    offset: i32,
}

impl Cached {
    const NONE: Self = Self { bucket: i64::MIN, offset: 0 };

    #[inline]
    fn get(&mut self, seconds: i64, find: impl FnOnce() -> Result<i32, Unfit>) -> Result<i32, Unfit> {
        let bucket = seconds.div_euclid(BUCKET_SECONDS);
        if bucket == self.bucket {
            return Ok(self.offset);
        }
        let offset = find()?;
        if seconds > BUCKETS_FROM {
            *self = Self { bucket, offset };
        }
        Ok(offset)
    }
}

impl ZoneClock {
    pub(crate) fn new(from: Tz, to: Tz) -> Self {
        Self { to, from, to_offset: Cached::NONE, from_offset: Cached::NONE }
    }

    /// Microseconds of the project's wall clock.
    #[inline]
    pub(crate) fn convert(&mut self, written: Written) -> Result<i64, Unfit> {
        let offset = match written.offset {
            None if self.from == self.to => return Ok(written.micros),
            Some(offset) => offset,
            None => self.offset_from(written.micros.div_euclid(MICROS))?,
        };
        self.instant(written.micros - i64::from(offset) * MICROS)
    }

    /// Microseconds of UTC to the project's wall clock.
    pub(crate) fn instant(&mut self, micros: i64) -> Result<i64, Unfit> {
        let (seconds, to) = (micros.div_euclid(MICROS), self.to);
        let offset = self.to_offset.get(seconds, || {
            let utc = DateTime::from_timestamp(seconds, 0).ok_or(Unfit::Range)?.naive_utc();
            Ok(to.offset_from_utc_datetime(&utc).fix().local_minus_utc())
        })?;
        Ok(micros + i64::from(offset) * MICROS)
    }

    /// Seconds east of UTC at a wall clock of the file's zone.
    fn offset_from(&mut self, seconds: i64) -> Result<i32, Unfit> {
        let from = self.from;
        self.from_offset.get(seconds, || {
            let local = DateTime::from_timestamp(seconds, 0).ok_or(Unfit::Range)?.naive_utc();
            if let Some(offset) = from.offset_from_local_datetime(&local).earliest() {
                return Ok(offset.fix().local_minus_utc());
            }
            // In a gap: what was in force before it. No gap is as long as a day.
            let before = local.checked_sub_signed(TimeDelta::days(1)).ok_or(Unfit::Range)?;
            let offset = from.offset_from_local_datetime(&before).earliest().ok_or(Unfit::NoSuchTime)?;
            Ok(offset.fix().local_minus_utc())
        })
    }
}
