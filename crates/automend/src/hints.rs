//! Commands that this program prints for pasting: what was typed, completed to a command that works.
//!
//! Quoting is [`automend_core::command`]'s. Secrets never stand in a command: a password file is named, a
//! password from the environment or a terminal is asked for again.

use automend_core::command::Command;

use automend_source::{Auth, Directory, Location, PAGE_SIZE, Settings, TIMEOUT};

/// A command of this program on the same directory, reached and logged in to in the same way; of several
/// servers it names the one that answered.
pub(crate) fn same_directory(verb: &str, settings: &Settings, directory: &Directory) -> Command {
    let answered = match directory {
        Directory::Live(live) => Location::Server(live.url.clone()),
        Directory::Embedded(_) | Directory::Ldif(_) => settings.directory.clone(),
    };
    with_options(
        Command::automend(verb).option("--directory", answered.argument()),
        settings,
    )
}

/// The same before a directory was opened: every server is named.
pub(crate) fn named_directory(verb: &str, settings: &Settings) -> Command {
    let others = settings.others.iter().map(|url| format!(",{url}"));
    let all = settings.directory.argument() + &others.collect::<String>();
    with_options(Command::automend(verb).option("--directory", all), settings)
}

/// Whatever else is needed to reach the directory again.
pub(crate) fn with_options(mut command: Command, settings: &Settings) -> Command {
    if matches!(settings.directory, Location::Server(_)) {
        if settings.start_tls {
            command = command.word("--start-tls");
        }
        if settings.allow_plaintext {
            command = command.word("--allow-plaintext");
        }
        match settings.auth {
            Auth::Auto => {}
            Auth::Kerberos => command = command.option("--auth", "kerberos"),
            Auth::Simple => command = command.option("--auth", "simple"),
            Auth::External => command = command.option("--auth", "external"),
        }
        if let Some(file) = &settings.kerberos.keytab {
            command = command.option("--keytab", file.display());
        }
        if let Some(kdc) = &settings.kerberos.kdc {
            command = command.option("--kdc", kdc);
        }
        for file in &settings.ca {
            command = command.option("--ca", file.display());
        }
        if let Some(user) = &settings.user {
            command = command.option("--user", user);
        }
        if let Some(file) = settings.password_file() {
            command = command.option("--password-file", file.display());
        }
        if settings.page_size != PAGE_SIZE {
            command = command.option("--page-size", settings.page_size);
        }
        if settings.timeout != TIMEOUT {
            command = command.option("--timeout", settings.timeout.as_secs());
        }
    }
    settings
        .base
        .iter()
        .fold(command, |command, base| command.name("--base", base))
}

/// The command that fixes what was found here: a file is only read, so its fix is for other tools.
pub(crate) fn fix_command(settings: &Settings, directory: &Directory) -> Command {
    let command = same_directory("fix", settings, directory);
    match directory {
        Directory::Live(_) | Directory::Embedded(_) => command,
        Directory::Ldif(_) => command.option("--export", "ldif"),
    }
}
