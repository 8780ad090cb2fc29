//! Where reports go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::report::Format;
use crate::user_error::{UserError, nearest};

/// The help line of `--format`.
pub const HELP: &str = "Report format: `human`, `short`, `json`, `github` or `markdown`, into a file with `=FILE`; can be given several times";

/// One `--format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Which format.
    pub format: Format,
    /// The file; standard output where not given.
    pub file: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err("no file after `=`".to_owned()),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        match Format::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(Self { format: *format, file }),
            None => Err(unknown(name, Format::ALL.iter().map(|(known, _)| *known))),
        }
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write one of {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// One value of `--message-format`, as cargo spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFormat {
    /// For people.
    Human,
    /// One line each.
    Short,
    /// JSON lines; `rendered` is plain text.
    Json,
    /// JSON lines; `rendered` is coloured.
    JsonAnsi,
}

impl FromStr for MessageFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const KNOWN: [&str; 6] = [
            "human",
            "short",
            "json",
            "json-diagnostic-rendered-ansi",
            "json-diagnostic-short",
            "json-render-diagnostics",
        ];
        match text {
            "human" => Ok(Self::Human),
            "short" => Ok(Self::Short),
            "json-diagnostic-rendered-ansi" => Ok(Self::JsonAnsi),
            "json" | "json-diagnostic-short" | "json-render-diagnostics" => Ok(Self::Json),
            other => Err(unknown(other, KNOWN.into_iter())),
        }
    }
}

/// Prints to standard output. A reader that went away, such as `head`, is no failure.
///
/// # Errors
/// Where standard output cannot be written for another reason.
pub fn to_stdout(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), UserError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // What is left in the buffer must not be printed on dropping it.
            let _ = out.into_parts();
            Err(UserError::new(format!("standard output cannot be written: {error}")))
        }
        Err(_) => {
            let _ = out.into_parts();
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Prints to a file. It is written beside itself first, so that a failure leaves no half of it.
///
/// # Errors
/// Where the file cannot be written.
pub fn to_file(path: &Path, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), UserError> {
    let failed = |error: io::Error| {
        UserError::new(format!("`{}` cannot be written: {error}", path.display()))
            .help("name a file in an existing folder")
    };
    let is_regular = path.metadata().map_or(true, |metadata| metadata.is_file());
    if !is_regular {
        let mut out = BufWriter::new(File::create(path).map_err(failed)?);
        return print(&mut out).and_then(|()| out.flush()).map_err(failed);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let written = File::create(&beside).and_then(|file| {
        let mut out = BufWriter::new(file);
        print(&mut out)?;
        out.flush()?;
        std::fs::rename(&beside, path)
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_name_their_file() {
        assert_eq!("json".parse(), Ok(Output { format: Format::Json, file: None }));
        let to_file = Output { format: Format::Markdown, file: Some(PathBuf::from("a=b.md")) };
        assert_eq!("markdown=a=b.md".parse(), Ok(to_file));
        assert_eq!("jsn".parse::<Output>(), Err("did you mean `json`?".to_owned()));
        assert!("json=".parse::<Output>().is_err());
    }

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        let failed = to_file(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
