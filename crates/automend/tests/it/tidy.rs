//! Rules of the repository that a compiler does not check.

mod imports;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// File names without their ending, of the modules in a crate's `src`.
fn modules(src: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(src)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| !matches!(name.as_str(), "lib" | "main" | "tests"))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_architecture_names_every_crate_and_module_and_none_that_is_gone() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let (_, crates) = text
        .split_once("## Twelve crates")
        .expect("the crates' section");
    let (crates, _) = crates.split_once("Arrows, and no others").expect("its end");
    let mut named = Vec::new();
    for part in crates.split("\n\n**").skip(1) {
        let (name, story) = part.split_once("**").expect("a crate's name in bold");
        named.push(name.to_owned());
        let line = story
            .lines()
            .find(|line| line.starts_with("Module"))
            .unwrap_or_else(|| panic!("{name}: no line of modules"));
        let mut told: Vec<String> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        told.sort();
        assert_eq!(
            told,
            modules(&root().join("crates").join(name).join("src")),
            "modules of {name}"
        );
    }
    named.sort();
    let mut there: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn the_architecture_names_every_command() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let line = text
        .lines()
        .find(|line| line.starts_with("Commands, "))
        .expect("the line of the commands");
    let mut named: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
    named.sort_unstable();
    let mut there = modules(&root().join("crates/automend/src/commands"));
    there.retain(|name| name != "mod");
    assert_eq!(named, there);
}

#[test]
fn the_architecture_names_every_dependency_and_none_that_is_gone() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let (_, table) = text.split_once("|---|---|---|\n").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let mut told: Vec<String> = table
        .lines()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| {
            cell.replace(" with ", ", ")
                .split(", ")
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    told.sort();
    let manifest = read(&root().join("Cargo.toml"));
    let (_, dependencies) = manifest
        .split_once("[workspace.dependencies]\n")
        .expect("dependencies");
    let (dependencies, _) = dependencies.split_once("\n[").expect("their end");
    let mut there: Vec<String> = dependencies
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned()))
        .filter(|name| !name.starts_with("automend-"))
        .collect();
    there.sort();
    assert_eq!(told, there);
}

#[test]
fn the_lock_file_builds_no_second_cryptographic_library() {
    let lock = read(&root().join("Cargo.lock"));
    for line in lock
        .split("[[package]]")
        .filter(|package| package.contains("name = \"rustls\"\n"))
    {
        assert!(
            line.contains("aws-lc-rs") && !line.contains("\"ring\""),
            "{line}"
        );
    }
}

/// Files of `src` that are longer than others may be. Leave none out that another change can split, and add none.
const LONG: [&str; 4] = [
    "automend/src/args.rs",
    "automend/src/commands/test/login.rs",
    "automend/src/commands/trace/proxy/connection.rs",
    "probe/src/story/tests.rs",
];

/// The most lines that a file may have: 600 in `src`.
fn most_lines(path: &Path) -> usize {
    let is_source = path.components().any(|part| part.as_os_str() == "src");
    let is_long = LONG.iter().any(|long| path.ends_with(long));
    if is_source && !is_long { 600 } else { 750 }
}

#[test]
fn every_source_file_opens_with_what_it_is_and_stays_readable() {
    let mut open = vec![root().join("crates")];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&path);
                assert!(
                    text.starts_with("//!"),
                    "{}: no word on what it is",
                    path.display()
                );
                let lines = text.lines().count();
                let most = most_lines(&path);
                assert!(lines <= most, "{}: {lines} lines", path.display());
                if !path.ends_with("tidy.rs") {
                    for left in ["TODO", "FIXME", "XXX"] {
                        assert!(!text.contains(left), "{}: {left}", path.display());
                    }
                }
            }
        }
    }
}

#[test]
fn a_command_imports_no_other_and_nothing_below_imports_one() {
    let imports = imports::Imports::read(&root().join("crates/automend/src"));
    let mut told = String::new();
    for (file, from) in &imports.of {
        let Some(room) = file.first() else {
            // `main` calls every command.
            continue;
        };
        let own = (room == "commands").then(|| file.get(1)).flatten();
        if room == "commands" && own.is_none() {
            // The list of them.
            continue;
        }
        for module in from.keys() {
            let [commands, command, ..] = module.as_slice() else {
                continue;
            };
            if commands != "commands" {
                continue;
            }
            let is_another = own != Some(command);
            // It plays the story of all of them.
            if is_another && own.is_none_or(|own| own != "demo") {
                told += &format!("{} -> {}\n", imports::shown(file), imports::shown(module));
            }
        }
    }
    assert!(told.is_empty(), "commands that are imported:\n{told}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut told = String::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let imports = imports::Imports::read(&path.join("src"));
        assert!(!imports.of.is_empty(), "{}", path.display());
        for circle in imports.circles() {
            told += &format!(
                "{}: {} files\n{}\n",
                path.file_name().unwrap().to_string_lossy(),
                circle.len(),
                imports.ties(&circle)
            );
        }
    }
    assert!(told.is_empty(), "circles of files:\n{told}");
}

