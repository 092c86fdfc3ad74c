//! The page of exit statuses, made from what the help of each command declares.
//!
//! `UPDATE=1 cargo test -p automend --test it reference::` writes `docs/exit-status.md` again.

use std::fs;

use super::{COMMANDS, page, root};
use crate::tool::Bench;

/// The statuses that a help declares: each number with its meaning.
fn statuses(help: &str) -> Vec<(u8, String)> {
    let (_, declared) = help
        .split_once("Exit status:\n")
        .unwrap_or_else(|| panic!("no exit status: {help}"));
    let mut found: Vec<(u8, String)> = Vec::new();
    for line in declared.lines().take_while(|line| !line.is_empty()) {
        let text = line.trim();
        match text.split_once(' ') {
            Some((number, meaning)) if number.parse::<u8>().is_ok() => {
                found.push((number.parse().unwrap(), meaning.trim().to_owned()));
            }
            _ => {
                let (_, meaning) = found.last_mut().unwrap_or_else(|| panic!("{line}"));
                *meaning += &format!(" {text}");
            }
        }
    }
    found
}

#[test]
fn the_page_of_exit_statuses_is_what_the_help_says() {
    let bench = Bench::new();
    let mut made = String::from(
        "# Exit statuses\n\n\
         A test compares this page with the program; the text is that of `automend COMMAND --help`.\n\
         An option that is not known, or a value that does not fit, is status 2 with every command.\n",
    );
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let declared = statuses(&bench.automend(&arguments).exits(0).out);
        let numbers: Vec<u8> = declared.iter().map(|(number, _)| *number).collect();
        assert!(
            numbers.starts_with(&[0]) && numbers.contains(&2) && numbers.is_sorted(),
            "{command}: {numbers:?}"
        );
        made += &format!("\n## {command}\n\n| status | meaning |\n|---|---|\n");
        for (number, meaning) in declared {
            made += &format!("| {number} | {meaning} |\n");
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("docs/exit-status.md"), &made).unwrap();
    }
    assert_eq!(page("exit-status.md"), made, "run it with UPDATE=1");
}
