//! NTLM, which logs in a connection.

use super::*;

#[tokio::test]
async fn ntlm_logs_a_connection_in() {
    let company = Company::new(&[Scheme::Ntlm, Scheme::Basic]);
    for user in [
        "jim@contoso.test",
        "CONTOSO\\JIM",
        "contoso.test\\jim",
        "jim.miller@contoso.test",
    ] {
        let mut login = jim(user, "Wint3r-Regen");
        let mut connection = Connection::default();
        let hello = turn(&company, &mut login, &mut connection, None).await;
        let challenge = only(hello);
        assert_eq!(challenge.scheme, Some(Scheme::Ntlm));
        let answer = turn(&company, &mut login, &mut connection, Some(&challenge)).await;
        assert_eq!(name(answer), "jim@contoso.test", "{user}");
        // Later requests bring nothing.
        assert_eq!(
            name(company.authenticate(&mut connection, None).await),
            "jim@contoso.test"
        );
        // On another connection there is no login.
        refused(company.authenticate(&mut Connection::default(), None).await);
        // Until the account is closed.
        company.modify("Jim", Modification::replace("userAccountControl", ["514"]));
        refused(company.authenticate(&mut connection, None).await);
        company.modify("Jim", Modification::replace("userAccountControl", ["512"]));
        refused(company.authenticate(&mut connection, None).await);
    }
}

#[tokio::test]
async fn a_connection_that_others_may_use_carries_no_login() {
    let company = Company::new(&[Scheme::Ntlm, Scheme::Basic]);
    let log_in = async |connection: &mut Connection| {
        let mut login = jim("jim@contoso.test", "Wint3r-Regen");
        let challenge = only(turn(&company, &mut login, connection, None).await);
        name(turn(&company, &mut login, connection, Some(&challenge)).await);
        assert!(connection.is_logged_in());
    };
    let only_basic = ["Basic realm=\"Autodiscover\", charset=\"UTF-8\""];
    // It turns out to be a proxy's.
    let mut connection = Connection::default();
    log_in(&mut connection).await;
    connection.set_shared();
    assert_eq!(
        refused(company.authenticate(&mut connection, None).await),
        only_basic
    );
    assert!(connection.refusal().unwrap().contains("through a proxy"));
    let mut again = jim("jim", "Wint3r-Regen");
    let hello = turn(&company, &mut again, &mut connection, None).await;
    assert_eq!(refused(hello), only_basic);
    let right = basic("jim", "Wint3r-Regen");
    name(company.authenticate(&mut connection, Some(&right)).await);
    refused(company.authenticate(&mut connection, None).await);
    // Another user's password, right or wrong, comes on it.
    company.modify("Amy", Modification::replace("userAccountControl", ["512"]));
    for (user, password) in [("amy", "wrong"), ("amy", "Wint3r-Regen")] {
        let mut connection = Connection::default();
        log_in(&mut connection).await;
        let value = basic(user, password);
        company.authenticate(&mut connection, Some(&value)).await;
        refused(company.authenticate(&mut connection, None).await);
    }
    // Two people prove themselves in turn.
    let mut connection = Connection::default();
    log_in(&mut connection).await;
    let mut amy = jim("amy@contoso.test", "Wint3r-Regen");
    let challenge = only(turn(&company, &mut amy, &mut connection, None).await);
    name(turn(&company, &mut amy, &mut connection, Some(&challenge)).await);
    assert_eq!(
        refused(company.authenticate(&mut connection, None).await),
        only_basic
    );
}

#[tokio::test]
async fn who_has_logged_in_to_one_directory_is_nobody_in_the_next() {
    // As after a reload, whose directory has seen as few commits as the one before.
    let (before, after) = (Company::new(&[Scheme::Ntlm]), Company::new(&[Scheme::Ntlm]));
    assert_eq!(before.directory.commits(), after.directory.commits());
    let mut connection = Connection::default();
    let mut login = jim("jim@contoso.test", "Wint3r-Regen");
    let challenge = only(turn(&before, &mut login, &mut connection, None).await);
    name(turn(&before, &mut login, &mut connection, Some(&challenge)).await);
    name(before.authenticate(&mut connection, None).await);
    refused(after.authenticate(&mut connection, None).await);
}

#[tokio::test]
async fn ntlm_may_begin_again_and_ends_with_a_refusal_for_the_wrong_password() {
    let company = Company::new(&[Scheme::Ntlm]);
    let mut connection = Connection::default();
    only(turn(&company, &mut jim("jim", "x"), &mut connection, None).await);
    let mut login = jim("CONTOSO\\jim", "Wint3r-Regen");
    let challenge = only(turn(&company, &mut login, &mut connection, None).await);
    name(turn(&company, &mut login, &mut connection, Some(&challenge)).await);
    for (user, password) in [
        ("CONTOSO\\jim", "wrong"),
        ("CONTOSO\\nobody", "Wint3r-Regen"),
        ("CONTOSO\\amy", "Wint3r-Regen"),
    ] {
        let mut login = jim(user, password);
        let challenge = only(turn(&company, &mut login, &mut connection, None).await);
        let verdict = turn(&company, &mut login, &mut connection, Some(&challenge)).await;
        assert_eq!(refused(verdict), ["NTLM"], "{user}");
        refused(company.authenticate(&mut connection, None).await);
    }
}

#[tokio::test]
async fn an_answer_of_ntlm_is_good_once_and_on_its_own_connection() {
    let company = Company::new(&[Scheme::Ntlm]);
    let (mut one, mut other) = (Connection::default(), Connection::default());
    let mut login = jim("CONTOSO\\jim", "Wint3r-Regen");
    let challenge = only(turn(&company, &mut login, &mut one, None).await);
    only(turn(&company, &mut jim("jim", "x"), &mut other, None).await);
    let answer = login.next(Some(&challenge)).await.unwrap().unwrap();
    let answer = answer.expose_secret();
    refused(company.authenticate(&mut other, Some(answer)).await);
    refused(
        company
            .authenticate(&mut Connection::default(), Some(answer))
            .await,
    );
    name(company.authenticate(&mut one, Some(answer)).await);
    refused(company.authenticate(&mut one, Some(answer)).await);
}
