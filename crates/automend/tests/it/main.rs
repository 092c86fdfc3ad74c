//! The tests that need no server but those they start: one binary, as linking takes most of a build's time.
//!
//! A file is a subject. Below its name stand its parts; what several subjects use comes first here.

mod ldap_server;
mod recorder;
mod served;
mod tool;
mod web;

mod access;
mod commands;
mod delegations;
mod delegations_live;
mod directory_serve;
mod discovery;
mod discovery_faults;
mod discovery_logins;
mod discovery_served;
mod forms;
mod hostile_servers;
mod mailboxes;
mod plans;
mod reference;
mod serve;
mod serve_hostile;
mod serve_live;
mod serve_operation;
mod sources;
mod story;
mod tidy;
mod tls;
mod trace_hostile;
mod trace_reads;
mod trace_records;
