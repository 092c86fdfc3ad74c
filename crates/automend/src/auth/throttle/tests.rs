//! The throttle as the gate uses it, and as whoever tries names and passwords sees it.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::records::MOST;
use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const JIM: Counted = Counted { key: 1, stamp: 0 };

fn throttle() -> Arc<Throttle> {
    Arc::new(Throttle::new(Limits::LIVE))
}

/// Jim, under one of his names.
fn jim(name: u64, password: u64) -> Attempt {
    Attempt {
        name,
        account: Some(JIM),
        password: Some(password),
        from: HOME,
    }
}

/// An attempt that goes on.
#[track_caller]
fn go(throttle: &Arc<Throttle>, attempt: &Attempt, now: Instant) -> Ticket {
    match throttle.enter(attempt, now) {
        Entry::Go(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wait(throttle: &Arc<Throttle>, attempt: &Attempt, now: Instant) -> Duration {
    match throttle.enter(attempt, now) {
        Entry::Wait(wait) => wait,
        other => panic!("{other:?}"),
    }
}

/// How many of `passwords` reach the directory, all of them wrong.
fn reach(throttle: &Arc<Throttle>, passwords: std::ops::Range<u64>, now: Instant) -> u32 {
    let mut reached = 0;
    for password in passwords {
        if let Entry::Go(mut ticket) = throttle.enter(&jim(1, password), now) {
            reached += u32::from(ticket.reach(now) == Reach::Directory);
            ticket.settle(End::Wrong, now);
        }
    }
    reached
}

#[test]
fn an_account_is_left_alone_before_it_would_be_locked() {
    let (throttle, now) = (throttle(), Instant::now());
    assert_eq!(reach(&throttle, 0..100, now), 4);
    let wait = wait(&throttle, &jim(1, 1000), now);
    assert_eq!(wait, Limits::LIVE.account_window);
    let almost = now + wait.checked_sub(Duration::from_secs(1)).unwrap();
    assert_eq!(reach(&throttle, 200..300, almost), 0);
    assert_eq!(reach(&throttle, 200..300, now + wait), 4);
}

#[test]
fn all_names_of_an_account_add_up_and_nobody_sees_it() {
    let (throttle, now) = (throttle(), Instant::now());
    let mut reached = 0;
    for password in 0..40 {
        // Four under each of ten names.
        let mut ticket = go(&throttle, &jim(password / 4, password), now);
        let goes_on = ticket.reach(now) == Reach::Directory;
        reached += u32::from(goes_on);
        ticket.settle(if goes_on { End::Wrong } else { End::Closed }, now);
    }
    assert_eq!(reached, 4);
    // The right password does not reach it either, until the window has passed.
    assert_eq!(go(&throttle, &jim(50, 99), now).reach(now), Reach::Nowhere);
    let later = now + Limits::LIVE.account_window;
    assert_eq!(
        go(&throttle, &jim(51, 99), later).reach(later),
        Reach::Directory
    );
}

#[test]
fn the_same_wrong_password_costs_one_failure() {
    let (throttle, now) = (throttle(), Instant::now());
    for minute in 0..29 {
        let now = now + Duration::from_secs(60 * minute);
        assert_eq!(reach(&throttle, 7..8, now), u32::from(minute == 0));
    }
    assert!(matches!(throttle.enter(&jim(1, 7), now), Entry::KnownWrong));
    // Under another name it does not reach the account a second time.
    assert_eq!(go(&throttle, &jim(2, 7), now).reach(now), Reach::Nowhere);
    // The right one still gets through.
    assert_eq!(go(&throttle, &jim(1, 8), now).reach(now), Reach::Directory);
}

#[test]
fn a_password_that_did_not_reach_the_account_may_come_again() {
    let (throttle, begin) = (throttle(), Instant::now());
    reach(&throttle, 0..4, begin);
    let later = begin + Duration::from_secs(20 * 60);
    let mut ticket = go(&throttle, &jim(2, 7), later);
    assert_eq!(ticket.reach(later), Reach::Nowhere);
    ticket.settle(End::Closed, later);
    let end = begin + Limits::LIVE.account_window;
    assert_eq!(go(&throttle, &jim(2, 7), end).reach(end), Reach::Directory);
}

#[test]
fn a_device_with_an_old_password_keeps_no_other_out_however_strict_the_domain_is() {
    let limits = Limits::LIVE.under(3, Limits::LIVE.account_window);
    let throttle = Arc::new(Throttle::new(limits));
    let begin = Instant::now();
    for minute in 0..300 {
        let now = begin + Duration::from_secs(60 * minute);
        if let Entry::Go(mut ticket) = throttle.enter(&jim(1, 7), now) {
            assert_eq!(ticket.reach(now), Reach::Directory);
            ticket.settle(End::Wrong, now);
        }
        let right = Attempt {
            from: ELSEWHERE,
            ..jim(1, 1000)
        };
        let mut ticket = go(&throttle, &right, now);
        assert_eq!(ticket.reach(now), Reach::Directory);
        ticket.settle(End::Right, now);
    }
}

#[test]
fn a_new_password_forgives_everything() {
    let (throttle, now) = (throttle(), Instant::now());
    reach(&throttle, 0..100, now);
    let mut renewed = jim(1, 0);
    renewed.account = Some(Counted { stamp: 1, ..JIM });
    assert_eq!(go(&throttle, &renewed, now).reach(now), Reach::Directory);
}

/// Begins so many attempts that all go on.
fn begin(throttle: &Arc<Throttle>, passwords: std::ops::Range<u64>, now: Instant) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for password in passwords {
        if let Entry::Go(mut ticket) = throttle.enter(&jim(1, password), now) {
            assert_eq!(ticket.reach(now), Reach::Directory);
            tickets.push(ticket);
        }
    }
    tickets
}

#[test]
fn attempts_under_way_count_and_only_those_that_were_not_sent_do_not() {
    let (throttle, now) = (throttle(), Instant::now());
    let tickets = begin(&throttle, 0..20, now);
    assert_eq!(tickets.len(), 4);
    assert_eq!(wait(&throttle, &jim(1, 30), now), MOMENT);
    // Another name waits as well, and nobody sees it.
    let mut other = go(&throttle, &jim(2, 30), now);
    assert_eq!(other.reach(now), Reach::NotYet);
    for ticket in tickets {
        ticket.settle(End::Unsent, now);
    }
    assert_eq!(other.reach(now), Reach::Directory);
    other.settle(End::Unsent, now);
    // What broke off may have been counted.
    drop(begin(&throttle, 0..2, now));
    assert_eq!(reach(&throttle, 0..100, now), 2);
}

#[test]
fn what_was_sent_and_not_answered_counts_and_is_not_held_against_the_password() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..4 {
        let mut ticket = go(&throttle, &jim(1, 7), now);
        assert_eq!(ticket.reach(now), Reach::Directory);
        ticket.settle(End::Unknown, now);
    }
    let wait = wait(&throttle, &jim(1, 7), now);
    assert_eq!(wait, Limits::LIVE.account_window);
    assert_eq!(
        go(&throttle, &jim(1, 7), now + wait).reach(now + wait),
        Reach::Directory
    );
}

#[test]
fn a_password_of_a_closed_account_costs_one_failure_and_comes_again() {
    let (throttle, now) = (throttle(), Instant::now());
    let try_it = |password, end| {
        let mut ticket = go(&throttle, &jim(1, password), now);
        assert_eq!(ticket.reach(now), Reach::Directory);
        ticket.settle(end, now);
    };
    for _ in 0..20 {
        try_it(7, End::Closed);
    }
    for password in 8..10 {
        try_it(password, End::Closed);
    }
    // As many as four, and the account is open again for the right one.
    try_it(7, End::Right);
    for password in 8..11 {
        try_it(password, End::Closed);
    }
    // One that turns out wrong is the one failure that it was.
    try_it(8, End::Wrong);
    assert!(matches!(throttle.enter(&jim(1, 8), now), Entry::KnownWrong));
    try_it(11, End::Closed);
    assert_eq!(
        wait(&throttle, &jim(1, 12), now),
        Limits::LIVE.account_window
    );
}

#[test]
fn a_wrong_password_under_two_names_at_once_is_two_failures() {
    let (throttle, now) = (throttle(), Instant::now());
    let both = [jim(1, 7), jim(2, 7)].map(|attempt| {
        let mut ticket = go(&throttle, &attempt, now);
        assert_eq!(ticket.reach(now), Reach::Directory);
        ticket
    });
    for ticket in both {
        ticket.settle(End::Wrong, now);
    }
    let mut reached = 0;
    for password in 10..20 {
        let mut ticket = go(&throttle, &jim(password, password), now);
        reached += u32::from(ticket.reach(now) == Reach::Directory);
        ticket.settle(End::Wrong, now);
    }
    assert_eq!(reached, 2);
}

#[test]
fn a_right_password_begins_the_count_anew() {
    let (throttle, now) = (throttle(), Instant::now());
    for round in 0..10 {
        assert_eq!(reach(&throttle, round * 3..round * 3 + 3, now), 3);
        let mut ticket = go(&throttle, &jim(1, 1000), now);
        assert_eq!(ticket.reach(now), Reach::Directory);
        ticket.settle(End::Right, now);
    }
}

#[test]
fn who_fails_elsewhere_does_not_see_that_the_owner_has_logged_in() {
    let (throttle, now) = (throttle(), Instant::now());
    let stranger = |password| Attempt {
        from: ELSEWHERE,
        ..jim(1, password)
    };
    for password in 0..3 {
        go(&throttle, &stranger(password), now).settle(End::Wrong, now);
    }
    go(&throttle, &jim(1, 1000), now).settle(End::Right, now);
    go(&throttle, &stranger(3), now).settle(End::Wrong, now);
    assert_eq!(
        wait(&throttle, &stranger(4), now),
        Limits::LIVE.account_window
    );
}

fn stranger(name: u64, from: IpAddr) -> Attempt {
    Attempt {
        name,
        account: None,
        password: None,
        from,
    }
}

#[test]
fn an_address_that_tries_many_accounts_is_stopped() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..100 {
        assert_eq!(throttle.address(HOME, now), None, "after {n}");
        go(&throttle, &stranger(n, HOME), now).settle(End::Wrong, now);
    }
    let window = Limits::LIVE.address_window;
    assert_eq!(throttle.address(HOME, now), Some(window));
    assert_eq!(wait(&throttle, &stranger(200, HOME), now), window);
    assert_eq!(throttle.address(HOME, now + window), None);
    assert_eq!(throttle.address(ELSEWHERE, now), None);
}

