//! Which file of a crate imports which, read from its text.
//!
//! A path counts for the file that defines what it names: `pub use` is followed, and a re-export by
//! itself is no import. Inline `mod tests` and files of tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files (module paths such as `["serve", "pool"]`) with what they import from others of their crate.
pub(crate) struct Imports {
    /// By module path: the modules that it imports from, with the names.
    pub(crate) of: BTreeMap<Vec<String>, BTreeMap<Vec<String>, BTreeSet<String>>>,
}

struct File {
    text: String,
    /// Names that it gives on: name to full path.
    given: BTreeMap<String, Vec<String>>,
    /// Modules whose names it gives on all together.
    given_all: Vec<Vec<String>>,
}

impl Imports {
    pub(crate) fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(src, &mut Vec::new(), &mut files);
        for at in files.keys().cloned().collect::<Vec<_>>() {
            for (public, name, path) in uses(&files[&at].text, &at) {
                if public {
                    let file = files.get_mut(&at).unwrap();
                    match name.as_str() {
                        "*" => file.given_all.push(path),
                        _ => {
                            file.given.insert(name, path);
                        }
                    }
                }
            }
        }
        let mut of = BTreeMap::new();
        for (at, file) in &files {
            let mut from: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
            let private = uses(&file.text, at)
                .into_iter()
                .filter(|(public, ..)| !public)
                .map(|(_, _, path)| path);
            for path in private.chain(inline(&without_uses(&file.text), at, &children(&files, at)))
            {
                if let Some(module) = defining(&files, &path, 0)
                    && module != *at
                {
                    let name = path.last().cloned().unwrap_or_default();
                    from.entry(module).or_default().insert(name);
                }
            }
            of.insert(at.clone(), from);
        }
        Self { of }
    }

    /// Groups of files that import each other in a circle.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let names: Vec<&Vec<String>> = self.of.keys().collect();
        let reached: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = names
            .iter()
            .map(|&start| {
                let mut seen = BTreeSet::new();
                let mut open: Vec<&Vec<String>> = self.of[start].keys().collect();
                while let Some(at) = open.pop() {
                    if seen.insert(at)
                        && let Some(next) = self.of.get(at)
                    {
                        open.extend(next.keys());
                    }
                }
                (start, seen)
            })
            .collect();
        let mut found = Vec::new();
        let mut done = BTreeSet::new();
        for &name in &names {
            if !reached[name].contains(name) || !done.insert(name) {
                continue;
            }
            let mut circle: Vec<String> = vec![shown(name)];
            for &other in &names {
                if other != name && reached[name].contains(other) && reached[other].contains(name) {
                    done.insert(other);
                    circle.push(shown(other));
                }
            }
            found.push(circle);
        }
        found
    }

    /// The imports inside a circle, one a line, for the message of a failure.
    pub(crate) fn ties(&self, circle: &[String]) -> String {
        let mut lines = Vec::new();
        for (at, from) in &self.of {
            for (module, names) in from {
                if circle.contains(&shown(at)) && circle.contains(&shown(module)) {
                    lines.push(format!("  {} -> {}: {names:?}", shown(at), shown(module)));
                }
            }
        }
        lines.join("\n")
    }
}

/// `a::b`, or `crate` for the root.
pub(crate) fn shown(module: &[String]) -> String {
    if module.is_empty() {
        "crate".to_owned()
    } else {
        module.join("::")
    }
}

fn collect(folder: &Path, at: &mut Vec<String>, files: &mut BTreeMap<Vec<String>, File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            at.push(name);
            collect(&path, at, files);
            at.pop();
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let mut module = at.clone();
            if !matches!(name.as_str(), "mod" | "lib" | "main") {
                module.push(name);
            }
            let file = File {
                text: code(&fs::read_to_string(&path).unwrap()),
                given: BTreeMap::new(),
                given_all: Vec::new(),
            };
            files.insert(module, file);
        }
    }
}

/// The text without comments, strings and inline tests.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(raw) = rest
            .strip_prefix("r#\"")
            .or_else(|| rest.strip_prefix("br#\""))
        {
            rest = raw.find("\"#").map_or("", |end| &raw[end + 2..]);
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            rest = end.map_or("", |end| &rest[end + 2..]);
            out.push_str("\"\"");
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest = &rest[rest[1..].find('\'').unwrap() + 2..];
        } else if rest.starts_with("#[cfg(test)]\nmod tests {") {
            break;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Each name that a `use` brings in: whether it is given on, the name, and the path from the crate's root.
fn uses(text: &str, at: &[String]) -> Vec<(bool, String, Vec<String>)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("use ") {
        let line = text[..start].rsplit('\n').next().unwrap_or("").trim();
        let is_public = line.starts_with("pub");
        if !(line.is_empty() || is_public) {
            continue;
        }
        let Some(end) = text[start..].find(';') else {
            continue;
        };
        let tree: String = text[start + 4..start + end]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        expand(&tree, &[], &mut |path, name| {
            if let Some(full) = rooted(&path, at) {
                found.push((is_public, name, full));
            }
        });
    }
    found
}

