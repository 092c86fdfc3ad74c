//! Change records (RFC 2849, `changerecord`), read into what a client can send.
//!
//! Invariant: a change is read as a whole or not at all, because half a change is another change.

use super::line::{Dashes, Line, is_description};
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
            if !is_description(attribute.as_bytes()) {
                return Err(Defect {
                    line: line.number(),
                    what: "a step without the name of an attribute",
                });
            }
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
                () if line.is("increment") => match <[Vec<u8>; 1]>::try_from(values) {
                    Ok([by]) => Modification::Increment { attribute, by },
                    Err(_) => {
                        return Err(Defect {
                            line: line.number(),
                            what: "an increment by other than one value",
                        });
                    }
                },
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
            let twice = line.is("newrdn") && new_rdn.is_some()
                || line.is("newsuperior") && new_superior.is_some()
                || line.is("deleteoldrdn") && delete_old.is_some();
            if twice {
                return Err(Defect {
                    line: line.number(),
                    what: "a part of a renaming that is there twice",
                });
            }
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

    /// Whether the record can be taken at its word: an object as it is has no controls, a removal has
    /// no lines, a modification has a step, a renaming has a name, and what is there can be read.
    ///
    /// # Errors
    ///
    /// The first line that contradicts the rest, or that says nothing.
    pub fn check(&self) -> Result<(), Defect> {
        let wrong = |line: u64, what| Err(Defect { line, what });
        if self.change == Change::Content && self.has_controls() {
            return wrong(self.line, "a control on a record that is no change");
        }
        self.controls()?;
        match self.change {
            Change::Modify if self.modifications()?.is_empty() => {
                wrong(self.line, "a modification without any step")
            }
            Change::Content | Change::Add | Change::Modify => Ok(()),
            Change::Delete => match self.lines().next() {
                None => Ok(()),
                Some(line) => wrong(line?.number(), "a line behind the removal of an object"),
            },
            Change::Rename => match self.rename()? {
                Some(rename) if rename.new_rdn.trim().is_empty() => {
                    wrong(self.line, "a renaming without a name")
                }
                Some(Rename {
                    new_superior: Some(superior),
                    ..
                }) if superior.trim().is_empty() => {
                    wrong(self.line, "a renaming whose newsuperior names nothing")
                }
                _ => Ok(()),
            },
        }
    }

    /// A critical control without which the record must not be carried out (RFC 4511, 4.1.11), unless
    /// it asks for what a reader of files does in any case: to show deleted objects, and to treat
    /// referrals as objects.
    ///
    /// # Errors
    ///
    /// The first control that cannot be read.
    pub fn demand(&self) -> Result<Option<Control>, Defect> {
        const NEEDLESS: [&str; 2] = ["1.2.840.113556.1.4.417", "2.16.840.1.113730.3.4.2"];
        let mut controls = self.controls()?.into_iter();
        Ok(controls.find(|control| control.critical && !NEEDLESS.contains(&&*control.oid)))
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
    let is_arc = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    if !oid.split('.').all(is_arc) || !oid.contains('.') || words.next().is_some() {
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
