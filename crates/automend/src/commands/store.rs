//! `automend directory`: LDIF into an embedded directory, and out of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::display::plain;
use automend_directory::{ClearAs, Directory, Export, Import, NtHash, export};
use automend_source::import::import_file;
use automend_system::say;

use crate::args::DirectoryCommand;
use crate::report::plural;

/// Runs the command.
pub(crate) fn run(command: &DirectoryCommand) -> Result<ExitCode> {
    match command {
        DirectoryCommand::Import {
            file,
            directory,
            ntlm,
            fast_hashes,
        } => {
            let how = Import {
                nt_hashes: if *ntlm { NtHash::Kept } else { NtHash::Dropped },
                clear: if *fast_hashes {
                    ClearAs::SaltedSha512
                } else {
                    ClearAs::Argon2id
                },
                ..Import::default()
            };
            let report = import_file(file, directory, how)?;
            say!(
                "{}: {} added, {} changed, {}",
                directory.display(),
                plural(report.added, "object"),
                report.changed,
                plural(report.links, "link")
            );
            for note in &report.notes {
                say!("note: line {}: {}", note.line, plain(&note.trouble));
            }
            let more = report.noted.saturating_sub(report.notes.len() as u64);
            if more > 0 {
                say!("note: … and {more} more");
            }
            Ok(ExitCode::SUCCESS)
        }
        DirectoryCommand::Export { directory, output } => {
            let store = Directory::open(directory)
                .with_context(|| format!("opening {}", directory.display()))?;
            let reading = store.read()?;
            let how = Export {
                back_links: false,
                without_tombstones: false,
            };
            if let Some(path) = output {
                let file =
                    File::create(path).with_context(|| format!("creating {}", path.display()))?;
                let mut out = BufWriter::new(file);
                let objects = export(&reading, &mut out, how)?;
                out.flush()
                    .with_context(|| format!("writing {}", path.display()))?;
                eprintln!("{}: {}", path.display(), plural(objects, "object"));
            } else {
                let mut out = BufWriter::new(std::io::stdout().lock());
                export(&reading, &mut out, how)?;
                out.flush()?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
