//! The list of who can open what in every form; all say the same, and the shape of JSON is promised
//! (`docs/access.schema.json`).

use std::collections::HashSet;

use askama::Template;
use automend_core::access::{Reason, Through, well_known};
use automend_core::display::plain;
use automend_system::clock;
use serde::Serialize;

use super::{Accesses, Row, User};
use crate::report::list::{List, Party, PartyJson};
use crate::report::plural;

impl Accesses {
    fn counts(&self) -> CountsJson {
        let mailboxes: HashSet<u64> = self
            .rows
            .iter()
            .map(|row| row.mailbox.dn.hash64())
            .collect();
        let users: HashSet<String> = self
            .rows
            .iter()
            .map(|row| match &row.user {
                User::Known(party, _) => party.dn.hash64().to_string(),
                User::Unknown(sid) => sid.to_string(),
            })
            .collect();
        CountsJson {
            relations: self.rows.len(),
            mailboxes: mailboxes.len(),
            users: users.len(),
        }
    }

    fn totals(&self) -> String {
        let counts = self.counts();
        format!(
            "{} and {}",
            plural(counts.mailboxes as u64, "mailbox"),
            plural(counts.users as u64, "user")
        )
    }

    /// Why it is so, in words.
    fn why(&self, row: &Row) -> String {
        let relation = &row.relation;
        let mut words: Vec<String> = relation.reasons.iter().map(|one| self.words(one)).collect();
        if words.is_empty() && relation.opens == Some(false) {
            words.push("no permission".to_owned());
        }
        words.extend(relation.note.map(str::to_owned));
        words.join("; ")
    }

    fn words(&self, reason: &Reason) -> String {
        let verb = if reason.allows { "allowed" } else { "denied" };
        let how = match reason.through {
            Through::Own => "by an entry of its own".to_owned(),
            Through::Everyone => format!("as {}", well_known(&reason.sid).unwrap_or("everyone")),
            Through::Group => {
                let group = self.names.get(&reason.sid);
                let called =
                    group.map_or_else(|| reason.sid.to_string(), |group| group.name.clone());
                format!("as a member of {called}")
            }
        };
        let inherited = if reason.inherited { ", inherited" } else { "" };
        let special = if reason.special {
            ", with a condition or for a kind of object"
        } else {
            ""
        };
        format!("{verb} {how}{inherited}{special}")
    }
}

fn yes_or_no(answer: Option<bool>) -> &'static str {
    match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    }
}

impl List for Accesses {
    fn headline(&self) -> String {
        format!("{}: {}", self.directory, self.totals())
    }

    fn columns(&self) -> Vec<&'static str> {
        vec!["Mailbox", "User", "State", "Why"]
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = Vec<String>> {
        self.rows.iter().map(|row| {
            vec![
                plain(row.mailbox.called()),
                plain(row.user.called()),
                row.relation.state.as_str().to_owned(),
                plain(self.why(row)),
            ]
        })
    }

