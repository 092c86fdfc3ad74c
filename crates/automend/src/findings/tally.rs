//! Counts distinct names, and names those that come often, in memory that does not grow.
//!
//! Hashes of names are gathered, sorted and put away in a temporary file portion by portion, and merged
//! at the end: so the counts are exact, but for two names with the same 64 bits (three in a million
//! audits of ten million names). A count-min sketch, which never counts too little, tells when a name
//! may have come often; only then is its text kept.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result};

/// Hashes held before they are put away: 4 MiB.
const PORTION: usize = 1 << 19;

/// Where a counter of the sketch stands still.
const FULL: u16 = 60_000;

/// A tally under way.
pub(crate) struct Tally {
    /// Names that come more often than this are reported by name.
    threshold: u64,
    portion: Vec<u64>,
    runs: Vec<File>,
    sketch: Arc<[AtomicU16]>,
    often: HashMap<u64, String>,
}

/// What was counted.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// How many different names came.
    pub distinct: u64,
    /// The names that came more often than the threshold, and how often.
    pub often: Vec<(String, u64)>,
    /// The hashes that were asked for and came.
    pub met: HashSet<u64>,
}

impl Tally {
    /// A tally that tells names that come more than `threshold` times (at most [`FULL`]), with
    /// 2^`bits` counters of two bytes.
    pub(crate) fn new(threshold: u16, bits: u32) -> Self {
        Self::with_sketch(
            u64::from(threshold.min(FULL)),
            (0..1 << bits).map(|_| AtomicU16::new(0)).collect(),
        )
    }

    fn with_sketch(threshold: u64, sketch: Arc<[AtomicU16]>) -> Self {
        Self {
            threshold,
            portion: Vec::new(),
            runs: Vec::new(),
            sketch,
            often: HashMap::new(),
        }
    }

    /// A tally for another thread, which sees what all of them count; to be [merged](Self::merge).
    pub(crate) fn fork(&self) -> Self {
        Self::with_sketch(self.threshold, Arc::clone(&self.sketch))
    }

    /// Takes what another thread has counted.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<()> {
        other.put_away().context("writing a temporary file")?;
        self.runs.append(&mut other.runs);
        self.often.extend(other.often);
        Ok(())
    }

    /// Counts a name by its hash; `name` is asked for only when it may have come often.
    pub(crate) fn add(&mut self, hash: u64, name: impl FnOnce() -> String) -> Result<()> {
        let seen = self.sketched(hash);
        if seen > self.threshold && !self.often.contains_key(&hash) {
            self.often.insert(hash, name());
        }
        self.portion.push(hash);
        if self.portion.len() >= PORTION {
            self.put_away().context("writing a temporary file")?;
        }
        Ok(())
    }

    /// Counts in two rows of the sketch, and returns the lesser count.
    fn sketched(&self, hash: u64) -> u64 {
        let half = self.sketch.len() / 2;
        let mut least = u16::MAX;
        // Two independent parts of the hash choose the counters.
        for (row, part) in [(0, hash & 0xffff_ffff), (half, hash >> 32)] {
            let at = row + usize::try_from(part).unwrap_or(0) % half;
            if let Some(counter) = self.sketch.get(at) {
                // A full counter stands still; threads that race leave it far from wrapping around.
                let full = counter.load(Ordering::Relaxed) >= FULL;
                least = least.min(if full {
                    FULL
                } else {
                    counter.fetch_add(1, Ordering::Relaxed) + 1
                });
            }
        }
        u64::from(least)
    }

    fn put_away(&mut self) -> std::io::Result<()> {
        if self.portion.is_empty() {
            return Ok(());
        }
        self.portion.sort_unstable();
        let mut file = tempfile::tempfile()?;
        let mut out = BufWriter::new(&mut file);
        for hash in self.portion.drain(..) {
            out.write_all(&hash.to_le_bytes())?;
        }
        out.flush()?;
        drop(out);
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Merges everything.
    pub(crate) fn finish(self) -> Result<Totals> {
        self.finish_asking(&HashSet::new())
    }

    /// Merges everything, and tells which of the hashes in `asked` came.
    pub(crate) fn finish_asking(mut self, asked: &HashSet<u64>) -> Result<Totals> {
        self.portion.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for file in std::mem::take(&mut self.runs) {
            runs.extend(Run::open(Box::new(BufReader::with_capacity(
                1 << 15,
                file,
            )))?);
        }
        let held: Vec<u8> = self
            .portion
            .iter()
            .flat_map(|hash| hash.to_le_bytes())
            .collect();
        runs.extend(Run::open(Box::new(std::io::Cursor::new(held)))?);
        let mut totals = Totals::default();
        let mut counts: HashMap<u64, u64> = HashMap::new();
        while let Some(next) = runs.iter().map(|run| run.head).min() {
            totals.distinct += 1;
            if asked.contains(&next) {
                totals.met.insert(next);
            }
            let mut count = 0;
            let mut at = 0;
            while let Some(run) = runs.get_mut(at) {
                let mut more = true;
                while more && run.head == next {
                    count += 1;
                    more = run.advance()?;
                }
                if more {
                    at += 1;
                } else {
                    runs.swap_remove(at);
                }
            }
            if count > self.threshold {
                counts.insert(next, count);
            }
        }
        totals.often = self
            .often
            .into_iter()
            .filter_map(|(hash, name)| Some((name, *counts.get(&hash)?)))
            .collect();
        totals
            .often
            .sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(totals)
    }
}

/// A sorted portion that is being read.
struct Run {
    head: u64,
    rest: Box<dyn Read>,
}

impl Run {
    fn open(rest: Box<dyn Read>) -> Result<Option<Self>> {
        let mut run = Self { head: 0, rest };
        Ok(run.advance()?.then_some(run))
    }

    fn advance(&mut self) -> Result<bool> {
        let mut bytes = [0; 8];
        match self.rest.read_exact(&mut bytes) {
            Ok(()) => {
                self.head = u64::from_le_bytes(bytes);
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error).context("reading a temporary file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_over_many_portions() {
        let mut tally = Tally::new(50, 16);
        // Names 0 to 399,999 come three times, name 7 comes 60 times more.
        let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3 {
            for n in 0..400_000 {
                tally.add(spread(n), || n.to_string()).unwrap();
            }
        }
        for _ in 0..60 {
            tally.add(spread(7), || "7".to_owned()).unwrap();
        }
        assert!(tally.runs.len() >= 2);
        assert_eq!(
            tally.finish().unwrap(),
            Totals {
                distinct: 400_000,
                often: vec![("7".to_owned(), 63)],
                ..Totals::default()
            }
        );
    }

    #[test]
    fn what_is_asked_for_is_told_only_when_it_came() {
        let mut tally = Tally::new(50, 10);
        tally.add(3, String::new).unwrap();
        let totals = tally.finish_asking(&HashSet::from([3, 4])).unwrap();
        assert_eq!(totals.met, HashSet::from([3]));
    }

    #[test]
    fn threads_count_together() {
        let mut tally = Tally::new(50, 10);
        let mut other = tally.fork();
        for _ in 0..30 {
            tally.add(1 << 40, || "hot".to_owned()).unwrap();
            other.add(1 << 40, || "hot".to_owned()).unwrap();
        }
        tally.merge(other).unwrap();
        assert_eq!(
            tally.finish().unwrap(),
            Totals {
                distinct: 1,
                often: vec![("hot".to_owned(), 60)],
                ..Totals::default()
            }
        );
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(Tally::new(1, 4).finish().unwrap(), Totals::default());
    }
}
