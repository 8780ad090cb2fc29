//! Rules files in, Rules out: the shipped file, extended by the project's own. Every mistake points into the user's file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check::{self, Row};
use super::{Rules, merge, names};
use crate::user_error::{UserError, lower_first, nearest};

/// The rules file of a project.
pub const RULES_FILE: &str = "rls-audit.toml";

/// The rules that are compiled in.
pub const SHIPPED: &str = include_str!("../../rules.toml");

/// The active rules and where they come from.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What the stages read.
    pub rules: Rules,
    /// The project's own file, if it has one.
    pub project: Option<RulesFile>,
    /// All rows as one document, for `rls-audit rules`.
    pub merged: toml::Table,
}

/// A rules file that a user wrote.
#[derive(Clone, Debug)]
pub struct RulesFile {
    /// Absolute.
    pub path: PathBuf,
    /// As reports print it: relative to the root where it lies inside.
    pub shown: String,
    /// Its text.
    pub text: String,
    /// Its rows with their places, for exceptions that match nothing.
    pub rows: Vec<Row>,
}

/// Where the project's rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file that is all rules.
    File(PathBuf),
    /// `[workspace.metadata.rls-audit]` or `[package.metadata.rls-audit]` of a Cargo.toml.
    Manifest(PathBuf),
}

