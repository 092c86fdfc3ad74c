//! Whatever a client answers to a challenge of NTLM, no one is believed who does not know the password;
//! whatever a server challenges with, a client answers or gives up ([MS-NLMP]).

use automend_negotiate::ntlm::{Authenticate, Challenge, Client, Names, is_ntlm, nt_hash};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let client = Client::new("jim", "CONTOSO", "secret", "HTTP/mail.contoso.test");
    let hello = client.hello();
    if let Ok(answer) = Authenticate::read(bytes) {
        assert!(is_ntlm(bytes) && !answer.user.is_empty());
        if let Ok(challenge) = Challenge::to(hello.message(), &Names::default(), 1) {
            assert!(!challenge.proves(&answer, &nt_hash("secret")));
        }
    }
    // As a hello: what is challenged can be answered by one who knows the password.
    if let Ok(challenge) = Challenge::to(bytes, &Names::default(), 1) {
        assert!(Challenge::is_asked_for(bytes));
        let _ = client.answer(&hello, challenge.message(), 1);
    }
    // As a challenge: what is answered can be read.
    if let Ok(answer) = client.answer(&hello, bytes, 1) {
        let answer = Authenticate::read(&answer).expect("an answer of our own");
        assert_eq!(answer.user, "jim");
    }
}
