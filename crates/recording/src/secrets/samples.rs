//! Exchanges with a secret wherever one may stand, for tests.

use crate::exchange::{HttpExchange, Message};

/// Stands in every secret of [`telling`].
pub const SECRET: &str = "S3CRET";

/// Headers that are secret: all that either of the removers knew of which this one was made.
const HEADERS: [&str; 15] = [
    "authorization",
    "Proxy-Authorization",
    "WWW-Authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "Cookie",
    "set-cookie",
    "X-OWA-Canary",
    "x-csrf-token",
    "X-Api-Key",
    "Api-Key",
    "Ocp-Apim-Subscription-Key",
    "MS-Auth-Token",
    "x-ms-client-secret",
];

/// Names of parameters, elements, attributes and members that are secret, likewise.
const FIELDS: [&str; 19] = [
    "Password",
    "passwd",
    "pwd",
    "client_secret",
    "access_token",
    "X-OWA-CANARY",
    "credential",
    "NetworkCredentials",
    "client_assertion",
    "Assertion",
    "CipherValue",
    "api_key",
    "ApiKey",
    "SAMLResponse",
    "wresult",
    "ticket",
    "sig",
    "pass",
    "id_token",
];

/// Exchanges with a secret wherever one is recognised by a name.
pub fn telling() -> Vec<HttpExchange> {
    // Each is another, so that none goes because of its value.
    let count = std::cell::Cell::new(10_000);
    let secret = || {
        count.set(count.get() + 1);
        format!("{SECRET}{}", count.get())
    };
    let each = |form: &dyn Fn(&str, String) -> String, between: &str| {
        let all: Vec<String> = FIELDS.iter().map(|name| form(name, secret())).collect();
        all.join(between)
    };
    let form = || {
        let fields = each(&|name, secret| format!("{name}={secret}"), "&");
        format!("user=alice&{fields}&code={}&x=1", secret())
    };
    let xml = || {
        let elements = each(&|name, secret| format!("<w:{name}>{secret}</w:{name}>"), "");
        let attributes = each(&|name, secret| format!("{name}=\"{secret}\""), " ");
        format!("<a {attributes}>{elements}</a>")
    };
    let json = || {
        let members = each(&|name, secret| format!("\"{name}\":\"{secret}\""), ",");
        format!("{{\"a\":{{{members}}},\"token\":[\"{}\"]}}", secret())
    };
    let utf16 = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let message = |body: Vec<u8>| {
        let mut message = Message::default();
        let url = format!("https://alice:{}@contoso.com/?{}", secret(), form());
        message.push("Location".to_owned(), url.clone());
        message.push("referer".to_owned(), url);
        for name in HEADERS {
            message.push(name.to_owned(), format!("Scheme {}", secret()));
            message.push(name.to_owned(), secret());
        }
        // A secret whatever it looks like, where other headers may hold the name of a kind of token.
        for name in ["x-owa-canary", "x-csrf-token"] {
            message.push(name.to_owned(), format!("urn:{}", secret()));
        }
        message.body = body;
        message
    };
    let binary = [&b"\xff\x01\x02"[..], secret().as_bytes()].concat();
    let bodies = [
        (form().into_bytes(), xml().into_bytes()),
        (xml().into_bytes(), json().into_bytes()),
        (json().into_bytes(), form().into_bytes()),
        (utf16(xml()), utf16(json())),
        (binary.clone(), binary),
    ];
    let exchanges = bodies.into_iter().map(|(asked, answered)| HttpExchange {
        method: "POST".to_owned(),
        url: format!(
            "https://autodiscover.contoso.com/autodiscover/autodiscover.xml?{}",
            form()
        ),
        request: message(asked),
        status: 200,
        response: message(answered),
        ..HttpExchange::default()
    });
    exchanges.collect()
}
