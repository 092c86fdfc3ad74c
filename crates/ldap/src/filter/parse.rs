//! Reads the text form of a filter (RFC 4515 section 3).
//!
//! Blanks are allowed around a parenthesised filter, as people write them in files; inside a
//! value they count. Invariant: nesting deeper than [`MAX_DEPTH`] is an error, so the recursion
//! of this reader and of every walk over its result is bounded.

use std::str::FromStr;

use super::{Filter, is_name_byte};

/// How deep a filter may nest.
const MAX_DEPTH: usize = 64;

/// Why a text is no filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("filter is wrong at byte {at}: {what}")]
#[non_exhaustive]
pub struct FilterError {
    /// Offset of the place, in bytes, from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser {
            text: text.as_bytes(),
            at: 0,
        };
        parser.skip_blanks();
        let filter = if parser.peek() == Some(b'(') {
            parser.filter(MAX_DEPTH)?
        } else {
            // A bare item, as in an LDAP URL: `cn=amy`.
            parser.item()?
        };
        parser.skip_blanks();
        if parser.peek().is_some() {
            Err(parser.wrong("text behind the filter"))
        } else {
            Ok(filter)
        }
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &'static str) -> FilterError {
        FilterError { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), FilterError> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.wrong(what))
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.advance();
        }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|&byte| !wanted(byte))
            .unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| self.wrong("filter nested too deep"))?;
        self.expect(b'(', "'(' expected")?;
        self.skip_blanks();
        let filter = if self.accept(b'&') {
            Filter::And(self.list(depth)?)
        } else if self.accept(b'|') {
            Filter::Or(self.list(depth)?)
        } else if self.accept(b'!') {
            self.skip_blanks();
            let part = self.filter(depth)?;
            self.skip_blanks();
            Filter::Not(Box::new(part))
        } else {
            self.item()?
        };
        self.expect(b')', "')' expected")?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let mut parts = Vec::new();
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'(') {
                return Ok(parts);
            }
            parts.push(self.filter(depth)?);
        }
    }

    fn name(&mut self) -> String {
        self.take_while(is_name_byte)
            .iter()
            .copied()
            .map(char::from)
            .collect()
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let attribute = self.name();
        if self.peek() == Some(b':') {
            return self.extensible(attribute);
        }
        if attribute.is_empty() {
            return Err(self.wrong("attribute name expected"));
        }
        let filter = match self.peek() {
            Some(b'=') => {
                self.advance();
                return self.equality_or_substring(attribute);
            }
            Some(b'>') => |attribute, value| Filter::GreaterOrEqual { attribute, value },
            Some(b'<') => |attribute, value| Filter::LessOrEqual { attribute, value },
            Some(b'~') => |attribute, value| Filter::Approximate { attribute, value },
            _ => return Err(self.wrong("'=', '>=', '<=', '~=' or ':' expected")),
        };
        self.advance();
        self.expect(b'=', "'=' expected")?;
        Ok(filter(attribute, self.whole_value()?))
    }

    fn equality_or_substring(&mut self, attribute: String) -> Result<Filter, FilterError> {
        let first = self.value()?;
        let mut pieces = Vec::new();
        while self.accept(b'*') {
            pieces.push(self.value()?);
        }
        let Some(last) = pieces.pop() else {
            return Ok(Filter::Equal {
                attribute,
                value: first,
            });
        };
        let some = |piece: Vec<u8>| Some(piece).filter(|piece| !piece.is_empty());
        pieces.retain(|piece| !piece.is_empty());
        let (initial, last) = (some(first), some(last));
        if initial.is_none() && last.is_none() && pieces.is_empty() {
            return Ok(Filter::Present(attribute));
        }
        Ok(Filter::Substring {
            attribute,
            initial,
            any: pieces,
            last,
        })
    }

    fn extensible(&mut self, attribute: String) -> Result<Filter, FilterError> {
        self.expect(b':', "':' expected")?;
        let (mut rule, mut dn_attributes) = (None, false);
        if self.peek() != Some(b'=') {
            let word = self.name();
            if word.eq_ignore_ascii_case("dn") {
                dn_attributes = true;
            } else {
                rule = Some(word);
            }
            self.expect(b':', "':' expected")?;
            if dn_attributes && self.peek() != Some(b'=') {
                rule = Some(self.name());
                self.expect(b':', "':' expected")?;
            }
        }
        self.expect(b'=', "':=' expected")?;
        if rule.as_deref() == Some("") {
            return Err(self.wrong("matching rule expected"));
        }
        let attribute = Some(attribute).filter(|attribute| !attribute.is_empty());
        if attribute.is_none() && rule.is_none() {
            return Err(self.wrong("attribute or matching rule expected"));
        }
        Ok(Filter::Extensible {
            attribute,
            rule,
            value: self.whole_value()?,
            dn_attributes,
        })
    }

    /// A value in which `*` has no meaning.
    fn whole_value(&mut self) -> Result<Vec<u8>, FilterError> {
        let value = self.value()?;
        if self.peek() == Some(b'*') {
            Err(self.wrong("'*' must be escaped here"))
        } else {
            Ok(value)
        }
    }

    /// Bytes up to a character with a meaning, `\xx` decoded.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(
                self.take_while(|byte| !matches!(byte, b'*' | b'(' | b')' | b'\\' | 0)),
            );
            match self.peek() {
                Some(b'\\') => {
                    let digits = self
                        .text
                        .get(self.at.saturating_add(1)..self.at.saturating_add(3));
                    let byte = digits
                        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                        .and_then(|digits| std::str::from_utf8(digits).ok())
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                        .ok_or_else(|| self.wrong("two hexadecimal digits expected after '\\'"))?;
                    value.push(byte);
                    self.at = self.at.saturating_add(3);
                }
                Some(b'(') => return Err(self.wrong("'(' must be escaped in a value")),
                Some(0) => return Err(self.wrong("NUL must be escaped in a value")),
                _ => return Ok(value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text and what it is read as, displayed; `!` and the place for an error.
    const CASES: &[(&str, &str)] = &[
        ("(cn=amy)", "(cn=amy)"),
        ("cn=amy", "(cn=amy)"),
        (" (& (cn=a) (|(b=c)) ) ", "(&(cn=a)(|(b=c)))"),
        ("(!(homeMDB=*))", "(!(homeMDB=*))"),
        ("(cn=)", "(cn=)"),
        ("(cn=a*b**c*)", "(cn=a*b*c*)"),
        ("(cn=**)", "(cn=*)"),
        ("(cn=\\2a\\28\\29\\5C\\00)", "(cn=\\2a\\28\\29\\5c\\00)"),
        ("(cn=Zo\u{eb})", "(cn=Zo\u{eb})"),
        ("(cn=\\ff)", "(cn=\\ff)"),
        ("(a>=1)", "(a>=1)"),
        ("(a<=1)", "(a<=1)"),
        ("(a~=1)", "(a~=1)"),
        (
            "(a:1.2.840.113556.1.4.803:=2)",
            "(a:1.2.840.113556.1.4.803:=2)",
        ),
        ("(ou:DN:caseExactMatch:=x)", "(ou:dn:caseExactMatch:=x)"),
        ("(ou:dn:=x)", "(ou:dn:=x)"),
        ("(:caseExactMatch:=x)", "(:caseExactMatch:=x)"),
        ("(a:=x)", "(a:=x)"),
        ("(&)", "(&)"),
        ("(userCertificate;binary=*)", "(userCertificate;binary=*)"),
        ("", "!0"),
        ("(", "!1"),
        ("(cn=a", "!5"),
        ("(cn=a))", "!6"),
        ("(=a)", "!1"),
        ("(cn=a(b)", "!5"),
        ("(cn=\\g0)", "!4"),
        ("(cn=\\+1)", "!4"),
        ("(cn=\\0", "!4"),
        ("(:=x)", "!3"),
        ("(a:x=y)", "!4"),
        ("(a>=b*)", "!5"),
        ("(!(a=b)(c=d))", "!7"),
        ("(c n=a)", "!2"),
    ];

    #[test]
    fn texts_are_read_as_written() {
        for (text, expected) in CASES {
            let found = match text.parse::<Filter>() {
                Ok(filter) => filter.to_string(),
                Err(error) => format!("!{}", error.at),
            };
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nest = |depth: usize| {
            format!("{}(a=b){}", "(!".repeat(depth), ")".repeat(depth)).parse::<Filter>()
        };
        assert!(nest(MAX_DEPTH - 1).is_ok());
        assert_eq!(nest(MAX_DEPTH).unwrap_err().what, "filter nested too deep");
        assert!(nest(1_000_000).is_err());
    }

    #[test]
    fn a_value_can_not_change_the_filter() {
        let filter = Filter::equal("mail", "x)(cn=*");
        assert_eq!(filter.to_string(), "(mail=x\\29\\28cn=\\2a)");
        assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
        assert!(
            Filter::present("a)(b")
                .to_string()
                .parse::<Filter>()
                .is_err()
        );
    }
}