    fn fields(&self) -> Vec<&'static str> {
        vec![
            "owner",
            "user",
            "state",
            "opens",
            "linked",
            "why",
            "ownerName",
            "ownerAddress",
            "ownerGuid",
            "userName",
            "userAddress",
            "userKind",
            "userSid",
        ]
    }

    fn records(&self) -> impl Iterator<Item = Vec<String>> {
        let address = |party: Option<&Party>| {
            let address = party.and_then(|party| party.address.as_deref());
            plain(address.unwrap_or_default())
        };
        self.rows.iter().map(move |row| {
            let guid = row.mailbox.guid.map(|guid| guid.to_string());
            let (user, sid) = match &row.user {
                User::Known(party, _) => (Some(party), String::new()),
                User::Unknown(sid) => (None, sid.to_string()),
            };
            let of_user = |text: fn(&Party) -> &dyn std::fmt::Display| {
                user.map_or_else(String::new, |party| plain(text(party)))
            };
            vec![
                plain(&row.mailbox.dn),
                of_user(|party| &party.dn),
                row.relation.state.as_str().to_owned(),
                yes_or_no(row.relation.opens).to_owned(),
                yes_or_no(Some(row.relation.linked)).to_owned(),
                plain(self.why(row)),
                plain(&row.mailbox.name),
                address(Some(&row.mailbox)),
                guid.unwrap_or_default(),
                of_user(|party| &party.name),
                address(user),
                row.user.kind().to_owned(),
                sid,
            ]
        })
    }

    fn document(&self) -> impl Serialize {
        ListJson {
            version: 1,
            directory: &self.directory,
            at: clock::for_programs(self.at),
            counts: self.counts(),
            access: self.rows.iter().map(|row| RowJson::of(self, row)).collect(),
            complete: self.gaps.are_none(),
            unread: &self.gaps.unread,
            defects: self.gaps.defects.iter().chain(&self.gaps.notes).collect(),
        }
    }

    fn documents(&self) -> impl Iterator<Item = impl Serialize> {
        self.rows.iter().map(|row| RowJson::of(self, row))
    }

    fn page(&self) -> askama::Result<String> {
        let all = |texts: &[String]| texts.iter().map(plain).collect();
        let rows = self.rows.iter().map(|row| PageRow {
            mailbox: plain(row.mailbox.called()),
            mailbox_dn: plain(&row.mailbox.dn),
            user: plain(row.user.called()),
            user_dn: match &row.user {
                User::Known(party, _) => plain(&party.dn),
                User::Unknown(_) => String::new(),
            },
            state: row.relation.state.as_str(),
            why: plain(self.why(row)),
        });
        Page {
            directory: plain(&self.directory),
            at: clock::for_people(self.at),
            headline: self.totals(),
            unread: all(&self.gaps.unread),
            defects: all(&[self.gaps.defects.as_slice(), &self.gaps.notes].concat()),
            rows: rows.collect(),
        }
        .render()
    }
}

#[derive(Serialize)]
struct ListJson<'a> {
    version: u32,
    directory: &'a str,
    at: String,
    counts: CountsJson,
    access: Vec<RowJson<'a>>,
    complete: bool,
    unread: &'a [String],
    defects: Vec<&'a String>,
}

#[derive(Serialize)]
struct CountsJson {
    relations: usize,
    mailboxes: usize,
    users: usize,
}

#[derive(Serialize)]
struct RowJson<'a> {
    mailbox: PartyJson<'a>,
    user: UserJson<'a>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<bool>,
    linked: bool,
    reasons: Vec<ReasonJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct UserJson<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(flatten)]
    party: Option<PartyJson<'a>>,
}

#[derive(Serialize)]
struct ReasonJson<'a> {
    through: &'static str,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dn: Option<&'a str>,
    allows: bool,
    inherited: bool,
    special: bool,
}

impl<'a> RowJson<'a> {
    fn of(list: &'a Accesses, row: &'a Row) -> Self {
        let relation = &row.relation;
        let (party, sid) = match &row.user {
            User::Known(party, _) => (Some(PartyJson::of(party)), None),
            User::Unknown(sid) => (None, Some(sid.to_string())),
        };
        let reasons = relation.reasons.iter().map(|reason| {
            let party = list.names.get(&reason.sid);
            ReasonJson {
                through: match reason.through {
                    Through::Own => "own",
                    Through::Group => "group",
                    Through::Everyone => "everyone",
                },
                sid: reason.sid.to_string(),
                name: well_known(&reason.sid).or(party.map(|party| party.name.as_str())),
                dn: party.map(|party| party.dn.as_str()),
                allows: reason.allows,
                inherited: reason.inherited,
                special: reason.special,
            }
        });
        Self {
            mailbox: PartyJson::of(&row.mailbox),
            user: UserJson {
                kind: row.user.kind(),
                sid,
                party,
            },
            state: relation.state.as_str(),
            opens: relation.opens,
            linked: relation.linked,
            reasons: reasons.collect(),
            note: relation.note,
        }
    }
}

#[derive(Template)]
#[template(path = "access.html")]
struct Page {
    directory: String,
    at: String,
    headline: String,
    unread: Vec<String>,
    defects: Vec<String>,
    rows: Vec<PageRow>,
}

struct PageRow {
    mailbox: String,
    mailbox_dn: String,
    user: String,
    user_dn: String,
    state: &'static str,
    why: String,
}
