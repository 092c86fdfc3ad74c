//! `automend test ADDRESS`: asks for Autodiscover as Outlook does, and says in words what is wrong.
//!
//! Order of the search: [MS-OXDISCO] and what Outlook 2016 does, see [`automend_core::discovery`].
//!
//! Exit status: 0 Outlook gets its settings, 1 it does not, 3 it does and something should be better,
//! 2 the test could not be made.

mod consent;
mod directory_check;
mod follow;
mod login;
mod one;
mod report;
mod run;
mod urls;
mod users;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::discovery::{Dialect, DiscoveryMethod, Host, Plan, Scheme as UrlScheme, Url};
use automend_core::display;
use automend_core::names::SmtpAddress;
use automend_negotiate::Scheme;
use automend_probe::http::HttpClient;
use automend_probe::http::names::{self, Pin, Resolver};
use automend_probe::http::tls::Tls;
use automend_probe::login::Credentials;
use automend_system::clock;
use indicatif::ProgressBar;

use crate::args::{self, AuthScheme, Protocol, SearchStep, TestFormat};
use crate::config::TestLogin;
use consent::Consent;
use directory_check::DirectoryCheck;
use login::Logins;
use one::{Wanted, exit, test};
use report::{har, json, log, tree};
use run::Tester;

/// Runs the command.
pub(crate) async fn run(args: &args::Test, config: Option<&Path>) -> Result<ExitCode> {
    let progress = if console_is_there() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    let tester = tester(args, config, &progress)?;
    let dialects = args.search.protocol.iter().copied().map(dialect).collect();
    let wanted = Wanted {
        dialects,
        follow: args.follow,
        check_urls: args.check_urls,
    };
    if let Some(file) = &args.users {
        let parallel = usize::from(args.parallel);
        return users::run(&tester, &wanted, file, parallel, args.format, &progress).await;
    }
    let address = args.address.as_deref().unwrap_or_default();
    let address = SmtpAddress::parse(address)?;
    let began = clock::now();
    progress.set_message(format!("asking about {address}"));
    progress.enable_steady_tick(Duration::from_millis(100));
    let report = test(&tester, &wanted, &address).await;
    progress.finish_and_clear();
    let report = report?;
    let secrets = &tester.logins.secrets;
    if let Some(path) = &args.har {
        let mut text = display::json_lines(&har::document(&report, secrets))?;
        text.push('\n');
        write_file(path, &text)?;
    }
    if let Some(path) = &args.log {
        write_file(path, &log::text(&report, began, secrets))?;
    }
    match args.format {
        TestFormat::Tree => {
            let mut out = BufWriter::new(anstream::stdout());
            tree::write(&report, secrets, &mut out)?;
            out.flush().context("writing to standard output")?;
        }
        TestFormat::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            let document = json::document(&report, secrets);
            writeln!(out, "{}", display::json_lines(&document)?)?;
            out.flush().context("writing to standard output")?;
        }
    }
    Ok(exit(report.verdict()))
}

fn tester(args: &args::Test, config: Option<&Path>, progress: &ProgressBar) -> Result<Tester> {
    let (search, network) = (&args.search, &args.network);
    let limit = Duration::from_secs(network.timeout);
    let server = network.resolver.as_deref().map(names::server).transpose()?;
    let pins = network
        .resolve
        .iter()
        .map(|text| Pin::parse(text).with_context(|| format!("reading --resolve {text}")));
    let names = Resolver::new(server, pins.collect::<Result<_>>()?, limit)?;
    let tls = Tls::new(&network.ca)?;
    let directory = crate::config::directory_settings_beside_a_test(
        &args.beside,
        &args.login,
        &network.ca,
        config,
    )?;
    let directory = directory.map(DirectoryCheck::new);
    Ok(Tester {
        web: HttpClient::new(names, tls, network.insecure, limit),
        logins: logins(args, progress)?,
        plan: Plan {
            site: args.beside.site.clone(),
            ..plan(search, directory.as_ref())?
        },
        local_xml: search.local_xml.clone(),
        directory,
        consent: if args.users.is_some() {
            Consent::Nobody
        } else {
            Consent::here(progress)
        },
        agent: network.user_agent.clone().unwrap_or_else(agent),
    })
}

