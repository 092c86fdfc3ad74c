//! Answers, as servers are known to send them, and what a client reads of them: each file of
//! `tests/answers` is one, and its name is the sentence that it proves.
//!
//! The form of a file is that of `tests/requests`; `UPDATE=1 cargo test --test answers` writes what is
//! expected again. A field that is not there is `-`, one that is empty is `""`.

mod case;

use std::fmt::Write as _;

use automend_autodiscover::pox::{self, Reply};
use automend_autodiscover::reading::{Alternative, Field, Reading};
use automend_autodiscover::soap::{self, Body, Level, SettingError, Value};
use automend_autodiscover::v2;
use case::Case;

#[test]
fn every_answer_is_read_as_its_file_says() {
    case::check_all("tests/answers", 69, |case: &Case<'_>| match case.door {
        "pox" => show(pox::read(&case.bytes), in_pox),
        "soap" => show(soap::read(&case.bytes), in_soap),
        "v2" => show(v2::read(&case.bytes), |answer, out| {
            *out = format!("{answer:?}\n");
        }),
        other => panic!("no door {other}"),
    });
}

fn show<T>(reading: Reading<T>, tell: impl FnOnce(&T, &mut String)) -> String {
    let (answer, defects) = match reading {
        Ok(read) => read,
        Err(why) => return format!("unreadable: {why}\n"),
    };
    let mut out = String::new();
    tell(&answer, &mut out);
    for defect in defects {
        writeln!(out, "defect: {defect}").unwrap();
    }
    out
}

fn or_dash(value: Option<&String>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:?}"))
}

fn field(field: &Field) -> String {
    format!("{} = {:?} {:?}", field.path, field.value, field.attributes)
}

fn alternative(mailbox: &Alternative) -> String {
    let mut told = format!(
        "type {} name {} legacy name {} server {} address {} owner {}",
        or_dash(mailbox.kind.as_ref()),
        or_dash(mailbox.display_name.as_ref()),
        or_dash(mailbox.legacy_dn.as_ref()),
        or_dash(mailbox.server.as_ref()),
        or_dash(mailbox.smtp_address.as_ref()),
        or_dash(mailbox.owner_smtp_address.as_ref()),
    );
    for other in &mailbox.other {
        write!(told, ", {}", field(other)).unwrap();
    }
    told
}

fn in_pox(answer: &pox::Answer, out: &mut String) {
    let mut line = |text: String| writeln!(out, "{text}").unwrap();
    line(format!("dialect: {:?}", answer.dialect));
    let user = &answer.user;
    line(format!(
        "user: name {} legacy name {} address {} deployment {}",
        or_dash(user.display_name.as_ref()),
        or_dash(user.legacy_dn.as_ref()),
        or_dash(user.address.as_ref()),
        or_dash(user.deployment_id.as_ref()),
    ));
    user.other
        .iter()
        .for_each(|other| line(format!("user: {}", field(other))));
    match &answer.reply {
        Reply::Settings(account) => {
            line(format!(
                "settings: type {}",
                or_dash(account.account_type.as_ref())
            ));
            for protocol in &account.protocols {
                let version = or_dash(protocol.version.as_ref());
                line(format!("protocol: {:?} version {version}", protocol.kind));
                protocol
                    .fields
                    .iter()
                    .for_each(|told| line(format!("  {}", field(told))));
            }
            for mailbox in &account.alternatives {
                line(format!("mailbox: {}", alternative(mailbox)));
            }
            line(format!(
                "public folders: {}",
                or_dash(account.public_folder_mailbox.as_ref())
            ));
            account
                .other
                .iter()
                .for_each(|other| line(format!("account: {}", field(other))));
        }
        other => line(format!("{other:?}")),
    }
}

fn level(level: &Level) -> String {
    format!("{:?} {:?}", level.code, level.message)
}

fn errors(errors: &[SettingError], line: &mut impl FnMut(String)) {
    for error in errors {
        line(format!("  {}: {}", error.name, level(&error.level)));
    }
}

fn in_soap(answer: &soap::Answer, out: &mut String) {
    let mut line = |text: String| writeln!(out, "{text}").unwrap();
    line(format!("server: {:?}", answer.server));
    line(format!(
        "relates to: {}",
        or_dash(answer.relates_to.as_ref())
    ));
    match &answer.body {
        Body::Users(of_all, users) => {
            line(format!("users: {}", level(of_all)));
            for user in users {
                let target = or_dash(user.redirect_target.as_ref());
                line(format!("user: {} target {target}", level(&user.level)));
                for setting in &user.settings {
                    let value = match &setting.value {
                        Value::Alternatives(mailboxes) => {
                            let each = mailboxes
                                .iter()
                                .map(|mailbox| format!("\n    {}", alternative(mailbox)));
                            each.collect()
                        }
                        Value::Unknown { kind, fields } => {
                            let each = fields.iter().map(|told| format!("\n    {}", field(told)));
                            format!("of kind {kind:?}{}", each.collect::<String>())
                        }
                        value => format!("{value:?}"),
                    };
                    line(format!("  {} is {value}", setting.name));
                }
                errors(&user.errors, &mut line);
            }
        }
        Body::Domains(of_all, domains) => {
            line(format!("domains: {}", level(of_all)));
            for domain in domains {
                let target = or_dash(domain.redirect_target.as_ref());
                line(format!("domain: {} target {target}", level(&domain.level)));
                domain
                    .settings
                    .iter()
                    .for_each(|(name, value)| line(format!("  {name} is {value:?}")));
                errors(&domain.errors, &mut line);
            }
        }
        other => line(format!("{other:?}")),
    }
}
