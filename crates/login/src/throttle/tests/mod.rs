//! The throttle as the authenticator uses it, and as clients that try names and passwords see it.

mod pending;
mod seen;

use std::net::Ipv4Addr;

use super::known_networks::{MAX_NETWORKS, REMEMBERED_FOR};
use super::records::MAX_RECORDS;
use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
const JIM: CountedAccount = CountedAccount { key: 1, version: 0 };

const RIGHT: Option<&Outcome> = Some(&Outcome::Accepted(()));
const WRONG: Option<&Outcome> = Some(&Outcome::Wrong);
const CLOSED: Option<&Outcome> = Some(&Outcome::Closed);
const UNKNOWN: Option<&Outcome> = Some(&Outcome::Unknown(String::new()));

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
fn go(throttle: &Arc<Throttle>, attempt: &Attempt, now: Instant) -> Permit {
    match throttle.enter(attempt, now) {
        Ok(permit) => permit,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wait(throttle: &Arc<Throttle>, attempt: &Attempt, now: Instant) -> Duration {
    match throttle.enter(attempt, now) {
        Err(Denied::Wait(wait)) => wait,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_pending(throttle: &Arc<Throttle>, attempt: &Attempt, now: Instant) -> bool {
    matches!(throttle.enter(attempt, now), Err(Denied::Pending))
}

/// How many of `passwords` reach the directory, all of them wrong.
fn reach(throttle: &Arc<Throttle>, passwords: std::ops::Range<u64>, now: Instant) -> u32 {
    let mut reached = 0;
    for password in passwords {
        if let Ok(mut permit) = throttle.enter(&jim(1, password), now) {
            reached += u32::from(permit.enter_account(now) == Ok(()));
            permit.settle(WRONG, now);
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
        let mut permit = go(&throttle, &jim(password / 4, password), now);
        let goes_on = permit.enter_account(now) == Ok(());
        reached += u32::from(goes_on);
        permit.settle(if goes_on { WRONG } else { CLOSED }, now);
    }
    assert_eq!(reached, 4);
    // The right password does not reach it either, until the window has passed.
    assert_eq!(
        go(&throttle, &jim(50, 99), now).enter_account(now),
        Err(Denied::Withheld)
    );
    let later = now + Limits::LIVE.account_window;
    assert_eq!(
        go(&throttle, &jim(51, 99), later).enter_account(later),
        Ok(())
    );
}

#[test]
fn the_same_wrong_password_costs_one_failure() {
    let (throttle, now) = (throttle(), Instant::now());
    for minute in 0..29 {
        let now = now + Duration::from_secs(60 * minute);
        assert_eq!(reach(&throttle, 7..8, now), u32::from(minute == 0));
    }
    assert!(matches!(
        throttle.enter(&jim(1, 7), now),
        Err(Denied::KnownWrong)
    ));
    // Under another name it does not reach the account a second time.
    assert_eq!(
        go(&throttle, &jim(2, 7), now).enter_account(now),
        Err(Denied::Withheld)
    );
    // The right one still gets through.
    assert_eq!(go(&throttle, &jim(1, 8), now).enter_account(now), Ok(()));
}

#[test]
fn a_password_that_did_not_reach_the_account_may_come_again() {
    let (throttle, begin) = (throttle(), Instant::now());
    reach(&throttle, 0..4, begin);
    let later = begin + Duration::from_secs(20 * 60);
    let mut permit = go(&throttle, &jim(2, 7), later);
    assert_eq!(permit.enter_account(later), Err(Denied::Withheld));
    permit.settle(CLOSED, later);
    let end = begin + Limits::LIVE.account_window;
    assert_eq!(go(&throttle, &jim(2, 7), end).enter_account(end), Ok(()));
}

#[test]
fn a_device_with_an_old_password_keeps_no_other_out_however_strict_the_domain_is() {
    let limits = Limits::LIVE.under(3, Limits::LIVE.account_window);
    let throttle = Arc::new(Throttle::new(limits));
    let begin = Instant::now();
    for minute in 0..300 {
        let now = begin + Duration::from_secs(60 * minute);
        if let Ok(mut permit) = throttle.enter(&jim(1, 7), now) {
            assert_eq!(permit.enter_account(now), Ok(()));
            permit.settle(WRONG, now);
        }
        let right = Attempt {
            from: ELSEWHERE,
            ..jim(1, 1000)
        };
        let mut permit = go(&throttle, &right, now);
        assert_eq!(permit.enter_account(now), Ok(()));
        permit.settle(RIGHT, now);
    }
}

#[test]
fn a_new_password_forgives_everything() {
    let (throttle, now) = (throttle(), Instant::now());
    reach(&throttle, 0..100, now);
    let mut renewed = jim(1, 0);
    renewed.account = Some(CountedAccount { version: 1, ..JIM });
    assert_eq!(go(&throttle, &renewed, now).enter_account(now), Ok(()));
}

/// Begins so many attempts that all go on.
fn begin(throttle: &Arc<Throttle>, passwords: std::ops::Range<u64>, now: Instant) -> Vec<Permit> {
    let mut permits = Vec::new();
    for password in passwords {
        if let Ok(mut permit) = throttle.enter(&jim(1, password), now) {
            assert_eq!(permit.enter_account(now), Ok(()));
            permits.push(permit);
        }
    }
    permits
}

#[test]
fn what_was_sent_and_not_answered_counts_and_is_not_held_against_the_password() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..4 {
        let mut permit = go(&throttle, &jim(1, 7), now);
        assert_eq!(permit.enter_account(now), Ok(()));
        permit.settle(UNKNOWN, now);
    }
    let wait = wait(&throttle, &jim(1, 7), now);
    assert_eq!(wait, Limits::LIVE.account_window);
    assert_eq!(
        go(&throttle, &jim(1, 7), now + wait).enter_account(now + wait),
        Ok(())
    );
}

#[test]
fn a_password_of_a_closed_account_costs_one_failure_and_comes_again() {
    let (throttle, now) = (throttle(), Instant::now());
    let try_it = |password, end| {
        let mut permit = go(&throttle, &jim(1, password), now);
        assert_eq!(permit.enter_account(now), Ok(()));
        permit.settle(end, now);
    };
    for _ in 0..20 {
        try_it(7, CLOSED);
    }
    for password in 8..10 {
        try_it(password, CLOSED);
    }
    // As many as four, and the account is open again for the right one.
    try_it(7, RIGHT);
    for password in 8..11 {
        try_it(password, CLOSED);
    }
    // One that turns out wrong is the one failure that it was.
    try_it(8, WRONG);
    assert!(matches!(
        throttle.enter(&jim(1, 8), now),
        Err(Denied::KnownWrong)
    ));
    try_it(11, CLOSED);
    assert_eq!(
        wait(&throttle, &jim(1, 12), now),
        Limits::LIVE.account_window
    );
}

#[test]
fn a_wrong_password_under_two_names_at_once_is_two_failures() {
    let (throttle, now) = (throttle(), Instant::now());
    let both = [jim(1, 7), jim(2, 7)].map(|attempt| {
        let mut permit = go(&throttle, &attempt, now);
        assert_eq!(permit.enter_account(now), Ok(()));
        permit
    });
    for permit in both {
        permit.settle(WRONG, now);
    }
    let mut reached = 0;
    for password in 10..20 {
        let mut permit = go(&throttle, &jim(password, password), now);
        reached += u32::from(permit.enter_account(now) == Ok(()));
        permit.settle(WRONG, now);
    }
    assert_eq!(reached, 2);
}

#[test]
fn a_right_password_begins_the_count_anew() {
    let (throttle, now) = (throttle(), Instant::now());
    for round in 0..10 {
        assert_eq!(reach(&throttle, round * 3..round * 3 + 3, now), 3);
        let mut permit = go(&throttle, &jim(1, 1000), now);
        assert_eq!(permit.enter_account(now), Ok(()));
        permit.settle(RIGHT, now);
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
        go(&throttle, &stranger(password), now).settle(WRONG, now);
    }
    go(&throttle, &jim(1, 1000), now).settle(RIGHT, now);
    go(&throttle, &stranger(3), now).settle(WRONG, now);
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
        go(&throttle, &stranger(n, HOME), now).settle(WRONG, now);
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
    go(&throttle, &stranger(1000, HOME), now).settle(WRONG, now);
    let begun: Vec<_> = (0..99)
        .map(|n| go(&throttle, &stranger(n, HOME), now))
        .collect();
    assert!(is_pending(&throttle, &stranger(100, HOME), now));
    go(&throttle, &stranger(100, ELSEWHERE), now).settle(None, now);
    // As soon as one of them was right, another may begin.
    for permit in begun {
        permit.settle(RIGHT, now);
        go(&throttle, &stranger(100, HOME), now).settle(None, now);
    }
}

#[test]
fn neighbours_in_one_v6_network_are_one() {
    let at = |text: &str| client_network(text.parse().unwrap());
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
        go(&throttle, &stranger(n.into(), from), now).settle(WRONG, now);
    }
    assert!(throttle.names.len() <= MAX_RECORDS);
    assert!(throttle.addresses.len() <= MAX_RECORDS);
    let mut reached = 0;
    for password in 10..20 {
        let mut permit = go(&throttle, &jim(password, password), now);
        reached += u32::from(permit.enter_account(now) == Ok(()));
        permit.settle(WRONG, now);
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

/// Jim from here, under one of his names.
fn at(from: IpAddr, name: u64, password: u64) -> Attempt {
    Attempt {
        from,
        ..jim(name, password)
    }
}

/// Jim logs in.
#[track_caller]
fn log_in(throttle: &Arc<Throttle>, from: IpAddr, name: u64, now: Instant) {
    let mut permit = go(throttle, &at(from, name, 1000), now);
    assert_eq!(permit.enter_account(now), Ok(()));
    permit.settle(RIGHT, now);
}

/// An attacker guesses from elsewhere; how many of the passwords reach the directory.
fn guess(throttle: &Arc<Throttle>, names: std::ops::Range<u64>, now: Instant) -> u32 {
    let mut reached = 0;
    for password in 0..10 {
        let name = names.start + password % (names.end - names.start);
        if let Ok(mut permit) = throttle.enter(&at(ELSEWHERE, name, password), now) {
            let goes_on = permit.enter_account(now) == Ok(());
            reached += u32::from(goes_on);
            permit.settle(if goes_on { WRONG } else { CLOSED }, now);
        }
    }
    reached
}

#[test]
fn the_last_failure_is_kept_for_networks_that_proved_the_password() {
    for (home, neighbour, stranger) in [
        ("192.0.2.1", "192.0.2.200", "192.0.3.1"),
        ("::ffff:192.0.2.1", "192.0.2.9", "2001:db8::1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:3::4", "2001:db8:1:3::1"),
    ] {
        let [home, neighbour, stranger] =
            [home, neighbour, stranger].map(|text| text.parse::<IpAddr>().unwrap());
        let (throttle, now) = (throttle(), Instant::now());
        log_in(&throttle, home, 1, now);
        assert_eq!(guess(&throttle, 2..9, now), 3);
        for from in [stranger, ELSEWHERE] {
            let mut refused = go(&throttle, &at(from, 20, 1000), now);
            assert_eq!(refused.enter_account(now), Err(Denied::Withheld));
            refused.settle(CLOSED, now);
        }
        log_in(&throttle, neighbour, 1, now);
        log_in(&throttle, home, 1, now);
    }
}

#[test]
fn whose_own_name_others_have_used_up_logs_in_all_the_same() {
    let (throttle, now) = (throttle(), Instant::now());
    log_in(&throttle, HOME, 1, now);
    assert_eq!(guess(&throttle, 1..2, now), 3);
    let window = Limits::LIVE.account_window;
    assert_eq!(wait(&throttle, &at(ELSEWHERE, 1, 1000), now), window);
    for minute in 0..20 {
        let now = now + Duration::from_secs(minute * 60);
        assert_eq!(throttle.look(1, Some(1000), HOME, now), Ok(()));
        log_in(&throttle, HOME, 1, now);
    }
    // A mistake at home changes nothing that others see, and there is no second one.
    let later = now + Duration::from_secs(20 * 60);
    let mut permit = go(&throttle, &at(HOME, 1, 50), later);
    assert!(permit.extra().is_some());
    permit.enter_account(later).unwrap();
    permit.settle(WRONG, later);
    let left = window.checked_sub(Duration::from_secs(20 * 60)).unwrap();
    for from in [HOME, ELSEWHERE] {
        assert_eq!(
            throttle.look(1, Some(50), from, later),
            Err(Denied::Wait(left))
        );
        assert_eq!(wait(&throttle, &at(from, 1, 50), later), left);
    }
    assert_eq!(throttle.look(1, Some(50), HOME, now + window), Ok(()));
}

#[test]
fn a_familiar_network_under_one_name_is_none_under_another_or_of_another_account() {
    let (throttle, now) = (throttle(), Instant::now());
    log_in(&throttle, HOME, 1, now);
    guess(&throttle, 2..3, now);
    wait(&throttle, &at(HOME, 2, 1000), now);
    let mut other = at(HOME, 3, 1000);
    other.account = Some(CountedAccount { key: 2, version: 0 });
    go(&throttle, &other, now).settle(RIGHT, now);
    let mut amy = at(ELSEWHERE, 4, 1000);
    amy.account = Some(CountedAccount { key: 2, version: 0 });
    assert_eq!(go(&throttle, &amy, now).enter_account(now), Ok(()));
}

#[test]
fn a_network_is_familiar_for_thirty_days_after_the_last_login() {
    let (throttle, begin) = (throttle(), Instant::now());
    log_in(&throttle, HOME, 1, begin);
    let next = begin + Duration::from_secs(20 * 24 * 3600);
    log_in(&throttle, HOME, 1, next);
    let last = next + REMEMBERED_FOR.checked_sub(Duration::from_secs(60)).unwrap();
    assert_eq!(guess(&throttle, 2..9, last), 3);
    log_in(&throttle, HOME, 1, last);
    // No network is familiar any more, so nothing is kept for one.
    assert_eq!(guess(&throttle, 12..19, last + REMEMBERED_FOR), 4);
}

#[test]
fn one_failure_can_not_be_shared() {
    for (account, reached, is_let_in) in [(1, 1, false), (2, 1, true)] {
        let limits = Limits {
            account,
            ..Limits::LIVE
        };
        let (throttle, now) = (Arc::new(Throttle::new(limits)), Instant::now());
        log_in(&throttle, HOME, 1, now);
        assert_eq!(guess(&throttle, 2..12, now), reached);
        let mut permit = go(&throttle, &at(HOME, 1, 1000), now);
        assert_eq!(permit.enter_account(now) == Ok(()), is_let_in);
        permit.settle(None, now);
    }
}

#[test]
fn an_owner_on_the_move_keeps_the_latest_networks() {
    let (throttle, now) = (throttle(), Instant::now());
    let place = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, n, 1));
    for n in 0..100 {
        log_in(&throttle, place(n), 1, now + Duration::from_secs(n.into()));
    }
    let now = now + Duration::from_secs(100);
    let known = (0..100).filter(|n| throttle.account_networks.contains(JIM.key, place(*n), now));
    let last = 100 - u8::try_from(MAX_NETWORKS).unwrap();
    assert_eq!(known.collect::<Vec<_>>(), (last..100).collect::<Vec<_>>());
}

#[test]
fn who_goes_on_after_having_been_told_to_wait_is_charged() {
    let (throttle, now) = (throttle(), Instant::now());
    for password in 0..4 {
        go(&throttle, &jim(1, password), now).settle(WRONG, now);
    }
    // The first time costs nothing, and neither does a password that is known for wrong.
    for _ in 0..200 {
        assert_eq!(
            throttle.look(1, Some(0), ELSEWHERE, now),
            Err(Denied::KnownWrong)
        );
    }
    for n in 0..=100 {
        assert_eq!(throttle.address(ELSEWHERE, now), None, "after {n}");
        let look = throttle.look(1, Some(1000 + n), ELSEWHERE, now);
        assert!(matches!(look, Err(Denied::Wait(_))), "{look:?}");
    }
    assert!(throttle.address(ELSEWHERE, now).is_some());
    assert_eq!(throttle.address(HOME, now), None);
}

#[test]
fn a_known_wrong_password_is_searched_for_now_and_then_only() {
    let (throttle, now) = (throttle(), Instant::now());
    let attempt = jim(1, 7);
    go(&throttle, &attempt, now).settle(WRONG, now);
    let later = now + Limits::LIVE.recheck;
    for now in [now, later] {
        let soon = now + Duration::from_secs(9);
        assert_eq!(
            throttle.look(1, Some(7), HOME, soon),
            Err(Denied::KnownWrong)
        );
        let next = now + Limits::LIVE.recheck;
        assert_eq!(throttle.look(1, Some(7), HOME, next), Ok(()));
        assert!(matches!(
            throttle.enter(&attempt, next),
            Err(Denied::KnownWrong)
        ));
    }
    // A password that has become right since then is let in.
    let mut renewed = attempt;
    renewed.account = Some(CountedAccount { version: 1, ..JIM });
    assert_eq!(go(&throttle, &renewed, later).enter_account(later), Ok(()));
}

#[test]
fn an_account_that_changes_makes_its_names_bear_no_more() {
    let (throttle, now) = (throttle(), Instant::now());
    for password in 0..4 {
        go(&throttle, &jim(1, password), now).settle(WRONG, now);
    }
    let mut changed = jim(1, 0);
    changed.account = Some(CountedAccount { version: 1, ..JIM });
    let mut permit = go(&throttle, &changed, now);
    assert_eq!(permit.enter_account(now), Ok(()));
    permit.settle(WRONG, now);
    changed.password = Some(9);
    assert_eq!(wait(&throttle, &changed, now), Limits::LIVE.account_window);
}