#[test]
fn an_address_can_not_begin_more_attempts_at_once_than_it_may_fail() {
    let (throttle, now) = (throttle(), Instant::now());
    go(&throttle, &stranger(1000, HOME), now).settle(End::Wrong, now);
    let begun: Vec<_> = (0..99)
        .map(|n| go(&throttle, &stranger(n, HOME), now))
        .collect();
    assert_eq!(wait(&throttle, &stranger(100, HOME), now), MOMENT);
    go(&throttle, &stranger(100, ELSEWHERE), now).settle(End::Unsent, now);
    // As soon as one of them was right, another may begin.
    for ticket in begun {
        ticket.settle(End::Right, now);
        go(&throttle, &stranger(100, HOME), now).settle(End::Unsent, now);
    }
}

#[test]
fn neighbours_in_one_v6_network_are_one() {
    let at = |text: &str| network(text.parse().unwrap());
    assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::2"));
    assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    assert_eq!(at("::ffff:192.0.2.1"), HOME);
}

#[test]
fn a_flood_of_names_is_bounded_and_pushes_out_no_account() {
    let (throttle, now) = (throttle(), Instant::now());
    assert_eq!(reach(&throttle, 0..3, now), 3);
    for n in 100..80_100_u32 {
        let from = IpAddr::V4(Ipv4Addr::from(n));
        go(&throttle, &stranger(n.into(), from), now).settle(End::Wrong, now);
    }
    assert!(throttle.names.len() <= MOST);
    assert!(throttle.addresses.len() <= MOST);
    let mut reached = 0;
    for password in 10..20 {
        let mut ticket = go(&throttle, &jim(password, password), now);
        reached += u32::from(ticket.reach(now) == Reach::Directory);
        ticket.settle(End::Wrong, now);
    }
    assert_eq!(reached, 1);
}

