//! From findings to changes: which values leave which forward links; and what is written to one owner.
//!
//! Only `msExchDelegateListLink` and `msExchMailboxSecurityDescriptor` of an owner are ever written, and what
//! makes it a mailbox (see [`crate::mailbox`]) on an embedded directory; and only values that were read are
//! taken away or replaced, so an edit can always be undone by its inverse.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dn::Dn;
use crate::entry::Entry;
use crate::finding::{Code, Finding, Subject};
use crate::mailbox::Rewritten;
use crate::names::Guid;
use crate::owner::{self, Owner};

/// What names an object, and finds it again when it was renamed in between.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectRef {
    /// Its name when it was read; files have it as `owner`.
    #[serde(rename = "owner")]
    pub dn: Dn,
    /// What stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
}

/// What a plan does to one owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The owner whose forward link is written.
    pub owner: ObjectRef,
    /// What the owner is called.
    pub shown: String,
    /// Why.
    pub code: Code,
    /// The values to take away.
    pub delegates: Vec<Dn>,
}

/// What is written to one owner, or was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkChange {
    /// The owner.
    pub owner: ObjectRef,
    /// What becomes of it.
    pub edit: Edit,
}

/// What is written to an owner, all of it or nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Edit {
    /// Values of the forward link that are taken away; files have them as `delegates`.
    #[serde(rename = "delegates")]
    pub remove: Vec<Dn>,
    /// Values of the forward link that are added; files have them as `added`.
    #[serde(rename = "added", default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Dn>,
    /// Who may open the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Replaced>,
    /// What makes it a mailbox; on an embedded directory only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Rewritten>,
}

/// A value of `msExchMailboxSecurityDescriptor` in the place of another; files have both in base64.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Replaced {
    /// What was read; there may have been none.
    #[serde(
        serialize_with = "to_base64",
        deserialize_with = "from_base64",
        default
    )]
    pub before: Option<Vec<u8>>,
    /// What takes its place, if anything does.
    #[serde(
        serialize_with = "to_base64",
        deserialize_with = "from_base64",
        default
    )]
    pub after: Option<Vec<u8>>,
}

#[expect(clippy::ref_option, reason = "serde calls it with the field")]
fn to_base64<S: Serializer>(value: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    let text = value.as_ref().map(|bytes| STANDARD.encode(bytes));
    text.serialize(to)
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let bytes = text.map(|text| STANDARD.decode(text));
    bytes.transpose().map_err(D::Error::custom)
}

impl ObjectRef {
    /// What to call the object in a request: by its GUID, where the directory understands that form of a
    /// name ([MS-ADTS] 3.1.1.3.1.2.4).
    pub fn live_name(&self, by_guid: bool) -> String {
        match self.guid {
            Some(guid) if by_guid => format!("<GUID={guid}>"),
            _ => self.dn.to_string(),
        }
    }
}

impl From<&Entry> for ObjectRef {
    fn from(entry: &Entry) -> Self {
        Self {
            dn: entry.dn.clone(),
            guid: entry.guid,
        }
    }
}

impl From<&Subject> for ObjectRef {
    fn from(subject: &Subject) -> Self {
        Self {
            dn: subject.dn.clone(),
            guid: subject.guid,
        }
    }
}

impl Edit {
    /// Takes values of the forward link away.
    pub fn removing(values: &[Dn]) -> Self {
        Self {
            remove: values.to_vec(),
            ..Self::default()
        }
    }

    /// Adds values to the forward link.
    pub fn adding(values: &[Dn]) -> Self {
        Self {
            add: values.to_vec(),
            ..Self::default()
        }
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        self.links() == 0 && self.descriptor.is_none() && self.attributes.is_empty()
    }

    /// How many links it takes away or adds.
    pub fn links(&self) -> usize {
        self.remove.len() + self.add.len()
    }

    /// What brings back the state before.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            remove: self.add.clone(),
            add: self.remove.clone(),
            descriptor: self.descriptor.as_ref().map(|replaced| Replaced {
                before: replaced.after.clone(),
                after: replaced.before.clone(),
            }),
            attributes: self.attributes.iter().map(Rewritten::inverse).collect(),
        }
    }

    /// What is left to do on an owner as it is now; `None` where its descriptor or another attribute is
    /// neither what was read nor what takes its place.
    pub fn left(&self, owner: &Entry) -> Option<Self> {
        let there: HashSet<&Dn> = owner.forward_links.iter().collect();
        let now = owner.mailbox_descriptor.as_deref();
        let descriptor = match &self.descriptor {
            Some(replaced) if replaced.after.as_deref() == now => None,
            Some(replaced) if replaced.before.as_deref() != now => return None,
            replaced => replaced.clone(),
        };
        let mut attributes = Vec::new();
        for one in &self.attributes {
            let mut now: Vec<&[u8]> = owner.written(one.attribute).collect();
            now.sort_unstable();
            let is = |values: &[Vec<u8>]| {
                let mut values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
                values.sort_unstable();
                values == now
            };
            if is(&one.after) {
                continue;
            }
            if !is(&one.before) {
                return None;
            }
            attributes.push(one.clone());
        }
        let wanted: HashSet<&Dn> = self.remove.iter().collect();
        // In the directory's own spelling, which it is sure to understand.
        let remove = owner
            .forward_links
            .iter()
            .filter(|link| wanted.contains(link));
        let add = self.add.iter().filter(|value| !there.contains(value));
        Some(Self {
            remove: remove.cloned().collect(),
            add: add.cloned().collect(),
            descriptor,
            attributes,
        })
    }

    /// Whether an owner is as it is afterwards; one that is not there has no link and no descriptor.
    pub fn is_done(&self, owner: Option<&Entry>) -> bool {
        if let Some(owner) = owner {
            return self.left(owner).is_some_and(|left| left.is_empty());
        }
        let without = |replaced: &Replaced| replaced.after.is_none();
        self.add.is_empty()
            && self.descriptor.as_ref().is_none_or(without)
            && self.attributes.iter().all(|one| one.after.is_empty())
    }
}

