//! A process that is killed while it writes leaves a directory whose links equal their inverse.
//!
//! The child is this very test binary, told by its environment to write until it is killed.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use automend_core::dn::Dn;
use automend_directory::{Directory, Modification, Name};

const FOLDER: &str = "AUTOMEND_CRASH_FOLDER";
const LINK: &str = "msExchDelegateListLink";
const PEOPLE: u64 = 40;

fn person(number: u64) -> Dn {
    Dn::parse(&format!("CN=p{number},DC=contoso,DC=test")).unwrap()
}

/// Only does something as the child.
#[test]
fn child_writes_until_it_is_killed() {
    #[allow(clippy::disallowed_methods, reason = "the parent names the folder")]
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let directory = Directory::open(folder.as_ref()).unwrap();
    for round in directory.read().unwrap().counts().unwrap().usn.. {
        let mut writing = directory.write(1_795_334_929).unwrap();
        let (owner, delegate) = (round * 7 % PEOPLE, round * 13 % PEOPLE);
        let link = [person(delegate).to_string()];
        // One of the two fits; a refused change leaves the transaction as it was.
        let name = Name::from(person(owner));
        if writing
            .modify(&name, &[Modification::add(LINK, &link)])
            .is_err()
        {
            writing
                .modify(&name, &[Modification::delete(LINK, &link)])
                .unwrap();
        }
        if round % 11 == 0 {
            let gone = person(round * 3 % PEOPLE);
            writing.delete(&Name::from(&gone)).unwrap();
            let class = ("objectClass".to_owned(), vec![b"user".to_vec()]);
            writing.add(&gone, &[class]).unwrap();
        }
        writing.commit().unwrap();
        println!("round {round}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_links_that_equal_their_inverse() {
    let folder = tempfile::tempdir().unwrap();
    {
        let directory = Directory::create(folder.path()).unwrap();
        let mut ldif = "dn: DC=contoso,DC=test\nobjectClass: domainDNS\n\n".to_owned();
        for number in 0..PEOPLE {
            write!(ldif, "dn: {}\nobjectClass: user\n\n", person(number)).unwrap();
        }
        automend_directory::import(
            &directory,
            ldif.as_bytes(),
            automend_directory::Import::default(),
            |_| {},
        )
        .unwrap();
    }
    let mut last = 0;
    for kill in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // After a number of rounds, and then somewhere in the middle of the next one.
        let mut rounds = lines
            .map_while(Result::ok)
            .filter(|line| line.contains("round "));
        for _ in 0..=kill * 3 % 17 {
            rounds.next().unwrap();
        }
        for _ in 0..kill * 40_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let reading = directory.read().unwrap();
        assert_eq!(reading.check().unwrap(), [], "after kill {kill}");
        let counts = reading.counts().unwrap();
        assert_eq!(counts.objects, PEOPLE + 1);
        assert!(counts.usn > last, "what was committed is there");
        last = counts.usn;
    }
}
