//! The reference pages of the book hold what the program has, and nothing that is gone.
//!
//! `UPDATE=1 cargo test -p automend --test it reference::` writes `docs/options.md` and the other pages that are
//! made from the program again.

mod exit_status;
mod json;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::served::Served;
use crate::tool::{Bench, CONTOSO};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

const COMMANDS: &[&str] = &[
    "audit",
    "show",
    "test",
    "fix",
    "undo",
    "access",
    "links",
    "grant",
    "revoke",
    "automap on",
    "automap off",
    "automap sync",
    "mailbox enable",
    "mailbox disable",
    "mailbox connect",
    "serve",
    "trace",
    "explain",
    "directory import",
    "directory export",
    "demo",
    "completions",
    "man",
];

/// The options in the help of a command: how each is written, and what it means.
fn options(help: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if (2..=6).contains(&indent) && text.starts_with('-') {
            found.push((text.to_owned(), String::new()));
        } else if indent >= 10
            && !text.is_empty()
            && let Some((_, meaning)) = found.last_mut()
        {
            if !meaning.is_empty() {
                meaning.push(' ');
            }
            meaning.push_str(text);
        } else if indent == 0 && !text.is_empty() && !text.ends_with(':') && !found.is_empty() {
            // What stands below the options is no option.
            break;
        }
    }
    found
}

#[test]
fn the_page_of_options_is_what_the_help_says() {
    let bench = Bench::new();
    let top = bench.automend(&["--help"]).exits(0).out;
    let (_, listed) = top.split_once("Commands:\n").unwrap();
    let listed: BTreeSet<&str> = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let described: BTreeSet<&str> = COMMANDS
        .iter()
        .filter_map(|name| name.split(' ').next())
        .collect();
    assert_eq!(described, listed);

    let common = options(&bench.automend(&["man", "--help"]).exits(0).out);
    let row = |(name, meaning): &(String, String)| {
        let plain = |text: &str| {
            let text = text.replace('|', "\\|");
            text.replace('<', "&lt;").replace('>', "&gt;")
        };
        format!("| `{}` | {} |\n", name.replace('|', "\\|"), plain(meaning))
    };
    let mut made = String::from(
        "# Options of every command\n\n\
         A test compares this page with the program; the text is that of `automend COMMAND --help`.\n\n\
         ## Every command\n\n| option | meaning |\n|---|---|\n",
    );
    made.extend(common.iter().map(row));
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let mut own = options(&bench.automend(&arguments).exits(0).out);
        own.retain(|option| !common.contains(option));
        made += &format!("\n## {command}\n\n");
        if own.is_empty() {
            made += "No options of its own.\n";
        } else {
            made += "| option | meaning |\n|---|---|\n";
            made.extend(own.iter().map(row));
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("docs/options.md"), &made).unwrap();
    }
    assert_eq!(page("options.md"), made, "run it with UPDATE=1");
}

/// The keys that a section may have, as the refusal of another one lists them.
fn keys(section: &str) -> Vec<String> {
    let bench = Bench::new();
    bench.file("contoso.ldif", CONTOSO);
    bench.file("automend.toml", format!("{section}\nno-such-key = 1\n"));
    let run = bench.automend(&["serve", "--check", "-d", "contoso.ldif"]);
    let err = run.exits(2).err;
    let (_, expected) = err
        .split_once("expected one of ")
        .unwrap_or_else(|| panic!("{section}: {err}"));
    let expected = expected.lines().next().unwrap();
    let names: Vec<String> = expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 2, "{section}: {err}");
    names
}

#[test]
fn every_key_of_the_configuration_is_described() {
    let (sources, serve) = (page("sources.md"), page("serve.md"));
    for (section, text) in [
        ("", &sources),
        ("[serve]", &serve),
        ("[serve.limits]", &serve),
        ("[serve.directory]", &serve),
        ("[serve.default]", &serve),
        ("[serve.default.external]", &serve),
        ("[serve.default.smtp]\nhost = \"a.b\"", &serve),
    ] {
        for key in keys(section) {
            let is_there = [
                format!("`{key}`"),
                format!("\n{key} = "),
                format!("[serve.{key}"),
                format!("{{ {key} = "),
                format!(", {key} = "),
            ]
            .iter()
            .any(|form| text.contains(form.as_str()));
            assert!(
                is_there || key == "serve",
                "{section}: {key} is not described"
            );
        }
    }
}

#[test]
fn every_metric_is_described_and_none_that_is_gone() {
    let served = Served::ldif(CONTOSO, &[]);
    served.pox("alice@contoso.com").is(200);
    let text = served.admin("/metrics").text();
    let families: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("# TYPE ")?.split(' ');
            let (name, kind) = (words.next()?, words.next()?);
            let ending = if kind == "counter" { "_total" } else { "" };
            Some(format!("{name}{ending}"))
        })
        .collect();
    assert!(families.len() > 5, "{text}");
    let described: BTreeSet<String> = page("serve.md")
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.starts_with("automend_"))
        .map(|word| word.split('{').next().unwrap().to_owned())
        .collect();
    assert!(
        families.is_subset(&described),
        "{families:?} in {described:?}"
    );
    // A family is in the exposition only once it has counted something.
    let code = fs::read_to_string(root().join("crates/service/src/metrics.rs")).unwrap();
    for name in &described {
        let name = name.trim_start_matches("automend_");
        let name = name.trim_end_matches("_total").trim_end_matches("_seconds");
        assert!(code.contains(&format!("\"{name}\"")), "{name} is gone");
    }
    let registered: usize = [
        ": registered(",
        ": CachedFamily::registered(",
        ".register_with_unit(",
    ]
    .iter()
    .map(|call| code.matches(call).count())
    .sum();
    assert_eq!(described.len(), registered, "{described:?}");
}

#[test]
fn every_variable_of_the_environment_is_described() {
    let mut names = BTreeSet::new();
    for file in ["args.rs", "config.rs"] {
        let text = fs::read_to_string(root().join("crates/automend/src").join(file)).unwrap();
        for (at, _) in text.match_indices("AUTOMEND_") {
            let name: String = text[at..]
                .chars()
                .take_while(|letter| letter.is_ascii_uppercase() || *letter == '_')
                .collect();
            names.insert(name);
        }
    }
    assert!(names.len() >= 6, "{names:?}");
    let described: BTreeSet<String> = page("reference.md")
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.starts_with("AUTOMEND_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(described, names);
}

/// The anchor of a heading, as mdBook and forges make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut code = false;
    text.lines()
        .filter(|line| {
            code ^= line.starts_with("```");
            !code
        })
        .filter_map(|line| line.strip_prefix('#'))
        .map(|rest| anchor(rest.trim_start_matches('#').trim()))
        .collect()
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let docs = root().join("docs");
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in [
        root(),
        docs.clone(),
        docs.join("findings"),
        root().join("lab"),
    ] {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 40, "{pages:?}");
    let mut wrong = Vec::new();
    let mut links = 0;
    for path in &pages {
        let text = fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let target = &rest[..rest.find(')').unwrap_or(0)];
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            let is_good = there.exists()
                && (place.is_empty()
                    || fs::read_to_string(&there).is_ok_and(|text| anchors(&text).contains(place)));
            if !is_good {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(links > 80, "{links}");
    assert!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
}
