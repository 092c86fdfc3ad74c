//! `automend trace --listen`: an intercepting proxy that records what clients ask of Autodiscover.
//!
//! Only connections to Autodiscover and to the hosts that it names are looked into; all others are passed on
//! untouched. Of exchanges that are not Autodiscover's the bodies are left out, because they may be mail.
//!
//! Invariant: without being told so it listens to this machine only, and writes no secret. Others reach
//! nothing through it that only this machine can reach.

mod connection;
mod hosts;
mod reach;
mod shared;
mod tap;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use automend_core::display::plain;
use automend_probe::har::Archive;
use automend_probe::http::tls::Tls;
use automend_recording::HttpExchange;
use automend_recording::secrets::{self, Logins, Secrets};
use automend_system::tls::authority::Authority;
use automend_system::{clock, private_file};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::args::{self, TraceFormat};
use crate::config;
use hosts::Hosts;
use shared::Proxy;
use tap::Recorded;

use super::report;
use automend_probe::story::{Outcome, Story};

/// Clients at once.
const MOST_CLIENTS: usize = 512;
/// Exchanges that are kept until they are written.
const MOST_EXCHANGES: usize = 64;

/// Runs the command.
pub(crate) async fn run(args: &args::Trace, config: Option<&Path>) -> Result<ExitCode> {
    let recording = &args.recording;
    let Some(address) = recording.listen else {
        bail!("--listen names no address");
    };
    if !address.ip().is_loopback() && !recording.allow_others {
        bail!(
            "{address}: others could use the proxy; listen on 127.0.0.1, or allow it with --allow-others"
        );
    }
    let folder = match &recording.ca_folder {
        Some(folder) => folder.clone(),
        None => config::data_folder()
            .context("no home folder; say with --ca-folder where the authority is kept")?
            .join("trace"),
    };
    let authority = Arc::new(Authority::open(&folder, clock::now())?);
    // With HTTP/1.1 only, where a login belongs to a connection.
    let tls = Tls::new(&args.source.server.ca)?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))?;
    let own = listener.local_addr().context("listening")?;
    let archive = match &recording.output {
        Some(path) => {
            let archive = private_file::create_new(path).and_then(Archive::begin);
            Some(archive.with_context(|| format!("beginning {}", path.display()))?)
        }
        None => None,
    };
    let (scribe, told) = mpsc::unbounded_channel();
    let (notes, said) = mpsc::channel(MOST_EXCHANGES);
    let hosts = Arc::new(Hosts::new(&recording.intercept));
    let proxy = Arc::new(Proxy {
        hosts: Arc::clone(&hosts),
        authority: Arc::clone(&authority),
        client: tls.checking,
        scribe,
        leaves: Arc::new(Semaphore::new(MOST_EXCHANGES)),
        notes,
        stop: watch::Sender::new(false),
        own,
    });
    let live = Live {
        quiet: args.format == TraceFormat::Json,
        keep_secrets: recording.keep_secrets,
        hosts,
        archive,
        story: Story::default(),
    };
    // Before the user reads that Ctrl-C ends it.
    let end = ended()?;
    live.say(&format!("Recording at http://{own}; Ctrl-C ends it."));
    if authority.is_new {
        live.say(&authority.instructions());
    } else {
        live.say(&format!(
            "The authority {:?} signs until {}: {}",
            authority.name,
            authority.until,
            authority.path.display()
        ));
    }
    let mut story = serve(proxy, listener, live, (told, said), end).await?;
    story.finish();
    let file = recording.output.as_ref().map_or_else(
        || format!("http://{own}"),
        |path| path.display().to_string(),
    );
    super::joined::print(args, config, file, "recording", &story).await
}