/// Looks like Outlook to servers that answer by the name of the program, and says who asks.
fn agent() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro; automend/{version})"
    )
}

fn logins(args: &args::Test, progress: &ProgressBar) -> Result<Logins> {
    let typed = TestLogin::read(&args.login)?;
    let own = args.login.keytab.is_some() || args.login.ticket_cache.is_some();
    if args.users.is_some() && typed.user.is_none() && typed.has_password() && !own {
        bail!(
            "--users: a password was given, but not whose it is; name the user with --user or AUTOMEND_MAIL_USER"
        );
    }
    let user = typed.user.clone().or_else(|| args.address.clone());
    let (keytab, tickets) = (args.login.keytab.clone(), args.login.ticket_cache.clone());
    let (kdc, progress) = (args.login.kdc.clone(), progress.clone());
    let rc4 = args.login.rc4;
    let source = move || {
        let needs_password = typed.token.is_none() && keytab.is_none() && tickets.is_none();
        let password = match &user {
            Some(user) if needs_password => progress.suspend(|| typed.password(user))?,
            _ => None,
        };
        if needs_password && password.is_none() {
            return Ok(None);
        }
        Ok(Some(Credentials {
            user: user.clone(),
            password,
            bearer: typed.token.clone(),
            keytab: keytab.clone(),
            tickets: tickets.clone(),
            kdc: kdc.clone(),
            kerberos_file: crate::config::kerberos_file(),
            rc4,
        }))
    };
    let all = [
        AuthScheme::Basic,
        AuthScheme::Ntlm,
        AuthScheme::Negotiate,
        AuthScheme::Bearer,
    ];
    let chosen = if args.login.auth.is_empty() {
        &all[..]
    } else {
        &args.login.auth
    };
    let schemes = chosen.iter().map(|scheme| match scheme {
        AuthScheme::Basic => Scheme::Basic,
        AuthScheme::Ntlm => Scheme::Ntlm,
        AuthScheme::Negotiate => Scheme::Negotiate,
        AuthScheme::Bearer => Scheme::Bearer,
    });
    Ok(Logins::new(source, schemes.collect(), args.login.max_auth))
}

fn plan(search: &args::TestSearch, directory: Option<&DirectoryCheck>) -> Result<Plan> {
    let given = search.url.iter().map(|text| match Url::parse(text) {
        Some(url) if url.scheme() == UrlScheme::Https => Ok(url),
        Some(_) => bail!("--url {text}: credentials go over https only"),
        None => bail!("--url {text}: not a URL"),
    });
    let allowed = search.allow_redirect.iter().map(|text| {
        Host::parse(text).ok_or_else(|| anyhow!("--allow-redirect {text}: not a host name"))
    });
    let with = [
        (DiscoveryMethod::Scp, directory.is_some()),
        (DiscoveryMethod::LocalXml, search.local_xml.is_some()),
        (DiscoveryMethod::V2Json, search.v2),
        (DiscoveryMethod::Microsoft365, search.microsoft_365),
    ];
    let excluded = search.exclude.iter().map(|step| match step {
        SearchStep::Scp => DiscoveryMethod::Scp,
        SearchStep::RootDomain => DiscoveryMethod::RootDomain,
        SearchStep::AutodiscoverHost => DiscoveryMethod::AutodiscoverHost,
        SearchStep::LocalXml => DiscoveryMethod::LocalXml,
        SearchStep::HttpRedirect => DiscoveryMethod::HttpRedirect,
        SearchStep::Srv => DiscoveryMethod::Srv,
    });
    Ok(Plan {
        given: given.collect::<Result<_>>()?,
        with: with
            .into_iter()
            .filter_map(|(way, is)| is.then_some(way))
            .collect(),
        directory_host: directory.and_then(DirectoryCheck::host),
        excluded: excluded.collect(),
        allowed: allowed.collect::<Result<_>>()?,
        all_steps: search.all_steps,
        ..Plan::default()
    })
}

fn dialect(protocol: Protocol) -> Dialect {
    match protocol {
        Protocol::Pox => Dialect::Pox,
        Protocol::Soap => Dialect::Soap,
        Protocol::Mobilesync => Dialect::MobileSync,
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", path.display()))
}

/// Whether standard error is a terminal.
fn console_is_there() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
}
