//! Random changes against a naive model in memory: the directory always says the same, its tables
//! always agree, and an export read back is the same again.

use std::collections::{BTreeMap, BTreeSet};

use automend_core::dn::Dn;
use automend_directory::{
    Directory, Error, Export, Import, Modification, Name, Scope, export, import,
};
use proptest::prelude::*;

const LINKS: [&str; 3] = ["msExchDelegateListLink", "member", "manager"];
const BACKS: [&str; 3] = ["msExchDelegateListBL", "memberOf", "directReports"];
const UNITS: [&str; 3] = ["DC=c", "OU=a,DC=c", "OU=b,DC=c"];

#[derive(Clone, Debug)]
enum Step {
    Add(u8, u8),
    Link(u8, usize, u8),
    Unlink(u8, usize, u8),
    Clear(u8, usize),
    Mail(u8, u8),
    Move(u8, u8, u8),
    Delete(u8),
    /// Everything since the last commit is dropped.
    Drop,
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..8;
    let link = 0usize..LINKS.len();
    prop_oneof![
        4 => (who.clone(), 0u8..3).prop_map(|(a, b)| Step::Add(a, b)),
        6 => (who.clone(), link.clone(), who.clone()).prop_map(|(a, l, b)| Step::Link(a, l, b)),
        3 => (who.clone(), link.clone(), who.clone()).prop_map(|(a, l, b)| Step::Unlink(a, l, b)),
        1 => (who.clone(), link).prop_map(|(a, l)| Step::Clear(a, l)),
        1 => (who.clone(), 0u8..4).prop_map(|(a, m)| Step::Mail(a, m)),
        2 => (who.clone(), 0u8..3, 0u8..3).prop_map(|(a, n, u)| Step::Move(a, n, u)),
        2 => who.prop_map(Step::Delete),
        1 => Just(Step::Drop),
        2 => Just(Step::Commit),
    ]
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Person {
    unit: u8,
    generation: u8,
    mail: Option<u8>,
    links: [BTreeSet<u8>; 3],
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Model(BTreeMap<u8, Person>);

impl Model {
    fn dn(&self, who: u8) -> Dn {
        let nobody = Person::default();
        let person = self.0.get(&who).unwrap_or(&nobody);
        let unit = UNITS[usize::from(person.unit)];
        // A name that has to be escaped, and one that a rename changes in case only.
        let mark = ["x, y", "X, Y", "#z"][usize::from(person.generation)];
        Dn::parse(&format!(
            "CN={}\\+{who},{unit}",
            automend_core::dn::escape(mark)
        ))
        .unwrap()
    }

    /// What the answer's code is, and what becomes of the model.
    fn apply(&mut self, step: &Step) -> u8 {
        match *step {
            Step::Add(who, unit) => {
                if self.0.contains_key(&who) {
                    return 68;
                }
                self.0.insert(
                    who,
                    Person {
                        unit,
                        ..Person::default()
                    },
                );
            }
            Step::Link(who, link, to) => {
                let there = self.0.contains_key(&to);
                let Some(person) = self.0.get_mut(&who) else {
                    return 32;
                };
                if !there {
                    return 19;
                }
                let single = LINKS[link] == "manager" && !person.links[link].is_empty();
                if person.links[link].contains(&to) || single {
                    return 20;
                }
                person.links[link].insert(to);
            }
            Step::Unlink(who, link, to) => {
                let Some(person) = self.0.get_mut(&who) else {
                    return 32;
                };
                if !person.links[link].remove(&to) {
                    return 16;
                }
            }
            Step::Clear(who, link) => match self.0.get_mut(&who) {
                Some(person) => person.links[link].clear(),
                None => return 32,
            },
            Step::Mail(who, mail) => match self.0.get_mut(&who) {
                Some(person) => person.mail = Some(mail),
                None => return 32,
            },
            Step::Move(who, generation, unit) => match self.0.get_mut(&who) {
                Some(person) => (person.generation, person.unit) = (generation, unit),
                None => return 32,
            },
            Step::Delete(who) => {
                if self.0.remove(&who).is_none() {
                    return 32;
                }
                for person in self.0.values_mut() {
                    for links in &mut person.links {
                        links.remove(&who);
                    }
                }
            }
            Step::Drop | Step::Commit => {}
        }
        0
    }

    fn describe(&self) -> BTreeMap<String, Vec<(String, BTreeSet<String>)>> {
        let mut all = BTreeMap::new();
        for (who, person) in &self.0 {
            let mut lines = Vec::new();
            for at in 0..LINKS.len() {
                let forward = person.links[at]
                    .iter()
                    .map(|to| self.dn(*to).to_string())
                    .collect();
                let back = self
                    .0
                    .iter()
                    .filter(|(_, other)| other.links[at].contains(who));
                lines.push((LINKS[at].to_owned(), forward));
                lines.push((
                    BACKS[at].to_owned(),
                    back.map(|(other, _)| self.dn(*other).to_string()).collect(),
                ));
            }
            lines.push((
                "mail".to_owned(),
                person.mail.iter().map(|m| format!("m{m}@x")).collect(),
            ));
            all.insert(self.dn(*who).to_string(), lines);
        }
        all
    }
}

fn describe(directory: &Directory) -> BTreeMap<String, Vec<(String, BTreeSet<String>)>> {
    let reading = directory.read().unwrap();
    let mut all = BTreeMap::new();
    for object in reading
        .subtree(&Dn::parse("DC=c").unwrap(), Scope::Subtree)
        .unwrap()
    {
        let object = object.unwrap();
        if object.text("objectClass") != Some("user") {
            continue;
        }
        let set = |name: &str| {
            let values = object.values(name).iter();
            (
                name.to_owned(),
                values
                    .map(|v| String::from_utf8(v.clone()).unwrap())
                    .collect(),
            )
        };
        let mut lines = Vec::new();
        for at in 0..LINKS.len() {
            lines.extend([set(LINKS[at]), set(BACKS[at])]);
        }
        lines.push(set("mail"));
        for value in object.values("mail") {
            let found = reading.by_value("mail", value).unwrap();
            assert!(found.map(Result::unwrap).any(|other| other.id == object.id));
        }
        all.insert(object.dn.to_string(), lines);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_directory_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        let class = |class: &str| ("objectClass".to_owned(), vec![class.as_bytes().to_vec()]);
        let mut writing = directory.write(1).unwrap();
        for unit in UNITS {
            writing.add(&Dn::parse(unit).unwrap(), &[class("container")]).unwrap();
        }
        writing.commit().unwrap();
        let mut model = Model::default();
        let mut committed = model.clone();
        let mut writing = directory.write(2).unwrap();
        for step in &steps {
            let before = model.clone();
            let expected = model.apply(step);
            let name = |who: u8| Name::from(before.dn(who));
            let modify = |writing: &mut automend_directory::Writing, who, m: Modification| {
                writing.modify(&name(who), &[m])
            };
            let done: Result<(), Error> = match *step {
                Step::Add(who, _) => {
                    let dn = if expected == 0 { model.dn(who) } else { before.dn(who) };
                    writing.add(&dn, &[class("user")]).map(drop)
                }
                Step::Link(who, link, to) => {
                    modify(&mut writing, who, Modification::add(LINKS[link], [before.dn(to).as_str()]))
                }
                Step::Unlink(who, link, to) => {
                    modify(&mut writing, who, Modification::delete(LINKS[link], [before.dn(to).as_str()]))
                }
                Step::Clear(who, link) => {
                    modify(&mut writing, who, Modification::replace::<&str>(LINKS[link], []))
                }
                Step::Mail(who, mail) => {
                    modify(&mut writing, who, Modification::replace("MAIL", [format!("m{mail}@x")]))
                }
                Step::Move(who, _, unit) => {
                    let parent = Name::from(Dn::parse(UNITS[usize::from(unit)]).unwrap());
                    let rdn = model.dn(who);
                    writing.rename(&name(who), rdn.rdn(), true, Some(&parent))
                }
                Step::Delete(who) => writing.delete(&name(who)),
                Step::Commit | Step::Drop => {
                    if matches!(step, Step::Commit) {
                        writing.commit().unwrap();
                        committed = model.clone();
                    } else {
                        drop(writing);
                        model = committed.clone();
                    }
                    prop_assert_eq!(describe(&directory), model.describe());
                    prop_assert_eq!(directory.read().unwrap().check().unwrap(), []);
                    writing = directory.write(3).unwrap();
                    Ok(())
                }
            };
            let code = done.as_ref().map_or_else(Error::code, |()| 0);
            prop_assert_eq!(code, expected, "{:?}: {:?}", step, done);
        }
        writing.commit().unwrap();
        prop_assert_eq!(describe(&directory), model.describe());
        let reading = directory.read().unwrap();
        prop_assert_eq!(reading.check().unwrap(), []);

        let mut first = Vec::new();
        export(&reading, &mut first, Export::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let again = Directory::create(folder.path()).unwrap();
        let report = import(&again, first.as_slice(), Import::default(), |_| {}).unwrap();
        prop_assert_eq!(report.notes, []);
        prop_assert_eq!(describe(&again), model.describe());
        let mut second = Vec::new();
        export(&again.read().unwrap(), &mut second, Export::default()).unwrap();
        prop_assert_eq!(String::from_utf8(second).unwrap(), String::from_utf8(first).unwrap());
    }
}
