//! Autodiscover out of two controllers, one of which goes away under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Cut, SAMBA2, sync};
use crate::curl::Answer;
use crate::lab::program::Desk;
use crate::lab::{Lab, eventually, run};
use crate::serving::{Affected, PASSWORD, Serving};

#[test]
fn nobody_notices_that_a_controller_goes_and_comes_back() {
    let lab = Lab::named(SAMBA2);
    let audit = lab.bind("LAB_DC1_LDAPS_URL", "LAB_AUDIT");
    let affected = Affected::somebody(&lab, audit);
    // Both know the password.
    sync();
    let desk = Desk::new();
    // Nothing is remembered, so that every answer asks a controller.
    std::fs::write(
        desk.file("automend.toml"),
        "[serve]\nadmin = \"127.0.0.1:9180\"\n[serve.directory]\ncache-ttl = 0\nhealth-check-interval = 1\n",
    )
    .expect("the desk is ours");
    let serving = Serving::of(
        audit,
        &[
            "--config",
            &desk.arg("automend.toml"),
            // It is asked first, and it is the one that goes.
            "-d",
            lab.var("LAB_DC2_LDAPS_URL"),
        ],
    );
    let admin = |page: &str| {
        let mut curl = lab.command("curl");
        let url = format!("http://127.0.0.1:9180/{page}");
        let told = run(curl.args(["--silent", &url]), "").stdout;
        String::from_utf8(told).expect("it speaks UTF-8")
    };
    let up = |server: usize| {
        let ready: serde_json::Value =
            serde_json::from_str(&admin("readyz")).expect("readiness is JSON");
        ready["directory"][server]["up"] == true
    };
    assert!(up(0) && up(1));
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut curl = lab.command("curl");
                    let host = affected.address.split_once('@').expect("an address").1;
                    let resolve = format!("autodiscover.{host}:443:127.0.0.1");
                    curl.args(["--basic", "--resolve", &resolve]);
                    let login = format!("{}:{PASSWORD}", affected.address);
                    let answer =
                        Answer::of(&mut curl, &serving.certificate, &login, &affected.address);
                    let delegated = answer.alternatives();
                    let delegated = delegated.iter().filter(|one| one.starts_with("Delegate "));
                    assert_eq!(
                        delegated.count(),
                        affected.healthy,
                        "{}: {answer:?}",
                        affected.name
                    );
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = || {
            let from = answered.load(Ordering::Relaxed);
            eventually("requests are answered", || {
                answered.load(Ordering::Relaxed) >= from + 20
            });
        };
        more();
        let cut = Cut::now();
        more();
        eventually("it is seen that dc2 is gone", || !up(0));
        more();
        drop(cut);
        eventually("it is seen that dc2 is back", || up(0));
        more();
        stop.store(true, Ordering::Relaxed);
    });
    let metrics = admin("metrics");
    assert!(
        metrics.contains("automend_answers_total{source=\"directory\"}"),
        "{metrics}"
    );
    assert!(!metrics.contains("last-known"), "{metrics}");
}
