//! What the server holds, and what an honest server answers out of it.

use std::collections::{HashMap, HashSet};

use super::ber::{ber, octets};
use super::codec::{PAGED, message_of, outcome, text};
use super::{Change, Filter, Op, Request, Search};

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
    /// Attributes that the account may not read.
    pub(crate) hidden: Vec<String>,
}

impl Object {
    pub(crate) fn new(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let mut object = Self {
            dn: dn.to_owned(),
            attributes: Vec::new(),
            hidden: Vec::new(),
        };
        for (name, value) in attributes {
            object.values_mut(name).push(value.as_bytes().to_vec());
        }
        object
    }

    /// A mailbox.
    pub(crate) fn mailbox(name: &str) -> Self {
        let lower = name.to_lowercase();
        Self::new(
            &format!("CN={name},{BASE}"),
            &[
                ("objectClass", "user"),
                ("displayName", name),
                ("mail", &format!("{lower}@contoso.test")),
                ("legacyExchangeDN", &format!("/o=Contoso/cn={lower}")),
                ("msExchMailboxGuid", "0123456789abcdef"),
                ("homeMDB", &format!("CN=DB1,{BASE}")),
            ],
        )
    }

    /// An account whose mailbox was disabled.
    pub(crate) fn disabled(name: &str) -> Self {
        Self::new(
            &format!("CN={name},{BASE}"),
            &[("objectClass", "user"), ("displayName", name)],
        )
    }

    /// The same, with links to these delegates.
    pub(crate) fn opened_for<S: AsRef<str>>(
        mut self,
        delegates: impl IntoIterator<Item = S>,
    ) -> Self {
        for delegate in delegates {
            let dn = format!("CN={},{BASE}", delegate.as_ref());
            self.values_mut(LINK).push(dn.into_bytes());
        }
        self
    }

    /// The same, with back links to these owners.
    pub(crate) fn opens<S: AsRef<str>>(mut self, owners: impl IntoIterator<Item = S>) -> Self {
        for owner in owners {
            let dn = format!("CN={},{BASE}", owner.as_ref());
            self.values_mut("msExchDelegateListBL")
                .push(dn.into_bytes());
        }
        self
    }

    /// The same, with an attribute that the account may not read.
    pub(crate) fn hiding(mut self, attribute: &str) -> Self {
        self.hidden.push(attribute.to_owned());
        self
    }

    /// The values of an attribute, to be changed.
    pub(crate) fn values_mut(&mut self, name: &str) -> &mut Vec<Vec<u8>> {
        let at = self
            .attributes
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
            .unwrap_or_else(|| {
                self.attributes.push((name.to_owned(), Vec::new()));
                self.attributes.len() - 1
            });
        &mut self.attributes[at].1
    }

    fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values)
    }

    fn matches(&self, filter: &Filter) -> bool {
        if !self.hidden.is_empty() {
            return self.decides(filter) == Some(true);
        }
        // Thousands of objects are looked at thousands of times.
        match filter {
            Filter::And(all) => all.iter().all(|one| self.matches(one)),
            Filter::Or(any) => any.iter().any(|one| self.matches(one)),
            Filter::Not(other) => !self.matches(other),
            Filter::Present(name) => {
                name.eq_ignore_ascii_case("objectClass") || !self.values(name).is_empty()
            }
            Filter::Equal(name, value) => {
                let mut own = self.values(name).iter();
                own.any(|own| own.eq_ignore_ascii_case(value))
            }
        }
    }

    /// `None` is Undefined: what may not be read is neither there nor absent (RFC 4511 4.5.1.7).
    fn decides(&self, filter: &Filter) -> Option<bool> {
        let hidden = |name: &str| self.hidden.iter().any(|one| one.eq_ignore_ascii_case(name));
        let all = |filters: &[Filter], end: bool| {
            let decided: Vec<_> = filters.iter().map(|one| self.decides(one)).collect();
            match () {
                () if decided.contains(&Some(end)) => Some(end),
                () if decided.contains(&None) => None,
                () => Some(!end),
            }
        };
        match filter {
            Filter::And(filters) => all(filters, false),
            Filter::Or(filters) => all(filters, true),
            Filter::Not(other) => self.decides(other).map(|is| !is),
            Filter::Present(name) | Filter::Equal(name, _) if hidden(name) => None,
            Filter::Present(name) => {
                Some(name.eq_ignore_ascii_case("objectClass") || !self.values(name).is_empty())
            }
            Filter::Equal(name, value) => {
                let mut own = self.values(name).iter();
                Some(own.any(|own| own.eq_ignore_ascii_case(value)))
            }
        }
    }
}

