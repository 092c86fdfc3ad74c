//! Answers to Outlook and to mobile devices, as a client reads them ([MS-OXDSCLI] 2.2.4, [MS-ASCMD] 2.2.1.3).
//!
//! Real servers stray from both: errors stand in `Response` or in `Account`, `RedirectURL` is spelled
//! either way, times have any number of digits and codes any value. All of it is read.
//!
//! Invariant: what stands in a `Protocol` or an `AlternativeMailbox` comes out, known or not.

use crate::mobilesync;
use crate::reading::{Alternative, Defect, Field, Reading};
use crate::schema::{pox, same_namespace};
use crate::xml::{Element, Limits, Text};

/// An answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// Which schema it is in.
    pub dialect: Dialect,
    /// Of whom it tells.
    pub user: User,
    /// What it says.
    pub reply: Reply,
}

/// The schema of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// That of the envelope alone, in which errors come, or none that is known.
    #[default]
    Envelope,
    /// `outlook/responseschema/2006a`.
    Outlook,
    /// `mobilesync/responseschema/2006`.
    MobileSync,
}

/// What an answer says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Reply {
    /// Neither of the others.
    #[default]
    Nothing,
    /// Outlook's settings.
    Settings(Account),
    /// A mobile device's settings.
    MobileSync(Vec<mobilesync::Server>),
    /// Ask again for this address.
    RedirectAddress(String),
    /// Ask again at this URL.
    RedirectUrl(String),
    /// Ask again for another address, or at another URL, but it does not say which.
    RedirectNowhere(Redirect),
    /// An error.
    Fault(ToldFault),
}

/// What a redirect leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Redirect {
    /// Another address.
    Address,
    /// Another URL.
    Url,
}

/// The user that an answer tells of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct User {
    /// `DisplayName`.
    pub display_name: Option<String>,
    /// `LegacyDN`.
    pub legacy_dn: Option<String>,
    /// `AutoDiscoverSMTPAddress`, or a mobile device's `EMailAddress`.
    pub address: Option<String>,
    /// `DeploymentId`.
    pub deployment_id: Option<String>,
    /// Everything else.
    pub other: Vec<Field>,
}

/// An `Account` with settings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// `AccountType`.
    pub account_type: Option<String>,
    /// The protocols, in order.
    pub protocols: Vec<Protocol>,
    /// The alternative mailboxes, in order.
    pub alternatives: Vec<Alternative>,
    /// `PublicFolderInformation/SmtpAddress`.
    pub public_folder_mailbox: Option<String>,
    /// Everything else.
    pub other: Vec<Field>,
}

/// A `Protocol`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Protocol {
    /// `Type`, the element or, for `mapiHttp`, the attribute; empty where there is neither.
    pub kind: String,
    /// The attribute `Version`.
    pub version: Option<String>,
    /// All that stands in it, in order.
    pub fields: Vec<Field>,
}

