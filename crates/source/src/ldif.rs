//! An LDIF file as a source, read in one pass for an audit and in a few for a question.
//!
//! Nothing of the file is kept, so its size does not matter. Back links that the file has no are
//! derived from forward links, as the directory would. What the file cannot show is not judged: where
//! no record at all has an attribute, it was not exported, and no link is called stale for lack of it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use automend_core::checks::configuration::{CLASSES, Installed};
use automend_core::checks::links;
use automend_core::dn::{Dn, hash_text};
use automend_core::entry::Entry;
use automend_core::names::{Guid, Sid, SmtpAddress, attribute};
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::ldif::{Blocks, Change, Line, Record};
use flate2::read::MultiGzDecoder;

use super::seen::Seen;
use super::sink::Owners;
use super::topology::Topology;
use super::typed::{cut_off, recorded};

/// An LDIF file.
pub struct Ldif {
    /// What it is called.
    pub shown: String,
    source: Source,
    /// What could not be read, each told once.
    pub defects: Vec<String>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
    told: HashSet<String>,
    /// What the whole file has, once it was read.
    seen: Option<(Seen, u64)>,
    /// Whether an object of the file could not be read at all, so that no object is surely absent.
    pub lost: bool,
}

enum Source {
    Path(PathBuf),
    /// Standard input, put away so that it can be read again.
    Spooled(File),
}