/// The one naming context.
pub(crate) const BASE: &str = "DC=contoso,DC=test";

pub(crate) const LINK: &str = "msExchDelegateListLink";

/// What the server holds, and its limits.
#[derive(Debug)]
pub(crate) struct Held {
    /// The naming context.
    pub(crate) context: String,
    pub(crate) objects: Vec<Object>,
    /// Values of one attribute in one answer; AD calls it MaxValRange.
    pub(crate) values_at_once: usize,
    /// Entries in one page, whatever is asked for; AD calls it MaxPageSize.
    pub(crate) page_at_most: usize,
    /// Everything that was asked, in order.
    pub(crate) asked: Vec<Request>,
    /// Where an object was by its name: thousands are asked for one by one.
    pub(super) places: HashMap<String, usize>,
}

impl Held {
    /// Where the object with this name, in small letters, is.
    fn place(&mut self, dn: &str) -> Option<usize> {
        let is_there = |held: &Self| {
            let at = held.places.get(dn).copied()?;
            let same = held.objects.get(at)?.dn.eq_ignore_ascii_case(dn);
            same.then_some(at)
        };
        // A script may have put objects elsewhere.
        is_there(self).or_else(|| {
            let names = self.objects.iter().enumerate();
            self.places = names.map(|(at, o)| (o.dn.to_lowercase(), at)).collect();
            is_there(self)
        })
    }

    /// The links of an owner.
    #[track_caller]
    pub(crate) fn links(&mut self, owner: &str) -> &mut Vec<Vec<u8>> {
        let dn = format!("CN={owner},{BASE}");
        let object = self
            .objects
            .iter_mut()
            .find(|object| object.dn == dn)
            .unwrap();
        object.values_mut(LINK)
    }

    /// Passwords that arrived, with whether they came over TLS.
    pub(crate) fn passwords(&self) -> Vec<(String, bool)> {
        self.asked
            .iter()
            .filter_map(|request| match &request.op {
                Op::Bind { password, .. } => Some((password.clone(), request.protected)),
                _ => None,
            })
            .collect()
    }
}

/// The messages with which an honest server answers; the last one is the result.
pub(super) fn answered(request: &Request, held: &mut Held) -> Vec<Vec<u8>> {
    let result = |code, text: &str| {
        vec![message_of(
            request.id,
            &outcome(&request.op, code, text, None),
            None,
        )]
    };
    match &request.op {
        Op::Search(search) => searched(request, search, held),
        Op::Modify { dn, changes } => {
            let code = modified(dn, changes, held);
            result(code, "")
        }
        Op::Bind { .. } => result(0, ""),
        Op::Unbind | Op::Extended { .. } | Op::Other => Vec::new(),
    }
}

fn searched(request: &Request, search: &Search, held: &mut Held) -> Vec<Vec<u8>> {
    let root = [
        ("namingContexts", &*held.context),
        ("supportedControl", PAGED),
    ];
    let root = Object::new("", &root);
    let base = normal(&search.base);
    let found: Vec<&Object> = match search.scope {
        0 if base.is_empty() => vec![&root],
        0 => {
            let Some(at) = held.place(&base) else {
                let none = outcome(&request.op, 32, "", None);
                return vec![message_of(request.id, &none, None)];
            };
            let object = held.objects.get(at).into_iter();
            object
                .filter(|object| object.matches(&search.filter))
                .collect()
        }
        _ => held
            .objects
            .iter()
            .filter(|object| normal(&object.dn).ends_with(&base))
            .filter(alternatives(&search.filter))
            .collect(),
    };
    let (size, from): (usize, usize) = match &request.page {
        Some((size, cookie)) => (
            (*size).min(held.page_at_most),
            text(cookie).parse().unwrap_or(0),
        ),
        None => (usize::MAX, 0),
    };
    let to = found.len().min(from.saturating_add(size));
    let mut messages: Vec<Vec<u8>> = found[from..to]
        .iter()
        .map(|object| {
            message_of(
                request.id,
                &entry(object, &search.attributes, held.values_at_once),
                None,
            )
        })
        .collect();
    let cookie = if to < found.len() {
        to.to_string()
    } else {
        String::new()
    };
    let cookie = request.page.as_ref().map(|_| cookie.as_bytes());
    messages.push(message_of(
        request.id,
        &outcome(&request.op, 0, "", None),
        cookie,
    ));
    messages
}