/// Which of the stale links a plan covers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// Only links of these owners; none means all.
    pub owners: Vec<Dn>,
    /// Only links to these delegates; none means all.
    pub delegates: Vec<Dn>,
    /// Also links of mail users whose mailbox is most likely elsewhere (AM116), which no plan has otherwise.
    pub elsewhere: bool,
    /// Also links without permission (AM107).
    pub ghosts: bool,
}

/// Makes the changes that fix every stale link among `findings`, in their order.
///
/// An owner that does not exist has no forward link to write; its finding makes no change.
pub fn changes(findings: &[Finding], selection: &Selection) -> Vec<Change> {
    let chosen = |all: &[Dn], one: &Dn| all.is_empty() || all.contains(one);
    findings
        .iter()
        .filter(|finding| {
            finding.code.is_stale_link() && finding.code != Code::OwnerGone
                || selection.elsewhere && finding.code == Code::OwnerElsewhere
                || selection.ghosts && finding.code == Code::LinkWithoutPermission
        })
        .filter(|finding| chosen(&selection.owners, &finding.subject.dn))
        .filter_map(|finding| {
            let delegates: Vec<Dn> = finding
                .delegates
                .iter()
                .filter(|dn| chosen(&selection.delegates, dn))
                .cloned()
                .collect();
            (!delegates.is_empty()).then(|| Change {
                owner: ObjectRef::from(&finding.subject),
                shown: finding.subject.shown.clone(),
                code: finding.code,
                delegates,
            })
        })
        .collect()
}

impl Change {
    /// Why the owner as it is now must be left alone, if it must.
    pub fn objection(&self, now: &Entry) -> Option<String> {
        let is_ghost = self.code == Code::LinkWithoutPermission;
        match Owner::of(now) {
            Owner::Mailbox if is_ghost => None,
            Owner::Stale(_) | Owner::Remote if is_ghost => {
                Some("the owner has no mailbox here any more".to_owned())
            }
            Owner::Stale(_) => None,
            Owner::Remote if self.code == Code::OwnerElsewhere && owner::is_kept_elsewhere(now) => {
                None
            }
            Owner::Mailbox | Owner::Remote => Some("the owner has a mailbox again".to_owned()),
            Owner::Undecided(attributes) => {
                Some(format!("{} cannot be read", attributes.join(", ")))
            }
        }
    }

    /// The values that the owner has now, in the directory's own spelling.
    pub fn present(&self, now: &Entry) -> Vec<Dn> {
        let wanted: HashSet<&Dn> = self.delegates.iter().collect();
        let links = now.forward_links.iter();
        links
            .filter(|link| wanted.contains(link))
            .cloned()
            .collect()
    }

    /// The links that stay when this change is applied to `links`.
    pub fn apply(&self, links: &[Dn]) -> Vec<Dn> {
        links
            .iter()
            .filter(|link| !self.delegates.contains(link))
            .cloned()
            .collect()
    }

