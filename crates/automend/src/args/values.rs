//! Values of options that need more than a type: what is said where they are wrong, and completions.

/// Any text, with the codes for completions.
#[derive(Clone, Debug)]
pub(super) struct ExplainedCode;

impl clap::builder::TypedValueParser for ExplainedCode {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(
        &self,
    ) -> Option<Box<dyn Iterator<Item = clap::builder::PossibleValue> + '_>> {
        Some(Box::new(
            crate::codes::all().map(clap::builder::PossibleValue::new),
        ))
    }
}

/// Where to listen; a port alone is not enough, so that no service listens to the world by mistake.
pub(super) fn listening(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.trim_start_matches(':').parse().unwrap_or(8888u16);
        format!("an address and a port are needed, such as 127.0.0.1:{port}")
    })
}