/// The project's rules: what was given, else the nearest `rls-audit.toml` up to the repository's root,
/// else the manifest's metadata.
///
/// # Errors
/// Where the given file does not exist.
pub fn locate(given: Option<&Path>, root: &Path, manifest: Option<&Path>) -> Result<Option<Origin>, UserError> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(Some(Origin::File(path.to_owned()))),
            false => Err(UserError::new(format!("rules file `{}` does not exist", path.display()))
                .help("give the path of a rules file, or leave `--rules` out")),
        };
    }
    for folder in root.ancestors() {
        let path = folder.join(RULES_FILE);
        if path.is_file() {
            return Ok(Some(Origin::File(path)));
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    let own = root.join("Cargo.toml");
    let manifests = [own.as_path()].into_iter().chain(manifest);
    Ok(manifests.map(Path::to_path_buf).find(|path| has_metadata(path)).map(Origin::Manifest))
}

fn has_metadata(manifest: &Path) -> bool {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    DeTable::parse(&text).is_ok_and(|table| metadata(table).is_some())
}

/// Reads, checks and merges. Paths in the result are relative to `root`.
///
/// # Errors
/// Where the project's file cannot be read or a row of it is wrong.
pub fn load(origin: Option<&Origin>, root: &Path) -> Result<Loaded, UserError> {
    let shipped: toml::Table = SHIPPED.parse().map_err(|error| shipped_is_broken(&error))?;
    let Some(origin) = origin else {
        let rules = shipped.clone().try_into().map_err(|error| shipped_is_broken(&error))?;
        return Ok(Loaded { rules, project: None, merged: shipped });
    };
    let (Origin::File(path) | Origin::Manifest(path)) = origin;
    let text = std::fs::read_to_string(path).map_err(|error| {
        UserError::new(format!("rules file `{}` cannot be read: {error}", path.display()))
            .help("give a file of UTF-8 text")
    })?;
    let (mut own, rows) = read(path, &text, origin)?;
    rebase(&mut own, path, root);
    let shown = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let merged = merge::extend(shipped, own);
    let rules = merged.clone().try_into().map_err(|error| shipped_is_broken(&error))?;
    Ok(Loaded { rules, project: Some(RulesFile { path: path.clone(), shown, text, rows }), merged })
}

/// The names of the packs that are compiled in.
fn shipped_packs() -> Result<Vec<String>, UserError> {
    let rules: Rules = toml::from_str(SHIPPED).map_err(|error| shipped_is_broken(&error))?;
    Ok(rules.packs.into_iter().map(|pack| pack.name).collect())
}

/// Both halves are checked before they are merged, so this is our mistake and no user's.
fn shipped_is_broken(error: &toml::de::Error) -> UserError {
    UserError::new(format!("the merged rules do not load: {}", error.message()))
        .help("report this as a bug of rls-audit")
}

/// One file: its typed rows are checked with their places, then the plain table is what gets merged.
fn read(path: &Path, text: &str, origin: &Origin) -> Result<(toml::Table, Vec<Row>), UserError> {
    let in_file = |error: toml::de::Error| toml_error(path, text, &error);
    let document = || DeTable::parse(text).map_err(in_file);
    let section = |table| match origin {
        Origin::File(_) => Some(table),
        Origin::Manifest(_) => metadata(table),
    };
    let Some(table) = section(document()?) else { return Ok((toml::Table::new(), Vec::new())) };
    let rows = check::rows(table.get_ref());
    let packs = shipped_packs()?;
    let named = names::check(table.get_ref(), path, text)
        .and_then(|()| names::check_packs(table.get_ref(), &packs, path, text));
    let rules = Rules::deserialize(Deserializer::from(table)).map_err(in_file)?;
    check::check(&rules, &rows, path, text)?;
    named?;
    let plain = section(document()?).map(|table| toml::Table::deserialize(Deserializer::from(table)));
    Ok((plain.transpose().map_err(in_file)?.unwrap_or_default(), rows))
}

fn metadata(table: Spanned<DeTable<'_>>) -> Option<Spanned<DeTable<'_>>> {
    let manifest = table.into_inner();
    ["workspace", "package"].into_iter().find_map(|owner| {
        let section = manifest.get(owner)?.get_ref().get("metadata")?.get_ref().get("rls-audit")?;
        match section.get_ref() {
            DeValue::Table(table) => Some(Spanned::new(section.span(), table.clone())),
            _ => None,
        }
    })
}

/// Turns serde's words into a message and a line that says what to type.
fn toml_error(path: &Path, text: &str, error: &toml::de::Error) -> UserError {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let span = error.span().unwrap_or(0..0);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (message, help) = if message.starts_with("unknown field") {
        let (typed, known) = quoted.split_first().map_or(("", &[][..]), |(typed, known)| (*typed, known));
        let help = match nearest(typed, known.iter().copied()) {
            Some(name) => format!("write `{name}`"),
            None => format!("write one of {}", known.join(", ")),
        };
        (format!("unknown key `{typed}`"), Some(help))
    } else if message.starts_with("missing field") {
        let name = quoted.first().copied().unwrap_or_default();
        let example = match name {
            "schema" => "1",
            "paths" => "[\"...\"]",
            _ => "\"...\"",
        };
        (format!("`{name}` is missing"), Some(format!("add `{name} = {example}`")))
    } else if let Some((message, help)) = message.split_once(": write ") {
        (message.to_owned(), Some(format!("write {help}")))
    } else if message.starts_with("unknown variant") {
        let (typed, known) = quoted.split_first().map_or(("", &[][..]), |(typed, known)| (*typed, known));
        (format!("`{typed}` is not a kind"), Some(format!("write one of {}", known.join(", "))))
    } else if let Some((found, wanted)) = of_wrong_type(&message) {
        (format!("{found} instead of {wanted}"), Some(format!("write {wanted}")))
    } else {
        (lower_first(&message), Some("correct the TOML at the marked place".to_owned()))
    };
    let error = UserError::new(message).at(path, text, span, "here");
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// What was found and what belongs there, where serde says that a value is of the wrong type.
fn of_wrong_type(message: &str) -> Option<(String, &'static str)> {
    if message.contains("OneOrMany") {
        return Some(("a value".to_owned(), "a name or a list of names: `\"begin\"` or `[\"begin\", \"try_begin\"]`"));
    }
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, wanted) = rest.rsplit_once(", expected ")?;
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a number from 0 on",
        "a sequence" => "a list: `[\"...\"]`",
        "a string" => "a text in quotes: `\"...\"`",
        "a boolean" => "`true` or `false`",
        _ => return None,
    };
    Some((found.to_owned(), wanted))
}

/// Paths are written relative to the rules file; the stages want them relative to the root.
/// A rules file that is not above the root, such as one given with `--rules`, speaks of the root.
fn rebase(table: &mut toml::Table, path: &Path, root: &Path) {
    let Some(below) = path.parent().and_then(|folder| root.strip_prefix(folder).ok()) else { return };
    if below.as_os_str().is_empty() {
        return;
    }
    let prefix = format!("{}/", below.display());
    let rebased = |value: &mut toml::Value| {
        if let toml::Value::String(text) = value {
            *text = match text.strip_prefix(&prefix) {
                Some(rest) => rest.to_owned(),
                None if text.starts_with('*') => text.clone(),
                None => format!("../{text}"),
            };
        }
    };
    let each = |value: Option<&mut toml::Value>| {
        value.and_then(toml::Value::as_array_mut).into_iter().flatten().for_each(rebased);
    };
    each(table.get_mut("tables").and_then(|tables| tables.get_mut("migrations")));
    for key in ["area", "exempt"] {
        let rows = table.get_mut(key).and_then(toml::Value::as_array_mut);
        rows.into_iter().flatten().for_each(|row| each(row.get_mut("paths")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Loaded, UserError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rls-audit.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&Origin::File(path)), folder.path())
    }

    /// The marked text, message and help of the mistake in a rules file.
    fn mistake(text: &str) -> (String, String, String) {
        let error = loaded(text).unwrap_err();
        let place = error.at.as_ref().unwrap();
        (text[place.span.clone()].to_owned(), error.message.clone(), error.help.clone().unwrap_or_default())
    }

    #[test]
    fn a_project_extends_the_shipped_rules() {
        let text = "schema = 1\n[scope]\ntenant_settings = [\"acme.org\"]\n[[scope.guard]]\ncall = \"begin_tenant\"\nhandle = \"return\"\n\
                    [[pack]]\nname = \"sqlx\"\n[[pack.execute]]\nmethod = \"run_it\"\nhandle = \"arg:0\"\n";
        let loaded = loaded(text).unwrap();
        assert!(loaded.rules.scope.tenant_settings.contains(&"acme.org".to_owned()));
        assert!(loaded.rules.scope.tenant_settings.contains(&"app.tenant_id".to_owned()));
        assert_eq!(loaded.rules.scope.closures[0].call, "with_tenant");
        assert_eq!(loaded.rules.scope.guards[0].call, "begin_tenant");
        assert_eq!(loaded.rules.packs.iter().filter(|pack| pack.name == "sqlx").count(), 1);
        let sqlx = &loaded.rules.packs[0];
        assert_eq!(sqlx.executes.last().unwrap().method.0, ["run_it"]);
        assert!(!sqlx.crates.is_empty());
    }

    #[test]
    fn an_unknown_key_is_marked_and_corrected() {
        let (marked, message, help) = mistake("schema = 1\n[[scope.guard]]\ncal = \"x\"\nhandle = \"return\"\n");
        assert_eq!((marked.as_str(), message.as_str(), help.as_str()), ("cal", "unknown key `cal`", "write `call`"));
    }

    #[test]
    fn a_bad_place_is_marked_and_explained() {
        let (marked, message, help) = mistake("schema = 1\n[[scope.guard]]\ncall = \"x\"\nhandle = \"result\"\n");
        assert_eq!((marked.as_str(), message.as_str()), ("\"result\"", "`result` is not a place"));
        assert!(help.starts_with("write `return`"), "{help}");
    }

    #[test]
    fn a_place_that_the_row_cannot_have_is_marked() {
        let (marked, message, _) = mistake("schema = 1\n[[scope.closure]]\ncall = \"x\"\nhandle = \"return\"\n");
        assert_eq!((marked.as_str(), message.as_str()), ("\"return\"", "a closure row cannot have this handle"));
    }

    #[test]
    fn an_exemption_needs_a_reason_and_a_place() {
        let (_, message, _) = mistake("schema = 1\n[[exempt]]\npaths = [\"src\"]\nreason = \" \"\n");
        assert_eq!(message, "the exemption gives no reason");
        let (_, message, _) = mistake("schema = 1\n[[exempt]]\nreason = \"all of it\"\n");
        assert_eq!(message, "the exemption excepts everything");
    }

    #[test]
    fn broken_toml_and_a_foreign_schema_are_marked() {
        let (_, _, help) = mistake("schema = 1\n[scope\n");
        assert_eq!(help, "correct the TOML at the marked place");
        let (marked, message, help) = mistake("schema = 2\n");
        assert_eq!(
            (marked.as_str(), message.as_str(), help.as_str()),
            ("2", "schema 2 is not known", "write `schema = 1`")
        );
        let (_, message, help) = mistake("[scope]\n");
        assert_eq!((message.as_str(), help.as_str()), ("`schema` is missing", "add `schema = 1`"));
    }

    #[test]
    fn names_that_no_code_has_are_marked() {
        let row = |row: &str| mistake(&format!("schema = 1\n{row}\n"));
        for name in ["a::", "::a", "a b", "Tx<'_>", "f()", "a.b"] {
            let (marked, message, _) = row(&format!("[[scope.closure]]\ncall = \"{name}\"\nhandle = \"closure:0\""));
            assert_eq!((marked, message), (format!("\"{name}\""), format!("`{name}` is no name")));
        }
        let (marked, message, _) =
            row("[[pack]]\nname = \"x\"\n[[pack.execute]]\nmethod = [\"go\", \"\"]\nhandle = \"arg:0\"");
        assert_eq!((marked.as_str(), message.as_str()), ("\"\"", "the row names nothing"));
        let (_, message, _) = row("[[pack]]\nname = \"x\"\ncrates = [\"tokio-postgres\"]");
        assert_eq!(message, "`tokio-postgres` is no name");
        let (_, message, _) = row("[[entry]]\npath = \"the worker\"\nkind = \"worker\"");
        assert_eq!(message, "`the worker` is no name");
    }

    #[test]
    fn a_pack_that_is_extended_is_there() {
        let extending = |name| mistake(&format!("schema = 1\n[[pack]]\nname = \"x\"\nextends = \"{name}\"\n"));
        let (marked, message, help) = extending("disel");
        assert_eq!((marked.as_str(), message.as_str()), ("\"disel\"", "there is no pack `disel`"));
        assert_eq!(help, "write `diesel`");
        let many: String = (0..80).map(|at| format!("[[pack]]\nname = \"x{at}\"\n")).collect();
        assert!(mistake(&format!("schema = 1\n{many}")).1.ends_with("packs are more than can be told apart"));
    }

    #[test]
    fn values_of_the_wrong_type_are_marked_with_what_belongs_there() {
        let row = |row: &str| mistake(&format!("schema = 1\n{row}\n"));
        let (marked, message, help) = row("[scope]\ntenant_settings = \"app.tenant_id\"");
        assert_eq!(marked, "\"app.tenant_id\"");
        assert_eq!(message, "string \"app.tenant_id\" instead of a list: `[\"...\"]`");
        assert_eq!(help, "write a list: `[\"...\"]`");
        let (_, _, help) = row("[[scope.guard]]\ncall = \"x\"\nhandle = \"return\"\narity = -1");
        assert_eq!(help, "write a number from 0 on");
        let (_, _, help) = row("[[pack]]\nname = \"x\"\n[[pack.execute]]\nmethod = 5\nhandle = \"arg:0\"");
        assert!(help.starts_with("write a name or a list of names"), "{help}");
        let (_, message, help) = row("[[scope.closure]]\ncall = \"x\"\nhandle = \"closure:4000000000\"");
        assert_eq!(message, "`4000000000` is not the number of an argument");
        assert_eq!(help, "write `closure:0` for the first one");
        let (_, _, help) = row("[[area]]\nname = \"Jobs\"\nrisk = \"stops\"");
        assert_eq!(help, "add `paths = [\"...\"]`");
    }

    #[test]
    fn rules_in_a_manifest_are_found_with_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cargo.toml");
        let good = "[package]\nname = \"a\"\n[package.metadata.rls-audit]\nschema = 1\n[[package.metadata.rls-audit.scope.guard]]\ncall = \"open\"\nhandle = \"return\"\n";
        std::fs::write(&path, good).unwrap();
        let origin = locate(None, folder.path(), None).unwrap();
        assert_eq!(origin, Some(Origin::Manifest(path.clone())));
        assert_eq!(load(origin.as_ref(), folder.path()).unwrap().rules.scope.guards[0].call, "open");
        let bad = good.replace("handle =", "handel =");
        std::fs::write(&path, &bad).unwrap();
        let error = load(origin.as_ref(), folder.path()).unwrap_err();
        assert_eq!(&bad[error.at.unwrap().span], "handel");
    }

    #[test]
    fn paths_are_relative_to_the_rules_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rls-audit.toml");
        let text = "schema = 1\n[[area]]\nname = \"Jobs\"\npaths = [\"api/src/jobs.rs\", \"web/x.rs\", \"**/y.rs\"]\nrisk = \"r\"\n";
        std::fs::write(&path, text).unwrap();
        let loaded = load(Some(&Origin::File(path)), &folder.path().join("api")).unwrap();
        assert_eq!(loaded.rules.areas[0].paths, ["src/jobs.rs", "../web/x.rs", "**/y.rs"]);
    }
}