impl Protocol {
    /// The first value at a path, such as `EwsUrl` or `MailStore/ExternalUrl`; an empty one is none.
    pub fn value(&self, path: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.path == path);
        field
            .map(|field| field.value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// An error, of the service or, for a mobile device, of the provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToldFault {
    /// `ErrorCode`, any number.
    pub code: Option<i64>,
    /// `Status`, for a mobile device.
    pub status: Option<i64>,
    /// `Message`.
    pub message: String,
    /// `DebugData`.
    pub debug: String,
    /// `Time`, as it came.
    pub time: Option<String>,
    /// `Id`, as it came.
    pub id: Option<String>,
}

/// Reads an answer.
///
/// # Errors
///
/// Why these bytes are no answer of Autodiscover.
pub fn read(bytes: &[u8]) -> Reading<Answer> {
    let document = Text::read(bytes, Limits::ANSWER)?;
    let root = document.root()?;
    let named = root.name == "Autodiscover";
    let ours = same_namespace(&root.namespace, pox::RESPONSE) || root.any("Response").is_some();
    if !(named && ours) {
        return Err(root.foreign());
    }
    let mut reader = Reader::default();
    let answer = reader.answer(&root);
    Ok((answer, reader.defects))
}

#[derive(Default)]
struct Reader {
    defects: Vec<Defect>,
}

impl Reader {
    fn answer(&mut self, root: &Element<'_>) -> Answer {
        self.namespace(root, pox::RESPONSE);
        let mut answer = Answer::default();
        let Some(response) = self.one(root, "Autodiscover", "Response") else {
            self.missing("Autodiscover", "Response");
            return answer;
        };
        answer.dialect = self.dialect(response);
        if let Some(user) = self.one(response, "Response", "User") {
            answer.user = user_of(user);
        }
        let account = self.one(response, "Response", "Account");
        let action = self.one(response, "Response", "Action");
        // Exchange puts an error into the response, its documentation into the account.
        let error = self.one(response, "Response", "Error").or_else(|| {
            let misplaced = account.and_then(|account| account.any("Error"));
            if misplaced.is_some() {
                self.misplaced("Account", "Error");
            }
            misplaced
        });
        answer.reply = if let Some(error) = error {
            Reply::Fault(self.fault(error))
        } else if let Some(account) = account {
            self.account(account)
        } else if let Some(action) = action {
            self.action(action)
        } else {
            self.missing("Response", "Account");
            Reply::Nothing
        };
        if answer.dialect == Dialect::Envelope {
            // Only errors come in the namespace of the envelope.
            let canonical = match (&answer.reply, account) {
                (Reply::Fault(_) | Reply::Nothing, _) => pox::RESPONSE,
                (_, Some(_)) => pox::OUTLOOK_RESPONSE,
                (_, None) => pox::MOBILESYNC_RESPONSE,
            };
            self.namespace(response, canonical);
        }
        answer
    }

    fn dialect(&mut self, response: &Element<'_>) -> Dialect {
        let namespace = &*response.namespace;
        let is = |canonical| same_namespace(namespace, canonical);
        let (dialect, canonical) = if is(pox::OUTLOOK_RESPONSE) {
            (Dialect::Outlook, pox::OUTLOOK_RESPONSE)
        } else if is(pox::MOBILESYNC_RESPONSE) {
            (Dialect::MobileSync, pox::MOBILESYNC_RESPONSE)
        } else {
            // Which one is right depends on what is said.
            return Dialect::Envelope;
        };
        self.namespace(response, canonical);
        dialect
    }

    fn account(&mut self, account: &Element<'_>) -> Reply {
        let mut told = Account::default();
        let [mut action, mut address, mut url] = [None; 3];
        for child in &account.children {
            let name = child.name;
            let single = match name {
                "Action" => &mut action,
                _ if name.eq_ignore_ascii_case("RedirectAddr") => &mut address,
                // The specification's spelling is `RedirectUrl`, exchangelib's `RedirectURL`.
                _ if name.eq_ignore_ascii_case("RedirectUrl") => &mut url,
                _ => {
                    self.part(child, &mut told);
                    continue;
                }
            };
            if single.is_none() {
                *single = Some(child.value());
            } else {
                flatten(child, &mut told.other);
            }
        }
        let [address, url] = [address, url].map(|target| target.filter(|text| !text.is_empty()));
        let by_address = || address.map(|address| Reply::RedirectAddress(address.to_owned()));
        let by_url = || url.map(|url| Reply::RedirectUrl(url.to_owned()));
        let nowhere = |to| {
            let without_settings = told.protocols.is_empty();
            without_settings.then_some(Reply::RedirectNowhere(to))
        };
        let instead = match action.map(str::to_ascii_lowercase).as_deref() {
            Some("settings") => None,
            Some("redirectaddr") => by_address().or_else(|| {
                self.missing("Account", "RedirectAddr");
                nowhere(Redirect::Address)
            }),
            Some("redirecturl") => by_url().or_else(|| {
                self.missing("Account", "RedirectUrl");
                nowhere(Redirect::Url)
            }),
            _ => {
                match action {
                    None => self.missing("Account", "Action"),
                    Some(action) => self.value("Action", action),
                }
                // Without settings, what is meant is plain enough.
                let redirect = by_address().or_else(by_url);
                redirect.filter(|_| told.protocols.is_empty())
            }
        };
        instead.unwrap_or(Reply::Settings(told))
    }

