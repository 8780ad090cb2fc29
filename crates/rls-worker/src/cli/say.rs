//! A text in, a line on the standard output.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

/// Says something. Who has stopped reading, as `head` does, has what was asked for.
pub(super) fn say(text: impl Display) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// Says a value, for programs and people alike.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(say(serde_json::to_string_pretty(value)?)?)
}
