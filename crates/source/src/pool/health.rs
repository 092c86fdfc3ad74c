//! Whether a server of a pool answers.
//!
//! A request that fails makes its server a suspect: it is asked after the others, and checked at once. The
//! check decides: the server is up again, or down, and is then left alone until a later check succeeds.
//!
//! Invariant: only a failed check takes a server out of use, and only a success ends that.

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Health {
    pub state: State,
    /// Since when it is up, or not.
    pub since: String,
    /// Why it is not up.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// A request to it failed, and nothing has succeeded since.
    Suspect,
    /// A check of it failed, and nothing has succeeded since.
    Down,
}

impl Health {
    pub(super) fn new(since: String) -> Self {
        Self {
            state: State::Unknown,
            since,
            reason: None,
        }
    }

    /// A request or a check succeeded. Returns whether the server has come up by it.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::Up) != State::Up
    }

    /// A request failed. Returns whether the server has gone down by it.
    pub(super) fn request_failed(&mut self) -> bool {
        let is_news = matches!(self.state, State::Unknown | State::Up);
        if is_news {
            self.state = State::Suspect;
        }
        is_news
    }

    /// A check failed. Returns whether the server has gone down by it.
    pub(super) fn check_failed(&mut self) -> bool {
        let was = std::mem::replace(&mut self.state, State::Down);
        matches!(was, State::Unknown | State::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_makes_a_suspect_and_only_a_failed_check_takes_it_out_of_use() {
        let mut health = Health::new(String::new());
        assert!(health.succeeded());
        assert!(!health.succeeded(), "it was up already");
        assert!(health.request_failed());
        assert!(!health.request_failed(), "it is reported once");
        assert_eq!(health.state, State::Suspect);
        assert!(!health.check_failed(), "it was reported before");
        assert_eq!(health.state, State::Down);
        assert!(!health.request_failed());
        assert_eq!(health.state, State::Down, "a late failure changes nothing");
        assert!(health.succeeded());
        assert!(health.check_failed(), "without a request");
    }
}
