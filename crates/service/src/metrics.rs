//! Numbers for Prometheus (OpenMetrics 1.0).
//!
//! Invariant: no label holds anything that a client chose, so their number has a bound; a metric is never
//! waited for.

use std::hash::Hash;
use std::sync::OnceLock;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The numbers.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests that were answered.
    pub exchanges: CachedFamily<RequestLabels, Counter>,
    /// How long they took.
    pub seconds: CachedFamily<RouteLabels, Histogram, fn() -> Histogram>,
    /// Connections at the moment.
    pub connections: Gauge,
    /// Connections that were not taken.
    pub refused: Family<ReasonLabels, Counter>,
    /// Owners that were left out of an answer.
    pub skipped: CachedFamily<CodeLabels, Counter>,
    /// Where answers came from.
    pub answers: CachedFamily<SourceLabels, Counter>,
    /// Servers of the directory: 1 is up.
    pub directory_up: Family<ServerLabels, Gauge>,
    /// Questions that a server failed.
    pub directory_failures: Family<ServerLabels, Counter>,
    /// Whether answers come from memory because no server answers.
    pub degraded: Gauge,
    /// Logins.
    pub logins: CachedFamily<LoginLabels, Counter>,
    /// Lines of the log that were dropped.
    pub log_dropped: Counter,
    /// Times the configuration was read again.
    pub reloads: Family<ResultLabels, Counter>,
}

/// Of [`Metrics::exchanges`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RequestLabels {
    /// The face.
    pub route: Label,
    /// What became of it.
    pub outcome: Label,
}

/// Of [`Metrics::seconds`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RouteLabels {
    /// The face.
    pub route: Label,
}

/// Of [`Metrics::refused`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ReasonLabels {
    /// The reason.
    pub reason: Label,
}

/// Of [`Metrics::skipped`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct CodeLabels {
    /// The finding code.
    pub code: Label,
}

/// Of [`Metrics::answers`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct SourceLabels {
    /// `cache`, `directory` or `last-known`.
    pub source: Label,
}

/// Of the directory's metrics.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ServerLabels {
    /// Its URL.
    pub server: String,
}

/// Of [`Metrics::logins`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct LoginLabels {
    /// What became of it.
    pub result: Label,
}

/// Of [`Metrics::reloads`].
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ResultLabels {
    /// `good` or `failed`.
    pub result: Label,
}

/// A family by words of this program, for what is counted at every exchange: the first members that are asked
/// for are found again without a lock and without a hash.
#[derive(Debug)]
pub(crate) struct CachedFamily<L, M, C = fn() -> M> {
    family: Family<L, M, C>,
    first: [OnceLock<(L, M)>; FIRST],
}

/// Members that are found at once.
const FIRST: usize = 16;

impl<L: Clone + Eq + Hash, M: Clone, C: MetricConstructor<M>> CachedFamily<L, M, C> {
    fn of_family(family: Family<L, M, C>) -> Self {
        Self {
            family,
            first: [const { OnceLock::new() }; FIRST],
        }
    }

    /// Does something to the member of these labels.
    pub(crate) fn of<T>(&self, labels: &L, act: impl FnOnce(&M) -> T) -> T {
        for place in &self.first {
            let (known, member) = place.get_or_init(|| {
                let member = self.family.get_or_create(labels).clone();
                (labels.clone(), member)
            });
            if known == labels {
                return act(member);
            }
        }
        act(&self.family.get_or_create(labels))
    }
}

impl<L: Clone + Eq + Hash, M: Clone + Default> CachedFamily<L, M>
where
    Family<L, M>: Metric,
{
    /// A family, registered under its name.
    fn registered(to: &mut Registry, name: &str, help: &str) -> Self {
        Self::of_family(registered(to, name, help))
    }
}

/// A word of this program.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Label(pub &'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

/// From a cached answer to one that waits for a directory.
const BUCKETS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("automend");
        let to = &mut registry;
        let seconds = CachedFamily::of_family(Family::new_with_constructor(
            (|| Histogram::new(BUCKETS)) as fn() -> Histogram,
        ));
        to.register_with_unit(
            "http_request_duration",
            "Time from the request's header to its response",
            Unit::Seconds,
            seconds.family.clone(),
        );
        Self {
            exchanges: CachedFamily::registered(
                to,
                "http_requests",
                "Requests, by route and outcome",
            ),
            seconds,
            connections: registered(to, "connections", "Connections now"),
            refused: registered(
                to,
                "refused_connections",
                "Connections that were closed on arrival",
            ),
            skipped: CachedFamily::registered(
                to,
                "skipped_owners",
                "Owners left out of an answer, by finding code",
            ),
            answers: CachedFamily::registered(
                to,
                "answers",
                "Answers about users, by where they came from",
            ),
            directory_up: registered(
                to,
                "directory_up",
                "Whether a server of the directory answers",
            ),
            directory_failures: registered(
                to,
                "directory_failures",
                "Questions that a server of the directory failed",
            ),
            degraded: registered(to, "degraded", "1 while no server of the directory answers"),
            logins: CachedFamily::registered(to, "logins", "Logins, by result"),
            log_dropped: registered(
                to,
                "log_lines_dropped",
                "Lines of the log that could not be written in time",
            ),
            reloads: registered(to, "reloads", "Times the configuration was read again"),
            registry,
        }
    }
}

/// A metric, registered under its name.
fn registered<M: Clone + Default + Metric>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// All of them as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_words_than_are_found_at_once_are_counted_all_the_same() {
        const ALL: [&str; 2 * FIRST] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "A",
            "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P",
        ];
        let metrics = Metrics::default();
        for _ in 0..3 {
            for code in ALL.map(Label) {
                metrics.skipped.of(&CodeLabels { code }, Counter::inc);
            }
        }
        let text = metrics.text();
        for code in ALL {
            let line = format!("automend_skipped_owners_total{{code=\"{code}\"}} 3");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn every_number_has_a_name_and_a_word_of_help() {
        let metrics = Metrics::default();
        let code = Label("AM101");
        metrics.skipped.of(&CodeLabels { code }, Counter::inc);
        let route = Label("pox");
        let observe = |histogram: &Histogram| histogram.observe(0.002);
        metrics.seconds.of(&RouteLabels { route }, observe);
        let text = metrics.text();
        assert!(
            text.contains("automend_skipped_owners_total{code=\"AM101\"} 1"),
            "{text}"
        );
        assert!(
            text.contains(
                "automend_http_request_duration_seconds_bucket{le=\"0.0025\",route=\"pox\"} 1"
            ),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
