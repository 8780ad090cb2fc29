//! Allow comments: `// rls-audit: allow(RLS001, reason = "..")`.

use super::{Sources, whole};
use crate::discover::Tests;
use crate::facts::{Covers, FileFacts, Name};
use crate::finding::{Exception, ExceptionKind, Finding, Status};
use crate::lints;
use crate::program::{FileId, Place};
use crate::source::SourceFile;
use crate::user_error::nearest;

/// An allow comment of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Allow {
    /// The comment.
    pub place: Place,
    /// Codes or names as written.
    pub lints: Vec<Name>,
    /// Why.
    pub reason: String,
    /// What it covers.
    pub covers: Covers,
    /// What is wrong with its grammar.
    pub error: Option<String>,
    /// In test code, which is not judged unless asked for.
    pub in_test: bool,
}

/// The allow comments of a file.
#[must_use]
pub fn allows(file: FileId, facts: &FileFacts) -> Vec<Allow> {
    let directives = facts.directives.iter();
    directives
        .map(|directive| {
            let around = |span: crate::source::Span| span.contains(directive.span);
            let covers_test = |span: crate::source::Span| match directive.covers {
                Covers::Item(item) => around(span) || span.contains(item),
                Covers::Line | Covers::File => around(span),
            };
            let in_test = facts.functions.iter().any(|function| function.in_test && covers_test(function.span))
                || facts.modules.iter().any(|module| module.in_test && covers_test(module.span));
            Allow {
                place: Place { file, span: directive.span },
                lints: directive.lints.clone(),
                reason: directive.reason.trim().to_owned(),
                covers: directive.covers,
                error: directive.error.clone(),
                in_test,
            }
        })
        .collect()
}

/// Excepts what the comments cover.
pub fn apply(findings: &mut [Finding], files: &[SourceFile], sources: &Sources<'_>) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for allow in sources.allows {
        let file = &files[allow.place.file as usize];
        let codes: Vec<&str> = allow.lints.iter().filter_map(|name| lints::find(name)).map(|lint| lint.code).collect();
        let mut matched = false;
        for finding in
            findings.iter_mut().filter(|finding| covers(allow, file, whole(finding.place, sources.statements)))
        {
            if codes.contains(&finding.code) {
                matched = true;
                if finding.status == Status::Open {
                    finding.status = Status::Allowed(allow.reason.clone());
                }
            }
        }
        let is_judged = allow.error.is_some() || codes.iter().all(|code| sources.would_find(code));
        let is_out = allow.in_test && sources.tests == Tests::Out;
        exceptions.push(Exception {
            kind: ExceptionKind::Allow,
            place: allow.place,
            names: allow.lints.join(", "),
            reason: allow.reason.clone(),
            problem: allow.error.clone().or_else(|| unknown_lint(&allow.lints)),
            is_used: matched || !is_judged || is_out,
        });
    }
    exceptions
}

fn unknown_lint(names: &[Name]) -> Option<String> {
    let name = names.iter().find(|name| lints::find(name).is_none())?;
    let meant = nearest(name, lints::words()).map(|word| format!(", `{word}` is near")).unwrap_or_default();
    Some(format!("unknown lint `{name}`{meant}"))
}

fn covers(allow: &Allow, file: &SourceFile, place: Place) -> bool {
    let span = place.span;
    place.file == allow.place.file
        && match allow.covers {
            Covers::File => true,
            Covers::Item(item) => item.contains(span) || starts_together(file, item, span),
            Covers::Line => {
                let line = file.line(allow.place.span.start);
                (file.line(span.start)..=file.line(span.end.max(span.start + 1) - 1)).contains(&line)
            }
        }
}

/// The item of a comment may be the statement's own beginning, where the parser saw no more of it.
fn starts_together(file: &SourceFile, item: crate::source::Span, span: crate::source::Span) -> bool {
    span.contains(item) && file.line(item.start) == file.line(span.start)
}
