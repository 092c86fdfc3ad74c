//! The page for a person who came with a browser, and the line that tests the service.

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

/// The page: that Autodiscover is here, how it stands with the login, and how to test it.
fn page(domains: &[String], state: &str) -> Bytes {
    let named = domains
        .iter()
        .map(|domain| escaped(domain))
        .collect::<Vec<_>>();
    let what = if named.is_empty() {
        "Autodiscover".to_owned()
    } else {
        format!("Autodiscover for {}", named.join(", "))
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<title>Autodiscover</title>\n\
         <h1>Autodiscover is here</h1>\n\
         <p>{state}</p>\n\
         <p>This is {what}. Outlook, telephones and mail programs ask here for their settings; \
         there is nothing else to see with a browser.</p>\n\
         <p>It answers a POST with a login: Outlook's at <code>{}</code>, that of programs at \
         <code>{}</code>.</p>\n</html>\n",
        path::POX,
        path::SOAP
    )
    .into()
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

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
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
                text.contains("Autodiscover for contoso.com, &lt;b&gt;"),
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
