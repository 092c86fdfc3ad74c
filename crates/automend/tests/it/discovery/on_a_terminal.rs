//! Questions on a terminal: what is asked, and what an answer does.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// Runs the binary with a terminal for questions, types something, and returns the report and what
/// stands on the screen.
fn run(bench: &Bench, arguments: &[&str], typed: &str) -> (Value, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let name = name.into_string().unwrap();
    let open = || File::options().read(true).write(true).open(&name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_automend"));
    command
        .args(arguments)
        .current_dir(bench.folder())
        .env_clear()
        .env("TERM", "dumb")
        .stdin(open())
        .stdout(Stdio::piped())
        .stderr(open());
    let child = command.spawn().unwrap();
    // The terminal closes with the child only when no one else has it open.
    drop(command);
    let mut terminal = File::from(terminal);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut screen = Vec::new();
    let mut portion = [0; 4096];
    while let Ok(read @ 1..) = terminal.read(&mut portion) {
        screen.extend(&portion[..read]);
    }
    let output = child.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (report, String::from_utf8_lossy(&screen).into_owned())
}

#[test]
fn a_redirect_to_another_host_asks_and_does_what_it_is_told() {
    for (typed, verdict, cause, logins) in [
        ("y\n", "ok", Value::Null, 1),
        ("n\n", "failed", Value::from("consent-refused"), 0),
        ("\n", "failed", Value::from("consent-refused"), 0),
    ] {
        let mut world = World::new(&[]);
        let leads = "https://mail.hoster.test/autodiscover/autodiscover.xml";
        world
            .http(HOST, move |_| redirect(302, leads))
            .https("mail.hoster.test", |heard| {
                behind_basic(heard, || xml(settings()))
            });
        let bench = bench(&world);
        let flags = world.flags();
        let mut arguments = vec![
            "test",
            USER,
            "--password-file",
            "password",
            "--format",
            "json",
        ];
        arguments.extend(flags.iter().map(String::as_str));
        let (report, screen) = run(&bench, &arguments, typed);
        assert!(
            screen.contains("A redirect leads to mail.hoster.test. Allow this host to configure the account? [y/N]"),
            "{screen}"
        );
        assert_eq!(
            (&report["verdict"], &report["cause"]),
            (&Value::from(verdict), &cause),
            "{screen}"
        );
        assert_eq!(world.server("mail.hoster.test", 443).logins().len(), logins);
    }
}
