//! What a file is that is no recording, in the words of reports.

/// What a file is that is no recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoRecording {
    /// There is nothing in it, or blanks only.
    #[error("the file is empty")]
    Empty,
    /// A flow file of mitmproxy, in its own format of netstrings.
    #[error(
        "the file is a stream of mitmproxy; save it as HAR with mitmdump -r FILE --set hardump=FILE.har"
    )]
    Mitmproxy,
    /// An event trace of Windows, whose packets another program has to take out first.
    #[error("the file is an event trace of Windows (ETL); save it as pcapng with etl2pcapng")]
    EventTrace,
    /// A file of another known format.
    #[error("the file is {what}; {instead}")]
    Known {
        /// What it is.
        what: &'static str,
        /// What to record, or to do, instead.
        instead: &'static str,
    },
    /// None of the formats that are known.
    #[error(
        "the file is neither a HAR, nor a SAZ of Fiddler, nor an olkdisc.log, nor Autodiscover XML, nor a network capture, nor a trace of EWS, a log of exchangelib or a result of the Remote Connectivity Analyzer; record one of these, as with automend trace --listen 127.0.0.1:8888 -o recording.har"
    )]
    Unknown,
}
