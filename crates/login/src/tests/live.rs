//! The authenticator before a live server, which these tests start for themselves.

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A directory that is served on a port, until it is stopped.
async fn serve_directory(
    port: u16,
    directory: Directory,
) -> (u16, oneshot::Sender<()>, JoinHandle<()>) {
    use automend_directory::ldap_server::{Access, LdapServer, Limits};
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel();
    let server = LdapServer::new(directory, Access::Open, Limits::default(), "dc", || 0);
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        server.serve(listener, stopped).await.unwrap();
    });
    (port, stop, task)
}

#[tokio::test]
async fn a_connection_to_a_server_that_was_lost_is_made_anew() {
    let company = Company::new(&[Scheme::Basic]);
    let (port, stop, task) = serve_directory(0, company.directory.clone()).await;
    let (settings, url) = plain(&format!("ldap://127.0.0.1:{port}"));
    let offer = Offer {
        realm: String::new(),
        schemes: vec![Scheme::Basic],
        keytab: None,
        rc4_tickets: false,
    };
    let auth =
        Authenticator::new(live_accounts(&settings, vec![url]).unwrap(), offer, None).unwrap();
    let auth = Arc::new(auth);
    let log_in = async |password: &str| {
        let value = basic("jim@contoso.test", password);
        auth.authenticate(&mut Connection::default(), Some(value.as_bytes()), HOME)
            .await
    };
    // Such a server believes every password.
    assert_eq!(name(log_in("one").await), "jim@contoso.test");
    stop.send(()).unwrap();
    task.await.unwrap();
    let (_, _stop, _) = serve_directory(port, company.directory.clone()).await;
    assert_eq!(name(log_in("two").await), "jim@contoso.test");
}

#[test]
fn a_password_never_goes_in_clear_to_another_machine() {
    let (settings, url) = plain("ldap://dc1.contoso.test");
    let error = live_accounts(&settings, vec![url]).err().unwrap();
    assert!(error.to_string().contains("clear text"), "{error}");
}
