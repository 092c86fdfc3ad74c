//! The tests against programs that others wrote, which `make test` starts or installs.
//!
//! A file is a server, or a kind of client; `lab/test.sh` runs those files whose server there is.

mod curl;
mod lab;
#[allow(dead_code, reason = "one kind of test here needs a part of it")]
#[path = "../it/recorder/mod.rs"]
mod recorder;
#[allow(dead_code, reason = "one kind of test here needs a part of it")]
#[path = "../it/served/mod.rs"]
mod served;
mod serving;
#[allow(dead_code, reason = "one kind of test here needs a part of it")]
#[path = "../it/tool/mod.rs"]
mod tool;

mod clients;
mod mit;
mod samba;
mod samba_recycle_bin;
mod samba_two_dcs;
mod slapd;
mod trace_recorders;
