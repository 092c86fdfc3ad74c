//! The page for a person who came with a browser, and the line that tests the service.

use automend_autodiscover::schema::path;
use hyper::body::Bytes;

/// The page: that Autodiscover is here, and how to test it.
pub(crate) fn page(domains: &[String]) -> Bytes {
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
         <p>This is {what}. Outlook, telephones and mail programs ask here for their settings; \
         there is nothing to see with a browser, and nothing is wrong.</p>\n\
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
        let page = page(&["contoso.com".to_owned(), "<b>".to_owned()]);
        let text = std::str::from_utf8(&page).unwrap();
        assert!(
            text.contains("Autodiscover for contoso.com, &lt;b&gt;"),
            "{text}"
        );
    }

    #[test]
    fn the_test_request_is_one_line() {
        let request = request("alice@contoso.com");
        assert!(request.contains("<EMailAddress>alice@contoso.com</EMailAddress>"));
        assert!(!request.contains('\n') && !request.contains('\''));
    }
}
