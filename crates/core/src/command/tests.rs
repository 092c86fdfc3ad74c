//! Commands through a real shell: what is meant arrives, and nothing else is done.

use proptest::prelude::*;

use super::*;

/// What a POSIX shell hands to a program.
fn arrives(command: &Command) -> Vec<String> {
    let words = Command::new("printf").word("%s\\0");
    let line = format!(
        "{} {}",
        words.for_shell(Shell::Posix),
        command.for_shell(Shell::Posix)
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .output()
        .unwrap();
    assert!(output.status.success(), "{line:?}: {output:?}");
    let mut all: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .split('\0')
        .map(str::to_owned)
        .collect();
    assert_eq!(
        all.pop().as_deref(),
        Some(""),
        "{line:?}: something was said beside"
    );
    all
}

const HOSTILE: &[&str] = &[
    "",
    " ",
    "a b",
    "-x",
    "--yes",
    "-",
    "--",
    "=ls",
    "~root",
    "a'b",
    "''",
    "a\"b",
    "$(touch pwned)",
    "`touch pwned`",
    "${IFS}x",
    "a;touch pwned",
    "a&b|c>d<e",
    "a\\",
    "\\",
    "a\\nb",
    "!!",
    "!$ ' %s",
    "*?[a]{b,c}",
    "#x",
    "a\nb",
    "a\n",
    "\n",
    "\n\na\n\n",
    "a\r\nb\t\u{1b}[2J\u{7f}",
    "100%\n%s%n\\041'!",
    "-\n",
    "\u{9b}1m\u{202e}evil",
    "Zoë ‘x’ ‚y‛",
    "CN=Jim $(touch pwned) `id` Stone,OU=People,DC=contoso,DC=com",
    "CN=Stone\\, Jim\\\"s,DC=c",
];

#[test]
fn a_shell_hands_over_what_is_meant() {
    for hostile in HOSTILE {
        let command = Command::automend("fix")
            .option("--owner", hostile)
            .operand(hostile);
        let expected = command.arguments();
        assert_eq!(arrives(&command), expected, "{hostile:?}");
        assert_eq!(expected.last().map(String::as_str), Some(*hostile));
        let line = command.for_shell(Shell::Posix);
        let acting = line.chars().filter(|c| acts(*c)).count();
        let ends = hostile.len() - hostile.trim_end_matches('\n').len();
        assert_eq!(acting, ends * 2, "{line:?}");
    }
}

#[test]
fn values_and_operands_are_never_options() {
    let command = Command::automend("undo")
        .option("--directory", "-x.ldif")
        .option("--ca", "-")
        .operand("-receipt.ldif");
    assert_eq!(
        command.arguments(),
        [
            "automend",
            "undo",
            "--directory=-x.ldif",
            "--ca",
            "-",
            "--",
            "-receipt.ldif"
        ]
    );
    let plain = Command::automend("undo")
        .operand("a.ldif")
        .option("-d", "b");
    assert_eq!(plain.for_shell(Shell::Posix), "automend undo -d b a.ldif");
    assert_eq!(
        Command::automend("show")
            .with_options_of(&plain)
            .arguments(),
        ["automend", "show", "-d", "b"]
    );
}

#[test]
fn power_shell_takes_typographic_quotes_for_quotes() {
    let shown = |text: &str| quoted(text, Shell::PowerShell);
    assert_eq!(shown("ldaps://dc1.contoso.com"), "ldaps://dc1.contoso.com");
    assert_eq!(shown("a@b.c"), "'a@b.c'");
    assert_eq!(shown("$(x) `n"), "'$(x) `n'");
    assert_eq!(shown("O’Brien's"), "'O’’Brien''s'");
    assert_eq!(shown("a\nb"), "('a' + [char]0xa + 'b')");
    assert_eq!(shown(""), "''");
}

#[test]
fn a_portable_name_is_the_same_name() {
    for (name, expected) in [
        ("CN=\u{9b}Jim\u{202e},DC=c", r"CN=\C2\9BJim\E2\80\AE,DC=c"),
        (r#"CN=\"Jim\"\, too,DC=c"#, r"CN=\22Jim\22\, too,DC=c"),
        (r"CN=Jim\\,DC=c", r"CN=Jim\\,DC=c"),
        (r"CN=Stone\, Jim,DC=c", r"CN=Stone\, Jim,DC=c"),
    ] {
        let dn = Dn::parse(name).unwrap();
        assert_eq!(portable(&dn), expected);
        assert_eq!(Dn::parse(&portable(&dn)).unwrap(), dn);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_meant_arrives(words in proptest::collection::vec("[^\0]{0,12}", 1..8)) {
        let command = words.iter().fold(Command::automend("fix"), Command::operand);
        prop_assert_eq!(arrives(&command), command.arguments());
    }
}

#[test]
fn a_value_of_a_cmdlet_is_always_in_quotes() {
    let call = Cmdlet::new("Add-MailboxPermission")
        .parameter("Identity", "-x@contoso.com")
        .parameter("User", "o'brien; calc")
        .switch("AutoMapping", false);
    assert_eq!(
        call.to_string(),
        "Add-MailboxPermission -Identity '-x@contoso.com' -User 'o''brien; calc' -AutoMapping:$false"
    );
    let odd = Cmdlet::new("X").parameter("Y", "a\u{1b}[2J").to_string();
    assert!(
        !odd.contains('\u{1b}') && odd.contains("[char]0x1b"),
        "{odd}"
    );
}
