//! Filling a directory from LDIF: content records and changes, in one transaction.
//!
//! A link may name an object that comes later in the file, so links that lead nowhere yet wait in a
//! spool file for a second pass; what names an object that isn't in the file at all leads to a bare
//! place, because the file may be a part of a directory, and is noted. Back links in the file are not written, they are compared with what
//! the forward links gave. Parents that aren't in the file are made as bare places: they carry names,
//! but no search finds them, and no export writes them.
//!
//! Invariant: an object is never lost for a defect in one of its values; memory doesn't grow with
//! the file.

mod waiting;

use std::collections::HashMap;
use std::io::Read;

use automend_core::dn::Dn;
use automend_ldap::ldif::{Blocks, Change, Defect, Line, Record};
use zeroize::Zeroizing;

use crate::error::{Error, MOST, Refusal, Unusable};
use crate::guid;
use crate::hashing::{Done, Hashing, Job};
use crate::modify::Modification;
use crate::name::{Name, canonical_rdn, check_length, naming_value};
use crate::password::{self, ClearAs, Given, Keeping, NtHash, Secret};
use crate::report::{MAX_NOTES, Note, Progress, Report, Trouble};
use crate::schema::{self, Link, Syntax, same_attribute, sid};
use crate::spool::{Spool, Waiting};
use crate::store::Directory;
use crate::time;
use crate::work::{Draft, Work, has_twins};

/// How an import is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import {
    /// The moment of the import, in seconds since 1970; the file's own moments go before it.
    pub now: u64,
    /// Passes over records that are refused or can't be read, and notes them, instead of giving up
    /// the whole import.
    pub keep_going: bool,
    /// Whether NT hashes are kept, without which there is no NTLM.
    pub nt_hashes: NtHash,
    /// What a password in clear becomes.
    pub clear: ClearAs,
}

/// Reads LDIF into a directory, all of it or nothing; tells `progress` after every block of about 1 MiB.
///
/// objectGUID, whenCreated, whenChanged, uSNCreated and uSNChanged are taken from content records.
/// A rename that keeps the old RDN is done as one that drops it.
///
/// # Errors
///
/// [`Error::Record`] and [`Error::Unreadable`] unless [`Import::keep_going`]; [`Error::Io`],
/// [`Error::Store`], [`Error::Damaged`]. In each case the directory is as it was.
pub fn import(
    directory: &Directory,
    source: impl Read,
    how: Import,
    mut progress: impl FnMut(Progress),
) -> Result<Report, Error> {
    let keeping = Keeping {
        nt: how.nt_hashes,
        clear: how.clear,
    };
    std::thread::scope(|scope| {
        let hashing = Hashing::new(scope, keeping);
        run(directory, source, how, hashing, &mut progress)
    })
}

fn run(
    directory: &Directory,
    source: impl Read,
    how: Import,
    hashing: Hashing<'_, '_>,
    progress: &mut impl FnMut(Progress),
) -> Result<Report, Error> {
    let mut spool = Spool::new(directory.folder())?;
    let mut writing = directory.write(how.now)?;
    writing.put_off_values();
    let mut work = writing.work()?;
    let before = work.state.counts;
    let mut run = Run {
        how,
        report: Report::default(),
        kinds: HashMap::new(),
        spool: &mut spool,
        waits: false,
        hashing,
        keeping: Keeping {
            nt: how.nt_hashes,
            clear: how.clear,
        },
        nt_hash_told: false,
    };
    let mut blocks = Blocks::new(source);
    while let Some(block) = blocks.next() {
        let block = block.map_err(|source| Error::Io {
            what: "cannot read the LDIF",
            source,
        })?;
        for record in block.records() {
            match record {
                Ok(record) => run.record(&mut work, &record)?,
                Err(defect) => run.unreadable(defect)?,
            }
        }
        progress(Progress {
            bytes: block.offset().saturating_add(block.bytes().len() as u64),
            records: run.report.records,
        });
        blocks.recycle(block);
    }
    run.hash_all(&mut work)?;
    if run.waits {
        let (count, notes) = waiting::second_pass(run.spool, &mut work)?;
        run.report.noted += count;
        run.report.notes.extend(notes);
        run.report.notes.truncate(MAX_NOTES);
    }
    let mut report = run.report;
    let after = work.state.counts;
    report.links = after.links.saturating_sub(before.links);
    report.bare = after.bare.saturating_sub(before.bare);
    report.notes.sort_by_key(|note| note.line);
    drop(work);
    writing.commit()?;
    Ok(report)
}

