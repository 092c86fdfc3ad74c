//! What the machine gives: the time, files that hold secrets, whom TLS trusts, and Kerberos' tickets.
//!
//! Invariant: only [`clock`] reads the clock; a file with a secret is read and made in [`private_file`] alone,
//! with its owner and mode checked; trust in a certificate begins in [`tls`] and nowhere else.

pub mod clock;
pub mod console;
pub mod kerberos;
pub mod private_file;
pub mod tls;
