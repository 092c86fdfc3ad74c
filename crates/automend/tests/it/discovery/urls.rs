//! Secrets in the URLs that servers name: none comes out in any form, of a test or of a recording.

use serde_json::json;

use super::*;

const SECRET: &str = "S3CRET";
/// Everything that single sign-on puts behind a path.
const QUERY: &str = "SAMLRequest=S3CRET&access_token=S3CRET&sid=S3CRET";

/// Every form of a test of this world: what the program says, and what it writes.
#[track_caller]
fn forms(world: &World, code: i32) -> Vec<String> {
    let bench = bench(world);
    let arguments = [USER, "--har", "exchanges.har", "--log", "olkdisc.log"];
    let tree = test(&bench, world, &arguments).exits(code);
    let json = test(&bench, world, &[USER, "--format", "json", "--check-urls"]);
    let mut forms = vec![tree.to_string(), json.to_string()];
    forms.extend(["exchanges.har", "olkdisc.log"].map(|name| bench.read(name)));
    for format in ["table", "json"] {
        let read = bench.automend(&["trace", "exchanges.har", "--format", format]);
        forms.push(read.to_string());
    }
    forms
}

#[track_caller]
fn assert_clean(forms: &[String]) {
    for form in forms {
        assert!(!form.contains(SECRET), "a secret is in: {form}");
    }
}

#[test]
fn no_secret_of_a_redirect_comes_out_in_any_form() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| {
            let path = "https://autodiscover.contoso.test/autodiscover/autodiscover.xml";
            redirect(302, &format!("{path};jsessionid=S3CRET?{QUERY}"))
        })
        .https(HOST, |heard| {
            behind_basic(heard, || {
                let query = QUERY.replace('&', "&amp;");
                let path = "https://mail.contoso.test/autodiscover/autodiscover.xml";
                xml(pages::redirect_url(&format!("{path}?{query}")))
            })
        })
        .https("mail.contoso.test", |heard| {
            behind_basic(heard, || {
                xml(pages::account(
                    "<Action>settings</Action><Protocol><Type>EXPR</Type><Server>mail.contoso.test</Server>\
                     <EwsUrl>https://mail.contoso.test/ews?access_token=S3CRET</EwsUrl>\
                     <OABUrl>http://mail.contoso.test/oab?access_token=S3CRET</OABUrl></Protocol>",
                ))
            })
        });
    let forms = forms(&world, 0);
    assert_clean(&forms);
    for form in &forms {
        assert!(form.contains("(removed)"), "{form}");
    }
    // Who is asked gets the URL as it was named.
    for host in [HOST, "mail.contoso.test"] {
        let heard = world.server(host, 443).heard();
        assert!(heard[0].target().contains(SECRET), "{host}");
    }
}

#[test]
fn no_secret_of_a_redirect_that_is_not_followed_comes_out() {
    for location in [
        "http://contoso.test/autodiscover/autodiscover.xml?access_token=S3CRET",
        "https://mail.hoster.test/autodiscover/autodiscover.xml?SAMLRequest=S3CRET",
        "https://alice:S3CRET@mail.contoso.test/autodiscover/autodiscover.xml",
        "https://mail.contoso.test/?SAMLResponse=S3CRET",
        "https://no host/autodiscover.xml?code=S3CRET",
        "/autodiscover/autodiscover.xml#id_token=S3CRET",
    ] {
        let mut world = World::new(&[]);
        world.https(ROOT, move |_| redirect(302, location));
        assert_clean(&forms(&world, 1));
        let mut world = World::new(&[]);
        world.https(ROOT, move |heard| {
            behind_basic(heard, || xml(pages::redirect_url(location)))
        });
        assert_clean(&forms(&world, 1));
    }
}

#[test]
fn no_secret_of_a_recording_is_told() {
    let outlook = |inside: &str| pages::account(inside);
    let soap = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\"><Response>\
        <ErrorCode>NoError</ErrorCode><UserResponses><UserResponse><ErrorCode>RedirectUrl</ErrorCode>\
        <RedirectTarget>https://mail.contoso.test/autodiscover/autodiscover.svc?sid=S3CRET</RedirectTarget>\
        </UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>";
    let url = "https://contoso.test/autodiscover/autodiscover.xml?access_token=S3CRET";
    let there = "https://alice:S3CRET@mail.contoso.test/autodiscover/autodiscover.xml;jsessionid=S3CRET?sid=S3CRET";
    let answers = [
        (302, there, String::new()),
        (302, "http://contoso.test/?token=S3CRET", String::new()),
        (
            302,
            "https://login.contoso.test/?SAMLRequest=S3CRET",
            String::new(),
        ),
        (302, "https://no host/?code=S3CRET", String::new()),
        (200, "", pages::redirect_url(there)),
        (200, "", soap.to_owned()),
        (
            200,
            "",
            pages::fault("603", "gone, see https://a.test/?token=S3CRET"),
        ),
        (
            200,
            "",
            outlook(
                "<Action>settings</Action><Protocol><Type>EXCH</Type>\
                 <EwsUrl>https://mail.contoso.test/ews?token=S3CRET</EwsUrl></Protocol>",
            ),
        ),
    ];
    let bench = Bench::new();
    for (status, location, body) in answers {
        let entry = |url: &str, status: u16, location: &str, body: &str| {
            let is_soap = body.contains("Envelope");
            let url = if is_soap {
                url.replace(".xml", ".svc")
            } else {
                url.to_owned()
            };
            json!({
                "startedDateTime": "2026-03-04T08:25:56Z", "time": 1,
                "request": { "method": "POST", "url": url, "headers": [],
                    "postData": { "mimeType": "text/xml", "text": "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request><EMailAddress>alice@contoso.test</EMailAddress></Request></Autodiscover>" } },
                "response": { "status": status, "headers": [{ "name": "Location", "value": location }],
                    "content": { "size": body.len(), "mimeType": "text/xml", "text": body } },
            })
        };
        let one = entry(url, status, location, &body);
        let followed = entry(there, 404, "", "");
        for entries in [vec![one.clone()], vec![one, followed]] {
            let har = json!({ "log": { "version": "1.2", "entries": entries } });
            bench.file("raw.har", har.to_string());
            let forms = ["table", "json"].map(|format| {
                let run = bench.automend(&["trace", "raw.har", "--format", format]);
                assert!(run.out.contains("contoso.test"), "{run}");
                run.to_string()
            });
            assert_clean(&forms);
        }
    }
}
