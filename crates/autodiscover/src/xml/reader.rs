//! XML in: bytes become a text, the text a tree of elements that borrows from it, or a reason why not.
//!
//! XML 1.0 (fifth edition); Namespaces in XML 1.0. The tokens are quick-xml's; what it leaves to its
//! caller is checked here: one root, all of it there, characters that XML allows, prefixes that are bound.
//!
//! Invariant: no recursion, and no more memory than [`Limits`] allow, whatever the bytes are.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::escape::EscapeError;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{Limits, charset};
use crate::reading::Unreadable;
use crate::schema::soap::INSTANCE;
use crate::schema::xml::{XML, XMLNS};

/// A document as text, which its elements borrow from.
#[derive(Clone, Debug)]
pub struct Text<'b> {
    text: Cow<'b, str>,
    limits: Limits,
}

/// An element and all that is in it; comments and processing instructions are not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Element<'t> {
    /// The namespace; empty for none.
    pub namespace: Arc<str>,
    /// The name without its prefix.
    pub name: &'t str,
    /// Attributes but for declarations of namespaces.
    pub attributes: Vec<Attribute<'t>>,
    /// The elements in it, in order.
    pub children: Vec<Element<'t>>,
    /// The text that stands directly in it, in one piece.
    pub text: Cow<'t, str>,
}

/// An attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute<'t> {
    /// The namespace; empty for none.
    pub namespace: Arc<str>,
    /// The name without its prefix.
    pub name: &'t str,
    /// The value.
    pub value: Cow<'t, str>,
}

impl<'b> Text<'b> {
    /// Reads bytes that should be a document.
    pub fn read(bytes: &'b [u8], limits: Limits) -> Result<Self, Unreadable> {
        if bytes.len() > limits.bytes {
            return Err(Unreadable::Limit {
                what: "bytes",
                max: limits.bytes,
            });
        }
        // Pages are in any encoding, and what matters is that it is a page.
        let page = || web_page(&String::from_utf8_lossy(bytes));
        let text = charset::text(bytes).map_err(|why| page().unwrap_or(why))?;
        let document = text.trim_start_matches(BLANKS);
        if document.is_empty() {
            return Err(Unreadable::Empty);
        }
        if let Some(page) = web_page(document) {
            return Err(page);
        }
        if !document.starts_with('<') {
            return Err(malformed(0, "text where markup must be"));
        }
        if !is_plain(document.as_bytes())
            && let Some((at, _)) = document.char_indices().find(|(_, c)| !is_allowed(*c))
        {
            return Err(malformed(at, "a character that XML forbids"));
        }
        Ok(Self { text, limits })
    }

    /// The root of the document.
    pub fn root(&self) -> Result<Element<'_>, Unreadable> {
        let document = self.text.trim_start_matches(BLANKS);
        Tree {
            document,
            at: 0,
            limits: self.limits,
            seen: 0,
            scope: Vec::new(),
            none: Arc::from(""),
            open: Vec::new(),
            root: None,
        }
        .grow()
    }
}

impl Element<'_> {
    /// Whether this is the element of that name.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && *self.namespace == *namespace
    }

    /// What to say of a document that is whole, but begins with this element instead of another.
    pub fn foreign(&self) -> Unreadable {
        Unreadable::Foreign {
            root: self.name.to_owned(),
            namespace: self.namespace.to_string(),
        }
    }

    /// The elements of one name, in the namespace of this one.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| {
            // Nearly always the very same, which saves to compare texts of 80 characters.
            let same = Arc::ptr_eq(&child.namespace, &self.namespace);
            child.name == name && (same || child.namespace == self.namespace)
        })
    }

    /// The first of [`Element::all`].
    pub fn child<'e>(&'e self, name: &'e str) -> Option<&'e Self> {
        self.all(name).next()
    }

    /// The first element of one name in any namespace, for reading what servers answer.
    pub fn any(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Whether the element stands for no value at all (XML Schema 2.6.2).
    pub fn is_nil(&self) -> bool {
        self.attribute(INSTANCE, "nil")
            .is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
    }

    /// The text without the blanks around it.
    pub fn value(&self) -> &str {
        self.text.trim_matches(BLANKS)
    }

    /// The value of an attribute.
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name && *attribute.namespace == *namespace)
            .map(|attribute| &*attribute.value)
    }
}