impl Ldif {
    /// Takes a file; that it can be opened is seen at once.
    pub fn open(path: &Path) -> Result<Self> {
        File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self::of(
            path.display().to_string(),
            Source::Path(path.to_path_buf()),
        ))
    }

    /// Puts standard input into a temporary file.
    pub fn standard_input() -> Result<Self> {
        let mut file =
            tempfile::tempfile().context("making a temporary file for standard input")?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file).context("reading standard input")?;
        Ok(Self::of("standard input".to_owned(), Source::Spooled(file)))
    }

    fn of(shown: String, source: Source) -> Self {
        Self {
            shown,
            source,
            defects: Vec::new(),
            notes: Vec::new(),
            told: HashSet::new(),
            seen: None,
            lost: false,
        }
    }

    /// The text of the file, unpacked, from its start; and its size on disk for a progress bar.
    pub fn reader(&self) -> Result<(Box<dyn Read + Send>, u64)> {
        let mut file = match &self.source {
            Source::Path(path) => {
                File::open(path).with_context(|| format!("opening {}", self.shown))?
            }
            Source::Spooled(file) => file.try_clone().context("reading standard input again")?,
        };
        file.rewind().or_else(|error| match error.kind() {
            // A pipe that was named as a file can be read once.
            std::io::ErrorKind::NotSeekable => Ok(()),
            _ => Err(error),
        })?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let mut magic = [0; 2];
        let packed = match &self.source {
            Source::Path(path) => path
                .extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("gz")),
            Source::Spooled(_) => {
                let read = file.read(&mut magic)?;
                file.rewind()?;
                magic.get(..read) == Some(&[0x1f, 0x8b])
            }
        };
        Ok((
            if packed {
                Box::new(MultiGzDecoder::new(file))
            } else {
                Box::new(file)
            },
            size,
        ))
    }

    /// Notes what could not be read.
    pub fn tell(&mut self, defect: String) {
        if self.told.insert(defect.clone()) {
            self.defects.push(defect);
        }
    }

    /// Keeps what the whole file has: attributes, and the number of its objects.
    pub fn saw(&mut self, seen: Seen, records: u64) {
        self.seen = Some((seen, records));
    }

    /// What the whole file has; it is read for that, if it was not read before.
    fn whole(&mut self) -> Result<(Seen, u64)> {
        if let Some(seen) = self.seen {
            return Ok(seen);
        }
        let (mut seen, mut records) = (Seen::default(), 0);
        self.scan(|record, _| {
            records += 1;
            seen.look(record);
        })?;
        self.saw(seen, records);
        Ok((seen, records))
    }

    /// Which attributes the whole file has.
    pub(super) fn seen(&mut self) -> Result<Seen> {
        Ok(self.whole()?.0)
    }

    /// Notes everything that could not be read.
    pub(super) fn tell_all(&mut self, defects: Vec<String>) {
        for defect in defects {
            self.tell(defect);
        }
    }

    /// What cannot be told from this file.
    pub fn unread(&mut self) -> Result<Vec<String>> {
        let (seen, records) = self.whole()?;
        let why = if records == 0 {
            "no object in it; is it an LDIF file, and was it written to its end?"
        } else if !seen.has_user() {
            "no user in it; was it exported from the right base?"
        } else if seen.has(Seen::LINK) {
            return Ok(Vec::new());
        } else if seen.has(Seen::BACK_LINK) {
            "back links and no forward link: msExchDelegateListLink was not exported, or the account that \
             exported it may not read it"
        } else {
            "no record has msExchDelegateListLink: it was not exported, or no object has a link, and the file \
             cannot tell"
        };
        Ok(vec![format!("{}: {why}", self.shown)])
    }

    /// Hands every object of the file to `look`.
    pub(super) fn scan(&mut self, mut look: impl FnMut(&Record<'_>, &Dn)) -> Result<()> {
        let (reader, _) = self.reader()?;
        let mut blocks = Blocks::new(reader);
        let (mut defects, mut lost) = (Vec::new(), false);
        while let Some(block) = blocks.next() {
            let block = block.with_context(|| format!("reading {}", self.shown))?;
            for record in block.records() {
                let named = record
                    .map_err(|defect| (defect.to_string(), true))
                    .and_then(|record| match named(&record) {
                        Ok(dn) => Ok((record, dn)),
                        Err(defect) => Err((defect, record.change.is_object())),
                    });
                match named {
                    Ok((record, dn)) => {
                        // What it is decides what it may be asked for.
                        lost |= record.values(attribute::OBJECT_CLASS).any(|c| c.is_err());
                        look(&record, &dn);
                    }
                    Err((defect, object)) => {
                        lost |= object;
                        defects.push(defect);
                    }
                }
            }
            blocks.recycle(block);
        }
        self.lost |= lost;
        self.tell_all(defects);
        Ok(())
    }

    /// Hands every object to `sink`.
    pub fn everybody(&mut self, sink: &mut impl Owners) -> Result<()> {
        let (seen, _) = self.whole()?;
        let (mut failed, mut defects) = (Ok(()), Vec::new());
        self.scan(|record, _| {
            if let Some(entry) = recorded(record, &mut defects)
                && failed.is_ok()
            {
                failed = sink.owner(seen.applied(entry));
            }
        })?;
        self.tell_all(defects);
        failed
    }

    /// Mailbox databases and servers in the file.
    pub fn places(&mut self) -> Result<Topology> {
        let mut places = Topology::known();
        self.scan(|record, _| {
            for class in record.values(attribute::OBJECT_CLASS).flatten() {
                places.extend(installed(&class, record));
            }
        })?;
        Ok(places)
    }

    /// Answers the resolver's questions by reading the file twice: for the objects, then for the
    /// forward links that lead to them.
    pub fn answer(&mut self, needs: Vec<Need>, known: &mut Known) -> Result<()> {
        let mut wanted = Wanted::default();
        for need in &needs {
            wanted.add(need);
        }
        let mut found: Vec<Entry> = Vec::new();
        let mut matches: HashMap<Need, Vec<usize>> = HashMap::new();
        let mut places = Topology::known();
        let mut defects = Vec::new();
        let (mut seen, mut open) = (Seen::default(), false);
        // An object that is not here is gone only if its container is here.
        let parents: HashSet<u64> = needs
            .iter()
            .filter_map(|need| match need {
                Need::Entry(dn) => dn.parent().map(|parent| parent.hash64()),
                _ => None,
            })
            .collect();
        let mut containers: HashSet<u64> = HashSet::new();
        self.scan(|record, dn| {
            if parents.contains(&dn.hash64()) {
                containers.insert(dn.hash64());
            }
            seen.look(record);
            for class in record.values(attribute::OBJECT_CLASS).flatten() {
                places.extend(installed(&class, record));
            }
            let (hits, unread) = wanted.hits(record, dn);
            open |= unread;
            if !hits.is_empty() {
                found.extend(recorded(record, &mut defects));
                for need in hits {
                    matches.entry(need).or_default().push(found.len() - 1);
                }
            }
        })?;
        self.tell_all(defects);
        self.derive_back_links(&mut found)?;
        let (places, _) = places.or_nothing();
        for need in needs {
            let answer = if matches!(need, Need::Exists(_) | Need::Server(_)) {
                let unknown =
                    Answer::Unreadable("the file does not hold the configuration".to_owned());
                let answer = places.answer(&need).cloned().unwrap_or(unknown);
                match answer {
                    Answer::Found(found) if found.is_empty() && self.lost => {
                        Answer::Unreadable("the file has records that cannot be read".to_owned())
                    }
                    answer => answer,
                }
            } else {
                let hits = matches.get(&need).map_or([].as_slice(), Vec::as_slice);
                let here = |dn: &Dn| {
                    dn.parent()
                        .is_some_and(|parent| containers.contains(&parent.hash64()))
                };
                match &need {
                    // One of the records that could not be read may be the object that is asked for.
                    _ if hits.is_empty() && self.lost => {
                        Answer::Unreadable("the file has records that cannot be read".to_owned())
                    }
                    Need::Address(_) | Need::Mailbox(_) | Need::LegacyDn(_)
                        if hits.is_empty() && open =>
                    {
                        Answer::Unreadable("the file has addresses that cannot be read".to_owned())
                    }
                    Need::Entry(dn) if hits.is_empty() && !dn.is_deleted_object() && !here(dn) => {
                        Answer::Unreadable(
                            "the file does not hold this part of the directory".to_owned(),
                        )
                    }
                    _ => {
                        let objects = hits.iter().filter_map(|i| found.get(*i)).cloned();
                        Answer::Found(objects.map(|entry| seen.applied(entry)).collect())
                    }
                }
            };
            known.insert(need, answer);
        }
        Ok(())
    }

    /// Delegates that can never ask Autodiscover.
    pub fn silent_delegates(&mut self) -> Result<Vec<Entry>> {
        let mut delegates: HashSet<u64> = HashSet::new();
        let mut seen = Seen::default();
        self.scan(|record, dn| {
            seen.look(record);
            if record.values(attribute::DELEGATE_LIST_BL).next().is_some() {
                delegates.insert(dn.hash64());
            }
            for value in record.values(attribute::DELEGATE_LIST_LINK).flatten() {
                let text = std::str::from_utf8(&value);
                delegates.extend(text.ok().and_then(|text| hash_text(text).ok()));
            }
        })?;
        let mut silent = Vec::new();
        self.scan(|record, dn| {
            if !delegates.contains(&dn.hash64()) {
                return;
            }
            // What is wrong with its values was reported before.
            let entry = recorded(record, &mut Vec::new());
            let entry = entry.map(|entry| seen.applied(entry));
            silent.extend(entry.filter(|entry| links::never_asks(entry).is_some()));
        })?;
        self.derive_back_links(&mut silent)?;
        Ok(silent)
    }

    fn derive_back_links(&mut self, entries: &mut [Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut at: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut present: Vec<HashSet<u64>> = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            at.entry(entry.dn.hash64()).or_default().push(i);
            present.push(entry.back_links.iter().map(Dn::hash64).collect());
        }
        let mut defects = Vec::new();
        self.scan(|record, owner| {
            // Whatever cannot be read may be a link to one of these.
            if record.cut {
                defects.push(cut_off(record));
            }
            for line in record.lines() {
                let line = match line {
                    Ok(line) if line.is(attribute::DELEGATE_LIST_LINK) => line,
                    Ok(_) => continue,
                    Err(defect) => {
                        defects.push(defect.to_string());
                        continue;
                    }
                };
                let delegate = match linked(record, &line) {
                    Ok(text) => Dn::parse(&text),
                    Err(defect) => {
                        defects.push(defect);
                        continue;
                    }
                };
                let delegate = match delegate {
                    Ok(delegate) => delegate,
                    Err(error) => {
                        defects.push(unlinked(record, &line, &error));
                        continue;
                    }
                };
                for i in at.get(&delegate.hash64()).into_iter().flatten() {
                    if let (Some(entry), Some(present)) = (entries.get_mut(*i), present.get_mut(*i))
                        && present.insert(owner.hash64())
                    {
                        entry.back_links.push(owner.clone());
                    }
                }
            }
        })?;
        self.tell_all(defects);
        Ok(())
    }
}

