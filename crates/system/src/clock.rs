//! The only place where the system is asked for the time.

use jiff::Timestamp;

/// Now.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment that only moves forward, for measuring how long something is.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// A point in time for a file name: `20261122T101500Z`.
pub fn for_file_name(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A day for people: `2026-11-22 10:15 UTC`.
pub fn for_people(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A day for programs, to the second (RFC 3339): `2026-11-22T10:15:00Z`.
pub fn for_programs(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads a `GeneralizedTime` such as `whenChanged` has (RFC 4517 3.3.13): `20261122101500.0Z`.
pub fn generalized(text: &str) -> Option<Timestamp> {
    let digits = text.split(['.', 'Z']).next()?;
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// The time of day with seven digits of a second, as Exchange writes it into a fault: `12:03:32.8803744`.
pub fn for_faults(at: Timestamp) -> String {
    let digits = at.subsec_nanosecond() / 100;
    format!("{}.{digits:07}", at.strftime("%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generalized_time_is_read() {
        let at = generalized("20261122101500.0Z").unwrap();
        assert_eq!(for_people(at), "2026-11-22 10:15 UTC");
        assert_eq!(for_file_name(at), "20261122T101500Z");
        assert_eq!(generalized("yesterday"), None);
    }
}
