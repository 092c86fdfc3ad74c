//! `krb5.conf`, as far as it is looked at (MIT krb5, `doc/admin/conf_files/krb5_conf.rst`).
//!
//! Invariant: a file that is not there or cannot be read says nothing; what is read is bounded.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The relations of `krb5.conf`, with the files that it includes.
#[derive(Debug, Default)]
pub struct Configuration {
    relations: Vec<Relation>,
}

#[derive(Debug)]
struct Relation {
    section: String,
    /// The name before the braces that the relation stands in.
    subsection: Option<String>,
    name: String,
    value: String,
}

/// Longest file, in bytes.
const LONGEST: u64 = 1 << 20;
/// Most files in all.
const MOST_FILES: usize = 64;

impl Configuration {
    /// Reads a file and those that it includes.
    pub fn read(path: &Path) -> Self {
        let mut configuration = Self::default();
        configuration.include(path, &mut Vec::new());
        configuration
    }

    fn include(&mut self, path: &Path, files: &mut Vec<PathBuf>) {
        if files.len() == MOST_FILES || files.iter().any(|file| file == path) {
            return;
        }
        files.push(path.to_path_buf());
        let Ok(file) = File::open(path) else { return };
        let mut text = String::new();
        if file.take(LONGEST).read_to_string(&mut text).is_err() {
            return;
        }
        for name in self.add(&text) {
            match name {
                Included::File(path) => self.include(&path, files),
                Included::Folder(path) => {
                    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
                    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
                    found.retain(|path| is_included(path));
                    found.sort();
                    for path in found {
                        self.include(&path, files);
                    }
                }
            }
        }
    }

    /// Takes the relations of a text, and gives the files that it includes.
    fn add(&mut self, text: &str) -> Vec<Included> {
        let mut included = Vec::new();
        let (mut section, mut subsection) = (String::new(), None);
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = name.trim().to_lowercase();
                subsection = None;
            } else if line.starts_with('}') {
                subsection = None;
            } else if let Some(path) = line.strip_prefix("includedir ") {
                included.push(Included::Folder(path.trim().into()));
            } else if let Some(path) = line.strip_prefix("include ") {
                included.push(Included::File(path.trim().into()));
            } else if let Some((name, value)) = line.split_once('=') {
                let (name, value) = (name.trim(), value.trim());
                if value.starts_with('{') {
                    subsection = Some(name.to_owned());
                } else {
                    self.relations.push(Relation {
                        section: section.clone(),
                        subsection: subsection.clone(),
                        name: name.to_owned(),
                        value: value.to_owned(),
                    });
                }
            }
        }
        included
    }

    fn first(&self, section: &str, name: &str) -> Option<&str> {
        let found = self.relations.iter().find(|relation| {
            relation.section == section && relation.subsection.is_none() && relation.name == name
        });
        found.map(|relation| relation.value.as_str())
    }

    /// The realm of users who name none.
    pub fn default_realm(&self) -> Option<&str> {
        self.first("libdefaults", "default_realm")
    }

    /// Where tickets are kept, as it is written.
    pub fn ticket_cache(&self) -> Option<&str> {
        self.first("libdefaults", "default_ccache_name")
    }

    /// The key distribution centres of a realm, `host` or `host:port`.
    pub fn centres(&self, realm: &str) -> Vec<String> {
        let of_realm = self.relations.iter().filter(|relation| {
            let subsection = relation.subsection.as_deref().unwrap_or_default();
            relation.section == "realms"
                && subsection.eq_ignore_ascii_case(realm)
                && relation.name == "kdc"
        });
        // Newer files distinguish UDP and TCP; here is TCP only.
        of_realm
            .map(|relation| relation.value.trim_start_matches("tcp/").to_owned())
            .collect()
    }
}

enum Included {
    File(PathBuf),
    Folder(PathBuf),
}

/// Which files of a folder count: names of letters, digits, dashes and underscores, or those that end in
/// `.conf`.
fn is_included(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_conf = path
            .extension()
            .is_some_and(|extension| extension == "conf");
        !name.starts_with('.') && (is_conf || name.chars().all(plain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Configuration {
        let mut configuration = Configuration::default();
        configuration.add(text);
        configuration
    }

    #[test]
    fn the_centres_of_a_realm_stand_in_its_braces() {
        let text = "[libdefaults]\n kdc = no\n[realms]\n OTHER.TEST = {\n  kdc = other\n }\n # kdc = no\n \
            CONTOSO.TEST = {\n  kdc = dc1.contoso.test\n  admin_server = no\n  kdc = tcp/[::1]:8888\n }\n kdc = no\n";
        assert_eq!(
            of(text).centres("contoso.test"),
            ["dc1.contoso.test", "[::1]:8888"]
        );
        assert!(of(text).centres("NOBODY.TEST").is_empty());
        assert_eq!(of(text).default_realm(), None);
        let text =
            "[libdefaults]\n default_realm = CONTOSO.TEST\n default_ccache_name = DIR:/tmp/x\n";
        assert_eq!(of(text).default_realm(), Some("CONTOSO.TEST"));
        assert_eq!(of(text).ticket_cache(), Some("DIR:/tmp/x"));
    }

    #[test]
    fn included_files_count_and_a_circle_ends() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let parts = at("parts");
        std::fs::create_dir(&parts).unwrap();
        let realm = |kdc: &str| format!("[realms]\nA.TEST = {{\n kdc = {kdc}\n}}\n");
        std::fs::write(parts.join("b.conf"), realm("b")).unwrap();
        std::fs::write(parts.join("a_1"), realm("a")).unwrap();
        std::fs::write(parts.join("no.rpmsave"), realm("no")).unwrap();
        let text = format!(
            "include {0}/krb5.conf\nincludedir {0}/parts\n",
            folder.path().display()
        );
        std::fs::write(at("krb5.conf"), text).unwrap();
        let centres = Configuration::read(&at("krb5.conf")).centres("A.TEST");
        assert_eq!(centres.first().map(String::as_str), Some("a"));
        assert!(centres.contains(&"b".to_owned()) && !centres.contains(&"no".to_owned()));
        assert!(
            Configuration::read(&at("none"))
                .centres("A.TEST")
                .is_empty()
        );
    }
}
