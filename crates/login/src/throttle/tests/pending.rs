//! Attempts that wait for others.

use super::*;

#[test]
fn attempts_under_way_count_and_only_those_that_were_not_sent_do_not() {
    let (throttle, now) = (throttle(), Instant::now());
    let permits = begin(&throttle, 0..20, now);
    assert_eq!(permits.len(), 4);
    assert!(is_pending(&throttle, &jim(1, 30), now));
    // Another name waits as well, invisibly.
    let mut other = go(&throttle, &jim(2, 30), now);
    assert_eq!(other.enter_account(now), Err(Denied::Pending));
    for permit in permits {
        permit.settle(None, now);
    }
    assert_eq!(other.enter_account(now), Ok(()));
    other.settle(None, now);
    // What broke off may have been counted.
    drop(begin(&throttle, 0..2, now));
    assert_eq!(reach(&throttle, 0..100, now), 2);
}

#[tokio::test]
async fn an_attempt_that_waits_goes_on_as_soon_as_another_has_ended() {
    let throttle = throttle();
    let mut permits = begin(&throttle, 0..4, clock::monotonic());
    let next = jim(1, 30);
    let entering = tokio::spawn({
        let throttle = Arc::clone(&throttle);
        async move { throttle.enter_soon(&next).await }
    });
    // Another name of the account gets in, and waits for the account.
    let mut other = go(&throttle, &jim(2, 31), clock::monotonic());
    let waiting = tokio::spawn(async move {
        let decided = other.enter_account_soon().await;
        (decided, other)
    });
    tokio::task::yield_now().await;
    assert!(!entering.is_finished() && !waiting.is_finished());
    // One attempt was right, and its place is free for both.
    permits.remove(0).settle(None, clock::monotonic());
    let entered = entering.await.unwrap().unwrap();
    let (decided, other) = waiting.await.unwrap();
    assert_eq!(decided, Ok(()));
    drop(entered);
    // The rest fails, and with it the logins that wait for them.
    let waits = jim(3, 32);
    let mut third = go(&throttle, &waits, clock::monotonic());
    let waiting = tokio::spawn(async move { third.enter_account_soon().await });
    tokio::task::yield_now().await;
    for permit in permits {
        permit.settle(WRONG, clock::monotonic());
    }
    drop(other);
    assert_eq!(waiting.await.unwrap(), Err(Denied::Withheld));
}
