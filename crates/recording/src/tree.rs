//! A document that was copied out of a browser: the tree view, with the browser's sentence before it and
//! signs for folding before the elements, or any few lines before the document.
//!
//! Invariant: only what stands outside of the document, and the signs for folding, are taken away; whether
//! elements were folded, so that something is missing, is reported.

/// Signs before an element: unfolded and folded.
const SIGNS: [char; 8] = [
    '-', '+', '\u{2212}', '\u{2013}', '\u{25bc}', '\u{25be}', '\u{25b6}', '\u{25b8}',
];
/// What stands before a document, in bytes.
const MOST_BEFORE: usize = 2 << 10;

/// A document without what a browser wrote into it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Copied {
    pub document: String,
    /// Whether an element is folded.
    pub folded: bool,
}

/// Whether a text is such a document: within the first lines an element of Autodiscover's answers begins.
pub(super) fn is_copied(text: &str) -> bool {
    begin(text).is_some()
}

/// The document in a text.
pub(super) fn document(text: &str) -> Option<Copied> {
    let from = text.get(begin(text)?..)?;
    let mut document = String::with_capacity(from.len());
    let mut folded = false;
    for line in from.lines() {
        let bare = line.trim_start();
        let unsigned = bare.trim_start_matches(SIGNS).trim_start();
        let signed = unsigned.len() < bare.len() && unsigned.starts_with('<');
        // Blanks before an element may be such as XML does not know.
        let line = match (signed, bare.starts_with('<')) {
            (true, _) => unsigned,
            (false, true) => bare,
            (false, false) => line,
        };
        let dots = line.contains(">\u{2026}</") || line.contains(">...</");
        let sign = bare.starts_with(['+', '\u{25b6}', '\u{25b8}']) && signed;
        folded |= dots || sign && !closes(unsigned);
        document.push_str(line);
        document.push('\n');
    }
    // What a browser, or a mail, has below it.
    for end in ["</Autodiscover>", "Envelope>"] {
        if let Some(at) = document.rfind(end) {
            document.truncate(at + end.len());
        }
    }
    Some(Copied { document, folded })
}

/// Whether elements have signs for folding before them, though the document begins as any other.
pub(super) fn has_signs(text: &str) -> bool {
    text.lines().take(50).any(|line| {
        let bare = line.trim_start();
        bare.starts_with(SIGNS) && bare.trim_start_matches(SIGNS).trim_start().starts_with('<')
    })
}

/// Where the document begins: its declaration, or its root.
fn begin(text: &str) -> Option<usize> {
    let roots = ["Autodiscover", "Envelope"];
    let root = roots.iter().filter_map(|root| element(text, root)).min()?;
    let declaration = text.get(..root)?.rfind("<?xml");
    let begin = declaration.unwrap_or(root);
    let before = text.get(..begin)?;
    let short = before.len() <= MOST_BEFORE && before.lines().count() <= 5;
    (short && !before.contains('<')).then_some(begin)
}

/// Where the first element of a name begins, whatever its prefix.
fn element(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).take(20).find_map(|(at, _)| {
        let open = text.get(..at)?.rfind('<')?;
        let prefix = text.get(open + 1..at)?;
        let named = prefix.is_empty() || prefix.ends_with(':');
        (named && prefix.len() <= 16 && !prefix.contains(char::is_whitespace)).then_some(open)
    })
}

/// Whether an element is whole on its line.
fn closes(line: &str) -> bool {
    line.contains("</") || line.trim_end().ends_with("/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str =
        "<Autodiscover xmlns=\"x\">\n<Response>\n<A>-1</A>\n</Response>\n</Autodiscover>";

    #[test]
    fn what_browsers_write_is_taken_away() {
        let sentence = "This XML file does not appear to have any style information associated with it. The document tree is shown below.\n";
        for copied in [
            format!("{sentence}{PLAIN}"),
            format!("{sentence}\n<?xml version=\"1.0\"?>\n{PLAIN}\n"),
            format!(
                "{sentence}{}",
                PLAIN
                    .replace("<Auto", "\u{25bc}<Auto")
                    .replace("<Resp", "  \u{25bc} <Resp")
            ),
            format!(
                "{}\n",
                PLAIN
                    .replace("<Auto", "- <Auto")
                    .replace("<Resp", "  - <Resp")
            ),
            PLAIN
                .replace("<Auto", "-<Auto")
                .replace("<Resp", "\u{2212}<Resp"),
            format!("{sentence}{PLAIN}\nsent from my phone"),
        ] {
            assert!(is_copied(&copied), "{copied}");
            let Copied { document, folded } = document(&copied).unwrap();
            assert!(!folded, "{copied}");
            let document = document
                .trim_start_matches("<?xml version=\"1.0\"?>")
                .trim();
            assert_eq!(document.replace("  ", ""), PLAIN);
        }
    }

    #[test]
    fn a_folded_element_is_told() {
        for copied in [
            "\u{25b6}<Autodiscover>\u{2026}</Autodiscover>",
            "- <Autodiscover>\n+ <Response>\n</Autodiscover>",
            "\u{25bc}<Autodiscover>\n\u{25b6}<Response>...</Response>\n</Autodiscover>",
        ] {
            assert!(document(copied).unwrap().folded, "{copied}");
        }
    }

    #[test]
    fn what_quotes_a_document_far_below_is_none() {
        assert!(!is_copied("Alice called."));
        assert!(!is_copied(&format!("{}{PLAIN}", "a line\n".repeat(20))));
        assert!(!is_copied(&format!("<html>\n{PLAIN}</html>")));
    }
}
