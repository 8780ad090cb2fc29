//! A verdict in, what the reports that show most print of it out.

use rls_audit::finding::Verdict;
use rls_audit::inventory::Inventory;
use rls_audit::report::{Color, Context, Format, Times, Verbosity, render};

/// Everything that a user may see, without times.
pub fn rendered(verdict: &Verdict) -> String {
    let inventory = Inventory::of(verdict, &[]);
    let context = Context {
        inventory: &inventory,
        areas: &[],
        color: Color::Plain,
        verbosity: Verbosity::Verbose,
        times: Times::Hidden,
        path_prefix: "",
    };
    let mut out = Vec::new();
    for format in [Format::Json, Format::Human, Format::Markdown] {
        render(format, verdict, &context, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}
