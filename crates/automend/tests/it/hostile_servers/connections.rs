//! Connections that close, stall, flood or speak another language.

use super::*;

#[test]
fn nobody_listening_is_told_with_host_and_port() {
    // A port that was just free: anyone who takes it in between speaks no LDAP.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("ldap://127.0.0.1:{port}");
    let arguments = ["audit", "-d", &url, "--allow-plaintext", "--timeout", "2"];
    Bench::new().automend(&arguments).exits(2).warns(&url);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    fails(
        &Server::scripted(company(), |_, _| Act::Ignore),
        &["reading its root DSE", "timed out", "2 s"],
    );
}

#[test]
fn a_server_that_answers_everything_but_the_search_is_given_up() {
    fails(
        &on_owners(company(), |_, _| Act::Ignore),
        &["timed out", "2 s"],
    );
}

#[test]
fn a_server_that_closes_behind_the_bind_is_told() {
    let server = Server::scripted(company(), |request, _| match request.op {
        Op::Bind { .. } => Act::AnswerAndClose,
        _ => Act::Answer,
    });
    let bench = Bench::new();
    bench.file("password", "Wint3r-Regen\n");
    let url = server.url();
    let run = bench
        .automend(&[
            "audit",
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "--user",
            "a@b",
            "--password-file",
            "password",
        ])
        .exits(2)
        .warns(&url)
        .warns("connection closed by the server");
    assert!(!run.err.contains("Wint3r"), "{run}");
    assert_eq!(
        server.held().passwords(),
        [("Wint3r-Regen".to_owned(), false)]
    );
}

#[test]
fn a_refused_login_is_told_with_its_reason_and_without_the_password() {
    let server = Server::scripted(company(), |request, _| match request.op {
        Op::Bind { .. } => Act::Refuse(
            49,
            "80090308: LdapErr: DSID-0C09041C, comment: x, data 775, v4563",
        ),
        _ => Act::Answer,
    });
    let bench = Bench::new();
    bench.file("password", "Wint3r-Regen\n");
    let url = server.url();
    let run = bench
        .automend(&[
            "show",
            "alice@contoso.test",
            "-d",
            &url,
            "--allow-plaintext",
            "-u",
            "a@b",
            "--password-file",
            "password",
        ])
        .exits(2)
        .warns("the account is locked out")
        .warns("login as a@b failed");
    assert!(!format!("{run}").contains("Wint3r"), "{run}");
}

#[test]
fn a_server_that_speaks_another_protocol_is_told() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    fails(
        &Server::scripted(company(), move |_, _| Act::SendAndClose(http.clone())),
        &["the server misbehaved"],
    );
}

#[test]
fn garbage_in_the_middle_of_a_search_is_told() {
    let garbage: Vec<u8> = (0..=255).rev().cycle().take(4096).collect();
    fails(
        &on_owners(company(), move |_, _| Act::SendAndClose(garbage.clone())),
        &["the server misbehaved"],
    );
}

#[test]
fn a_message_nested_as_deep_as_it_is_long_is_refused() {
    let server = on_owners(company(), |request, _| {
        let mut nested = octets("x");
        for _ in 0..3000 {
            nested = ber(0x30, &[&nested]);
        }
        let entry = ber(0x64, &[&octets(format!("CN=Jim,{BASE}")), &nested]);
        Act::SendAndClose(message_of(request.id, &entry, None))
    });
    fails(&server, &["the server misbehaved"]);
}

#[test]
fn a_message_that_says_it_is_endless_is_refused_at_once() {
    let head = b"\x30\x84\x7f\xff\xff\xff\x02\x01".to_vec();
    fails(
        &on_owners(company(), move |_, _| Act::Send(head.clone())),
        &["over the limit", "2147483653"],
    );
}

#[test]
fn a_message_that_never_ends_is_given_up() {
    let head = b"\x30\x84\x00\xff\xff\xff\x02\x01".to_vec();
    fails(
        &on_owners(company(), move |_, _| Act::Send(head.clone())),
        &["timed out", "2 s"],
    );
}

#[test]
fn a_flood_that_answers_nothing_is_cut_off() {
    // An intermediate response (RFC 4511 4.13) is no answer, however often it comes.
    let server = on_owners(company(), |request, _| {
        Act::Flood(message_of(
            request.id,
            &ber(0x79, &[&ber(0x80, &[b"1.2.3"])]),
            None,
        ))
    });
    fails(&server, &[]);
}

#[test]
fn a_notice_of_disconnection_is_told_in_the_servers_words() {
    let server = Server::scripted(company(), |_, _| {
        Act::SendAndClose(notice("down for the night"))
    });
    fails(
        &server,
        &["connection closed by the server: unavailable (52): down for the night"],
    );
}

#[test]
fn a_server_that_leaves_in_every_search_is_given_up() {
    let server = on_owners(company(), |_, _| {
        Act::SendAndClose(notice("down for the night"))
    });
    fails(
        &server,
        &["connection closed by the server: unavailable (52): down for the night"],
    );
}

#[test]
fn a_server_that_was_away_for_a_moment_is_audited() {
    let server = on_owners(company(), |request, held| match times(request, held) {
        1 => Act::SendAndClose(notice("restarting")),
        2 => Act::Close,
        _ => Act::Answer,
    });
    is_complete(&server);
}

#[test]
fn an_answer_to_a_question_not_asked_is_told() {
    let server = on_owners(company(), |request, _| {
        Act::Send(message_of(
            request.id + 7,
            &outcome(&request.op, 0, "", None),
            None,
        ))
    });
    fails(&server, &["the server misbehaved"]);
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_page_is_given_up() {
    let server = on_owners(large_company(50), |_, _| Act::Stall(30));
    fails(&server, &["timed out"]);
}

#[test]
fn a_server_that_closes_after_every_page_loses_nothing() {
    let server = Server::scripted(large_company(300), |request, _| {
        if request.page.is_some() {
            Act::AnswerAndClose
        } else {
            Act::Answer
        }
    });
    is_complete_for(300, &server, &["--page-size", "10"]);
    let connections = server
        .held()
        .asked
        .iter()
        .map(|request| request.connection)
        .max();
    assert!(connections >= Some(30), "{connections:?}");
}

#[test]
fn a_server_that_closes_within_every_page_loses_nothing_and_tells_nothing_twice() {
    let server = on_owners(large_company(300), |request, held| {
        if times(request, held) == 1 {
            Act::Cut(7)
        } else {
            Act::Answer
        }
    });
    is_complete_for(300, &server, &["--page-size", "10"]);
}

#[test]
fn a_server_that_closes_after_every_request_whatever_it_is_loses_nothing() {
    let server = Server::scripted(large_company(40), |request, held| {
        // The root DSE is the first question on each connection.
        let first = !held
            .asked
            .iter()
            .rev()
            .skip(1)
            .any(|other| other.connection == request.connection);
        if first && request.page.is_none() {
            Act::Answer
        } else {
            Act::AnswerAndClose
        }
    });
    is_complete_for(40, &server, &["--page-size", "10"]);
}
