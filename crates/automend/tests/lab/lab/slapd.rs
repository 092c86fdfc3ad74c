//! A small slapd of a test's own, for what the laboratory's servers are not: empty, closed, stingy.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{eventually, run, script, succeeded};

/// One that ends with the test.
pub(crate) struct Slapd {
    child: Child,
    folder: tempfile::TempDir,
    /// `ldapi://`, as no port is free for ever.
    pub(crate) url: String,
}

/// What tells one from another.
#[derive(Default)]
pub(crate) struct Kind {
    /// Exchange's attributes are defined.
    pub(crate) exchange: bool,
    /// Lines of the configuration before the database.
    pub(crate) global: &'static str,
    /// Lines behind it.
    pub(crate) database: &'static str,
}

impl Slapd {
    /// Starts one on the suffix `DC=small,DC=test`, which `ldif` fills.
    pub(crate) fn start(kind: &Kind, ldif: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary directory can be written");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("db")).expect("a new folder");
        let schema: PathBuf = script("slapd").join("exchange.schema");
        let include = if kind.exchange {
            format!("include {}\n", schema.display())
        } else {
            String::new()
        };
        let text = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n{include}\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {0}/pid\nloglevel none\n{1}\n\
             database mdb\nsuffix DC=small,DC=test\nrootdn CN=root,DC=small,DC=test\nrootpw lab\n\
             directory {0}/db\ndbnosync\n{2}\n",
            folder.path().display(),
            kind.global,
            kind.database,
        );
        std::fs::write(path("conf"), text).expect("the folder is ours");
        std::fs::write(path("password"), "lab").expect("the folder is ours");
        let domain = "dn: DC=small,DC=test\nobjectClass: dcObject\nobjectClass: organization\ndc: small\no: small\n\n";
        let conf = path("conf").display().to_string();
        succeeded(&run(
            Command::new("/usr/sbin/slapd").args(["-T", "add", "-q", "-f", &conf]),
            &format!("{domain}{ldif}"),
        ));
        let url = format!(
            "ldapi://{}",
            path("socket").display().to_string().replace('/', "%2F")
        );
        let child = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-f", &conf, "-h", &url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapd is installed");
        let slapd = Self { child, folder, url };
        eventually("the small slapd answers", || {
            let whoami = run(
                Command::new("ldapwhoami").args([
                    "-x",
                    "-H",
                    &slapd.url,
                    "-D",
                    Self::ROOT,
                    "-w",
                    "lab",
                ]),
                "",
            );
            whoami.status.success()
        });
        slapd
    }

    /// Its administrator.
    pub(crate) const ROOT: &str = "CN=root,DC=small,DC=test";

    /// The file with the administrator's password.
    pub(crate) fn password_file(&self) -> String {
        self.folder.path().join("password").display().to_string()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // It may have ended by itself, which its test has noticed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// An owner in LDIF that looks as if its mailbox had been disabled, and its delegates.
pub(crate) fn owner(name: &str, delegates: &[&str]) -> String {
    let mut ldif = format!(
        "dn: CN={name},DC=small,DC=test\nobjectClass: user\ncn: {name}\nsAMAccountName: {name}\n"
    );
    for delegate in delegates {
        ldif.extend([
            "msExchDelegateListLink: CN=",
            delegate,
            ",DC=small,DC=test\n",
        ]);
    }
    ldif + "\n"
}
