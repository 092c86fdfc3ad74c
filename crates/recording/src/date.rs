//! Dates and times as Windows writes them in any locale: `03/11/17 09:15:01`, `11.03.2017 09:15:01`,
//! `3/11/2017 9:15:01 AM`, `2017-03-11T09:15:01`.
//!
//! Where day and month cannot be distinguished, slashes mean the month first, dots and hyphens the day.
//!
//! Invariant: what comes out is a date and a time of ISO 8601 without a zone, or nothing.

/// The date and time at the beginning of a text, and what stands behind it.
pub(super) fn time(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let (first, mut rest) = word(text);
    if let Some((day, clock)) = first.split_once('T') {
        let clock = clock.trim_end_matches('Z');
        let clock = clock.split(['+', '-']).next().unwrap_or_default();
        return Some((
            format!("{}T{}", date(day)?, self::clock(clock, None)?),
            rest,
        ));
    }
    let mut day = first.to_owned();
    // `11. 3. 2017`
    while day.ends_with('.') && parts(&day).len() < 3 {
        let (next, after) = word(rest);
        if next.is_empty() || day.len() > 16 {
            return None;
        }
        day.push_str(next);
        rest = after;
    }
    let day = date(day.trim_end_matches([',', '.']))?;
    let (mut clock, mut after) = word(rest);
    let mut half = half_of(clock);
    if half.is_some() {
        (clock, after) = word(after);
    }
    let digits = clock.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if half.is_none() && digits.len() < clock.len() {
        half = Some(half_of(clock.get(digits.len()..)?)?);
    }
    if half.is_none() {
        let (next, behind) = word(after);
        half = half_of(next);
        if half.is_some() {
            after = behind;
        }
    }
    Some((format!("{day}T{}", self::clock(digits, half)?), after))
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// `Some(true)` for the half of the day behind noon.
fn half_of(word: &str) -> Option<bool> {
    match word.to_lowercase().trim_end_matches('.') {
        "am" | "a.m" | "\u{4e0a}\u{5348}" | "\u{5348}\u{524d}" | "\u{c624}\u{c804}" => Some(false),
        "pm" | "p.m" | "\u{4e0b}\u{5348}" | "\u{5348}\u{5f8c}" | "\u{c624}\u{d6c4}" => Some(true),
        _ => None,
    }
}

/// Numbers with other characters than digits between them.
fn parts(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect()
}

fn date(text: &str) -> Option<String> {
    let mark = text.chars().find(|c| !c.is_ascii_digit())?;
    let only = |c: char| c.is_ascii_digit() || c == mark;
    let [first, second, third] = parts(text)[..] else {
        return None;
    };
    let long = [first, second, third].iter().any(|part| part.len() > 4);
    if long || !matches!(mark, '/' | '.' | '-') || !text.chars().all(only) {
        return None;
    }
    let [a, b, c]: [u16; 3] = [
        first.parse().ok()?,
        second.parse().ok()?,
        third.parse().ok()?,
    ];
    let (year, month, day) = match mark {
        _ if first.len() == 4 => (a, b, c),
        '/' if a <= 12 => (c, a, b),
        '-' if b > 12 => (c, a, b),
        _ => (c, b, a),
    };
    let year = if year < 100 { 2000 + year } else { year };
    let there = (1..=12).contains(&month) && (1..=31).contains(&day);
    there.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn clock(text: &str, half: Option<bool>) -> Option<String> {
    let whole = text.split(',').next()?;
    let bounds = whole
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let parts = parts(whole);
    let [hours, minutes, seconds, ..] = parts[..] else {
        return None;
    };
    if !bounds || text.len() > 24 || parts.len() > 4 {
        return None;
    }
    let [hours, minutes, seconds]: [u16; 3] = [
        hours.parse().ok()?,
        minutes.parse().ok()?,
        seconds.parse().ok()?,
    ];
    let hours = match half {
        Some(true) if hours < 12 => hours.saturating_add(12),
        Some(false) if hours == 12 => 0,
        _ => hours,
    };
    (hours < 24 && minutes < 60 && seconds < 61)
        .then(|| format!("{hours:02}:{minutes:02}:{seconds:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_read_in_every_locale() {
        for stamp in [
            "03/11/17 09:15:01",
            "3/11/2017 9:15:01 AM",
            "3/11/2017 9:15:01AM",
            "3/11/2017 9:15:01 a.m.",
            "11.03.2017 09:15:01",
            "11.3.17 9:15:01",
            "11. 3. 2017 9:15:01",
            "2017.03.11. 9:15:01",
            "11-03-2017 09:15:01",
            "2017-03-11 09:15:01",
            "2017-03-11 09:15:01.123",
            "2017-03-11 09:15:01,123",
            "2017-03-11T09:15:01",
            "2017-03-11T09:15:01.123Z",
            "2017-03-11T09:15:01+01:00",
            "2017/03/11 9:15:01",
            "11.03.2017 09.15.01",
            "2017/3/11 \u{4e0a}\u{5348} 9:15:01",
        ] {
            let line = format!("{stamp} SMTP=alice@contoso.com");
            let (time, text) = time(&line).unwrap_or_else(|| panic!("{stamp}"));
            assert_eq!(time, "2017-03-11T09:15:01", "{stamp}");
            assert_eq!(text.trim(), "SMTP=alice@contoso.com", "{stamp}");
        }
        for (stamp, expected) in [
            ("3/11/2017 9:15:01 PM x", "2017-03-11T21:15:01"),
            ("3/11/2017 12:15:01 AM x", "2017-03-11T00:15:01"),
            ("3/11/2017 12:15:01 PM x", "2017-03-11T12:15:01"),
            ("23/11/2017 09:15:01 x", "2017-11-23T09:15:01"),
            ("11-23-2017 09:15:01 x", "2017-11-23T09:15:01"),
        ] {
            assert_eq!(time(stamp).unwrap().0, expected, "{stamp}");
        }
        for no in [
            "",
            "something else",
            "1.2.3 text",
            "13/32/2017 09:15:01 x",
            "2017-03-11",
            "12:00:00 2017-03-11",
            "1/2/3/4 01:02:03",
            "3/11/2017 25:00:00 x",
        ] {
            assert_eq!(time(no), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "[-0-9./: TZAPMapm]{0,40}") {
            if let Some((time, _)) = time(&text) {
                prop_assert_eq!(time.len(), 19);
            }
        }
    }
}
