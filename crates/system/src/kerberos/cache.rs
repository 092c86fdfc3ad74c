//! Where `kinit` keeps the tickets of this user (MIT krb5, `doc/basic/ccache_def.rst`).
//!
//! Invariant: only files are read; a cache that is kept elsewhere is named as such.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The file with the tickets of a cache, by the name that `KRB5CCNAME` or `default_ccache_name` gives it;
/// `None` stands for `FILE:/tmp/krb5cc_UID`. Whether the file is there is not looked at.
///
/// # Errors
///
/// The cache is none of files, such as `KEYRING:` and `KCM:`, or its folder says nothing.
pub fn ticket_cache(name: Option<&str>) -> Result<PathBuf> {
    let user = rustix::process::getuid().as_raw().to_string();
    let name = name.unwrap_or("FILE:/tmp/krb5cc_%{uid}");
    let mut expanded = name.to_owned();
    for variable in ["%{uid}", "%{euid}", "%{USERID}"] {
        expanded = expanded.replace(variable, &user);
    }
    if expanded.contains("%{") {
        bail!("the ticket cache {name}: only %{{uid}}, %{{euid}} and %{{USERID}} are replaced");
    }
    match expanded.split_once(':') {
        None => Ok(expanded.into()),
        Some(("FILE", path)) => Ok(path.into()),
        Some(("DIR", path)) => match path.strip_prefix(':') {
            Some(file) => Ok(file.into()),
            None => primary(Path::new(path)),
        },
        // A path with a colon.
        Some((kind, _)) if kind.contains('/') => Ok(expanded.into()),
        Some((kind, _)) => bail!(
            "tickets in {kind}: cannot be read; keep them in a file: \
             KRB5CCNAME=FILE:/tmp/krb5cc_{user} kinit, and the same variable for automend"
        ),
    }
}

/// The cache of a folder that is used at the moment: the file `primary` names it.
fn primary(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("primary");
    let name = match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().next().unwrap_or_default().trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "tkt".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    if !name.starts_with("tkt") || name.contains('/') {
        bail!("{}: names no ticket cache", path.display());
    }
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_of_files_is_found_and_any_other_is_named() {
        let user = rustix::process::getuid().as_raw();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        let usual = format!("/tmp/krb5cc_{user}");
        for (name, expected) in [
            (None, usual.as_str()),
            (Some("FILE:/tmp/krb5cc_%{uid}"), &usual),
            (Some("/a/b:c"), "/a/b:c"),
            (Some("tickets"), "tickets"),
            (Some("DIR::/a/tkt1"), "/a/tkt1"),
            (Some(&format!("DIR:{at}")), &format!("{at}/tkt")),
        ] {
            let found = ticket_cache(name).unwrap();
            assert_eq!(found, PathBuf::from(expected), "{name:?}");
        }
        std::fs::write(folder.path().join("primary"), "tktXYZ\n").unwrap();
        let found = ticket_cache(Some(&format!("DIR:{at}"))).unwrap();
        assert_eq!(found, folder.path().join("tktXYZ"));
        std::fs::write(folder.path().join("primary"), "../../etc/passwd\n").unwrap();
        assert!(ticket_cache(Some(&format!("DIR:{at}"))).is_err());
        for name in ["KEYRING:persistent:0", "KCM:", "FILE:/run/%{username}"] {
            let error = ticket_cache(Some(name)).unwrap_err().to_string();
            let says = error.contains("cannot be read") || error.contains("are replaced");
            assert!(says, "{error}");
        }
    }
}
