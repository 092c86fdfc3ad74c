//! A request that can be read is read again from what is written of it, and asks for no more than can
//! be answered; what is answered is a document, and has nothing of the request's markup.

use automend_autodiscover::services::Services;
use automend_autodiscover::soap::{Head, Operation, UserAnswer};
use automend_autodiscover::{autoconfig, mobilesync, pox, soap, v2};
use automend_core::fault::{Cause, Fault, FaultCode};
use automend_core::settings::Outcome;

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    in_pox(bytes);
    in_soap(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        in_json(text);
        in_autoconfig(text);
    }
}

fn in_pox(bytes: &[u8]) {
    let Ok(request) = pox::Request::parse(bytes) else {
        return;
    };
    let mut again = Vec::new();
    request.write(&mut again);
    assert_eq!(pox::Request::parse(&again).as_ref(), Ok(&request));
    if let pox::Request::MobileSync(address) = request {
        let outcome = Outcome::Fault(Fault {
            code: FaultCode::UnknownAddress,
            cause: Cause::UnknownAddress,
        });
        let mut answer = Vec::new();
        mobilesync::answer(&outcome, &address, &Services::default(), &mut answer);
        let (answer, defects) = pox::read(&answer).expect("an answer");
        assert!(defects.is_empty(), "{defects:?}");
        assert_eq!(answer.user.address.as_deref(), Some(address.as_str()));
    }
}

fn in_soap(bytes: &[u8]) {
    let request = match soap::Request::parse(bytes) {
        Ok(request) => request,
        Err(refusal) => {
            let mut answer = Vec::new();
            soap::refusal(&refusal, Services::default().server_version, &mut answer);
            soap::read(&answer).expect("an answer");
            return;
        }
    };
    let mut again = Vec::new();
    request.write("https://contoso.com/", &mut again);
    assert_eq!(soap::Request::parse(&again).as_ref(), Ok(&request));
    if let Operation::UserSettings { users, settings } = &request.operation {
        assert!(users.len() <= 100 && settings.len() <= 256);
        let answers: Vec<UserAnswer<'_>> = users
            .iter()
            .map(|user| UserAnswer::invalid_user(user))
            .collect();
        let head = Head {
            relates_to: request.message_id.as_deref(),
            ..Head::default()
        };
        let mut answer = Vec::new();
        soap::user_settings(&answers, settings, head, &mut answer);
        let (answer, defects) = soap::read(&answer).expect("an answer");
        assert!(defects.is_empty(), "{defects:?}");
        assert_eq!(answer.relates_to, request.message_id);
        let soap::Body::Users(_, told) = answer.body else {
            panic!("users were answered")
        };
        assert_eq!(told.len(), users.len());
    }
}

fn in_json(target: &str) {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    match v2::Request::parse(path, query) {
        None => {}
        Some(Err(refusal)) => {
            let mut answer = Vec::new();
            v2::refusal(refusal, &Services::default(), None, &mut answer);
            assert!(v2::read(&answer).is_ok());
        }
        Some(Ok(request)) => {
            let again = request.target();
            let (path, query) = again.split_once('?').expect("a query");
            let read = v2::Request::parse(path, Some(query));
            // An address that is encoded twice is decoded once more.
            if request.address.contains('@') {
                assert_eq!(read, Some(Ok(request)));
            } else {
                assert!(matches!(read, Some(Ok(_))), "{again}");
            }
        }
    }
}

fn in_autoconfig(query: &str) {
    if let Some(domain) = autoconfig::domain(Some(query)) {
        assert!(!domain.contains(|c: char| c.is_control() || "<>&\"'/@ ".contains(c)));
        let mut answer = Vec::new();
        autoconfig::answer(&domain, &Services::default(), &mut answer);
        assert!(std::str::from_utf8(&answer).is_ok_and(|text| text.contains(&domain)));
    }
}