    /// A part of an account that has settings.
    fn part(&mut self, child: &Element<'_>, told: &mut Account) {
        match child.name {
            "AccountType" if told.account_type.is_none() => {
                told.account_type = Some(child.value().to_owned());
            }
            "Protocol" => told.protocols.push(protocol(child)),
            // The EWS Managed API looks for SOAP's spelling here.
            "AlternativeMailbox" | "AlternateMailbox" => {
                told.alternatives
                    .push(alternative(child, &mut self.defects));
            }
            "PublicFolderInformation" if told.public_folder_mailbox.is_none() => {
                for field in fields(child) {
                    if field.path == "SmtpAddress" && told.public_folder_mailbox.is_none() {
                        told.public_folder_mailbox = Some(field.value);
                    } else {
                        told.other.push(Field {
                            path: format!("PublicFolderInformation/{}", field.path),
                            ..field
                        });
                    }
                }
            }
            _ => flatten(child, &mut told.other),
        }
    }

    fn action(&mut self, action: &Element<'_>) -> Reply {
        if let Some(error) = self.one(action, "Action", "Error") {
            return Reply::Fault(self.fault(error));
        }
        if let Some(redirect) = self.one(action, "Action", "Redirect") {
            return match redirect.value() {
                "" => {
                    self.missing("Action", "Redirect");
                    Reply::RedirectNowhere(Redirect::Address)
                }
                address => Reply::RedirectAddress(address.to_owned()),
            };
        }
        let Some(settings) = self.one(action, "Action", "Settings") else {
            self.missing("Action", "Settings");
            return Reply::Nothing;
        };
        let servers = settings
            .children
            .iter()
            .filter(|child| child.name == "Server");
        let text = |server: &Element<'_>, name: &str| {
            server.any(name).map(|child| child.value().to_owned())
        };
        Reply::MobileSync(
            servers
                .map(|server| mobilesync::Server {
                    kind: text(server, "Type").unwrap_or_default(),
                    url: text(server, "Url").unwrap_or_default(),
                    name: text(server, "Name").unwrap_or_default(),
                    server_data: text(server, "ServerData"),
                })
                .collect(),
        )
    }

    fn fault(&mut self, error: &Element<'_>) -> ToldFault {
        let text = |name: &str| error.any(name).map(|child| child.value().to_owned());
        let attribute = |name: &str| error.attribute("", name).map(str::to_owned);
        let mut number = |element: &'static str| {
            let value = text(element)?;
            let number = value.parse().ok();
            if number.is_none() {
                self.value(element, &value);
            }
            number
        };
        let told = ToldFault {
            code: number("ErrorCode"),
            status: number("Status"),
            message: text("Message").unwrap_or_default(),
            debug: text("DebugData").unwrap_or_default(),
            time: attribute("Time"),
            id: attribute("Id"),
        };
        if let Some(time) = told.time.as_deref().filter(|time| !is_time(time)) {
            self.value("Time", time);
        }
        if told.code.is_none() && told.status.is_none() && text("ErrorCode").is_none() {
            self.missing("Error", "ErrorCode");
        }
        told
    }

    /// The first element of a name, whatever its namespace.
    fn one<'e, 't>(
        &mut self,
        element: &'e Element<'t>,
        inside: &'static str,
        name: &'static str,
    ) -> Option<&'e Element<'t>> {
        let mut all = element.children.iter().filter(|child| child.name == name);
        let first = all.next();
        if all.next().is_some() {
            self.defects.push(Defect::Repeated {
                inside,
                element: name,
            });
        }
        first
    }

    fn namespace(&mut self, element: &Element<'_>, canonical: &'static str) {
        if *element.namespace != *canonical {
            self.defects.push(Defect::Namespace {
                element: element.name.to_owned(),
                found: element.namespace.to_string(),
                canonical,
            });
        }
    }

    fn missing(&mut self, inside: &'static str, element: &'static str) {
        self.defects.push(Defect::Missing { inside, element });
    }

    fn misplaced(&mut self, inside: &'static str, element: &str) {
        let element = element.to_owned();
        self.defects.push(Defect::Misplaced { inside, element });
    }

    fn value(&mut self, element: &'static str, value: &str) {
        let value = value.to_owned();
        self.defects.push(Defect::Value { element, value });
    }
}

