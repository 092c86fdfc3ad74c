//! `automend directory`: LDIF into an embedded directory and out of it, and LDAP for it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::display::plain;
use automend_directory::{ClearAs, Directory, Export, Import, NtHash, export};
use automend_service::{LdapSettings, serve_ldap};
use automend_source::import::import_file;
use automend_system::say;

use crate::args::{DirectoryCommand, DirectoryServe};
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
        DirectoryCommand::Serve(args) => serve(args),
    }
}

/// Over LDAP, until a signal says to stop.
fn serve(args: &DirectoryServe) -> Result<ExitCode> {
    let wide = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 1389));
    let none = args.listen.is_empty() && args.ldaps.is_empty() && args.ldapi.is_none();
    let settings = LdapSettings {
        directory: args.directory.clone(),
        listen: if none { vec![own] } else { args.listen.clone() },
        ldaps: args.ldaps.clone(),
        ldapi: args.ldapi.clone(),
        tls: args.tls_cert.clone().zip(args.tls_key.clone()),
        keytab: args.keytab.clone(),
        host: args.host_name.clone(),
        readers: args.reader.clone(),
        writers: args.writer.clone(),
        page_size: wide(args.max_page_size),
        value_range: wide(args.max_val_range),
        log: args.log.clone(),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(serve_ldap(&settings))?;
    Ok(ExitCode::SUCCESS)
}
