//! The pool before servers that go and come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use automend_directory::ldap_server::{Access, LdapServer, Limits as ServerLimits};
use automend_directory::{Import, import};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

use super::connections::locked;
use super::*;
use crate::{LdapUrl, Location, OtherDirectory, Settings};

const CONTENT: &str = "dn: DC=contoso,DC=test\nobjectClass: domainDNS\n\n\
    dn: CN=Jim,DC=contoso,DC=test\nobjectClass: user\nsAMAccountName: jim\n";

/// A directory on a port of the loopback, which can be stopped and started.
struct Controller {
    port: u16,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    directory: automend_directory::Directory,
    folder: Arc<tempfile::TempDir>,
}

impl Controller {
    async fn new() -> Self {
        Self::with(CONTENT).await
    }

    async fn with(content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = automend_directory::Directory::create(folder.path()).unwrap();
        import(&directory, content.as_bytes(), Import::default(), |_| {}).unwrap();
        let mut controller = Self {
            port: 0,
            running: None,
            directory,
            folder: Arc::new(folder),
        };
        controller.start().await;
        controller
    }

    /// Another server of the same directory.
    async fn twin(&self) -> Self {
        let mut twin = Self {
            port: 0,
            running: None,
            directory: self.directory.clone(),
            folder: Arc::clone(&self.folder),
        };
        twin.start().await;
        twin
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let directory = self.directory.clone();
        let server = LdapServer::new(directory, Access::Open, ServerLimits::default(), "dc", || 0);
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server.serve(listener, stopped).await.unwrap();
        });
        self.running = Some((stop, task));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.send(()).unwrap();
        task.await.unwrap();
    }

    fn url(&self) -> LdapUrl {
        LdapUrl::parse(&format!("ldap://127.0.0.1:{}", self.port)).unwrap()
    }
}

type Events = Arc<Mutex<Vec<String>>>;

fn new_pool(controllers: &[&Controller], limits: Limits) -> (Arc<Pool>, Events) {
    let urls: Vec<LdapUrl> = controllers.iter().map(|one| one.url()).collect();
    let mut settings = Settings::of(Location::Server(urls[0].clone()));
    settings.allow_plaintext = true;
    let events = Events::default();
    let noted = Arc::clone(&events);
    let observe = move |change: &Change<'_>| {
        let event = match change.event {
            Event::RequestFailed => "failed",
            Event::Up => "up",
            Event::Down(_) => "down",
        };
        locked(&noted).push(format!("{} {event}", change.server.port));
    };
    let pool = Pool::new(&settings, urls, limits, Box::new(observe)).unwrap();
    (Arc::new(pool), events)
}

/// Searches for the root, and says at which port it was found.
async fn search(pool: &Pool) -> Result<u16, Outage> {
    let mut attempts = pool.search();
    while let Some(lease) = attempts.next().await {
        let asked = async { Ok(lease.connection.client.base("", &["currentTime"]).await?) };
        let answer = timeout_at(lease.until, asked).await;
        let port = lease.connection.url.port;
        if attempts.settle(lease, answer).is_some() {
            return Ok(port);
        }
    }
    Err(attempts.outage())
}

#[tokio::test]
async fn the_first_server_that_is_up_is_asked_and_one_that_fails_is_left_alone() {
    let mut first = Controller::new().await;
    let second = first.twin().await;
    let (pool, events) = new_pool(&[&first, &second], Limits::DEFAULT);
    pool.start().await.unwrap();
    assert_eq!(search(&pool).await.unwrap(), first.port);
    first.stop().await;
    assert_eq!(search(&pool).await.unwrap(), second.port);
    let expected = [
        format!("{} up", first.port),
        format!("{} up", second.port),
        format!("{} failed", first.port),
        format!("{} down", first.port),
    ];
    assert_eq!(*locked(&events), expected);
    // A check has not failed yet, so it would be asked if no other were left.
    assert_eq!(pool.search().servers().count(), 2);
    assert!(pool.check(&pool.servers[0]).await.is_err());
    assert_eq!(pool.search().servers().count(), 1);
    let status = pool.status();
    assert!(!status[0].up && status[1].up, "{status:?}");
    assert!(status[0].reason.is_some() && status[1].reason.is_none());
    first.start().await;
    pool.check(&pool.servers[0]).await.unwrap();
    assert_eq!(search(&pool).await.unwrap(), first.port);
}