    /// The links that are there again when this change, applied before, is undone on `links`.
    pub fn undo(&self, links: &[Dn]) -> Vec<Dn> {
        let absent = self
            .delegates
            .iter()
            .filter(|delegate| !links.contains(delegate));
        links.iter().chain(absent).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(name: &str) -> Dn {
        Dn::parse(&format!("CN={name},DC=c")).unwrap()
    }

    fn owner(links: &[&str], descriptor: Option<&[u8]>) -> Entry {
        let mut entry = Entry::bare(dn("Jim"));
        entry.forward_links = links.iter().map(|name| dn(name)).collect();
        entry.mailbox_descriptor = descriptor.map(Into::into);
        entry
    }

    #[test]
    fn what_is_left_of_an_edit_is_what_was_not_done_and_nothing_where_another_was_faster() {
        let edit = Edit {
            remove: vec![dn("a")],
            add: vec![dn("b")],
            descriptor: Some(Replaced {
                before: None,
                after: Some(b"new".to_vec()),
            }),
            attributes: Vec::new(),
        };
        assert_eq!(edit.left(&owner(&["a", "c"], None)), Some(edit.clone()));
        let half = edit.left(&owner(&["a", "b"], Some(b"new"))).unwrap();
        assert_eq!(half, Edit::removing(&[dn("a")]));
        assert_eq!(edit.left(&owner(&["a"], Some(b"other"))), None);
        let (before, after) = (owner(&["a", "c"], None), owner(&["b", "c"], Some(b"new")));
        assert!(edit.is_done(Some(&after)) && !edit.is_done(Some(&before)));
        assert!(edit.inverse().is_done(Some(&before)) && !edit.inverse().is_done(Some(&after)));
        assert!(!edit.is_done(None) && Edit::removing(&[dn("a")]).is_done(None));
        assert_eq!(edit.inverse().inverse(), edit);
    }

    #[test]
    fn attributes_of_a_mailbox_are_written_whole_and_only_those() {
        let edit = Edit {
            attributes: vec![Rewritten {
                attribute: "mail",
                before: vec![b"a".to_vec(), b"b".to_vec()],
                after: Vec::new(),
            }],
            ..Edit::default()
        };
        let now = |values: &[&str]| {
            let mut entry = owner(&[], None);
            let values = values
                .iter()
                .map(|value| ("mail", value.as_bytes().to_vec()));
            entry.written.extend(values);
            entry
        };
        assert_eq!(edit.left(&now(&["b", "a"])), Some(edit.clone()));
        assert!(edit.is_done(Some(&now(&[]))) && edit.is_done(None));
        assert!(edit.inverse().is_done(Some(&now(&["a", "b"]))));
        assert_eq!(edit.left(&now(&["a"])), None);
        let json = serde_json::to_string(&edit).unwrap();
        assert_eq!(
            json,
            r#"{"delegates":[],"attributes":[{"attribute":"mail","before":["YQ==","Yg=="],"after":[]}]}"#
        );
        assert_eq!(serde_json::from_str::<Edit>(&json).unwrap(), edit);
        let other = json.replace("\"mail\"", "\"userAccountControl\"");
        let error = serde_json::from_str::<Edit>(&other).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no attribute that is ever written"),
            "{error}"
        );
    }

    #[test]
    fn an_edit_of_an_owner_is_json_and_reads_back() {
        #[derive(Debug, Deserialize, PartialEq, Serialize)]
        struct Line {
            #[serde(flatten)]
            owner: ObjectRef,
            #[serde(flatten)]
            edit: Edit,
        }
        let owner = ObjectRef {
            dn: Dn::parse(r"CN=Stone\, Jim,DC=c").unwrap(),
            guid: Guid::parse("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        };
        let mut edit = Edit::removing(&[dn("Zoë")]);
        let line = Line {
            owner: owner.clone(),
            edit: edit.clone(),
        };
        let removal = r#"{"owner":"CN=Stone\\, Jim,DC=c","guid":"6f9619ff-8b86-d011-b42d-00c04fc964ff","delegates":["CN=Zoë,DC=c"]}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), removal);
        assert_eq!(serde_json::from_str::<Line>(removal).unwrap(), line);
        edit.add = vec![dn("b")];
        edit.descriptor = Some(Replaced {
            before: None,
            after: Some(b"new".to_vec()),
        });
        let whole = removal.replace(
            "]}",
            r#"],"added":["CN=b,DC=c"],"descriptor":{"before":null,"after":"bmV3"}}"#,
        );
        let line = Line { owner, edit };
        assert_eq!(serde_json::to_string(&line).unwrap(), whole);
        assert_eq!(serde_json::from_str::<Line>(&whole).unwrap(), line);
        for (text, expected) in [
            (
                r#"{"owner":"CN=Jim","delegates":["no name"]}"#,
                "\"no name\": ",
            ),
            (
                r#"{"owner":"CN=Jim","guid":"x","delegates":[]}"#,
                "\"x\" is no GUID",
            ),
            (
                r#"{"owner":"CN=Jim","owner":"CN=Eve","delegates":[]}"#,
                "duplicate field",
            ),
            (r#"{"delegates":[]}"#, "missing field `owner`"),
            (r#"{"owner":"CN=Jim"}"#, "missing field `delegates`"),
        ] {
            let error = serde_json::from_str::<Line>(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn an_object_is_named_by_its_guid_where_it_has_one_that_is_understood() {
        let guid = Guid::parse("6f9619ff-8b86-d011-b42d-00c04fc964ff");
        let jim = ObjectRef {
            dn: dn("Jim"),
            guid,
        };
        assert_eq!(
            jim.live_name(true),
            "<GUID=6f9619ff-8b86-d011-b42d-00c04fc964ff>"
        );
        assert_eq!(jim.live_name(false), "CN=Jim,DC=c");
        let nameless = ObjectRef { guid: None, ..jim };
        assert_eq!(nameless.live_name(true), "CN=Jim,DC=c");
    }
}