#[test]
fn a_strict_domain_makes_the_limits_stricter() {
    let hour = Duration::from_secs(3600);
    for (threshold, expected) in [
        (0, 4),
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 3),
        (6, 4),
        (50, 4),
    ] {
        assert_eq!(Limits::LIVE.under(threshold, hour).account, expected);
    }
    assert_eq!(Limits::LIVE.under(5, hour).account_window, hour);
    assert_eq!(Limits::LIVE.under(0, hour), Limits::LIVE);
    let ever = Limits::LIVE.under(5, Duration::MAX);
    assert_eq!(ever.account_window, Duration::from_secs(24 * 60 * 60));
}

/// What a client sees of an attempt.
#[derive(Debug, PartialEq)]
enum Seen {
    Refused,
    Wait(Duration),
}

/// What a client sees of attempts with a name, a password, an address and seconds before it, and the
/// failures that a directory counts within its window at most.
fn seen(
    account: Option<Counted>,
    tries: &[(u64, u64, bool, u64)],
    end: impl Fn(u64) -> End,
) -> (Vec<Seen>, u32) {
    let (throttle, mut now) = (throttle(), Instant::now());
    let (mut bad, mut most, mut last) = (0, 0, now);
    let seen = tries.iter().map(|&(name, password, far, seconds)| {
        now += Duration::from_secs(seconds);
        let attempt = Attempt {
            name,
            account,
            password: Some(password),
            from: if far { ELSEWHERE } else { HOME },
        };
        match throttle.enter(&attempt, now) {
            Entry::Go(mut ticket) => {
                let reached = ticket.reach(now) == Reach::Directory;
                let end = match account {
                    Some(_) if reached => end(password),
                    Some(_) => End::Closed,
                    None => End::Wrong,
                };
                if reached && end == End::Wrong {
                    bad = if now < last + Limits::LIVE.account_window {
                        bad + 1
                    } else {
                        1
                    };
                    most = most.max(bad);
                    last = now;
                }
                ticket.settle(end, now);
                Seen::Refused
            }
            Entry::KnownWrong => Seen::Refused,
            Entry::Wait(wait) => Seen::Wait(wait),
        }
    });
    let seen = seen.collect();
    (seen, most)
}

proptest! {
    #[test]
    fn nobody_sees_whether_there_is_such_an_account(
        tries in prop::collection::vec((0..3_u64, 0..6_u64, any::<bool>(), 0..600_u64), 0..60),
    ) {
        let nobody = seen(None, &tries, |_| End::Wrong);
        let somebody = seen(Some(JIM), &tries, |_| End::Wrong);
        prop_assert_eq!(&nobody.0, &somebody.0);
        let closed = seen(Some(JIM), &tries, |_| End::Closed);
        prop_assert_eq!(&nobody.0, &closed.0);
        prop_assert!(somebody.1 <= Limits::LIVE.account, "{} failures", somebody.1);
    }
}