#[tokio::test]
async fn servers_are_watched_without_any_request() {
    let mut only = Controller::new().await;
    let limits = Limits {
        check_interval: Duration::from_millis(20),
        ..Limits::DEFAULT
    };
    let (pool, _) = new_pool(&[&only], limits);
    let watched = Arc::clone(&pool);
    let watch = tokio::spawn(async move { watched.watch().await });
    let until = async |up: bool| {
        while pool.any_up() != up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let longest = Duration::from_secs(30);
    timeout(longest, until(true)).await.unwrap();
    only.stop().await;
    timeout(longest, until(false)).await.unwrap();
    only.start().await;
    timeout(longest, until(true)).await.unwrap();
    watch.abort();
}

#[tokio::test]
async fn a_request_goes_on_when_the_idle_connection_was_lost() {
    let mut only = Controller::new().await;
    let (pool, events) = new_pool(&[&only], Limits::DEFAULT);
    search(&pool).await.unwrap();
    only.stop().await;
    only.start().await;
    search(&pool).await.unwrap();
    assert_eq!(*locked(&events), [format!("{} up", only.port)]);
    only.stop().await;
    let outage = search(&pool).await.unwrap_err().to_string();
    assert!(outage.contains(&only.port.to_string()), "{outage}");
}

#[tokio::test]
async fn a_request_without_an_answer_goes_nowhere_else_and_its_server_comes_last() {
    let first = Controller::new().await;
    let second = first.twin().await;
    let (pool, _) = new_pool(&[&first, &second], Limits::DEFAULT);
    let order = || {
        let attempts = pool.bind();
        attempts
            .servers()
            .map(|server| server.url.port)
            .collect::<Vec<_>>()
    };
    assert_eq!(order(), [first.port, second.port]);
    let mut attempts = pool.bind();
    let lease = attempts.next().await.unwrap();
    let outage = attempts.unanswered(lease, None).to_string();
    assert!(outage.contains("no answer within 4 s"), "{outage}");
    assert_eq!(order(), [second.port, first.port]);
    // It passes the check, but may do the same again.
    pool.check(&pool.servers[0]).await.unwrap();
    assert_eq!(order(), [second.port, first.port]);
    assert_eq!(search(&pool).await.unwrap(), first.port);
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let only = Controller::new().await;
    let limits = Limits {
        connections: 1,
        timeout: Duration::from_millis(200),
        ..Limits::DEFAULT
    };
    let (pool, events) = new_pool(&[&only], limits);
    pool.start().await.unwrap();
    let mut attempts = pool.search();
    let lease = attempts.next().await.unwrap();
    let outage = search(&pool).await.unwrap_err().to_string();
    assert!(outage.contains("no connection has become free"), "{outage}");
    // Neither that nor a check that finds none is the server's fault.
    pool.check(&pool.servers[0]).await.unwrap();
    attempts.answered(lease);
    search(&pool).await.unwrap();
    assert_eq!(*locked(&events), [format!("{} up", only.port)]);
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_not_used() {
    let only = Controller::new().await;
    let limits = Limits {
        max_age: Duration::ZERO,
        ..Limits::DEFAULT
    };
    for (limits, expected) in [(Limits::DEFAULT, true), (limits, false)] {
        let (pool, _) = new_pool(&[&only], limits);
        search(&pool).await.unwrap();
        let lease = pool.search().next().await.unwrap().reused;
        assert_eq!(lease, expected);
    }
}

#[tokio::test]
async fn a_server_of_another_directory_gets_no_password() {
    let other = CONTENT.replace("contoso", "fabrikam");
    let (mut first, other) = (Controller::new().await, Controller::with(&other).await);
    let (pool, _) = new_pool(&[&first, &other], Limits::DEFAULT);
    let refused = pool.start().await.unwrap_err();
    assert!(refused.is::<OtherDirectory>(), "{refused:#}");
    // Nor where no check has come to it yet.
    let (pool, _) = new_pool(&[&first, &other], Limits::DEFAULT);
    search(&pool).await.unwrap();
    first.stop().await;
    let mut attempts = pool.bind();
    assert!(attempts.next().await.is_none());
    let outage = attempts.outage().to_string();
    assert!(outage.contains("copies of one directory"), "{outage}");
}