/// XML 1.0 production 3.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
/// Namespaces that are declared at one place of a document.
const MOST_NAMESPACES: usize = 64;

/// XML 1.0 production 2.
fn is_allowed(c: char) -> bool {
    BLANKS.contains(&c) || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// Whether all characters are allowed for sure, as in most documents; 0xEF begins those that may not be.
fn is_plain(text: &[u8]) -> bool {
    let odd = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0xef;
    !text.iter().fold(false, |any, byte| any | odd(*byte))
}

fn malformed(at: usize, what: &'static str) -> Unreadable {
    Unreadable::Malformed { at, what }
}

/// A web page, which need not be XML at all.
fn web_page(text: &str) -> Option<Unreadable> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(BLANKS);
        let (inside, end) = match (rest.strip_prefix("<!--"), rest.strip_prefix("<?")) {
            (Some(comment), _) => (comment, "-->"),
            (None, Some(instruction)) => (instruction, "?>"),
            (None, None) => break,
        };
        (_, rest) = inside.split_once(end)?;
    }
    let is = |word: &str| {
        rest.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
            && !rest
                .get(word.len()..)
                .is_some_and(|after| after.starts_with(|c: char| c.is_alphanumeric() || c == ':'))
    };
    if !["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|word| is(word))
    {
        return None;
    }
    Some(Unreadable::WebPage { title: title(rest) })
}

fn title(page: &str) -> Option<String> {
    const NAME: &str = "<title";
    let at = page
        .as_bytes()
        .windows(NAME.len())
        .position(|window| window.eq_ignore_ascii_case(NAME.as_bytes()))?;
    let (_, after) = page.get(at..)?.split_once('>')?;
    let (title, _) = after.split_once('<')?;
    let words: Vec<&str> = title.split_whitespace().collect();
    let title: String = words.join(" ").chars().take(200).collect();
    Some(title).filter(|title| !title.is_empty())
}

/// A document that is being read.
struct Tree<'t> {
    document: &'t str,
    /// Where the token that is being read ends.
    at: usize,
    limits: Limits,
    /// Elements so far.
    seen: usize,
    /// Declared namespaces, the innermost last: prefix, namespace, and depth of the declaration.
    scope: Vec<(&'t str, Arc<str>, usize)>,
    /// No namespace.
    none: Arc<str>,
    /// Elements that are open, the innermost last.
    open: Vec<Element<'t>>,
    root: Option<Element<'t>>,
}

