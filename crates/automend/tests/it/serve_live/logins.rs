//! Logins that are checked by live servers, which are silent, locked or busy.
//!
//! Invariant: a password that a server may have judged is counted and goes nowhere else.

use super::*;

/// What becomes of each of Amy's binds; those of others are answered.
fn at_amys_bind(act: impl Fn() -> Act + Send + Sync + 'static) -> Controller {
    Controller::new(move |request| match &request.op {
        Op::Bind { name, .. } if name.starts_with("CN=Amy,") => act(),
        _ => Act::Answer,
    })
}

/// Amy's binds that came here.
fn binds(dc: &Controller) -> usize {
    let is_amys = |request: &&Request| match &request.op {
        Op::Bind { name, .. } => name.starts_with("CN=Amy,"),
        _ => false,
    };
    dc.server.held().asked.iter().filter(is_amys).count()
}

fn amy(served: &Served, password: &str) -> served::Answer {
    let ask = Ask::post(POX, outlook("amy@contoso.test"));
    served.ask(&ask.basic("amy@contoso.test", password))
}

fn bob(served: &Served) -> String {
    let ask = Ask::post(POX, outlook("bob@contoso.test"));
    served.ask(&ask.basic("bob@contoso.test", PASSWORD)).pox()
}

#[test]
fn a_password_without_an_answer_is_counted_and_goes_to_no_other_server() {
    for act in [Act::Ignore, Act::Close, Act::Send(vec![0x30, 3, 2, 1])] {
        let said = format!("{act:?}");
        let scripted = || {
            let act = act.clone();
            at_amys_bind(move || act.clone())
        };
        let (first, second) = (scripted(), scripted());
        let served = serve(&[&first, &second], "");
        std::thread::scope(|scope| {
            for n in 0..4 {
                let served = &served;
                scope.spawn(move || amy(served, &format!("perhaps right {n}")).is(503));
            }
        });
        assert_eq!(binds(&first) + binds(&second), 4, "{said}");
        // As many as a directory tolerates, and no one else is affected.
        amy(&served, "right").is(429);
        let line = served.logged(|line| line["status"] == 429);
        let why = line["reason"].as_str().unwrap_or_default();
        assert!(why.contains("4 failed logins are let through"), "{line}");
        assert_eq!(binds(&first) + binds(&second), 4, "{said}");
        assert_eq!(bob(&served), "settings: ", "{said}");
    }
}

#[test]
fn a_server_that_judges_no_password_hands_it_to_the_next() {
    // busy, unavailable (RFC 4511 A.1).
    for code in [51, 52] {
        let first = at_amys_bind(move || Act::Refuse(code, "later"));
        let second = Controller::honest();
        let served = serve(&[&first, &second], "");
        assert_eq!(amy(&served, PASSWORD).pox(), "settings: Bob, Eve");
        assert_eq!((binds(&first), binds(&second)), (1, 1));
    }
}

#[test]
fn a_right_password_of_a_closed_account_is_let_in_as_soon_as_it_is_open() {
    for said in [
        // As Active Directory says that an account is locked, and that it is not the time to log in.
        (
            49,
            "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data 775, v4563",
        ),
        (
            49,
            "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data 530, v4563",
        ),
        // As 389 Directory Server says the former.
        (19, "Exceed password retry limit. Please try later."),
    ] {
        let open = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&open);
        let dc = at_amys_bind(move || {
            if switch.load(Ordering::SeqCst) {
                Act::Answer
            } else {
                Act::Refuse(said.0, said.1)
            }
        });
        let served = serve(&[&dc], "");
        for _ in 0..6 {
            amy(&served, PASSWORD).is(401);
        }
        assert_eq!(binds(&dc), 6, "it is asked each time");
        open.store(true, Ordering::SeqCst);
        assert_eq!(amy(&served, PASSWORD).pox(), "settings: Bob, Eve");
    }
    // What is only wrong is not asked again.
    let dc = at_amys_bind(|| Act::Refuse(49, "data 52e, v4563"));
    let served = serve(&[&dc], "");
    for _ in 0..3 {
        amy(&served, PASSWORD).is(401);
    }
    assert_eq!(binds(&dc), 1);
}

#[test]
fn all_names_of_an_account_share_what_its_directory_bears_and_nobody_sees_it() {
    let dc = at_amys_bind(|| Act::Refuse(49, "data 52e, v4563"));
    let served = serve(&[&dc], "");
    let ask = |user: &str, password: &str| {
        let ask = Ask::post(POX, outlook("amy@contoso.test"));
        let answer = served.ask(&ask.basic(user, password));
        (
            answer.status,
            answer.text(),
            answer.header("retry-after").is_some(),
        )
    };
    let names = |user: &str| {
        [
            format!("{user}@contoso.test"),
            format!("CONTOSO\\{user}"),
            user.to_owned(),
        ]
    };
    for round in 0..2 {
        for (n, (somebody, nobody)) in names("amy").iter().zip(names("zoe")).enumerate() {
            let password = format!("wrong {round} {n}");
            assert_eq!(
                ask(somebody, &password),
                ask(&nobody, &password),
                "{somebody}"
            );
            // The second time it is known to be wrong, under this name and any other.
            let first = names("amy")[0].clone();
            assert_eq!(ask(&first, &password), ask(&names("zoe")[0], &password));
        }
    }
    assert_eq!(binds(&dc), 4);
    // But the log tells.
    served.logged(|line| {
        let why = line["reason"].as_str().unwrap_or_default();
        line["status"] == 401 && why.contains("so it was not asked")
    });
}
