//! automend: finds the directory links that break Microsoft Autodiscover, and mends them.
//!
//! Everything that touches the world is in this crate, one module a command. Exit status: 0 nothing
//! wrong, 1 something was found, 2 the work could not be done.

mod args;
mod audit;
mod clock;
mod config;
mod connect;
mod demo;
mod directory;
mod explain;
mod fix;
mod show;
mod store;

use std::process::ExitCode;

use anyhow::{Context, Result};
use args::{Arguments, Colour, Command};
use clap::{CommandFactory, Parser};

/// The work could not be done.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.color {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    match run(&arguments) {
        Ok(code) => code,
        // Whoever read our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("automend: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = arguments.config.as_deref();
    match &arguments.command {
        Command::Audit(args) => waiting(audit::run(args, config)),
        Command::Show(args) => waiting(show::run(args, config)),
        Command::Fix(args) => waiting(fix::run(args, config)),
        Command::Undo(args) => waiting(fix::undo::run(args, config)),
        Command::Explain(args) => explain::run(args),
        Command::Directory(command) => store::run(command),
        Command::Demo(args) => waiting(demo::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "automend",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Manual { folder } => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
            clap_mangen::generate_to(Arguments::command(), folder)
                .with_context(|| format!("writing the manual to {}", folder.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs what waits for servers. One thread is enough: the work is the server's.
fn waiting(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(work)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
