//! What was inferred from the code, as a commented rules file that a project can start from.

use std::io::{self, Write};

use crate::finding::Verdict;
use crate::program::Inferred;

/// Writes the rules file.
///
/// # Errors
/// What writing gives.
pub fn render(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# What `cargo rls-audit init` inferred from the code. The analyzer sees all of it without this file;"
    )?;
    writeln!(out, "# keep what shall hold even where the code can no longer be followed, and delete the rest.")?;
    writeln!(out, "schema = 1")?;
    let settings: Vec<&String> = verdict.schema.tenant_settings.keys().collect();
    if !settings.is_empty() {
        writeln!(out, "\n[scope]\n# Read by the policies of the migrations.")?;
        writeln!(out, "tenant_settings = {settings:?}")?;
    }
    for row in verdict.program.inferred.iter() {
        let file = verdict.file(row.place.file);
        writeln!(out, "\n# {}:{}: `{}` {}", file.path, file.line(row.place.span.start), row.name, row.why)?;
        writeln!(out, "[[scope.{}]]\ncall = {:?}\nhandle = {:?}", row.kind, call_of(row), row.handle)?;
    }
    if settings.is_empty() && verdict.program.inferred.is_empty() {
        writeln!(
            out,
            "\n# Nothing binds a tenant here. A scope function of a library that is not part of the run is named so:"
        )?;
        writeln!(out, "# [[scope.closure]]\n# call = \"with_tenant\"\n# handle = \"closure:0\"")?;
    }
    Ok(())
}

/// A rule's `call`: a method is matched by its name, a function by its module and name.
fn call_of(row: &Inferred) -> &str {
    let parts: Vec<&str> = row.name.rsplitn(3, "::").collect();
    let is_method = parts.get(1).is_some_and(|owner| owner.starts_with(|first: char| first.is_uppercase()));
    match (is_method, parts.as_slice()) {
        (true, [name, ..]) => name,
        (false, [name, module, _]) => &row.name[row.name.len() - name.len() - module.len() - 2..],
        _ => &row.name,
    }
}
