//! Which attributes of an object an answer holds, and how many of their values.
//!
//! Specification: RFC 4511 4.5.1.8, [MS-ADTS] 3.1.1.3.1.3.3 (range retrieval). A Windows controller
//! cuts every list at `MaxValRange` values, asked or not; Samba doesn't.
//!
//! Invariant: no attribute of an answer has more values than the limit.

use automend_ldap::Filter;

use super::matching;
use crate::object::Object;
use crate::reading::Links;
use crate::schema::{self, Link};

/// What a search asked for.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    all: bool,
    named: Vec<Asked>,
    types_only: bool,
    max_values: usize,
}

#[derive(Clone, Debug)]
struct Asked {
    /// As the client spelled it, without options.
    name: String,
    range: Option<(usize, Option<usize>)>,
}

impl Selection {
    /// Reads the attribute list of a search; an empty one asks for all, `1.1` for none.
    pub(super) fn new(attributes: &[String], types_only: bool, max_values: usize) -> Self {
        let mut selection = Self {
            all: attributes.is_empty(),
            named: Vec::new(),
            types_only,
            max_values,
        };
        for attribute in attributes {
            let (name, option) = attribute.split_once(';').unwrap_or((attribute, ""));
            match name {
                "*" => selection.all = true,
                // Nothing here is operational in the sense of RFC 3673; Active Directory says the same.
                "+" | "1.1" => {}
                name => selection.named.push(Asked {
                    name: name.to_owned(),
                    range: range(option),
                }),
            }
        }
        selection
    }

    /// Whether an attribute is asked for by its name.
    pub(super) fn names(&self, attribute: &str) -> bool {
        self.named
            .iter()
            .any(|asked| asked.name.eq_ignore_ascii_case(attribute))
    }

    /// The links to read, for the answer and for the filter.
    pub(super) fn links(&self, filter: &Filter, also: Option<&str>) -> Links {
        if self.all {
            return Links::All;
        }
        let mut names: Vec<&str> = self.named.iter().map(|asked| asked.name.as_str()).collect();
        matching::attributes(filter, &mut names);
        names.extend(also);
        let mut kinds: Vec<Link> = Vec::new();
        for link in names
            .into_iter()
            .filter_map(schema::find)
            .map(|known| known.link)
        {
            if link != Link::None && !kinds.contains(&link) {
                kinds.push(link);
            }
        }
        Links::Only(kinds)
    }

    /// What the answer holds of an object.
    pub(super) fn pick(&self, object: &Object) -> Vec<(String, Vec<Vec<u8>>)> {
        let mut picked = Vec::new();
        for (name, values) in &object.attributes {
            let asked = self.named.iter().find(|asked| {
                asked.name.eq_ignore_ascii_case(name)
                    || schema::find(&asked.name).is_some_and(|known| known.name == name)
            });
            match asked {
                Some(Asked {
                    range: Some((from, to)),
                    ..
                }) => {
                    picked.push(self.part(name, values, *from, *to));
                }
                None if !self.all => {}
                _ if values.len() > self.max_values => {
                    // Windows lists the attribute itself too, without values.
                    picked.push((name.clone(), Vec::new()));
                    picked.push(self.part(name, values, 0, None));
                }
                _ => picked.push((name.clone(), self.held(values))),
            }
        }
        picked
    }

    fn held(&self, values: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if self.types_only {
            Vec::new()
        } else {
            values.to_vec()
        }
    }

    /// Values `from` to `to`, both counted, under the name that says which they are.
    fn part(
        &self,
        name: &str,
        values: &[Vec<u8>],
        from: usize,
        to: Option<usize>,
    ) -> (String, Vec<Vec<u8>>) {
        let most = from.saturating_add(self.max_values);
        let end = to.map_or(most, |to| to.saturating_add(1).min(most));
        let part = values
            .get(from..end.min(values.len()).max(from))
            .unwrap_or_default();
        let name = if end >= values.len() {
            format!("{name};range={from}-*")
        } else {
            format!("{name};range={from}-{}", end.saturating_sub(1))
        };
        (name, self.held(part))
    }
}

fn range(option: &str) -> Option<(usize, Option<usize>)> {
    let (key, value) = option.split_once('=')?;
    if !key.eq_ignore_ascii_case("range") {
        return None;
    }
    let (from, to) = value.split_once('-')?;
    let from = from.parse().ok()?;
    match to {
        "*" => Some((from, None)),
        to => {
            let to: usize = to.parse().ok()?;
            (from <= to).then_some((from, Some(to)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::dn::Dn;

    #[test]
    fn a_list_is_cut_where_windows_cuts_it() {
        let object = |count: usize| Object {
            id: 1,
            dn: Dn::parse("CN=x").unwrap(),
            guid: [0; 16],
            deleted: false,
            attributes: vec![
                ("cn".to_owned(), vec![b"x".to_vec()]),
                (
                    "member".to_owned(),
                    (0..count).map(|i| i.to_string().into_bytes()).collect(),
                ),
            ],
        };
        for (count, asked, expected) in [
            (3, &["member"][..], &[("member", 3)][..]),
            (1500, &["MEMBER"], &[("member", 1500)]),
            (
                1501,
                &["member"],
                &[("member", 0), ("member;range=0-1499", 1500)],
            ),
            (
                1501,
                &[],
                &[("cn", 1), ("member", 0), ("member;range=0-1499", 1500)],
            ),
            (
                1501,
                &["member;range=0-*"],
                &[("member;range=0-1499", 1500)],
            ),
            (
                1501,
                &["member;range=1500-*"],
                &[("member;range=1500-*", 1)],
            ),
            (1501, &["member;Range=0-9"], &[("member;range=0-9", 10)]),
            (
                4000,
                &["member;range=1000-3999"],
                &[("member;range=1000-2499", 1500)],
            ),
            (
                1501,
                &["member;range=1400-2000"],
                &[("member;range=1400-*", 101)],
            ),
            (3, &["member;range=5000-*"], &[("member;range=5000-*", 0)]),
            (
                3,
                &["member;range=0-*", "*"],
                &[("cn", 1), ("member;range=0-*", 3)],
            ),
            (3, &["1.1"], &[]),
            (3, &["2.5.4.31"], &[("member", 3)]),
            (0, &["displayName"], &[]),
        ] {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            let picked = Selection::new(&asked, false, 1500).pick(&object(count));
            let found: Vec<(&str, usize)> = picked
                .iter()
                .map(|(name, values)| (name.as_str(), values.len()))
                .collect();
            assert_eq!(found, expected, "{count} {asked:?}");
        }
    }
}
