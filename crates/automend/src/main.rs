//! automend: finds the directory links that break Microsoft Autodiscover, and removes them.
//!
//! What was typed is in `args`, what is done in `commands`, one module each. Exit status: 0 nothing
//! wrong, 1 something was found, 2 the work could not be done.

mod args;
mod changes;
mod codes;
mod commands;
mod config;
mod findings;
mod hints;
mod report;

use std::io::Write;
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
        // The reader of our output has closed it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!(
                "automend: {}",
                automend_core::display::plain_lines(format_args!("{error:#}"))
            );
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = arguments.config.as_deref();
    match &arguments.command {
        Command::Audit(args) => waiting(commands::audit::run(args, config)),
        Command::Show(args) => waiting(commands::show::run(args, config)),
        Command::Test(args) => waiting(commands::test::run(args, config)),
        Command::Fix(args) => waiting(commands::fix::run(args, config)),
        Command::Undo(args) => waiting(commands::fix::undo::run(args, config)),
        Command::Links(args) => waiting(commands::links::run(args, config)),
        Command::Access(args) => waiting(commands::access::run(args, config)),
        Command::Grant(args) => waiting(commands::grant::run(args, config)),
        Command::Revoke(args) => waiting(commands::grant::revoke(args, config)),
        Command::Automap(command) => waiting(commands::automap::run(command, config)),
        Command::Mailbox(command) => waiting(commands::mailbox::run(command, config)),
        Command::Serve(args) => commands::serve::run(args, config),
        Command::Trace(args) => waiting(commands::trace::run(args, config)),
        Command::Explain(args) => commands::explain::run(args),
        Command::Directory(command) => commands::store::run(command),
        Command::Demo(args) => waiting(commands::demo::run(args)),
        Command::Completions { shell } => {
            // Written at once, as the generator knows no closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "automend", &mut script);
            if *shell == clap_complete::Shell::Fish {
                // The generator knows values of options only.
                let codes: Vec<&str> = codes::all().collect();
                writeln!(
                    script,
                    "complete -c automend -n \"__fish_automend_using_subcommand explain\" -f -a \"{}\"",
                    codes.join(" ")
                )?;
            }
            std::io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
            clap_mangen::generate_to(Arguments::command(), folder)
                .with_context(|| format!("writing the manual pages to {}", folder.display()))?;
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
    use std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        // JSON keeps the error of the stream to itself.
        let json = || cause.downcast_ref::<serde_json::Error>()?.io_error_kind();
        let io = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        io.or_else(json) == Some(BrokenPipe)
    })
}
