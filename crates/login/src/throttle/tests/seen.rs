//! What clients see of attempts, and what directories count: the same whether an account exists or not.

use proptest::prelude::*;

use super::*;

/// What an attempt shows, what its address is charged with so far, and what it makes the directory do:
/// searches and checks, in the authenticator's order.
fn traced(
    account: Option<CountedAccount>,
    tries: &[(u64, u64, bool, u64)],
) -> Vec<(Seen, u32, u32)> {
    let (throttle, mut now) = (throttle(), Instant::now());
    let mut row = Vec::new();
    for &(name, password, far, seconds) in tries {
        now += Duration::from_secs(seconds);
        let from = if far { ELSEWHERE } else { HOME };
        let mut work = 0;
        let entered = throttle
            .look(name, Some(password), from, now)
            .and_then(|()| {
                work += 1;
                let attempt = Attempt {
                    account,
                    ..at(from, name, password)
                };
                throttle.enter(&attempt, now)
            });
        let seen = match entered {
            Err(denied) => seen_of(denied),
            Ok(mut permit) => {
                let is_wrong = permit.enter_account(now).is_ok();
                work += u32::from(is_wrong || !permit.is_repeated());
                permit.settle(if is_wrong { WRONG } else { CLOSED }, now);
                Seen::Refused
            }
        };
        let shard = throttle.addresses.shard(&from).unwrap();
        let burst = shard.get(&from);
        let charged = burst.map_or(0, |burst| burst.count_now(&Limits::LIVE, now));
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

fn seen_of(denied: Denied) -> Seen {
    match denied {
        Denied::KnownWrong | Denied::Withheld => Seen::Refused,
        Denied::Wait(wait) => Seen::Wait(wait),
        Denied::Pending => panic!("one attempt at a time"),
    }
}

/// What a client sees of attempts with a name, a password, an address and seconds before it, and the
/// failures that a directory counts within its window at most.
fn seen(
    account: Option<CountedAccount>,
    tries: &[(u64, u64, bool, u64)],
    end: impl Fn(u64) -> Option<&'static Outcome>,
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
            Ok(mut permit) => {
                let reached = permit.enter_account(now) == Ok(());
                let end = match account {
                    Some(_) if reached => end(password),
                    Some(_) => CLOSED,
                    None => WRONG,
                };
                if reached && end == WRONG {
                    bad = if now < last + Limits::LIVE.account_window {
                        bad + 1
                    } else {
                        1
                    };
                    most = most.max(bad);
                    last = now;
                }
                permit.settle(end, now);
                Seen::Refused
            }
            Err(denied) => seen_of(denied),
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
        let nobody = seen(None, &tries, |_| WRONG);
        let somebody = seen(Some(JIM), &tries, |_| WRONG);
        prop_assert_eq!(&nobody.0, &somebody.0);
        let closed = seen(Some(JIM), &tries, |_| CLOSED);
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
            if let Ok(mut permit) = throttle.enter(&at(from, name, password), now) {
                let end = match (permit.enter_account(now), password) {
                    (Ok(()), 0) => RIGHT,
                    (Ok(()), _) => WRONG,
                    _ => CLOSED,
                };
                match end {
                    RIGHT => (bad, by_strangers) = (0, 0),
                    WRONG => {
                        bad += 1;
                        by_strangers += u32::from(far);
                    }
                    _ => {}
                }
                permit.settle(end, now);
            }
            prop_assert!(bad <= account, "{bad} failures");
            prop_assert!(by_strangers <= account.saturating_sub(1).max(1), "{by_strangers} by strangers");
        }
    }
}
