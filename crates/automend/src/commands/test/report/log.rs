//! The report in the form of Outlook's own log, `%TEMP%\olkdisc.log`, so that both can be laid side by side.
//!
//! One record a line: thread, tick in milliseconds, date, time, text. The wording is Outlook's as far as
//! it was seen in the field.

use std::fmt::Write as _;

use automend_core::discovery::{Act, DiscoveryMethod};
use automend_core::display::plain;
use automend_core::verdict::Cause;
use automend_probe::http::HttpExchange;
use automend_recording::secrets::{self, Secrets};
use jiff::Timestamp;

use super::{Report, hresult, shown_url};
use crate::commands::test::run::Taken;

/// What Outlook writes where no code is known.
const NO_SETTINGS: u32 = 0x8004_0413;

/// The report as text.
pub(in crate::commands::test) fn text(
    report: &Report,
    began: Timestamp,
    secrets: &Secrets,
) -> String {
    let mut log = Log {
        began,
        now: began,
        text: String::new(),
        secrets,
    };
    log.line("AUTODISCOVER GET SETTINGS BEGIN");
    log.line(&format!("SMTP={}", report.address));
    for step in &report.run.steps {
        log.step(step);
    }
    log.line("AUTODISCOVER GET SETTINGS END");
    log.text
}

struct Log<'a> {
    began: Timestamp,
    now: Timestamp,
    text: String,
    secrets: &'a Secrets,
}

impl Log<'_> {
    fn line(&mut self, text: &str) {
        let tick = self.now.as_millisecond() - self.began.as_millisecond();
        let at = self.now.strftime("%m/%d/%y %H:%M:%S");
        let thread = std::process::id();
        let _ = writeln!(self.text, "{thread} 0x{tick:08X} {at} {}", plain(text));
    }

    fn step(&mut self, step: &Taken) {
        if let Some(exchange) = step.exchanges.first() {
            self.now = exchange.started;
        }
        let domain = step.tried.address.domain();
        let what = match &step.tried.act {
            None | Some(Act::Consent(_)) => return,
            Some(Act::Ask(_)) => {
                let url = step.shown_url(self.secrets).unwrap_or_default();
                if let Some(how) = found_through(step.tried.way) {
                    self.line(&format!("Attempting URL {url} found through {how}"));
                }
                format!("Autodiscover to {url}")
            }
            Some(Act::Probe(url)) => format!("Redirect check to {}", shown_url(url, self.secrets)),
            Some(Act::AskJson(url)) => {
                format!("Autodiscover V2 to {}", shown_url(url, self.secrets))
            }
            Some(Act::LookUp(_)) => format!("Srv Record lookup for {domain}"),
            Some(Act::ReadLocalXml) => format!("Local autodiscover for {domain}"),
            Some(Act::SearchDirectory { .. }) => format!("SCP lookup for {domain}"),
        };
        self.line(&format!("{what} starting"));
        for exchange in &step.exchanges {
            self.exchange(exchange);
        }
        match step.tried.cause {
            Some(cause) if cause.fails() => {
                let code = hresult(cause.hint().map_or(NO_SETTINGS, |hint| hint.code));
                self.line(&format!("{what} FAILED ({code})"));
            }
            _ => self.line(&format!("{what} Succeeded ({})", hresult(0))),
        }
    }

    fn exchange(&mut self, exchange: &HttpExchange) {
        self.now = exchange.started;
        if let Some(scheme) = exchange.login {
            self.line(&format!(
                "AutoDiscover USING pcreds->dwAuthScheme: / {scheme}"
            ));
        }
        let took = jiff::SignedDuration::try_from(exchange.times.total()).unwrap_or_default();
        self.now = self.now.checked_add(took).unwrap_or(self.now);
        let error = exchange
            .failure
            .as_ref()
            .map_or(0, |failure| wininet(failure.cause));
        let response = exchange.response.as_ref();
        let status = response.map_or(0, |response| response.status);
        self.line(&format!("GetLastError={error}; httpStatus={status}."));
        let Some(response) = response else {
            return;
        };
        let schemes: Vec<&str> = response
            .headers("www-authenticate")
            .filter_map(|value| value.split(' ').next())
            .collect();
        if status == 401 && !schemes.is_empty() {
            let schemes = schemes.join(" / ");
            let schemes = self.secrets.without(&schemes).into_owned();
            self.line(&format!(
                "AutoDiscover supported auth schemes:  / {schemes}"
            ));
        }
        if status == 200 && exchange.request.method == "POST" {
            self.line("Autodiscover XML Received");
            self.line("---BEGIN XML---");
            let body = String::from_utf8_lossy(&response.body);
            for line in secrets::document(&body, self.secrets).lines() {
                let _ = writeln!(self.text, "{}", plain(line));
            }
            self.line("---END XML---");
        }
    }
}

fn found_through(way: DiscoveryMethod) -> Option<&'static str> {
    match way {
        DiscoveryMethod::Scp => Some("SCP"),
        DiscoveryMethod::Srv => Some("SRV"),
        DiscoveryMethod::HttpRedirect => Some("redirect"),
        _ => None,
    }
}

/// The number of `WinINet` behind a cause (0x8007 is `FACILITY_WIN32`).
fn wininet(cause: Cause) -> u32 {
    match cause.hint() {
        Some(hint) if hint.code >> 16 == 0x8007 => hint.code & 0xffff,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_wininet_come_back() {
        assert_eq!(wininet(Cause::TlsFailed), 12175);
        assert_eq!(wininet(Cause::CertificateWrongName), 12038);
        assert_eq!(wininet(Cause::DirectoryObjectGone), 0);
    }

    #[test]
    fn a_line_has_thread_tick_date_and_time() {
        let began: Timestamp = "2026-11-22T10:15:00Z".parse().unwrap();
        let mut log = Log {
            began,
            now: "2026-11-22T10:15:01.5Z".parse().unwrap(),
            text: String::new(),
            secrets: &Secrets::default(),
        };
        log.line("SMTP=alice@contoso.com");
        let rest = log.text.split_once(' ').unwrap().1;
        assert_eq!(
            rest,
            "0x000005DC 11/22/26 10:15:01 SMTP=alice@contoso.com\n"
        );
    }
}