/// `12:03:32.8803744`, as [MS-ASCMD] 2.2.3.63 wants it; some servers write other digits.
fn is_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "00:00:00" || shape == "00:00:00.0000000"
}

fn user_of(user: &Element<'_>) -> User {
    let mut told = User::default();
    for child in &user.children {
        let place = match child.name {
            "DisplayName" => &mut told.display_name,
            "LegacyDN" => &mut told.legacy_dn,
            "AutoDiscoverSMTPAddress" | "EMailAddress" => &mut told.address,
            "DeploymentId" => &mut told.deployment_id,
            _ => {
                flatten(child, &mut told.other);
                continue;
            }
        };
        if place.is_none() {
            *place = Some(child.value().to_owned());
        } else {
            flatten(child, &mut told.other);
        }
    }
    told
}

fn protocol(element: &Element<'_>) -> Protocol {
    let mut fields = fields(element);
    let attribute = element.attribute("", "Type");
    let kind = match attribute {
        Some(kind) => kind.to_owned(),
        None => match fields.iter().position(|field| field.path == "Type") {
            Some(at) => fields.remove(at).value,
            None => String::new(),
        },
    };
    Protocol {
        kind,
        version: element.attribute("", "Version").map(str::to_owned),
        fields,
    }
}

/// Reads an alternative mailbox, and tells where it is in none of the two legal shapes.
pub(crate) fn alternative(element: &Element<'_>, defects: &mut Vec<Defect>) -> Alternative {
    let mut told = Alternative::default();
    for child in &element.children {
        let place = match child.name {
            "Type" => &mut told.kind,
            "DisplayName" => &mut told.display_name,
            "LegacyDN" => &mut told.legacy_dn,
            "Server" => &mut told.server,
            "SmtpAddress" => &mut told.smtp_address,
            "OwnerSmtpAddress" => &mut told.owner_smtp_address,
            _ => {
                flatten(child, &mut told.other);
                continue;
            }
        };
        if place.is_some() {
            flatten(child, &mut told.other);
        } else if !child.is_nil() {
            *place = Some(child.value().to_owned());
        }
    }
    let there = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let what = match (
        there(&told.smtp_address),
        there(&told.server),
        there(&told.legacy_dn),
    ) {
        (true, false, false) | (false, true, true) => None,
        (true, _, _) => Some("both an address and a place"),
        (false, false, false) => Some("neither an address nor a place"),
        (false, true, false) => Some("a server without a legacy name"),
        (false, false, true) => Some("a legacy name without a server"),
    };
    let nameless = told.display_name.is_none().then_some("no display name");
    let mailbox = [&told.display_name, &told.smtp_address, &told.legacy_dn];
    let mailbox = mailbox.into_iter().flatten().find(|name| !name.is_empty());
    for what in what.into_iter().chain(nameless) {
        defects.push(Defect::Shape {
            mailbox: mailbox.cloned().unwrap_or_default(),
            what,
        });
    }
    told
}

/// All that stands in an element, without the element's own name.
pub(crate) fn fields(element: &Element<'_>) -> Vec<Field> {
    let mut found = Vec::new();
    for child in &element.children {
        flatten(child, &mut found);
    }
    found
}

/// An element as fields, one for each that has no elements in it.
pub(crate) fn flatten(element: &Element<'_>, found: &mut Vec<Field>) {
    let mut open = vec![(element, element.name.to_owned())];
    while let Some((element, path)) = open.pop() {
        let attributes: Vec<(String, String)> = element
            .attributes
            .iter()
            .map(|attribute| (attribute.name.to_owned(), attribute.value.to_string()))
            .collect();
        if element.children.is_empty() || !attributes.is_empty() || !element.value().is_empty() {
            found.push(Field {
                path: path.clone(),
                value: element.value().to_owned(),
                attributes,
            });
        }
        let children = element.children.iter().rev();
        open.extend(children.map(|child| (child, format!("{path}/{}", child.name))));
    }
}
