//! curl, which logs in by every scheme that there is: a POX request, and what came back.

use std::process::Command;

use crate::lab::{run, succeeded};

/// What someone was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) body: String,
}

impl Answer {
    /// What `curl` gets about `address`, where `curl` is a command that runs where the server is. `login`
    /// is a name with its password, or `:` for anyone who has a ticket.
    #[track_caller]
    pub(crate) fn of(curl: &mut Command, authority: &str, login: &str, address: &str) -> Self {
        let (_, domain) = address.split_once('@').expect("an address");
        let host = format!("autodiscover.{domain}");
        curl.args(["--silent", "--show-error", "--config", "-"])
            .args(["--cacert", authority, "--write-out", "\n%{http_code}"])
            .args([
                "--header",
                "Content-Type: text/xml",
                "--data",
                &request(address),
            ])
            .arg(format!("https://{host}/autodiscover/autodiscover.xml"));
        // Quoted as curl's configuration wants it.
        let quoted = login.replace('\\', "\\\\").replace('"', "\\\"");
        let out = succeeded(&run(curl, &format!("user = \"{quoted}\"\n")));
        let (body, status) = out.rsplit_once('\n').expect("the status stands behind");
        Self {
            status: status.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The answer's alternative mailboxes, as `TYPE ADDRESS`.
    #[track_caller]
    pub(crate) fn alternatives(&self) -> Vec<String> {
        assert_eq!(self.status, "200", "{self:?}");
        alternatives(&self.body, "AlternativeMailbox")
    }
}

fn request(address: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
         <Request><EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>\
         http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
         </AcceptableResponseSchema></Request></Autodiscover>"
    )
}

/// What stands between the tags of an element without attributes, each time that it occurs.
pub(crate) fn between<'a>(answer: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    answer
        .split(open.as_str())
        .skip(1)
        .map(|rest| rest.split(close.as_str()).next().unwrap_or(rest))
        .collect()
}

/// The alternative mailboxes of an answer in POX or SOAP, which call them differently, as `TYPE ADDRESS`.
pub(crate) fn alternatives(answer: &str, element: &str) -> Vec<String> {
    let told = |one| [between(one, "Type"), between(one, "SmtpAddress")].concat();
    between(answer, element)
        .into_iter()
        .map(|one| told(one).join(" "))
        .collect()
}
