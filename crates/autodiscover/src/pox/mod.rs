//! POX, the plain XML that Outlook speaks: requests and answers, both ways ([MS-OXDSCLI] 2.2.3, 2.2.4).
//!
//! A mobile device's request comes to the same endpoint ([MS-ASCMD] 2.2.1.3) and differs from Outlook's in its
//! namespace and the schema that it accepts; its answers are in [`crate::mobilesync`].

mod answer;
mod form;
mod read;
mod request;

pub use answer::{Answers, answer, fault, redirect_url};
pub(crate) use read::{alternative, fields};

pub use read::{Account, Answer, Dialect, Protocol, Redirect, Reply, ToldFault, User, read};
pub use request::{Refusal, Request};

/// What Exchange writes into a fault beside the code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Time of day with seven digits of a second, `12:03:32.8803744` ([MS-ASCMD] 2.2.3.63).
    pub time: String,
    /// A number that names the server.
    pub id: u32,
}

impl Stamp {
    /// The stamp of a fault that this service reports at `time`.
    pub fn at(time: String) -> Self {
        Self {
            time,
            id: 2_422_600_485,
        }
    }
}