fn expand(tree: &str, before: &[String], found: &mut impl FnMut(Vec<String>, String)) {
    let tree = tree.trim();
    if tree.is_empty() {
        return;
    }
    if let Some(open) = tree.find('{')
        && tree.ends_with('}')
    {
        let mut path = before.to_vec();
        path.extend(segments(&tree[..open]));
        let inner = &tree[open + 1..tree.len() - 1];
        let (mut depth, mut start) = (0, 0);
        for (index, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&inner[start..index], &path, &mut *found);
                    start = index + 1;
                }
                _ => {}
            }
        }
        expand(&inner[start..], &path, &mut *found);
        return;
    }
    let (tree, alias) = tree
        .split_once(" as ")
        .map_or((tree, None), |(tree, alias)| {
            (tree, Some(alias.trim().to_owned()))
        });
    let mut path = before.to_vec();
    path.extend(segments(tree));
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
    if name == "*" {
        path.pop();
    }
    found(path, name);
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
}

/// A path from the crate's root; `None` for one that leads out of the crate.
fn rooted(path: &[String], at: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut full = at.to_vec();
    let mut rest = rest;
    match first.as_str() {
        "crate" => full.clear(),
        "self" => {}
        "super" => {
            full.pop();
            while let Some(("super", more)) = rest.split_first().map(|(a, b)| (a.as_str(), b)) {
                full.pop();
                rest = more;
            }
        }
        // A child of this module, or a name of another crate: which one, the files tell.
        other => full.push(other.to_owned()),
    }
    full.extend(rest.iter().cloned());
    Some(full)
}

/// The names of the modules just below this one.
fn children<'a>(files: &'a BTreeMap<Vec<String>, File>, at: &[String]) -> Vec<&'a str> {
    files
        .keys()
        .filter_map(|module| module.strip_prefix(at))
        .filter_map(|below| match below {
            [child] => Some(child.as_str()),
            _ => None,
        })
        .collect()
}

/// The text without what [`uses`] reads.
fn without_uses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for statement in text.split_inclusive(';') {
        let start = statement
            .match_indices("use ")
            .map(|(start, _)| start)
            .find(|&start| {
                let line = statement[..start].rsplit('\n').next().unwrap_or("").trim();
                line.is_empty() || line.starts_with("pub")
            });
        out.push_str(&statement[..start.unwrap_or(statement.len())]);
    }
    out
}

/// Paths in the code itself, such as `crate::config::columns()`, or `check::run()` for a child.
fn inline(text: &str, at: &[String], children: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    for start in ["crate", "super", "self"]
        .iter()
        .chain(children)
        .map(|word| format!("{word}::"))
        .flat_map(|word| {
            text.match_indices(&word)
                .map(|(start, _)| start)
                .collect::<Vec<_>>()
        })
    {
        // `pub(in crate::ldap_server)` is no import.
        if text[..start].ends_with("in ")
            || text[..start]
                .chars()
                .next_back()
                .is_some_and(|letter| is_word(letter) || letter == ':')
        {
            continue;
        }
        let end = text[start..]
            .find(|letter: char| !is_word(letter) && letter != ':')
            .map_or(text.len(), |end| start + end);
        let path: Vec<String> = segments(&text[start..end]).collect();
        if let Some(full) = rooted(&path, at) {
            found.push(full);
        }
    }
    found
}

/// The module that defines what a path names, through what modules give on.
fn defining(
    files: &BTreeMap<Vec<String>, File>,
    path: &[String],
    depth: u8,
) -> Option<Vec<String>> {
    let length = (0..=path.len())
        .rev()
        .find(|&length| files.contains_key(&path[..length]))?;
    // A path of another crate, as no module of its first name exists.
    if length == 0 && path.len() > 1 {
        return None;
    }
    let module = path[..length].to_vec();
    let Some(name) = path.get(length) else {
        return Some(module);
    };
    if depth < 8 {
        let file = &files[&module];
        if let Some(given) = file.given.get(name) {
            let mut on = given.clone();
            on.extend_from_slice(&path[length + 1..]);
            if on.as_slice() != path {
                return defining(files, &on, depth + 1).or(Some(module));
            }
        }
        for given in &file.given_all {
            if let Some(there) = files.get(given)
                && there.text.contains(&format!(" {name}"))
            {
                return Some(given.clone());
            }
        }
    }
    Some(module)
}