/// The name in a link, or what is wrong with it, with its owner and its line.
pub fn linked<'a>(record: &Record<'_>, line: &Line<'a>) -> Result<Cow<'a, str>, String> {
    line.text()
        .map_err(|defect| unlinked(record, line, &defect.what))
}

/// What to say of a link that names no object.
pub fn unlinked(record: &Record<'_>, line: &Line<'_>, what: &dyn std::fmt::Display) -> String {
    let name = String::from_utf8_lossy(line.name());
    format!("line {}: {}: {name}: {what}", line.number(), record.dn)
}

/// What an object of the class is, if Exchange installed it.
pub fn installed(class: &[u8], record: &Record<'_>) -> Option<Installed> {
    if !CLASSES
        .iter()
        .any(|known| class.eq_ignore_ascii_case(known.as_bytes()))
    {
        return None;
    }
    let dn = named(record).ok()?;
    Installed::of(class, &dn, |name| {
        let values = record.values(name).flatten();
        values
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .collect()
    })
}

/// Whether a record can be taken at its word, and asks for nothing that is not understood.
pub fn check(record: &Record<'_>) -> Result<(), String> {
    record.check().map_err(|defect| defect.to_string())?;
    match record.demand() {
        Ok(None) => Ok(()),
        Ok(Some(control)) => Err(format!(
            "line {}: the record wants the control {} to be honoured, which is not known",
            record.line, control.oid
        )),
        Err(defect) => Err(defect.to_string()),
    }
}

