//! The page for a person who came with a browser, and the line that tests the service.

use askama::Template;
use automend_autodiscover::schema::path;
use hyper::body::Bytes;

/// The page in each of its states.
pub(crate) struct Pages {
    /// The login was good.
    pub(crate) welcome: Bytes,
    /// There was no login.
    pub(crate) wanted: Bytes,
    /// There was one, and it does not let in; why, or whether it only goes on, is not said.
    pub(crate) refused: Bytes,
}

impl Pages {
    pub(crate) fn new(domains: &[String]) -> Self {
        let of = |state: &str| page(domains, state);
        Self {
            welcome: of("Your login works, and nothing is wrong."),
            wanted: of("A login is needed."),
            refused: of(
                "The login was not accepted. Check user name and password, and log in with the name that your mail program uses.",
            ),
        }
    }
}

/// The page: that Autodiscover is here, the state of the login, and how to test it.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    domains: String,
    state: &'a str,
    pox: &'static str,
    soap: &'static str,
}

fn page(domains: &[String], state: &str) -> Bytes {
    let page = Page {
        domains: domains.join(", "),
        state,
        pox: path::POX,
        soap: path::SOAP,
    };
    // Writing to memory does not fail.
    page.render().unwrap_or_default().into()
}

/// A request as Outlook sends it, in one line.
pub(crate) fn request(address: &str) -> String {
    let mut out = Vec::new();
    match automend_core::names::SmtpAddress::parse(address) {
        Ok(address) => {
            let who = automend_core::resolve::Who::Address(address);
            automend_autodiscover::pox::Request::Outlook(who).write(&mut out);
        }
        Err(_) => return String::new(),
    }
    let text = String::from_utf8_lossy(&out);
    text.lines().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_where_one_is_and_escapes_what_it_names() {
        let pages = Pages::new(&["contoso.com".to_owned(), "<b>".to_owned()]);
        for (page, state) in [
            (pages.welcome, "Your login works"),
            (pages.wanted, "A login is needed"),
            (pages.refused, "The login was not accepted"),
        ] {
            let text = std::str::from_utf8(&page).unwrap();
            assert!(
                text.contains("Autodiscover for contoso.com, &#60;b&#62;"),
                "{text}"
            );
            assert!(text.contains(state), "{text}");
        }
    }

    #[test]
    fn the_test_request_is_one_line() {
        let request = request("alice@contoso.com");
        assert!(request.contains("<EMailAddress>alice@contoso.com</EMailAddress>"));
        assert!(!request.contains('\n') && !request.contains('\''));
    }
}
