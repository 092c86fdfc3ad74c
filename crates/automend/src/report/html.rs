//! The report as one self-contained page, with a picture of who is affected by whom.
//!
//! There is no script in it, and none could run: what is looked for is found by links within the page, by code
//! and by the container of the owner, and by folding.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

use askama::Template;
use automend_core::dn::Dn;

use super::people::People;

use super::found::{Report, since};
use crate::codes;
use automend_core::display::{plain, plural};
use automend_system::clock;

/// Owners in the picture; more cannot be distinguished.
const MOST_DRAWN: usize = 40;
/// Delegates in the picture.
const MOST_DRAWN_DELEGATES: usize = 60;
/// Height of a name in the picture, in pixels.
const ROW: usize = 26;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    directory: String,
    at: String,
    headline: String,
    owners: u64,
    links: u64,
    delegates: u64,
    affected: String,
    findings: usize,
    groups: Vec<Group>,
    places: Vec<Place>,
    dated: bool,
    unread: Vec<String>,
    defects: Vec<String>,
    picture: Option<Picture>,
}

/// The findings of one code.
struct Group {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
    /// What `automend explain` says.
    explanation: &'static str,
    rows: Vec<Row>,
}

/// The findings whose owners lie in one container, by number and in short.
struct Place {
    name: String,
    found: Vec<(usize, String)>,
}

struct Row {
    number: usize,
    owner: String,
    owner_reached: String,
    owner_dn: String,
    missing: String,
    facts: Vec<(&'static str, String)>,
    since: String,
    delegates: Vec<(String, String)>,
    remedy: &'static str,
}

struct Picture {
    height: usize,
    owners: Vec<Node>,
    delegates: Vec<Node>,
    lines: Vec<(usize, usize)>,
    left_out: usize,
}

struct Node {
    y: usize,
    name: String,
    dn: String,
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let stale = report
        .findings
        .iter()
        .filter(|finding| finding.code.is_stale_link());
    let broken: u64 = stale.map(|finding| finding.delegates.len() as u64).sum();
    let headline = match (broken, report.findings.len()) {
        (0, 0) if !report.gaps.are_none() => {
            "Nothing was found, but not everything could be looked at".to_owned()
        }
        (0, 0) => "Nothing is wrong".to_owned(),
        (0, others) => plural(others as u64, "finding"),
        (broken, _) => format!("{} break Autodiscover", plural(broken, "stale link")),
    };
    let page = Page {
        directory: plain(&report.directory),
        at: clock::for_people(report.at),
        headline,
        owners: report.counts.owners,
        links: report.counts.links,
        delegates: report.counts.delegates,
        affected: plural(affected(report), "user"),
        findings: report.findings.len(),
        groups: groups(report),
        places: places(report),
        dated: report
            .findings
            .iter()
            .any(|finding| since(finding).is_some()),
        unread: report.gaps.unread.iter().map(plain).collect(),
        defects: report
            .gaps
            .defects
            .iter()
            .chain(&report.gaps.notes)
            .map(plain)
            .collect(),
        picture: picture(report),
    };
    let text = page.render().map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

/// How many different users a stale link affects.
fn affected(report: &Report) -> u64 {
    let stale = report
        .findings
        .iter()
        .filter(|finding| finding.code.is_stale_link());
    let users: HashSet<u64> = stale
        .flat_map(|finding| finding.delegates.iter().map(Dn::hash64))
        .collect();
    users.len() as u64
}

/// The findings by code, in the order in which the codes first occur: the worst first.
fn groups(report: &Report) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, finding) in report.findings.iter().enumerate() {
        let code = finding.code.as_str();
        let row = row(number, finding, &report.people);
        match groups.iter_mut().find(|group| group.code == code) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                code,
                severity: finding.code.severity().as_str(),
                title: finding.code.title(),
                explanation: codes::page(finding.code),
                rows: vec![row],
            }),
        }
    }
    groups
}

/// The findings by container, by its name.
fn places(report: &Report) -> Vec<Place> {
    let mut places: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (number, finding) in report.findings.iter().enumerate() {
        let dn = &finding.subject.dn;
        let container = dn.parent().map(|parent| plain(&parent)).unwrap_or_default();
        let short = format!("{} {}", finding.code.as_str(), finding.subject.shown);
        places
            .entry(container)
            .or_default()
            .push((number, plain(short)));
    }
    places
        .into_iter()
        .map(|(name, found)| Place { name, found })
        .collect()
}

fn row(number: usize, finding: &automend_core::finding::Finding, people: &People) -> Row {
    Row {
        number,
        owner: plain(&finding.subject.shown),
        owner_reached: plain(people.behind_name(&finding.subject.dn)),
        owner_dn: plain(&finding.subject.dn),
        missing: finding.evidence.missing.join(", "),
        facts: finding
            .evidence
            .facts
            .iter()
            .map(|(name, value)| (*name, plain(value)))
            .collect(),
        since: since(finding).unwrap_or_default(),
        delegates: finding
            .delegates
            .iter()
            .map(|dn| (plain(dn.shown() + &people.behind_name(dn)), plain(dn)))
            .collect(),
        remedy: finding.code.remedy(),
    }
}

/// Owners of stale links on the left, the users they affected on the right.
fn picture(report: &Report) -> Option<Picture> {
    let stale: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
        .collect();
    if stale.is_empty() {
        return None;
    }
    let node = |i: usize, name: String, dn: &Dn| Node {
        y: ROW / 2 + i * ROW,
        name: shorten(&plain(name)),
        dn: plain(dn),
    };
    let mut owners = Vec::new();
    let mut delegates: Vec<Node> = Vec::new();
    let mut places: HashMap<&Dn, usize> = HashMap::new();
    let mut lines = Vec::new();
    for finding in &stale {
        // An owner without a line would look as if it affected no user.
        let drawn = finding.delegates.iter().any(|dn| places.contains_key(dn));
        let affects = !finding.delegates.is_empty();
        if owners.len() == MOST_DRAWN
            || !affects
            || !drawn && delegates.len() == MOST_DRAWN_DELEGATES
        {
            continue;
        }
        let i = owners.len();
        let owner = node(i, finding.subject.shown.clone(), &finding.subject.dn);
        for dn in &finding.delegates {
            let place = match places.get(dn) {
                Some(place) => *place,
                None if delegates.len() < MOST_DRAWN_DELEGATES => {
                    delegates.push(node(delegates.len(), dn.shown(), dn));
                    places.insert(dn, delegates.len() - 1);
                    delegates.len() - 1
                }
                None => continue,
            };
            if let Some(delegate) = delegates.get(place) {
                lines.push((owner.y, delegate.y));
            }
        }
        owners.push(owner);
    }
    let all: usize = stale.iter().map(|finding| finding.delegates.len()).sum();
    Some(Picture {
        height: owners.len().max(delegates.len()) * ROW,
        left_out: all - lines.len(),
        owners,
        delegates,
        lines,
    })
}

fn shorten(name: &str) -> String {
    const MOST: usize = 34;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}
