//! Checks of passwords: those that are only decoy keep no real one waiting, and what they read is wiped.

use futures_util::future::join_all;
use futures_util::poll;
use zeroize::ZeroizeOnDrop;

use super::super::name::Login;
use super::super::outcome::Outcome;
use super::*;

#[tokio::test]
async fn a_flood_of_decoy_checks_takes_no_seat_of_a_real_one() {
    let company = Company::new(&[Scheme::Basic]);
    let accounts = Accounts::embedded(company.directory.clone());
    let jim = accounts.find(&Login::parse("jim").unwrap()).await.unwrap();
    let mut pending = Vec::new();
    // More than there are seats. Those that run keep theirs, as they are not looked at again for now.
    for n in 0..2000 {
        let (accounts, jim) = (&accounts, &jim);
        let mut decoy =
            Box::pin(async move { accounts.decoy_check(jim, &format!("wrong-{n}")).await });
        match poll!(&mut decoy) {
            std::task::Poll::Ready(outcome) => {
                assert!(matches!(outcome, Ok(Outcome::Closed)), "{outcome:?}");
            }
            std::task::Poll::Pending => pending.push(decoy),
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    assert!((1..=cores).contains(&pending.len()), "{}", pending.len());
    // A real one comes to its end while all of them are under way.
    let outcome = accounts.check(&jim, "Wint3r-Regen").await;
    assert!(matches!(outcome, Ok(Outcome::Accepted(_))), "{outcome:?}");
    for outcome in join_all(pending).await {
        assert!(matches!(outcome, Ok(Outcome::Closed)), "{outcome:?}");
    }
    // The right password is no exception.
    let outcome = accounts.decoy_check(&jim, "Wint3r-Regen").await;
    assert!(matches!(outcome, Ok(Outcome::Closed)), "{outcome:?}");
}

#[tokio::test]
async fn a_hash_is_wiped_when_a_login_is_over() {
    fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}
    let company = Company::new(&[Scheme::Ntlm]);
    let accounts = Accounts::embedded(company.directory.clone());
    for user in ["jim", "nobody"] {
        let found = accounts.find(&Login::parse(user).unwrap()).await.unwrap();
        is_wiped(&accounts.nt_hash(&found).unwrap());
    }
}
