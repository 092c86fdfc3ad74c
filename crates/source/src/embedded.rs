//! The embedded directory as a source: a redb file on this machine, read from one snapshot a question.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use automend_core::checks::configuration::Installed;
use automend_core::dn::Dn;
use automend_core::entry::{ATTRIBUTES, Defect, Entry};
use automend_core::names::{Guid, attribute};
use automend_core::view::{Answer, Known, Need, View};
use automend_directory::{Directory, Object, Reading, UNREAD};

use super::sink::Owners;
use super::topology::Topology;
use super::typed::texts;

/// An embedded directory; clones read the same one.
#[derive(Clone)]
pub struct Embedded {
    /// The file.
    pub directory: Directory,
    /// What it is called.
    pub shown: String,
    /// Values that could not be used.
    pub defects: Vec<Defect>,
    /// Whether owners are read without their delegates and their own owners, which only those need who
    /// follow them further.
    pub lean: bool,
    places: Arc<Mutex<PlacesThen>>,
}

/// What is wrong with a value that an import could not read.
const NEVER_READ: &str = "a value could not be read in the file that it was imported from";

/// Databases and servers, and after how many commits they were so.
#[derive(Default)]
struct PlacesThen {
    known: Option<(u64, Arc<Topology>)>,
}

impl Embedded {
    /// Opens the directory in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let shown = folder.display().to_string();
        let directory =
            Directory::open(folder).with_context(|| format!("opening the directory in {shown}"))?;
        Ok(Self {
            directory,
            shown,
            defects: Vec::new(),
            lean: false,
            places: Arc::default(),
        })
    }

    /// Hands every owner to `sink`.
    pub fn owners(&mut self, sink: &mut impl Owners) -> Result<()> {
        let reading = self.reading()?;
        for owner in reading.owners()? {
            let owner = owner?;
            // The owner again, with its other links: the database is one.
            if let Some(object) = reading.by_id(owner.id)? {
                sink.owner(entry(&object, &mut self.defects))?;
            }
        }
        Ok(())
    }

    /// Hands every object to `sink`.
    pub fn everybody(&mut self, sink: &mut impl Owners) -> Result<()> {
        let reading = self.reading()?;
        let everything = reading.subtree(&Dn::root(), automend_directory::Scope::Subtree)?;
        for object in everything.with_links(ATTRIBUTES) {
            sink.owner(entry(&object?, &mut self.defects))?;
        }
        Ok(())
    }

    /// Whether there is a user.
    pub fn has_user(&self) -> Result<bool> {
        let reading = self.reading()?;
        let everything = reading.subtree(&Dn::root(), automend_directory::Scope::Subtree)?;
        for object in everything.with_links(&[]) {
            let object = object?;
            let mut classes = object.values(attribute::OBJECT_CLASS).iter();
            if classes.any(|class| super::seen::Seen::is_user(class)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes each owner of which a link could not be read: it may be a link to anybody.
    pub fn tell_unread_owners(&mut self) -> Result<()> {
        for owner in self.reading()?.unread_owners()? {
            self.defects.push(Defect {
                dn: owner.to_string(),
                attribute: attribute::DELEGATE_LIST_LINK.to_owned(),
                what: NEVER_READ.to_owned(),
            });
        }
        Ok(())
    }

    /// Mailbox databases and servers, as the configuration has them.
    pub fn places(&self) -> Result<Topology> {
        let reading = self.reading()?;
        let mut places = Topology::known();
        for context in reading.naming_contexts()? {
            if !context.rdn().eq_ignore_ascii_case("CN=Configuration") {
                continue;
            }
            let everything = reading.subtree(&context, automend_directory::Scope::Subtree)?;
            for object in everything.with_links(&[]) {
                let object = object?;
                for class in object.values(attribute::OBJECT_CLASS) {
                    let values = |name: &str| texts(object.values(name).iter().map(Vec::as_slice));
                    places.extend(Installed::of(class, &object.dn, values));
                }
            }
        }
        Ok(places)
    }

    /// The same, read again only when something was committed.
    fn known_places(&self) -> Result<Arc<Topology>> {
        let commits = self.directory.commits();
        let mut then = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, places)) = &then.known
            && *when == commits
        {
            return Ok(Arc::clone(places));
        }
        let places = Arc::new(self.places()?.or_nothing().0);
        then.known = Some((commits, Arc::clone(&places)));
        Ok(places)
    }

    /// Those among the delegates of any owner that are `wanted`.
    pub fn delegates(&mut self, wanted: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>> {
        let reading = self.reading()?;
        let mut seen = std::collections::HashSet::new();
        let mut found = Vec::new();
        for owner in reading.owners()? {
            // What is wrong with its values was reported when the owner was judged.
            for delegate in entry(&owner?, &mut Vec::new()).forward_links {
                if !seen.insert(delegate.hash64()) {
                    continue;
                }
                let Some(object) = reading.object(&delegate)? else {
                    continue;
                };
                let object = entry(&object, &mut self.defects);
                if wanted(&object) {
                    found.push(object);
                }
            }
        }
        Ok(found)
    }

    /// The GUID of the first naming context's head, or its name.
    pub fn identity(&self) -> Result<String> {
        let reading = self.reading()?;
        let Some(head) = reading.naming_contexts()?.into_iter().next() else {
            return Ok(String::new());
        };
        let guid = reading.object(&head)?.map(|object| Guid(object.guid));
        Ok(guid.map_or_else(|| head.as_str().to_lowercase(), |guid| guid.to_string()))
    }

    /// A snapshot.
    pub fn reading(&self) -> Result<Reading> {
        self.directory
            .read()
            .with_context(|| format!("reading {}", self.shown))
    }

    /// Answers the resolver's questions.
    pub fn answer(&mut self, needs: Vec<Need>, known: &mut Known) -> Result<()> {
        let reading = self.reading()?;
        let places = if needs
            .iter()
            .any(|need| matches!(need, Need::Exists(_) | Need::Server(_)))
        {
            self.known_places()?
        } else {
            Arc::default()
        };
        for need in needs {
            let mut found: Vec<Object> = Vec::new();
            match &need {
                Need::Exists(_) | Need::Server(_) => {
                    let unknown = Answer::Unreadable("the configuration is not here".to_owned());
                    let answer = places.answer(&need).cloned().unwrap_or(unknown);
                    known.insert(need, answer);
                    continue;
                }
                Need::Entry(dn) if self.lean => found.extend(reading.owner(dn)?),
                Need::Entry(dn) => found.extend(reading.object(dn)?),
                Need::Address(address) => {
                    let proxy = format!("smtp:{address}");
                    for (name, value) in [
                        (attribute::PROXY_ADDRESSES, proxy.as_str()),
                        (attribute::MAIL, address.as_str()),
                        (attribute::USER_PRINCIPAL_NAME, address.as_str()),
                    ] {
                        for object in reading.by_value(name, value.as_bytes())? {
                            found.push(object?);
                        }
                    }
                }
                Need::Mailbox(guid) => {
                    for name in [attribute::MAILBOX_GUID, attribute::ARCHIVE_GUID] {
                        for object in reading.by_value(name, &guid.0)? {
                            found.push(object?);
                        }
                    }
                }
                Need::LegacyDn(legacy) => {
                    for (name, value) in [
                        (attribute::LEGACY_EXCHANGE_DN, legacy.clone()),
                        (attribute::PROXY_ADDRESSES, format!("x500:{legacy}")),
                    ] {
                        for object in reading.by_value(name, value.as_bytes())? {
                            found.push(object?);
                        }
                    }
                }
                // People wait for it, and a display name has no index.
                Need::Name(name) => {
                    let everything =
                        reading.subtree(&Dn::root(), automend_directory::Scope::Subtree)?;
                    for object in everything.with_links(ATTRIBUTES) {
                        let object = object?;
                        if entry(&object, &mut Vec::new()).is_called(name) {
                            found.push(object);
                        }
                    }
                }
                Need::MasterAccount(sid) => {
                    // It has no index; linked mailboxes are never looked up for a waiting client.
                    let everything =
                        reading.subtree(&Dn::root(), automend_directory::Scope::Subtree)?;
                    for object in everything.with_links(&[]) {
                        let object = object?;
                        if object.holds(attribute::MASTER_ACCOUNT_SID, sid.as_bytes()) {
                            found.push(object);
                        }
                    }
                }
            }
            found.sort_by_key(|object| object.id);
            found.dedup_by_key(|object| object.id);
            let found = found
                .iter()
                .map(|object| entry(object, &mut self.defects))
                .collect();
            known.insert(need, Answer::Found(found));
        }
        Ok(())
    }
}

/// An object as the checks see it.
pub fn entry(object: &Object, defects: &mut Vec<Defect>) -> Entry {
    let mut entry = Entry::bare(object.dn.clone());
    for (name, values) in &object.attributes {
        for value in values {
            if value == UNREAD {
                let mut bad = Vec::new();
                entry.take(name, value, &mut bad);
                // What is wrong with it is that it was never read.
                defects.extend(bad.into_iter().map(|bad| Defect {
                    what: NEVER_READ.to_owned(),
                    ..bad
                }));
            } else {
                entry.take(name, value, defects);
            }
        }
    }
    entry
}
