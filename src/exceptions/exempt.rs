//! Rows of the rules: `[[exempt]]` rows except findings, and rows that matched nothing are stale.

use super::{Sources, add_file, open_findings};
use crate::discover::Coverage;
use crate::finding::{Exception, ExceptionKind, Finding, Mode, Status};
use crate::lints;
use crate::program::{FileId, Place};
use crate::rules::{Exemption, Loaded, Row, path_matches};
use crate::source::{SourceFile, Span, to_u32};
use crate::user_error::{UserError, nearest};

/// Excepts what the rows cover.
pub fn apply(findings: &mut [Finding], files: &mut Vec<SourceFile>, sources: &Sources<'_>) -> Vec<Exception> {
    let used: Vec<bool> = sources.rules.exemptions.iter().map(|row| apply_row(findings, files, row)).collect();
    let Some(rules_file) = sources.rules_file else { return Vec::new() };
    let path = rules_file.shown.clone();
    let file = add_file(files, &path, &rules_file.text);
    let own_exemptions = rules_file.rows.iter().filter(|row| row.kind == "exempt").count();
    let shipped_exemptions = used.len().saturating_sub(own_exemptions);
    let rows = rules_file.rows.iter();
    rows.filter_map(|row| match row.kind {
        "exempt" => {
            let exemption = sources.rules.exemptions.get(shipped_exemptions + row.index)?;
            let is_used = used[shipped_exemptions + row.index] || !is_judged(exemption, sources);
            let exception = exception(ExceptionKind::Exemption, file, row, describe(exemption), is_used);
            Some(Exception { reason: exemption.reason.clone(), ..exception })
        }
        kind if kind.starts_with("scope.") => {
            let is_used = sources.used_rules.contains(&row.name) || !is_scope_judged(row, sources);
            Some(exception(ExceptionKind::ScopeRow, file, row, row.name.clone(), is_used))
        }
        _ => None,
    })
    .collect()
}

/// Whether everything was looked for that the row can except.
fn is_judged(row: &Exemption, sources: &Sources<'_>) -> bool {
    let would_find = match row.lint.as_deref().and_then(lints::find) {
        Some(lint) => sources.would_find(lint.code),
        None => lints::LINTS.iter().all(|lint| sources.would_find(lint.code)),
    };
    let names_function = |file: &SourceFile| row.function.as_ref().is_none_or(|function| names(file, function));
    let mut left_out = sources.left_out.iter().filter(|file| is_in_paths(row, &file.path));
    would_find && sources.coverage == Coverage::Whole && !left_out.any(names_function)
}

/// Whether everything was read that can call what a row of the scope rules names.
fn is_scope_judged(row: &Row, sources: &Sources<'_>) -> bool {
    let is_whole = sources.coverage == Coverage::Whole && sources.mode == Mode::Flow;
    is_whole && !sources.left_out.iter().any(|file| names(file, &row.name))
}

/// Whether the last name of a path occurs in a file.
fn names(file: &SourceFile, path: &str) -> bool {
    file.text.contains(path.rsplit("::").next().unwrap_or(path))
}

fn exception(kind: ExceptionKind, file: FileId, row: &Row, names: String, is_used: bool) -> Exception {
    let span = Span { start: to_u32(row.span.start), end: to_u32(row.span.end) };
    Exception { kind, place: Place { file, span }, names, reason: String::new(), problem: None, is_used }
}

fn describe(row: &Exemption) -> String {
    let paths = row.paths.iter().flatten().map(String::as_str);
    let parts: Vec<&str> = row.lint.as_deref().into_iter().chain(row.function.as_deref()).chain(paths).collect();
    parts.join(" ")
}

fn apply_row(findings: &mut [Finding], files: &[SourceFile], row: &Exemption) -> bool {
    let code = row.lint.as_deref().and_then(lints::find).map(|lint| lint.code);
    let mut matched = false;
    for finding in open_findings(findings) {
        let file = &files[finding.place.file as usize].path;
        let in_function = row.function.as_ref().is_none_or(|function| function_matches(function, &finding.function));
        let of_lint = code.is_none_or(|code| code == finding.code);
        if is_in_paths(row, file) && in_function && of_lint {
            finding.status = Status::Allowed(row.reason.clone());
            matched = true;
        }
    }
    matched
}

fn is_in_paths(row: &Exemption, file: &str) -> bool {
    row.paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path_matches(path, file)))
}

/// A function's path, or the end of one.
fn function_matches(rule: &str, function: &str) -> bool {
    let rule = rule.trim_start_matches("crate::");
    function.strip_suffix(rule).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

/// Whether every `[[exempt]]` row names a lint that exists.
///
/// # Errors
/// With the first that does not, marked in the user's file.
pub fn check_lints(loaded: &Loaded) -> Result<(), UserError> {
    let Some(file) = &loaded.project else { return Ok(()) };
    let rows: Vec<&Row> = file.rows.iter().filter(|row| row.kind == "exempt").collect();
    let shipped = loaded.rules.exemptions.len().saturating_sub(rows.len());
    for (row, exemption) in rows.iter().zip(loaded.rules.exemptions.iter().skip(shipped)) {
        let Some(lint) = exemption.lint.as_ref().filter(|lint| lints::find(lint).is_none()) else { continue };
        let help = match nearest(lint, lints::words()) {
            Some(word) => format!("write `{word}`"),
            None => "write a code such as `RLS001`".to_owned(),
        };
        let error = UserError::new(format!("unknown lint `{lint}`")).help(help);
        return Err(error.at(&file.path, &file.text, row.value("lint"), "here"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::function_matches;

    #[test]
    fn functions_match_by_the_end_of_their_path() {
        assert!(function_matches("worker::run", "app::worker::run"));
        assert!(function_matches("crate::run", "run"));
        assert!(!function_matches("run", "app::rerun"));
    }
}