/// Serves until a signal ends it, and records what comes.
async fn serve(
    proxy: Arc<Proxy>,
    listener: TcpListener,
    live: Live,
    (mut told, mut said): (mpsc::UnboundedReceiver<Recorded>, mpsc::Receiver<String>),
    end: impl Future<Output = ()>,
) -> Result<Story> {
    // Disks and terminals may be slow, and must not stop the proxy.
    let writer = tokio::task::spawn_blocking(move || -> Result<Story> {
        let mut live = live;
        while let Some(told) = told.blocking_recv() {
            while let Ok(note) = said.try_recv() {
                live.say(&format!("note: {}", plain(note)));
            }
            let Recorded { exchange, .. } = told;
            live.take(exchange)?;
        }
        while let Ok(note) = said.try_recv() {
            live.say(&format!("note: {}", plain(note)));
        }
        if let Some(archive) = live.archive {
            archive.finish().context("writing the recording")?;
        }
        Ok(live.story)
    });
    let mut writer = std::pin::pin!(writer);
    let clients = Arc::new(Semaphore::new(MOST_CLIENTS));
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            () = end.as_mut() => break,
            // It ends early only when it cannot write.
            written = writer.as_mut() => return written.context("writing the recording")?,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // No descriptors, or the client has left; either is over soon.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&clients).try_acquire_owned() else {
            continue;
        };
        let shared = Arc::clone(&proxy);
        proxy.spawn(async move {
            let _place = place;
            connection::serve(shared, stream, peer.ip()).await;
        });
    }
    drop(listener);
    // Requests in progress are recorded as far as they came; after that no task is left.
    let _ = proxy.stop.send(true);
    proxy.stop.closed().await;
    drop(proxy);
    writer.await.context("writing the recording")?
}

/// The signals that end it; they are caught from here on, before the first wait.
#[cfg(unix)]
fn ended() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = |kind| signal(kind).context("listening to signals");
    let mut interrupt = heard(SignalKind::interrupt())?;
    let mut terminate = heard(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ctrl-C.
#[cfg(not(unix))]
fn ended() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Records the requests, and shows them.
struct Live {
    /// Standard output is for the report alone.
    quiet: bool,
    keep_secrets: bool,
    hosts: Arc<Hosts>,
    archive: Option<Archive>,
    story: Story,
}

impl Live {
    fn say(&self, text: &str) {
        // A closed output must not end a recording.
        let _ = if self.quiet {
            writeln!(anstream::stderr(), "{text}")
        } else {
            writeln!(anstream::stdout(), "{text}")
        };
    }

    fn take(&mut self, exchange: HttpExchange) -> Result<()> {
        let mut exchange = exchange;
        exchange.number = self.story.exchanges + 1;
        // Logins tell how an exchange went, so it is judged as it was.
        let listed = self.story.take(&exchange);
        if let Some(listed) = &listed {
            self.say(&report::line(
                listed,
                listed.told.first().map(|(_, outcome)| outcome),
            ));
            if listed.told.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(failure) if failure.cause.is_fault())) {
                let mut text = Vec::new();
                for finding in self.story.findings.iter().filter(|finding| finding.exchange == exchange.number) {
                    report::print_finding(finding, &mut text)?;
                }
                self.say(String::from_utf8_lossy(&text).trim_end());
            }
            for host in self.hosts.learn(&exchange) {
                self.say(&format!("        looking into {}, too", plain(host)));
            }
        } else {
            let status = if exchange.status == 0 {
                "-".to_owned()
            } else {
                exchange.status.to_string()
            };
            self.say(&format!(
                "{:>6}  {:<4} {}  {status}",
                exchange.number,
                plain(&exchange.method),
                plain(secrets::url(&exchange.url))
            ));
        }
        if !self.keep_secrets {
            clean(&mut exchange, listed.is_some());
        }
        if let Some(archive) = &mut self.archive {
            archive.add(&exchange).context("writing the recording")?;
        }
        Ok(())
    }
}

/// Leaves what may be written.
fn clean(exchange: &mut HttpExchange, is_autodiscover: bool) {
    let known = Secrets::brought(&exchange.request);
    secrets::remove(exchange, &known, Logins::Stage);
    if !is_autodiscover {
        // It may be mail.
        for message in [&mut exchange.request, &mut exchange.response] {
            message.cut |= !message.body.is_empty();
            message.body.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_recording::secrets::samples::{SECRET, telling};

    #[test]
    fn no_secret_is_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = Archive::begin(file.reopen().unwrap()).unwrap();
        for mut exchange in telling() {
            clean(&mut exchange, true);
            archive.add(&exchange).unwrap();
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }
}
