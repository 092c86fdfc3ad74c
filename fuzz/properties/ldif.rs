//! However a stream is cut into blocks, the same records and defects are read of it (RFC 2849);
//! what is picked is what is there; and what is written of it is read as it was.

use automend_ldap::Entry;
use automend_ldap::ldif::{Blocks, Change, Defect, Rename, Selector, Writer};
use automend_ldap::{Control, Modification};

/// Small, so that the fuzzer finds records that are too long.
const MAX_RECORD: usize = 600;

/// All that can be read of a stream.
#[derive(Debug, PartialEq)]
enum Found {
    Record {
        line: u64,
        change: Change,
        entry: Entry,
        defects: Vec<Defect>,
        steps: Result<Vec<Modification>, Defect>,
        rename: Result<Option<Rename>, Defect>,
        controls: Result<Vec<Control>, Defect>,
    },
    Defect(Defect),
}

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let Some((&target, text)) = bytes.split_first() else {
        return;
    };
    let whole = read(text, 1 << 16);
    assert_eq!(
        read(text, usize::from(target)),
        whole,
        "in blocks of {target} bytes"
    );

    let mut writer = Writer::new(Vec::new()).expect("memory");
    let mut written = Vec::new();
    for found in &whole {
        // A value may make a name out of what is none; the writer refuses these.
        if let Found::Record {
            change: Change::Content,
            entry,
            ..
        } = found
            && entry
                .attributes
                .iter()
                .all(|attribute| is_plain(&attribute.name))
            && writer.entry(entry).is_ok()
        {
            written.push(entry);
        }
    }
    // Base64 and folding make a record longer, and refusing left pieces of it behind.
    if written.len() == whole.len() {
        let text = writer.into_inner();
        let again: Vec<Entry> = Blocks::new(text.as_slice())
            .flat_map(|block| {
                let block = block.expect("memory");
                block
                    .records()
                    .map(|record| record.expect("what was written").entry().0)
                    .collect::<Vec<_>>()
            })
            .collect();
        assert!(again.iter().eq(written), "{}", text.escape_ascii());
    }
}

/// Whether a line with this name can't be taken for a part of a change.
fn is_plain(name: &str) -> bool {
    !["control", "changetype"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}

fn read(text: &[u8], target: usize) -> Vec<Found> {
    let selector = Selector::new(&["cn", "mail", "member"]);
    let mut all = Vec::new();
    let mut line = 1;
    for block in Blocks::with_sizes(text, target, MAX_RECORD) {
        let block = block.expect("memory does not fail");
        assert!(block.first_line() >= line);
        line = block.first_line();
        for record in block.records() {
            let record = match record {
                Ok(record) => record,
                Err(defect) => {
                    all.push(Found::Defect(defect));
                    continue;
                }
            };
            assert!(record.line >= line);
            let picked: Vec<u64> = record
                .select(&selector)
                .filter_map(Result::ok)
                .map(|(_, line)| line.number())
                .collect();
            let expected: Vec<u64> = record
                .lines()
                .filter_map(Result::ok)
                .filter(|line| ["cn", "mail", "member"].iter().any(|name| line.is(name)))
                .map(|line| line.number())
                .collect();
            assert_eq!(picked, expected);
            let (entry, defects) = record.entry();
            all.push(Found::Record {
                line: record.line,
                change: record.change,
                entry,
                defects,
                steps: record.modifications(),
                rename: record.rename(),
                controls: record.controls(),
            });
        }
    }
    all
}
