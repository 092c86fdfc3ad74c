//! An entry as a search returns it (RFC 4511 4.5.2): a name, and attributes with their values.
//!
//! Invariant: names and values are what the server sent; nothing here normalises them.

/// One object of the directory, or the part of it that was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// The distinguished name in the server's spelling.
    pub dn: String,
    /// The attributes in the server's order; a name may occur more than once with other options.
    pub attributes: Vec<Attribute>,
}

impl Entry {
    /// All values of the attribute `name`, whatever its options; names compare without case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name.eq_ignore_ascii_case(name))
            .flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
    }

    /// The first value of the attribute `name`, when there is one and it is UTF-8.
    pub fn first_text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.values(name).next()?).ok()
    }
}

/// An attribute and its values (`PartialAttribute`, RFC 4511 4.1.7).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attribute {
    /// The type as the server spelled it, without options.
    pub name: String,
    /// The options behind the type, without semicolons (`binary`, `range=0-1499`; RFC 4512 2.5).
    pub options: Vec<String>,
    /// The values; none when the search asked for types only.
    pub values: Vec<Vec<u8>>,
}

impl Attribute {
    /// Splits `description` (`userCertificate;binary`) into type and options.
    pub fn new(description: &str, values: Vec<Vec<u8>>) -> Self {
        match description.split_once(';') {
            None => Self {
                name: description.to_owned(),
                options: Vec::new(),
                values,
            },
            Some((name, options)) => Self {
                name: name.to_owned(),
                options: options.split(';').map(str::to_owned).collect(),
                values,
            },
        }
    }

    /// The type with its options, as RFC 4512 2.5 writes an attribute description.
    pub fn description(&self) -> String {
        let mut text = self.name.clone();
        for option in &self.options {
            text.push(';');
            text.push_str(option);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_options() {
        let entry = Entry {
            dn: "cn=amy".to_owned(),
            attributes: vec![
                Attribute::new("Mail", vec![b"amy@contoso.test".to_vec()]),
                Attribute::new("mail;lang-de", vec![b"a@b".to_vec()]),
            ],
        };
        assert_eq!(entry.first_text("MAIL"), Some("amy@contoso.test"));
        assert_eq!(entry.values("mail").count(), 2);
        assert_eq!(entry.first_text("cn"), None);
    }

    #[test]
    fn a_description_is_its_type_and_options() {
        let attribute = Attribute::new("member;binary;range=0-1", Vec::new());
        assert_eq!(attribute.name, "member");
        assert_eq!(attribute.options, ["binary", "range=0-1"]);
        assert_eq!(attribute.description(), "member;binary;range=0-1");
    }
}
