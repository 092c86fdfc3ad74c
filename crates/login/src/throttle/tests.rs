//! The throttle as the gate uses it, and as whoever tries names and passwords sees it.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::familiar::{FOR, MOST_PLACES};
use super::records::MOST;
use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
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
    let mut ticket = go(throttle, &at(from, name, 1000), now);
    assert_eq!(ticket.reach(now), Reach::Directory);
    ticket.settle(End::Right, now);
}

/// Somebody guesses from elsewhere; how many of the passwords reach the directory.
fn guess(throttle: &Arc<Throttle>, names: std::ops::Range<u64>, now: Instant) -> u32 {
    let mut reached = 0;
    for password in 0..10 {
        let name = names.start + password % (names.end - names.start);
        if let Entry::Go(mut ticket) = throttle.enter(&at(ELSEWHERE, name, password), now) {
            let goes_on = ticket.reach(now) == Reach::Directory;
            reached += u32::from(goes_on);
            ticket.settle(if goes_on { End::Wrong } else { End::Closed }, now);
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
            assert_eq!(refused.reach(now), Reach::Nowhere);
            refused.settle(End::Closed, now);
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
        assert_eq!(throttle.look(1, Some(1000), HOME, now), Look::Go);
        log_in(&throttle, HOME, 1, now);
    }
    // A mistake at home changes nothing that others see, and there is no second one.
    let later = now + Duration::from_secs(20 * 60);
    let mut ticket = go(&throttle, &at(HOME, 1, 50), later);
    assert!(ticket.beyond().is_some());
    ticket.reach(later);
    ticket.settle(End::Wrong, later);
    let left = window.checked_sub(Duration::from_secs(20 * 60)).unwrap();
    for from in [HOME, ELSEWHERE] {
        assert_eq!(throttle.look(1, Some(50), from, later), Look::Wait(left));
        assert_eq!(wait(&throttle, &at(from, 1, 50), later), left);
    }
    assert_eq!(throttle.look(1, Some(50), HOME, now + window), Look::Go);
}

#[test]
fn a_familiar_network_under_one_name_is_none_under_another_or_of_another_account() {
    let (throttle, now) = (throttle(), Instant::now());
    log_in(&throttle, HOME, 1, now);
    guess(&throttle, 2..3, now);
    wait(&throttle, &at(HOME, 2, 1000), now);
    let mut other = at(HOME, 3, 1000);
    other.account = Some(Counted { key: 2, stamp: 0 });
    go(&throttle, &other, now).settle(End::Right, now);
    let mut amy = at(ELSEWHERE, 4, 1000);
    amy.account = Some(Counted { key: 2, stamp: 0 });
    assert_eq!(go(&throttle, &amy, now).reach(now), Reach::Directory);
}

#[test]
fn a_network_is_familiar_for_thirty_days_after_the_last_login() {
    let (throttle, begin) = (throttle(), Instant::now());
    log_in(&throttle, HOME, 1, begin);
    let next = begin + Duration::from_secs(20 * 24 * 3600);
    log_in(&throttle, HOME, 1, next);
    let last = next + FOR.checked_sub(Duration::from_secs(60)).unwrap();
    assert_eq!(guess(&throttle, 2..9, last), 3);
    log_in(&throttle, HOME, 1, last);
    // Nobody is familiar any more, so there is nobody to keep anything for.
    assert_eq!(guess(&throttle, 12..19, last + FOR), 4);
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
        let mut ticket = go(&throttle, &at(HOME, 1, 1000), now);
        assert_eq!(ticket.reach(now) == Reach::Directory, is_let_in);
        ticket.settle(End::Unsent, now);
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
    let known = (0..100).filter(|n| throttle.owners.knows(JIM.key, place(*n), now));
    let last = 100 - u8::try_from(MOST_PLACES).unwrap();
    assert_eq!(known.collect::<Vec<_>>(), (last..100).collect::<Vec<_>>());
}

#[test]
fn who_goes_on_after_having_been_told_to_wait_is_charged() {
    let (throttle, now) = (throttle(), Instant::now());
    for password in 0..4 {
        go(&throttle, &jim(1, password), now).settle(End::Wrong, now);
    }
    // The first time costs nothing, and neither does a password that is known for wrong.
    for _ in 0..200 {
        assert_eq!(throttle.look(1, Some(0), ELSEWHERE, now), Look::KnownWrong);
    }
    for n in 0..=100 {
        assert_eq!(throttle.address(ELSEWHERE, now), None, "after {n}");
        let look = throttle.look(1, Some(1000 + n), ELSEWHERE, now);
        assert!(matches!(look, Look::Wait(_)), "{look:?}");
    }
    assert!(throttle.address(ELSEWHERE, now).is_some());
    assert_eq!(throttle.address(HOME, now), None);
}

#[test]
fn a_known_wrong_password_is_searched_for_now_and_then_only() {
    let (throttle, now) = (throttle(), Instant::now());
    let attempt = jim(1, 7);
    go(&throttle, &attempt, now).settle(End::Wrong, now);
    let later = now + Limits::LIVE.recheck;
    for now in [now, later] {
        let soon = now + Duration::from_secs(9);
        assert_eq!(throttle.look(1, Some(7), HOME, soon), Look::KnownWrong);
        let next = now + Limits::LIVE.recheck;
        assert_eq!(throttle.look(1, Some(7), HOME, next), Look::Go);
        assert!(matches!(throttle.enter(&attempt, next), Entry::KnownWrong));
    }
    // A password that has become right since then is let in.
    let mut renewed = attempt;
    renewed.account = Some(Counted { stamp: 1, ..JIM });
    assert_eq!(
        go(&throttle, &renewed, later).reach(later),
        Reach::Directory
    );
}

#[test]
fn an_account_that_changes_makes_its_names_bear_no_more() {
    let (throttle, now) = (throttle(), Instant::now());
    for password in 0..4 {
        go(&throttle, &jim(1, password), now).settle(End::Wrong, now);
    }
    let mut changed = jim(1, 0);
    changed.account = Some(Counted { stamp: 1, ..JIM });
    let mut ticket = go(&throttle, &changed, now);
    assert_eq!(ticket.reach(now), Reach::Directory);
    ticket.settle(End::Wrong, now);
    changed.password = Some(9);
    assert_eq!(wait(&throttle, &changed, now), Limits::LIVE.account_window);
}

/// What an attempt shows, what its address is charged with so far, and what it makes the directory do:
/// searches and checks, in the gate's order.
fn traced(account: Option<Counted>, tries: &[(u64, u64, bool, u64)]) -> Vec<(Seen, u32, u32)> {
    let (throttle, mut now) = (throttle(), Instant::now());
    let mut row = Vec::new();
    for &(name, password, far, seconds) in tries {
        now += Duration::from_secs(seconds);
        let from = if far { ELSEWHERE } else { HOME };
        let mut work = 0;
        let seen = match throttle.look(name, Some(password), from, now) {
            Look::KnownWrong | Look::Held => Seen::Refused,
            Look::Wait(wait) => Seen::Wait(wait),
            Look::Go => {
                work += 1;
                let attempt = Attempt {
                    account,
                    ..at(from, name, password)
                };
                match throttle.enter(&attempt, now) {
                    Entry::Wait(wait) => Seen::Wait(wait),
                    Entry::KnownWrong => Seen::Refused,
                    Entry::Go(mut ticket) => {
                        let reach = ticket.reach(now);
                        work += u32::from(reach == Reach::Directory || !ticket.is_repeated());
                        let is_wrong = reach == Reach::Directory;
                        ticket.settle(if is_wrong { End::Wrong } else { End::Closed }, now);
                        Seen::Refused
                    }
                }
            }
        };
        let shard = throttle.addresses.shard(&from).unwrap();
        let burst = shard.get(&from);
        let charged = burst.map_or(0, |burst| burst.standing(&Limits::LIVE, now));
        row.push((seen, charged, work));
    }
    row
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

    #[test]
    fn two_directories_that_differ_in_one_account_are_the_same_to_who_does_not_know_its_password(
        tries in prop::collection::vec((0..4_u64, 0..6_u64, any::<bool>(), 0..20_u64), 0..90),
    ) {
        // Within one window: after it the directory may have another answer, and is asked.
        prop_assert_eq!(traced(None, &tries), traced(Some(JIM), &tries));
    }

    #[test]
    fn familiar_networks_and_strangers_together_lock_nobody_out(
        tries in prop::collection::vec((0..4_u64, 0..12_u64, any::<bool>()), 0..80),
        account in 1..5_u32,
    ) {
        let limits = Limits { account, ..Limits::LIVE };
        let (throttle, now) = (Arc::new(Throttle::new(limits)), Instant::now());
        let (mut bad, mut by_strangers) = (0, 0);
        log_in(&throttle, HOME, 1, now);
        for (name, password, far) in tries {
            let from = if far { ELSEWHERE } else { HOME };
            // Of twelve passwords one is right, and only its owner knows it.
            let password = if far && password == 0 { 1 } else { password };
            if let Entry::Go(mut ticket) = throttle.enter(&at(from, name, password), now) {
                let end = match (ticket.reach(now), password) {
                    (Reach::Directory, 0) => End::Right,
                    (Reach::Directory, _) => End::Wrong,
                    _ => End::Closed,
                };
                match end {
                    End::Right => (bad, by_strangers) = (0, 0),
                    End::Wrong => {
                        bad += 1;
                        by_strangers += u32::from(far);
                    }
                    _ => {}
                }
                ticket.settle(end, now);
            }
            prop_assert!(bad <= account, "{bad} failures");
            prop_assert!(by_strangers <= account.saturating_sub(1).max(1), "{by_strangers} by strangers");
        }
    }
}
