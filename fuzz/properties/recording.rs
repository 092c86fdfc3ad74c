//! Whatever a file is, reading it as a recording ends, and keeps no more of it than is allowed; and of a HAR
//! that is cut off the exchanges before the cut are those of the whole.

use std::io::Cursor;

use automend_recording::{Defect, HttpExchange, Kind, MOST_BODY, Sink, Unreadable, read_from};

/// Keeps everything.
#[derive(Default)]
struct Kept {
    exchanges: Vec<HttpExchange>,
    passed: Vec<u64>,
    defects: Vec<Defect>,
}

impl Sink for Kept {
    fn wants(&self, url: &str, _request: &[u8]) -> bool {
        !url.contains("unwanted")
    }

    fn exchange(&mut self, exchange: HttpExchange) {
        self.exchanges.push(exchange);
    }

    fn passed(&mut self, number: u64) {
        self.passed.push(number);
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}

fn read(bytes: &[u8]) -> (Result<Kind, Unreadable>, Kept) {
    let mut kept = Kept::default();
    // A capture is read by another program.
    let read = read_from(
        Cursor::new(bytes),
        |_| Err(Unreadable::NoTshark),
        false,
        &mut kept,
    );
    (read, kept)
}

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (whole, all) = read(bytes);
    let mut numbers: Vec<u64> = all
        .exchanges
        .iter()
        .map(|exchange| exchange.number)
        .chain(all.passed.iter().copied())
        .collect();
    numbers.sort_unstable();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "a number twice: {numbers:?}"
    );
    assert!(numbers.first().is_none_or(|first| *first >= 1));
    for exchange in &all.exchanges {
        assert!(
            exchange.request.body.len() <= MOST_BODY && exchange.response.body.len() <= MOST_BODY
        );
    }
    if !matches!(whole, Ok(Kind::Har)) {
        return;
    }
    let at = bytes.len() * usize::from(cut) / 256;
    let (part, some) = read(&bytes[..at]);
    // Before the log begins nothing says what it is.
    if matches!(part, Ok(Kind::Har)) {
        assert!(
            all.exchanges.starts_with(&some.exchanges),
            "a cut at {at} of {} changes what stands before",
            bytes.len()
        );
        assert!(all.passed.starts_with(&some.passed));
    }
}
