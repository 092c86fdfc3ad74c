//! A small forest behind a server on a loopback port, for as long as the value lives.

use std::fmt::Write as _;
use std::net::SocketAddr;

use automend_directory::ldap_server::{Access, LdapServer, Limits};
use automend_directory::{Directory, Import, import};

pub(crate) const DOMAIN: &str = "DC=contoso,DC=test";
pub(crate) const NAME: &str = "admin@contoso.test";
pub(crate) const PASSWORD: &str = "Secret-1";

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) directory: Directory,
    shutdown: Option<tokio::sync::oneshot::Sender<()>>,
    #[allow(dead_code, reason = "not every test that shares this file stops it")]
    server: Option<std::thread::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

/// A domain with its configuration, `users` users `u0`, `u1` ..., the first of which has a forward
/// link to each of the others but the last, and the last of which none at all.
pub(crate) fn forest(users: usize) -> String {
    let mut ldif = format!(
        "dn: {DOMAIN}\nobjectClass: domainDNS\n\ndn: OU=P,{DOMAIN}\nobjectClass: organizationalUnit\n\n\
         dn: CN=Configuration,{DOMAIN}\nobjectClass: configuration\n\n\
         dn: CN=Schema,CN=Configuration,{DOMAIN}\nobjectClass: dMD\n\n\
         dn: CN=SCP,CN=Configuration,{DOMAIN}\nobjectClass: serviceConnectionPoint\nkeywords: 77378F46-2C66-4aa9-A6A6-3E7A48B19596\n\n"
    );
    for number in 0..users {
        write!(ldif, "dn: CN=u{number},OU=P,{DOMAIN}\nobjectClass: user\nmail: u{number}@contoso.test\nsAMAccountName: u{number}\n").unwrap();
        if number == 0 {
            for other in 1..users.saturating_sub(1) {
                writeln!(ldif, "msExchDelegateListLink: CN=u{other},OU=P,{DOMAIN}").unwrap();
            }
        }
        ldif.push('\n');
    }
    ldif
}

impl Served {
    pub(crate) fn new(ldif: &str, access: Access, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        let report = import(&directory, ldif.as_bytes(), Import::default(), |_| {}).unwrap();
        assert_eq!(report.notes, []);
        let ldap_server = LdapServer::new(
            directory.clone(),
            access,
            limits,
            "dc1.contoso.test",
            || 1_795_334_929,
        );
        let (tell, address) = std::sync::mpsc::channel();
        let (shutdown, stopped) = tokio::sync::oneshot::channel();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                ldap_server
                    .serve(listener, async { drop(stopped.await) })
                    .await
                    .unwrap();
            });
        });
        let address = address.recv().unwrap();
        Self {
            address,
            directory,
            shutdown: Some(shutdown),
            server: Some(server),
            _folder: folder,
        }
    }

    pub(crate) fn account() -> Access {
        Access::Account {
            name: NAME.to_owned(),
            password: PASSWORD.to_owned().into(),
        }
    }

    /// Ends the server and waits until it has.
    #[allow(dead_code, reason = "not every test that shares this file stops it")]
    pub(crate) fn stop(&mut self) {
        drop(self.shutdown.take());
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The thread ends by itself; a failed test shouldn't hang waiting for it.
        drop(self.shutdown.take());
    }
}
