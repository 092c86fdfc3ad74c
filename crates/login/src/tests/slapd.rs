//! The authenticator before slapd with a password policy, which this test starts for itself.

use std::net::TcpListener as Port;
use std::process::{Child, Command, Stdio};

use super::*;

/// The daemon, until it is dropped.
struct Slapd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

const BASE: &str = "dc=contoso,dc=test";
const JIM: &str = "uid=jim,dc=contoso,dc=test";
const PASSWORD: &str = "Wint3r-Regen";

/// Five failures close an account for good, and only a right password makes slapd forget one.
const CONTENT: &str = "dn: dc=contoso,dc=test\nobjectClass: domain\n\n\
    dn: cn=policy,dc=contoso,dc=test\nobjectClass: device\nobjectClass: pwdPolicy\n\
    pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\n\n\
    dn: uid=jim,dc=contoso,dc=test\nobjectClass: inetOrgPerson\ncn: Jim\nsn: Miller\n\
    mail: jim@contoso.test\nuserPassword: Wint3r-Regen\n";

impl Slapd {
    async fn start(hides: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\n\
             moduleload back_mdb\nmoduleload ppolicy\ndatabase mdb\nmaxsize 16777216\n\
             suffix \"{BASE}\"\nrootdn \"cn=admin,{BASE}\"\nrootpw lab\ndirectory {at}\n\
             access to attrs=userPassword by anonymous auth\n{hides}access to * by * read\n\
             overlay ppolicy\nppolicy_default \"cn=policy,{BASE}\"\n"
        );
        let (conf, ldif) = (folder.path().join("conf"), folder.path().join("ldif"));
        std::fs::write(&conf, configuration).unwrap();
        std::fs::write(&ldif, CONTENT).unwrap();
        let loaded = slapd()
            .args(["-T", "add", "-f"])
            .arg(&conf)
            .arg("-l")
            .arg(&ldif)
            .output();
        let loaded = loaded.expect("slapd is installed");
        assert!(loaded.status.success(), "{loaded:?}");
        let port = Port::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = slapd()
            .args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}/"), "-f"])
            .arg(&conf)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let slapd = Self {
            child,
            port,
            folder,
        };
        for _ in 0..1000 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return slapd;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("slapd does not answer");
    }

    fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    fn auth(&self) -> Arc<Authenticator> {
        let (settings, url) = plain(&self.url());
        let offer = Offer {
            realm: String::new(),
            schemes: vec![Scheme::Basic],
            keytab: None,
            rc4_tickets: false,
        };
        let accounts = live_accounts(&settings, vec![url]).unwrap();
        Arc::new(Authenticator::new(accounts, offer, None).unwrap())
    }

    /// Jim binds without the auth; the exit status is the result code.
    fn bind(&self, password: &str) -> Option<i32> {
        let mut bind = Command::new("ldapwhoami");
        bind.args(["-x", "-H", &self.url(), "-D", JIM, "-w", password]);
        bind.output().unwrap().status.code()
    }

    /// What slapd says of Jim.
    fn jim(&self) -> String {
        let mut search = Command::new("ldapsearch");
        search.args(["-x", "-LLL", "-H", &self.url(), "-b", JIM, "-s", "base"]);
        let shown = search
            .args(["pwdFailureTime", "pwdAccountLockedTime"])
            .output();
        String::from_utf8(shown.unwrap().stdout).unwrap()
    }

    fn unlock(&self) {
        let change = self.folder.path().join("unlock");
        let text = format!("dn: {JIM}\nchangetype: modify\ndelete: pwdAccountLockedTime\n");
        std::fs::write(&change, text).unwrap();
        let admin = format!("cn=admin,{BASE}");
        let mut modify = Command::new("ldapmodify");
        modify.args(["-x", "-H", &self.url(), "-D", &admin, "-w", "lab", "-f"]);
        let done = modify.arg(&change).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn slapd() -> Command {
    Command::new("/usr/sbin/slapd")
}

async fn log_in(auth: &Arc<Authenticator>, password: &str) -> Verdict {
    let value = basic("jim@contoso.test", password);
    auth.authenticate(&mut Connection::default(), Some(value.as_bytes()), HOME)
        .await
}

/// How many of ten wrong passwords are asked.
async fn reach(auth: &Arc<Authenticator>) -> usize {
    let mut reached = 0;
    for n in 0..10 {
        match log_in(auth, &format!("wrong {n}")).await {
            Verdict::Challenge(_) => reached += 1,
            Verdict::Throttled(wait) => assert!(wait > Duration::from_secs(23 * 60 * 60)),
            other => panic!("{other:?}"),
        }
    }
    reached
}

#[tokio::test]
async fn what_slapd_bears_is_heeded() {
    let slapd = Slapd::start("").await;
    let auth = slapd.auth();
    name(log_in(&auth, PASSWORD).await);
    assert_eq!(reach(&auth).await, 3, "two fewer than lock the account");
    let shown = slapd.jim();
    assert_eq!(shown.matches("pwdFailureTime:").count(), 3, "{shown}");
    assert!(!shown.contains("pwdAccountLockedTime"), "{shown}");
}

#[tokio::test]
async fn a_right_password_is_good_as_soon_as_slapd_unlocks_the_account() {
    let slapd = Slapd::start("").await;
    let auth = slapd.auth();
    for n in 0..5 {
        assert_eq!(slapd.bind(&format!("wrong {n}")), Some(49));
    }
    assert!(slapd.jim().contains("pwdAccountLockedTime"));
    for _ in 0..5 {
        refused(log_in(&auth, PASSWORD).await);
    }
    slapd.unlock();
    name(log_in(&auth, PASSWORD).await);
}

#[tokio::test]
async fn a_policy_that_is_hidden_is_taken_for_strict() {
    let hides = format!("access to dn.base=\"cn=policy,{BASE}\" by * none\n");
    let slapd = Slapd::start(&hides).await;
    let auth = slapd.auth();
    let mut reached = 0;
    for n in 0..4 {
        match log_in(&auth, &format!("wrong {n}")).await {
            Verdict::Challenge(_) => reached += 1,
            Verdict::Throttled(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reached, 2);
}
