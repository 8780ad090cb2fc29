//! What the facts of small pieces of Rust look like.

mod directives;
mod exprs;
mod items;
mod macros;
mod recovery;
mod show;

use crate::facts::FileFacts;

/// Parses and demands that nothing was left in the dark.
fn facts(text: &str) -> FileFacts {
    let facts = super::parse(text, false);
    assert_eq!(facts.blind_spots, Vec::new(), "in {text}");
    facts
}

/// The body of `fn f() { text }`, as shown.
fn body(text: &str) -> String {
    let facts = facts(&format!("fn f() {{ {text} }}"));
    let function = facts.functions.iter().find(|function| function.name == "f").expect("`f` is there");
    let shown = show::block(function.body.as_ref().expect("`f` has a body"));
    shown.strip_prefix("{ ").and_then(|shown| shown.strip_suffix(" }")).unwrap_or("").to_owned()
}

/// The functions of a text with something wrong in it, as shown, and the blind spots as the text they start at.
fn broken(text: &str) -> (String, Vec<String>) {
    let facts = super::parse(text, false);
    let blind = facts.blind_spots.iter().map(|blind| {
        let rest = text.get(blind.span.start as usize..).unwrap_or("");
        rest.chars().take(8).collect()
    });
    (show::functions(&facts), blind.collect())
}