/// The name of an object's record; a change to an object is none.
pub fn named(record: &Record<'_>) -> Result<Dn, String> {
    let at = |what: String| format!("line {}: {what}", record.line);
    check(record)?;
    match record.change {
        Change::Content | Change::Add => {
            Dn::parse(&record.dn).map_err(|error| at(error.to_string()))
        }
        _ => Err(at(format!(
            "a change to {}, not an object; import the file into an embedded directory to apply it",
            record.dn
        ))),
    }
}

/// Questions, in a form that a record is quickly held against.
#[derive(Default)]
struct Wanted {
    names: HashMap<u64, Vec<Need>>,
    addresses: HashMap<SmtpAddress, Need>,
    mailboxes: HashMap<Guid, Need>,
    legacy: HashMap<String, Need>,
    masters: HashMap<Sid, Need>,
    called: HashMap<String, Need>,
}

impl Wanted {
    fn add(&mut self, need: &Need) {
        match need {
            Need::Exists(_) | Need::Server(_) => {}
            Need::Entry(dn) => {
                self.names
                    .entry(dn.hash64())
                    .or_default()
                    .push(need.clone());
            }
            Need::Address(address) => {
                self.addresses.insert(address.clone(), need.clone());
            }
            Need::Mailbox(guid) => {
                self.mailboxes.insert(*guid, need.clone());
            }
            Need::LegacyDn(legacy) => {
                self.legacy
                    .insert(legacy.trim().to_lowercase(), need.clone());
            }
            Need::Name(name) => {
                self.called.insert(name.trim().to_lowercase(), need.clone());
            }
            Need::MasterAccount(sid) => {
                self.masters.insert(sid.clone(), need.clone());
            }
        }
    }

    /// What the record answers, and whether it has an address, a GUID or a name that cannot be read, and
    /// that might be one that is asked for.
    fn hits(&self, record: &Record<'_>, dn: &Dn) -> (Vec<Need>, bool) {
        let mut hits = self.names.get(&dn.hash64()).cloned().unwrap_or_default();
        // Two names might share a hash.
        hits.retain(|need| !matches!(need, Need::Entry(wanted) if wanted != dn));
        if self.addresses.is_empty()
            && self.mailboxes.is_empty()
            && self.legacy.is_empty()
            && self.masters.is_empty()
            && self.called.is_empty()
        {
            return (hits, false);
        }
        let mut open = false;
        let mut hit = |need: Option<&Need>| {
            let new = need.filter(|need| !hits.contains(need)).cloned();
            hits.extend(new);
        };
        if !self.called.is_empty() {
            hit(self.called.get(&dn.name().to_lowercase()));
        }
        for line in record.lines().flatten() {
            if (line.is(attribute::SAM_ACCOUNT_NAME) || line.is(attribute::DISPLAY_NAME))
                && let Ok(text) = line.text()
            {
                hit(self.called.get(&text.trim().to_lowercase()));
                continue;
            }
            let address = [
                attribute::PROXY_ADDRESSES,
                attribute::MAIL,
                attribute::USER_PRINCIPAL_NAME,
            ];
            if address.iter().any(|name| line.is(name)) {
                let Ok(text) = line.text() else {
                    open = true;
                    continue;
                };
                let text = match text.split_once(':') {
                    Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => rest,
                    Some((kind, name)) if kind.eq_ignore_ascii_case("x500") => {
                        hit(self.legacy.get(&name.trim().to_lowercase()));
                        continue;
                    }
                    _ => &text,
                };
                if let Ok(address) = SmtpAddress::parse(text) {
                    hit(self.addresses.get(&address));
                }
            } else if line.is(attribute::MAILBOX_GUID) || line.is(attribute::ARCHIVE_GUID) {
                open |= line.value().is_err();
                let guid = line.value().ok().and_then(|bytes| Guid::from_bytes(&bytes));
                hit(guid.and_then(|guid| self.mailboxes.get(&guid)));
            } else if line.is(attribute::LEGACY_EXCHANGE_DN)
                && let Ok(text) = line.text()
            {
                hit(self.legacy.get(&text.trim().to_lowercase()));
            } else if line.is(attribute::MASTER_ACCOUNT_SID)
                && let Ok(value) = line.value()
                && let Some(sid) = Sid::of_value(&value)
            {
                hit(self.masters.get(&sid));
            }
        }
        (hits, open)
    }
}