/// What is done with the values of an attribute.
#[derive(Clone, Copy)]
enum Kind {
    Plain(u32, Syntax),
    Forward(u16),
    Back(u16),
    Guid,
    UsnCreated,
    UsnChanged,
    WhenCreated,
    WhenChanged,
    Deleted,
    Password(Secret),
    /// Computed again.
    Dropped,
}

struct Run<'a, 'scope, 'env> {
    how: Import,
    report: Report,
    /// By the name as it is written in the file, options and all.
    kinds: HashMap<Vec<u8>, Kind>,
    spool: &'a mut Spool,
    waits: bool,
    hashing: Hashing<'scope, 'env>,
    keeping: Keeping,
    /// Whether it was reported that NT hashes are not kept.
    nt_hash_told: bool,
}

/// What a content record says that the directory itself keeps.
#[derive(Default)]
struct Own {
    usn_created: Option<u64>,
    usn_changed: Option<u64>,
    when_created: Option<u64>,
    when_changed: Option<u64>,
    deleted: bool,
    /// Passwords that are still to be hashed.
    clear: Vec<Zeroizing<Vec<u8>>>,
}

impl Run<'_, '_, '_> {
    fn note(&mut self, line: u64, trouble: Trouble) {
        self.report.noted += 1;
        if self.report.notes.len() < MAX_NOTES {
            self.report.notes.push(Note { line, trouble });
        }
    }

    fn unreadable(&mut self, defect: Defect) -> Result<(), Error> {
        if !self.how.keep_going {
            return Err(defect.into());
        }
        self.note(defect.line, Trouble::Unreadable { what: defect.what });
        Ok(())
    }

    fn record(&mut self, work: &mut Work<'_>, record: &Record<'_>) -> Result<(), Error> {
        self.report.records += 1;
        if record.cut {
            self.note(record.line, Trouble::CutFile);
        }
        let checked = record.check().map_err(Error::from);
        let done = checked
            .and_then(|()| known_controls(record))
            .and_then(|()| match record.change {
                Change::Content | Change::Add => self.content(work, record),
                _ => self.change(work, record),
            });
        match done {
            Err(Error::Refused(why)) if self.how.keep_going => {
                self.note(record.line, Trouble::PassedOver { why });
                Ok(())
            }
            Err(Error::Unreadable(defect)) => self.unreadable(defect),
            Err(source @ Error::Refused(_)) => Err(Error::Record {
                line: record.line,
                source: Box::new(source),
            }),
            done => done,
        }
    }

    fn change(&mut self, work: &mut Work<'_>, record: &Record<'_>) -> Result<(), Error> {
        let name = Name::parse(&record.dn)?;
        // It may change a password that is still being hashed.
        self.hash_all(work)?;
        match record.change {
            Change::Modify => {
                let steps: Vec<Modification> = record
                    .modifications()?
                    .into_iter()
                    .map(Into::into)
                    .collect();
                work.modify(&name, &steps, false)?;
            }
            Change::Delete => work.delete(&name)?,
            Change::Rename => {
                if let Some(rename) = record.rename()? {
                    let parent = rename
                        .new_superior
                        .as_deref()
                        .map(Name::parse)
                        .transpose()?;
                    work.rename(&name, &rename.new_rdn, parent.as_ref())?;
                }
            }
            _ => {}
        }
        self.report.changed += 1;
        Ok(())
    }

    fn content(&mut self, work: &mut Work<'_>, record: &Record<'_>) -> Result<(), Error> {
        let dn = Dn::parse(&record.dn).map_err(|_| Refusal::BadName {
            text: record.dn.clone().into_owned(),
        })?;
        if dn.as_str().is_empty() {
            // The root DSE, as a search of everything shows it: it describes the server.
            return Ok(());
        }
        check_length(dn.as_str().len())?;
        let mut draft = Draft::default();
        let mut own = Own::default();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut open = record.cut;
        for line in record.lines() {
            let read = line.and_then(|line| Ok((line.value()?, line)));
            match read {
                Ok((value, line)) => {
                    self.value(work, &mut draft, &mut own, &mut waiting, &line, &value)?;
                }
                Err(defect) => {
                    self.unreadable(defect)?;
                    open = true;
                }
            }
        }
        if open {
            work.keep_unread(&mut draft, &dn, record)?;
        }
        let naming = naming_value(dn.rdn());
        self.tidy(work, &mut draft, naming.as_ref(), record.line);
        if own.usn_created.is_some() || own.usn_changed.is_some() {
            let created = own.usn_created.or(own.usn_changed).unwrap_or(0);
            draft.usn = Some((created, own.usn_changed.unwrap_or(created)));
        }
        let now = self.how.now;
        draft.when = Some((
            own.when_created.unwrap_or(now),
            own.when_changed.unwrap_or(now),
        ));
        if own.deleted {
            draft.deleted = dn.is_deleted_object();
            draft.hidden = !draft.deleted;
        }
        if draft.deleted {
            for (pair, _) in draft.links.drain(..) {
                let attribute = schema::forward(pair).map_or("", |a| a.name);
                self.note(
                    record.line,
                    Trouble::Dangling {
                        attribute,
                        value: dn.to_string(),
                    },
                );
            }
            waiting.clear();
        }
        let (passwords, is_tombstone) = (draft.passwords.clone(), draft.deleted);
        let place = work.make_place(&dn)?;
        work.vacant(&place, &dn)?;
        let id = work.insert(&place, &canonical_rdn(&dn), draft)?;
        self.report.added += 1;
        if !own.clear.is_empty() && !is_tombstone {
            let job = Job {
                id,
                line: record.line,
                passwords,
                clear: own.clear,
            };
            let done = self.hashing.push(job);
            self.hashed(work, done)?;
        }
        for mut waiting in waiting {
            waiting.id = id;
            self.waits = true;
            self.spool.push(&waiting)?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        work: &mut Work<'_>,
        draft: &mut Draft,
        own: &mut Own,
        waiting: &mut Vec<Waiting>,
        line: &Line<'_>,
        value: &[u8],
    ) -> Result<(), Error> {
        let kind = match self.kinds.get(line.description()) {
            Some(kind) => *kind,
            None => self.kind(work, line)?,
        };
        let good = match kind {
            Kind::Plain(number, syntax) => {
                let value = match syntax {
                    Syntax::Sid => sid(value).unwrap_or_else(|| value.to_vec()),
                    _ => value.to_vec(),
                };
                match draft.attributes.last_mut() {
                    Some((last, values)) if *last == number => values.push(value),
                    _ => draft.put(number, vec![value]),
                }
                true
            }
            Kind::Forward(pair) => {
                let attribute = schema::forward(pair).map_or("", |a| a.name);
                match work.reference(attribute, value) {
                    Ok(delegate) => draft.links.push((pair, delegate)),
                    Err(Error::Refused(_)) => waiting.push(later(true, pair, line, value)),
                    Err(error) => return Err(error),
                }
                true
            }
            Kind::Back(pair) => {
                waiting.push(later(false, pair, line, value));
                true
            }
            Kind::Guid => {
                draft.guid = guid::of_value(value);
                draft.guid.is_some()
            }
            Kind::UsnCreated => set(&mut own.usn_created, usn(value)),
            Kind::UsnChanged => set(&mut own.usn_changed, usn(value)),
            Kind::WhenCreated => set(&mut own.when_created, time::parse(value)),
            Kind::WhenChanged => set(&mut own.when_changed, time::parse(value)),
            Kind::Deleted => {
                own.deleted = value.eq_ignore_ascii_case(b"TRUE");
                true
            }
            Kind::Password(secret) => {
                self.password(draft, own, secret, line, value);
                true
            }
            Kind::Dropped => true,
        };
        if !good {
            let attribute = String::from_utf8_lossy(line.name()).into_owned();
            self.note(line.number(), Trouble::BadValue { attribute });
        }
        Ok(())
    }

    /// Keeps what can be kept of a password; the rest is noted, and never with the value.
    fn password(
        &mut self,
        draft: &mut Draft,
        own: &mut Own,
        secret: Secret,
        line: &Line<'_>,
        value: &[u8],
    ) {
        let kept = match Given::read(secret, value) {
            Ok(Some(Given::Clear(_))) if own.clear.len() >= MOST => Err(Unusable::TooMany),
            Ok(Some(Given::Clear(password))) => {
                own.clear.push(password);
                Ok(())
            }
            Ok(Some(given)) => draft.passwords.keep(given, self.keeping),
            Ok(None) => Ok(()),
            Err(why) => Err(why),
        };
        let name = String::from_utf8_lossy(line.name());
        match kept {
            Ok(()) => {}
            Err(Unusable::NtHash) if self.nt_hash_told => {}
            Err(why) => {
                self.nt_hash_told |= why == Unusable::NtHash;
                self.no_secret(line, &name, why);
            }
        }
    }

    fn no_secret(&mut self, line: &Line<'_>, name: &str, why: Unusable) {
        let attribute = name.to_owned();
        self.note(line.number(), Trouble::Password { attribute, why });
    }

    /// Waits for every password that is being hashed.
    fn hash_all(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        let done = self.hashing.finish();
        self.hashed(work, done)
    }

    fn hashed(&mut self, work: &mut Work<'_>, done: Vec<Done>) -> Result<(), Error> {
        for done in done {
            work.put_passwords(done.id, &done.passwords)?;
            if let Some(why) = done.trouble {
                let attribute = "userPassword".to_owned();
                self.note(done.line, Trouble::Password { attribute, why });
            }
        }
        Ok(())
    }

    /// What to do with an attribute that is met for the first time.
    fn kind(&mut self, work: &mut Work<'_>, line: &Line<'_>) -> Result<Kind, Error> {
        let mut name = String::from_utf8_lossy(line.name()).into_owned();
        match password::secret(&name) {
            // Told once, as a dump of a database has it on every account.
            Some(Secret::Other) => {
                self.no_secret(line, &name, Unusable::Other);
                self.kinds
                    .insert(line.description().to_vec(), Kind::Dropped);
                return Ok(Kind::Dropped);
            }
            Some(secret) => return Ok(Kind::Password(secret)),
            None => {}
        }
        let mut remembered = true;
        for option in line.options() {
            let option = String::from_utf8_lossy(option);
            match option.get(..6) {
                Some(range) if range.eq_ignore_ascii_case("range=") => {
                    // Every record has other ranges; remembering them would fill memory.
                    remembered = false;
                    if !option.ends_with('*') {
                        self.note(
                            line.number(),
                            Trouble::CutOff {
                                attribute: name.clone(),
                            },
                        );
                    }
                }
                _ => {
                    name.push(';');
                    name.push_str(&option);
                }
            }
        }
        let kind = match schema::find(&name) {
            Some(known) => match (known.link, known.name) {
                (Link::Forward(pair), _) => Kind::Forward(pair),
                (Link::Back(pair), _) => Kind::Back(pair),
                (_, "objectGUID") => Kind::Guid,
                (_, "uSNCreated") => Kind::UsnCreated,
                (_, "uSNChanged") => Kind::UsnChanged,
                (_, "whenCreated") => Kind::WhenCreated,
                (_, "whenChanged") => Kind::WhenChanged,
                (_, "isDeleted") => Kind::Deleted,
                _ if known.computed => Kind::Dropped,
                _ => Kind::Plain(work.number(known.name)?, known.syntax),
            },
            None => Kind::Plain(work.number(&name)?, Syntax::Text),
        };
        if remembered {
            self.kinds.insert(line.description().to_vec(), kind);
        }
        Ok(kind)
    }

    /// Drops what the name says already and what is there twice, and notes what is too many.
    fn tidy(
        &mut self,
        work: &Work<'_>,
        draft: &mut Draft,
        naming: Option<&(String, String)>,
        line: u64,
    ) {
        for (number, values) in &mut draft.attributes {
            let Some(name) = work.state.dictionary.name(*number) else {
                continue;
            };
            let known = schema::by_row(*number);
            let syntax = known.map_or(Syntax::Text, |a| a.syntax);
            if let Some((kind, value)) = naming
                && same_attribute(kind, name)
            {
                let named = schema::normal(syntax, value.as_bytes());
                values.retain(|value| schema::normal(syntax, value) != named);
            }
            if values.len() < 2 {
                continue;
            }
            if has_twins(syntax, values) {
                let mut seen = std::collections::HashSet::new();
                values.retain(|value| seen.insert(schema::normal(syntax, value).into_owned()));
                self.note(
                    line,
                    Trouble::Twice {
                        attribute: name.to_owned(),
                    },
                );
            }
            if known.is_some_and(|a| a.single) && values.len() > 1 {
                self.note(
                    line,
                    Trouble::SingleValued {
                        attribute: name.to_owned(),
                    },
                );
            }
        }
        draft.attributes.retain(|(_, values)| !values.is_empty());
    }
}

/// Refuses a change that is not to be made without a control that an import does not know
/// (RFC 4511, 4.1.11: unavailableCriticalExtension).
fn known_controls(record: &Record<'_>) -> Result<(), Error> {
    match record.demand()? {
        Some(control) => Err(Refusal::CriticalControl { oid: control.oid }.into()),
        None => Ok(()),
    }
}

fn later(forward: bool, pair: u16, line: &Line<'_>, value: &[u8]) -> Waiting {
    Waiting {
        forward,
        pair,
        id: 0,
        line: line.number(),
        value: value.to_vec(),
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

/// A USN that leaves room for more.
fn usn(value: &[u8]) -> Option<u64> {
    schema::integer(value)
        .and_then(|usn| u64::try_from(usn).ok())
        .filter(|usn| *usn < 1 << 62)
}
