//! The exit statuses of each command, as its help declares them.
//!
//! `docs/exit-status.md` is made from these texts.

pub(super) const AUDIT: &str = "Exit status:
  0  everything was read, and nothing was found
  1  something was found; a note counts, too
  2  something could not be read, or the work could not be done";

pub(super) const SHOW: &str = "Exit status:
  0  nothing is wrong with the user
  1  something is wrong with the user
  2  something could not be read, no object or several objects fit, or the work could not be done";

pub(super) const TEST: &str = "Exit status:
  0  Outlook gets its settings
  1  Outlook gets no settings
  2  the test could not be made, or a line of --users is no address
  3  Outlook gets its settings, and something should be better";

pub(super) const FIX: &str = "Exit status:
  0  nothing to fix, or everything is fixed, replicated and verified
  1  something is left: a plan that was only shown, written, exported or declined, an owner that was \
skipped, a controller that does not agree, or a user whose answer still fails
  2  the work could not be done; the receipt has what was written";

pub(super) const UNDO: &str = "Exit status:
  0  nothing to undo, or everything is as it was before
  1  something is left: an undo that was declined, a change that cannot be undone, or a controller that \
does not agree
  2  the work could not be done; the receipt has what was undone";

/// Of `links` and `access`.
pub(super) const LIST: &str = "Exit status:
  0  everything was listed
  2  something could not be read, or the work could not be done";

/// Of `grant`, `revoke`, `automap` and `mailbox`.
pub(super) const CHANGE: &str = "Exit status:
  0  written, replicated and verified, or nothing to write
  1  something is left: a plan that was only shown or declined, an owner that was skipped, a controller \
that does not agree, or a user to whom Autodiscover does not offer the mailbox
  2  the work could not be done; the receipt has what was written";

pub(super) const SERVE: &str = "Exit status:
  0  the service was stopped; with --check, the configuration is good
  2  the configuration is wrong, or the service could not start";

pub(super) const SERVE_DIRECTORY: &str =
    "Clients log in with the passwords of the directory, over TLS, a local \
socket or the loopback, or by Kerberos with --keytab. Anonymous clients read the root DSE.

Exit status:
  0  the service was stopped
  2  the service could not start";

pub(super) const TRACE: &str = "Exit status:
  0  nothing is wrong
  1  something was found
  2  the recording cannot be read or written";

/// Of commands that find nothing.
pub(super) const DONE: &str = "Exit status:
  0  done
  2  the work could not be done";