impl<'t> Tree<'t> {
    fn grow(mut self) -> Result<Element<'t>, Unreadable> {
        let mut reader = Reader::from_str(self.document);
        reader.config_mut().check_comments = true;
        let mut first = true;
        loop {
            let event = reader.read_event().map_err(|error| {
                let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                let rest = self.document.get(at..).unwrap_or_default();
                self.refused(&error, at, rest)
            })?;
            self.at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match event {
                Event::Decl(_) if first => {}
                Event::Decl(_) => {
                    return Err(self.malformed("a declaration that is not at the start"));
                }
                Event::DocType(_) => return Err(Unreadable::DocumentType),
                Event::Start(start) => self.open(&start, ">")?,
                Event::Empty(start) => {
                    self.open(&start, "/>")?;
                    self.close();
                }
                Event::End(_) => self.close(),
                Event::Text(text) => self.text(text.xml10_content())?,
                Event::CData(text) => {
                    if self.open.is_empty() {
                        return Err(self.malformed("text outside of the root"));
                    }
                    self.text(text.xml10_content())?;
                }
                Event::GeneralRef(reference) => {
                    if self.open.is_empty() {
                        return Err(self.malformed("text outside of the root"));
                    }
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(c)) if is_allowed(c) => c,
                        Ok(None) => predefined(&reference)?,
                        _ => return Err(self.malformed("a reference to no character of XML")),
                    };
                    self.text(Cow::Owned(character.to_string()))?;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
            first = false;
        }
        match (self.open.last(), self.root) {
            (Some(inside), _) => Err(Unreadable::Truncated {
                inside: inside.name.to_owned(),
            }),
            (None, Some(root)) => Ok(root),
            // A declaration, a comment, and then nothing.
            (None, None) => Err(Unreadable::Truncated {
                inside: String::new(),
            }),
        }
    }

    fn malformed(&self, what: &'static str) -> Unreadable {
        malformed(self.at, what)
    }

    /// What an error of the tokens means; `rest` is what could not be read.
    fn refused(&self, error: &Error, at: usize, rest: &str) -> Unreadable {
        let cut = match error {
            Error::Syntax(SyntaxError::InvalidBangMarkup) => {
                let begins = |markup: &str| markup.starts_with(rest);
                ["<!--", "<![CDATA[", "<!DOCTYPE"].into_iter().any(begins)
            }
            Error::IllFormed(IllFormedError::UnclosedReference) => !rest.contains('<'),
            // Each of these is a token without its end.
            Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => true,
            _ => false,
        };
        if cut {
            let inside = self.open.last().map(|element| element.name.to_owned());
            return Unreadable::Truncated {
                inside: inside.unwrap_or_default(),
            };
        }
        let what = match error {
            Error::Syntax(_) => "markup of no kind",
            Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
                "an end that is not the open element's"
            }
            Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end without a start",
            Error::IllFormed(IllFormedError::UnclosedReference) => {
                "a reference without its semicolon"
            }
            Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "two hyphens in a comment",
            Error::IllFormed(_) => "a declaration that is none",
            _ => "markup that cannot be read",
        };
        malformed(at, what)
    }

    /// An element begins; `end` is what its tag ends with.
    fn open(&mut self, start: &BytesStart<'_>, end: &str) -> Result<(), Unreadable> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed("a second root"));
        }
        self.seen = self.seen.saturating_add(1);
        for (what, count, max) in [
            (
                "elements within one another",
                self.open.len().saturating_add(1),
                self.limits.depth,
            ),
            ("elements", self.seen, self.limits.elements),
        ] {
            if count > max {
                return Err(Unreadable::Limit { what, max });
            }
        }
        // The same tag, as a part of the document, which the element can borrow from.
        let to = self.at.saturating_sub(end.len());
        let tag = self.document.get(to.saturating_sub(start.len())..to);
        let tag = tag.filter(|tag| *tag == &**start);
        let tag = tag.ok_or_else(|| self.malformed("a tag that is none"))?;
        let (name, _) = tag
            .split_at_checked(start.name().0.len())
            .unwrap_or((tag, ""));
        // Most elements have none.
        let attributes = if name.len() < tag.len() {
            self.attributes(tag, name.len())?
        } else {
            Vec::new()
        };
        let (prefix, name) = self.split(name)?;
        let mut element = Element {
            namespace: self.bound(prefix)?,
            name,
            attributes: Vec::new(),
            children: Vec::new(),
            text: Cow::Borrowed(""),
        };
        for (name, value) in attributes {
            let (prefix, name) = self.split(name)?;
            // An attribute without a prefix is in no namespace.
            let namespace = match prefix {
                "" => self.none.clone(),
                prefix => self.bound(prefix)?,
            };
            if element.attribute(&namespace, name).is_some() {
                return Err(self.malformed("an attribute that is there twice"));
            }
            element.attributes.push(Attribute {
                namespace,
                name,
                value,
            });
        }
        self.open.push(element);
        Ok(())
    }

    /// The attributes that stand in a tag behind its name; declarations of namespaces take effect.
    fn attributes(
        &mut self,
        tag: &'t str,
        behind: usize,
    ) -> Result<Vec<(&'t str, Cow<'t, str>)>, Unreadable> {
        let mut plain = Vec::new();
        for (count, attribute) in Attributes::new(tag, behind).enumerate() {
            if count >= self.limits.attributes {
                return Err(Unreadable::Limit {
                    what: "attributes",
                    max: self.limits.attributes,
                });
            }
            let attribute = attribute.map_err(|_| self.malformed("an attribute that is none"))?;
            if attribute.value.contains('<') {
                return Err(self.malformed("markup in an attribute"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.bad_value(error))?;
            // What stands in the document itself was looked at before.
            if matches!(&value, Cow::Owned(value) if !value.chars().all(is_allowed)) {
                return Err(self.malformed("a reference to no character of XML"));
            }
            let name = attribute.key.0;
            match name.split_once(':') {
                None if name == "xmlns" => self.declare("", value)?,
                Some(("xmlns", prefix)) => self.declare(prefix, value)?,
                _ => plain.push((name, value)),
            }
        }
        Ok(plain)
    }

    fn bad_value(&self, error: Error) -> Unreadable {
        match error {
            Error::Escape(EscapeError::UnrecognizedEntity(_, name)) => {
                Unreadable::UnknownEntity { name }
            }
            _ => self.malformed("a reference to no character of XML"),
        }
    }

    fn declare(&mut self, prefix: &'t str, namespace: Cow<'_, str>) -> Result<(), Unreadable> {
        if prefix == "xmlns"
            || *namespace == *XMLNS
            || (prefix == "xml") != (*namespace == *XML)
            || (!prefix.is_empty() && (namespace.is_empty() || !is_name(prefix)))
        {
            return Err(self.malformed("a namespace that may not be declared"));
        }
        if self.scope.len() >= MOST_NAMESPACES {
            return Err(Unreadable::Limit {
                what: "namespaces",
                max: MOST_NAMESPACES,
            });
        }
        self.scope
            .push((prefix, Arc::from(namespace), self.open.len()));
        Ok(())
    }

    fn bound(&self, prefix: &str) -> Result<Arc<str>, Unreadable> {
        let declared = self.scope.iter().rev().find(|(name, _, _)| *name == prefix);
        match declared {
            Some((_, namespace, _)) => Ok(namespace.clone()),
            None if prefix.is_empty() => Ok(self.none.clone()),
            None if prefix == "xml" => Ok(Arc::from(XML)),
            None => Err(self.malformed("a prefix without a namespace")),
        }
    }

    fn split<'n>(&self, name: &'n str) -> Result<(&'n str, &'n str), Unreadable> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if is_name(local) && (prefix.is_empty() || is_name(prefix)) && !name.starts_with(':') {
            Ok((prefix, local))
        } else {
            Err(self.malformed("a name that is none"))
        }
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else {
            return;
        };
        let depth = self.open.len();
        while self.scope.last().is_some_and(|(_, _, at)| *at >= depth) {
            self.scope.pop();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: Cow<'t, str>) -> Result<(), Unreadable> {
        match self.open.last_mut() {
            Some(element) if element.text.is_empty() => element.text = text,
            Some(element) => element.text.to_mut().push_str(&text),
            None if text.chars().all(|c| BLANKS.contains(&c)) => {}
            None => return Err(self.malformed("text outside of the root")),
        }
        Ok(())
    }
}

/// The five entities that XML defines (4.6).
fn predefined(name: &str) -> Result<char, Unreadable> {
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(Unreadable::UnknownEntity {
            name: name.chars().take(100).collect(),
        }),
    }
}

/// Names in XML 4, a little wider: outside of ASCII everything that is a letter, a digit or a mark.
fn is_name(text: &str) -> bool {
    let may_begin = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic() || !byte.is_ascii();
    let may_follow = |byte: u8| may_begin(byte) || matches!(byte, b'0'..=b'9' | b'-' | b'.');
    text.bytes().next().is_some_and(may_begin)
        // Without an early end, which would cost more than the few bytes behind it.
        && text.bytes().fold(true, |all, byte| all & may_follow(byte))
}
