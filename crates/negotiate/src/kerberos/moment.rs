//! `KerberosTime` (RFC 4120 5.2.3): a second of UTC, and microseconds beside it.
//!
//! Invariant: only `YYYYMMDDHHMMSSZ` is a time; nothing here asks for the present one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::Malformed;
use crate::der::{GENERALIZED_TIME, element};

/// A moment.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment {
    /// Since 1970.
    pub seconds: i64,
    /// Below a million.
    pub micros: u32,
}

const FORM: &str = "%Y%m%d%H%M%S";

impl From<jiff::Timestamp> for Moment {
    fn from(at: jiff::Timestamp) -> Self {
        Self {
            seconds: at.as_second(),
            micros: at.subsec_microsecond().unsigned_abs(),
        }
    }
}

impl Moment {
    /// A whole second.
    pub fn at(seconds: i64) -> Self {
        Self { seconds, micros: 0 }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = || Malformed("a time that is none");
        let digits = bytes
            .strip_suffix(b"Z")
            .filter(|digits| digits.len() == 14 && digits.iter().all(u8::is_ascii_digit))
            .ok_or_else(wrong)?;
        let text = std::str::from_utf8(digits).map_err(|_| wrong())?;
        let civil = DateTime::strptime(FORM, text).map_err(|_| wrong())?;
        let stamp = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        Ok(Self::at(stamp.timestamp().as_second()))
    }

    pub(crate) fn write(self) -> Vec<u8> {
        let stamp = Timestamp::from_second(self.seconds).unwrap_or_default();
        let text = stamp.strftime("%Y%m%d%H%M%SZ").to_string();
        element(GENERALIZED_TIME, text.as_bytes())
    }

    /// Seconds from here to there, whichever is first.
    pub(crate) fn away_from(self, other: Self) -> u64 {
        self.seconds.abs_diff(other.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    #[test]
    fn a_time_comes_back() {
        for seconds in [0, 1_795_334_929, 4_102_444_799] {
            let bytes = Moment::at(seconds).write();
            let value = Reader::new(&bytes).take(GENERALIZED_TIME).unwrap();
            assert_eq!(Moment::read(value), Ok(Moment::at(seconds)));
        }
        for text in [
            "",
            "20261122101500",
            "2026112210150Z",
            "20261322101500Z",
            "+0261122101500Z",
        ] {
            assert!(Moment::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
