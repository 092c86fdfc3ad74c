//! The clients: how each is started, and what it says.
//!
//! The scripts in `lab/clients` call a client the way its user would and print what it ends up with;
//! nothing here or there speaks Autodiscover itself.

use serde_json::Value;

use super::town::Town;
use crate::lab::{self, run, succeeded};

/// A client, and how it logs in where that is reported it and not found out by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// exchangelib 5 (Python): SOAP; of the schemes offered it takes NTLM before Basic.
    ExchangelibSoap,
    /// exchangelib 4: POX; the same.
    ExchangelibPox,
    /// ews-javascript-api, the EWS Managed API in another language: SOAP, with Basic.
    Managed,
    /// The same with NTLM.
    ManagedNtlm,
    /// autodiscover (npm): POX, with Basic.
    NodePox,
    /// exchange-autodiscover (npm): SOAP, with Basic.
    NodeSoap,
    /// autodiscover-activesync (npm): MobileSync, with Basic.
    NodeActiveSync,
    /// evolution-ews: POX, with Basic.
    Evolution,
    /// The same with NTLM.
    EvolutionNtlm,
    /// Thunderbird: POX and autoconfig, with Basic.
    Thunderbird,
}

impl Client {
    /// What the client makes of `address`.
    #[track_caller]
    pub(crate) fn search(self, town: &Town, address: &str, login: &str, password: &str) -> Value {
        let exchangelib = |variable: &str| {
            let mut command = town.command(town.var("LAB_PYTHON"));
            command
                .env("PYTHONPATH", town.var(variable))
                .env("REQUESTS_CA_BUNDLE", town.var("LAB_CA"))
                .arg(lab::script("clients/exchangelib_account.py"));
            command
        };
        let npm = |package: &str| {
            let mut command = town.command(town.var("LAB_NODE"));
            command
                .env("NODE_PATH", town.var("LAB_NODE_PATH"))
                .env("NODE_EXTRA_CA_CERTS", town.var("LAB_CA"))
                .arg(lab::script("clients/npm_client.js"))
                .arg(package);
            command
        };
        let debian = |script: &str| {
            let mut command = town.command("/usr/bin/python3");
            command.arg(lab::script(script));
            command
        };
        let (mut command, way) = match self {
            Self::ExchangelibSoap => (exchangelib("LAB_EXCHANGELIB_SOAP"), None),
            Self::ExchangelibPox => (exchangelib("LAB_EXCHANGELIB_POX"), None),
            Self::Managed => (npm("ews-javascript-api"), None),
            Self::ManagedNtlm => (npm("ews-javascript-api/ntlm"), None),
            Self::NodePox => (npm("autodiscover"), None),
            Self::NodeSoap => (npm("exchange-autodiscover"), None),
            Self::NodeActiveSync => (npm("autodiscover-activesync"), None),
            Self::Evolution => (debian("clients/evolution_ews.py"), Some("PLAIN")),
            Self::EvolutionNtlm => (debian("clients/evolution_ews.py"), Some("NTLM")),
            Self::Thunderbird => {
                let mut command = debian("clients/thunderbird.py");
                command.arg(town.var("LAB_CA"));
                (command, None)
            }
        };
        command.args([address, login]).args(way);
        let output = run(&mut command, &format!("{password}\n"));
        let out = succeeded(&output);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{self:?}: {error}: {out}"))
    }
}
