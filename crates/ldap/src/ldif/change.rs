//! Change records (RFC 2849, `changerecord`), read into what a client can send.
//!
//! Invariant: a change is read as a whole or not at all, because half a change is another change.

use std::borrow::Cow;

use super::line::{Dashes, Line};
use super::{Change, Defect, Record};
use crate::client::Modification;
use crate::control::Control;

/// A new name for an object (RFC 2849, `change-moddn`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rename {
    /// The new relative name.
    pub new_rdn: String,
    /// Whether the values of the old relative name go.
    pub delete_old: bool,
    /// The new parent, when the object moves.
    pub new_superior: Option<String>,
}

impl Record<'_> {
    /// The steps of a modification; of any other record, none.
    pub fn modifications(&self) -> Result<Vec<Modification>, Defect> {
        let mut steps = Vec::new();
        if self.change != Change::Modify {
            return Ok(steps);
        }
        let mut lines = self.lines();
        lines.dashes = Dashes::Line;
        while let Some(line) = lines.next().transpose()? {
            if line.is_dash() {
                continue;
            }
            let attribute = line.text()?.into_owned();
            let mut values = Vec::new();
            while let Some(line) = lines.next().transpose()? {
                if line.is_dash() {
                    break;
                }
                if !line
                    .description()
                    .eq_ignore_ascii_case(attribute.as_bytes())
                {
                    let what = "a value of another attribute than the step names";
                    return Err(Defect {
                        line: line.number(),
                        what,
                    });
                }
                values.push(line.value()?.into_owned());
            }
            steps.push(match () {
                () if line.is("add") && values.is_empty() => {
                    return Err(Defect {
                        line: line.number(),
                        what: "an addition of no value",
                    });
                }
                () if line.is("add") => Modification::Add { attribute, values },
                () if line.is("delete") => Modification::Delete { attribute, values },
                () if line.is("replace") => Modification::Replace { attribute, values },
                () => {
                    return Err(Defect {
                        line: line.number(),
                        what: "an unknown step",
                    });
                }
            });
        }
        Ok(steps)
    }

    /// The new name that a renaming gives; of any other record, `None`.
    pub fn rename(&self) -> Result<Option<Rename>, Defect> {
        if self.change != Change::Rename {
            return Ok(None);
        }
        let (mut new_rdn, mut delete_old, mut new_superior) = (None, None, None);
        for line in self.lines() {
            let line = line?;
            if line.is("newrdn") {
                new_rdn = Some(line.text()?.into_owned());
            } else if line.is("newsuperior") {
                new_superior = Some(line.text()?.into_owned());
            } else if line.is("deleteoldrdn") {
                delete_old = match line.value()?.trim_ascii() {
                    b"0" => Some(false),
                    b"1" => Some(true),
                    _ => {
                        let what = "deleteoldrdn is neither 0 nor 1";
                        return Err(Defect {
                            line: line.number(),
                            what,
                        });
                    }
                };
            } else {
                return Err(Defect {
                    line: line.number(),
                    what: "a line that no renaming has",
                });
            }
        }
        match (new_rdn, delete_old) {
            (Some(new_rdn), Some(delete_old)) => Ok(Some(Rename {
                new_rdn,
                delete_old,
                new_superior,
            })),
            _ => Err(Defect {
                line: self.line,
                what: "a renaming without newrdn or deleteoldrdn",
            }),
        }
    }

    /// The controls that the record wants its change to be sent with.
    pub fn controls(&self) -> Result<Vec<Control>, Defect> {
        self.controls.clone().map(|line| control(&line?)).collect()
    }
}

/// `1.2.840.113556.1.4.417 true: value`, the value perhaps in base64.
fn control(line: &Line<'_>) -> Result<Control, Defect> {
    let wrong = Defect {
        line: line.number(),
        what: "a control that is none",
    };
    let text = line.text()?;
    let (head, value) = match text.split_once(':') {
        None => (&*text, None),
        Some((head, value)) => (head, Some(value)),
    };
    let mut words = head.split_ascii_whitespace();
    let oid = words.next().ok_or(wrong)?;
    let critical = match words.next() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(wrong),
    };
    if !oid
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        || words.next().is_some()
    {
        return Err(wrong);
    }
    let value = match value {
        None => None,
        // What stands behind the colon is a value like that of any line.
        Some(value) => Some(Line::with_value(line.number(), value)?),
    };
    Ok(Control {
        oid: oid.to_owned(),
        critical,
        value,
    })
}

/// An attribute description as text: RFC 4512 allows ASCII letters, digits, `-`, `.` and `;`.
pub(super) fn description(line: &Line<'_>) -> Result<String, Defect> {
    match String::from_utf8_lossy(line.description()) {
        Cow::Borrowed(text) => Ok(text.to_owned()),
        Cow::Owned(_) => Err(Defect {
            line: line.number(),
            what: "a name that is not UTF-8",
        }),
    }
}