/// What selects the objects that a filter matches; many alternatives are looked up, not tried in turn.
fn alternatives(filter: &Filter) -> impl Fn(&&Object) -> bool {
    let mut wanted: HashMap<String, HashSet<Vec<u8>>> = HashMap::new();
    let all_equal = match filter {
        Filter::Or(any) => any.iter().all(|one| match one {
            Filter::Equal(name, value) => {
                let values = wanted.entry(name.to_lowercase()).or_default();
                values.insert(value.to_ascii_lowercase());
                true
            }
            _ => false,
        }),
        _ => false,
    };
    move |object| {
        if !all_equal || !object.hidden.is_empty() {
            return object.matches(filter);
        }
        wanted.iter().any(|(name, wanted)| {
            let mut values = object.values(name).iter();
            values.any(|value| wanted.contains(&value.to_ascii_lowercase()))
        })
    }
}

/// One entry with the attributes asked for; long ones come in ranges ([MS-ADTS] 3.1.1.3.1.3.3).
fn entry(object: &Object, wanted: &[String], at_once: usize) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, values) in &object.attributes {
        let asked = wanted.iter().find_map(|text| {
            let (base, option) = text.split_once(';').unwrap_or((text, ""));
            base.eq_ignore_ascii_case(name).then_some(option)
        });
        let Some(option) = asked.or_else(|| wanted.is_empty().then_some("")) else {
            continue;
        };
        let from: usize = option
            .strip_prefix("range=")
            .and_then(|range| range.split_once('-'))
            .map_or(0, |(from, _)| from.parse().unwrap_or(0));
        let to = values.len().min(from.saturating_add(at_once));
        let described = match (from, to) {
            (0, to) if to == values.len() => name.clone(),
            (from, to) if to == values.len() => format!("{name};range={from}-*"),
            (from, to) => format!("{name};range={from}-{}", to - 1),
        };
        if values.is_empty()
            || object
                .hidden
                .iter()
                .any(|one| one.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let values: Vec<u8> = values
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .flat_map(octets)
            .collect();
        list.extend(ber(0x30, &[&octets(described), &ber(0x31, &[&values])]));
    }
    ber(0x64, &[&octets(&object.dn), &ber(0x30, &[&list])])
}

/// Applies all of the changes, or none of them.
fn modified(dn: &str, changes: &[Change], held: &mut Held) -> u8 {
    let Some(object) = held.objects.iter_mut().find(|object| same(&object.dn, dn)) else {
        return 32;
    };
    let mut copy = object.clone();
    for Change {
        operation,
        attribute,
        values,
    } in changes
    {
        let own = copy.values_mut(attribute);
        let key = |value: &Vec<u8>| normal(&String::from_utf8_lossy(value));
        let mut there: HashSet<String> = own.iter().map(key).collect();
        match operation {
            0 => {
                for value in values {
                    if !there.insert(key(value)) {
                        return 20;
                    }
                    own.push(value.clone());
                }
            }
            1 => {
                let gone: HashSet<String> = values.iter().map(key).collect();
                if !gone.is_subset(&there) {
                    return 16;
                }
                own.retain(|value| !gone.contains(&key(value)));
            }
            2 => own.clone_from(values),
            _ => return 53,
        }
    }
    *object = copy;
    0
}

fn normal(dn: &str) -> String {
    dn.to_lowercase().replace(", ", ",")
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (a.contains(", ") || b.contains(", ")) && normal(a) == normal(b)
}
