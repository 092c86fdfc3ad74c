//! `automend serve`: the service, as it was typed and configured.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::display::plain;
use automend_core::policy::Policy;
use automend_negotiate::Scheme;
use automend_service::{Flags, check, serve, settings};
use automend_system::private_file;

use crate::args;
use crate::config::{directory_settings, serve_section};

/// Runs the command.
pub(crate) fn run(args: &args::Serve, config: Option<&Path>) -> Result<ExitCode> {
    private_file::gather();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(checked_or_served(args, config));
    // What came too late or too early for a log.
    for warning in private_file::gathered() {
        anstream::eprintln!("automend: warning: {}", plain(warning));
    }
    done
}

async fn checked_or_served(args: &args::Serve, config: Option<&Path>) -> Result<ExitCode> {
    // How to log in to the directory otherwise says the configuration: `--auth` is about clients here.
    let source = args::Source {
        server: args.server.clone(),
        login: args::Login::default(),
    };
    let from = directory_settings(&source, config)?;
    let load = || {
        let (section, source) = serve_section(config)?;
        settings(&flags(args), &section, &source)
    };
    if args.check {
        return check(&from, &load()?).await;
    }
    serve(from, &load).await?;
    Ok(ExitCode::SUCCESS)
}

fn flags(args: &args::Serve) -> Flags {
    Flags {
        listen: args.listen.clone(),
        http: args.http.clone(),
        admin: args.admin.clone(),
        tls_cert: args.tls_cert.clone(),
        tls_key: args.tls_key.clone(),
        policy: args.policy.map(Into::into),
        auth: args.auth.iter().map(|word| (*word).into()).collect(),
        keytab: args.keytab.clone(),
        domain: args.domain.clone(),
        log: args.log.clone(),
    }
}

impl From<args::SchemeWord> for Scheme {
    fn from(word: args::SchemeWord) -> Self {
        match word {
            args::SchemeWord::Basic => Self::Basic,
            args::SchemeWord::Ntlm => Self::Ntlm,
            args::SchemeWord::Negotiate => Self::Negotiate,
        }
    }
}

impl From<args::PolicyWord> for Policy {
    fn from(word: args::PolicyWord) -> Self {
        match word {
            args::PolicyWord::Healthy => Self::Healthy,
            args::PolicyWord::Faithful => Self::Faithful,
        }
    }
}