#[test]
fn every_test_file_of_the_program_is_compiled() {
    for binary in ["it", "lab"] {
        let folder = root().join("crates/automend/tests").join(binary);
        let main = read(&folder.join("main.rs"));
        for module in modules(&folder) {
            let line = format!("\nmod {module};\n");
            assert!(main.contains(&line), "{binary}/main.rs: no {module}");
        }
    }
}

#[test]
fn the_picture_of_the_architecture_has_the_arrows_of_the_manifests() {
    let mut real = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = read(&path.join("Cargo.toml"));
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for line in dependencies.lines() {
            if let Some(other) = line.strip_prefix("automend-") {
                let other: String = other.chars().take_while(|c| c.is_alphabetic()).collect();
                real.push(format!("{name} -> {other};"));
            }
        }
    }
    real.sort();
    let picture = read(&root().join("docs/architecture.dot"));
    let mut drawn: Vec<String> = picture
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| line.contains(" -> "))
        .collect();
    drawn.sort();
    assert_eq!(drawn, real);
    let svg = read(&root().join("docs/architecture.svg"));
    assert_eq!(
        svg.matches("class=\"edge\"").count(),
        real.len(),
        "draw it anew"
    );
}

#[test]
fn every_dependency_of_a_crate_is_used_by_it() {
    let mut told = String::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let manifest = read(&path.join("Cargo.toml"));
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        let mut code = String::new();
        let mut open = vec![path.join("src")];
        while let Some(at) = open.pop() {
            for entry in fs::read_dir(&at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    code += &read(&path);
                }
            }
        }
        for name in dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ']).next())
        {
            let library = match name {
                "md-5" => "md5".to_owned(),
                name => name.replace('-', "_"),
            };
            if ["::", ";"]
                .iter()
                .all(|end| !code.contains(&format!("{library}{end}")))
            {
                told += &format!("{}: {name}\n", path.display());
            }
        }
    }
    assert!(told.is_empty(), "dependencies that nothing uses:\n{told}");
}

#[test]
fn the_program_itself_stays_small() {
    let mut lines = 0;
    let mut open = vec![root().join("crates/automend/src")];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                lines += read(&path).lines().count();
            }
        }
    }
    assert!(
        lines <= 18_000,
        "{lines} lines: move what has an invariant of its own into a crate"
    );
}

/// Words that have a standard term, or make a riddle of a sentence: see STYLE.md.
const AVOIDED: [&str; 16] = [
    "nobody",
    "somebody",
    "whoever",
    "whomever",
    "hurt",
    "hurts",
    "telephone",
    "telephones",
    "persons",
    "borne",
    "bears",
    "in vain",
    "lest",
    "gone by",
    "mended",
    "mends",
];

/// The avoided words of a line; what stands between backticks is a name.
fn avoided(line: &str) -> Vec<&'static str> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let words: Vec<String> = prose
        .split(|letter: char| !letter.is_alphanumeric())
        .map(str::to_lowercase)
        .collect();
    let text = format!(" {} ", words.join(" "));
    AVOIDED
        .into_iter()
        .filter(|word| text.contains(&format!(" {word} ")))
        .collect()
}

#[test]
fn prose_avoids_the_words_that_the_style_replaces() {
    assert_eq!(
        avoided("/// Whoever asks, in vain."),
        ["whoever", "in vain"]
    );
    assert!(avoided("/// `nobody@contoso.test`, automend").is_empty());
    let mut told = String::new();
    let mut open = vec![root().join("crates"), root().join("docs")];
    let mut files = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("recordings") && !path.ends_with("hostile") {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|end| end == "rs" || end == "md")
                && !path.ends_with("tidy.rs")
            {
                files.push(path);
            }
        }
    }
    for path in files {
        let is_code = path.extension().is_some_and(|end| end == "rs");
        for (number, line) in read(&path).lines().enumerate() {
            if is_code && !line.trim_start().starts_with("//") {
                continue;
            }
            for word in avoided(line) {
                told += &format!("{}:{}: {word}\n", path.display(), number + 1);
            }
        }
    }
    assert!(told.is_empty(), "words that STYLE.md replaces:\n{told}");
}
