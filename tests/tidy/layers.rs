//! Stages import only what is below them; only `parse` names `syn`; few touch the disk.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{Text, assert_none, files};

/// From the bottom up. A module imports from those before it and from itself.
const LAYERS: &[&str] = &[
    "clock",
    "source",
    "user_error",
    "facts",
    "parse",
    "sql",
    "rules",
    "program",
    "schema",
    "finding",
    "index",
    "prefilter",
    "resolve",
    "entities",
    "exempt",
    "lints",
    "judge",
    "discover",
    "cache",
    "exceptions",
    "inventory",
    "remediation",
    "readiness",
    "force",
    "ledger",
    "report",
    "audit",
    "cli",
    "main",
];

/// Crates that only some modules name.
const CRATES: &[(&str, &[&str])] = &[
    ("syn", &["parse"]),
    ("proc_macro2", &["parse"]),
    ("quote", &["parse"]),
    ("sqlparser", &["sql", "schema"]),
    ("cargo_metadata", &["discover"]),
    ("clap", &["cli"]),
];

/// Who may read and write files. All other stages are values in, values out.
const DISK: &[&str] = &["discover", "rules", "cli", "exceptions", "cache"];

#[test]
fn modules_import_only_what_is_below_them() {
    assert_none(&analyzer().iter().flat_map(upward_imports).collect::<Vec<_>>());
}

#[test]
fn every_layer_exists() {
    let modules: Vec<String> = analyzer().iter().map(module).collect();
    let missing = LAYERS.iter().filter(|layer| !modules.iter().any(|module| module == *layer));
    assert_none(
        &missing.map(|layer| format!("{layer}: is in LAYERS, but there is no such module")).collect::<Vec<_>>(),
    );
}

#[test]
fn crates_stay_in_their_modules() {
    assert_none(&analyzer().iter().flat_map(foreign_crates).collect::<Vec<_>>());
}

#[test]
fn few_modules_touch_the_disk() {
    assert_none(&analyzer().iter().flat_map(disk_access).collect::<Vec<_>>());
}

#[test]
fn an_upward_import_is_seen() {
    let up = Text { path: "src/facts.rs".into(), text: "use crate::{source, resolve::Handle};".into() };
    assert_eq!(upward_imports(&up), ["src/facts.rs: `facts` imports `resolve`, which is above it"]);
    let down = Text { path: "src/resolve/mod.rs".into(), text: "fn f() { crate::facts::g(); }".into() };
    assert!(upward_imports(&down).is_empty());
    let in_tests = Text { path: "src/facts.rs".into(), text: "#[cfg(test)] mod tests { use crate::resolve; }".into() };
    assert!(upward_imports(&in_tests).is_empty());
    let unknown = Text { path: "src/extra.rs".into(), text: String::new() };
    assert_eq!(upward_imports(&unknown), ["src/extra.rs: `extra` is not in LAYERS"]);
}

#[test]
fn a_foreign_crate_is_seen() {
    let foreign = Text { path: "src/resolve/mod.rs".into(), text: "fn f(e: &syn::Expr) {}".into() };
    assert_eq!(foreign_crates(&foreign), ["src/resolve/mod.rs: names `syn`"]);
    let own = Text { path: "src/parse/mod.rs".into(), text: "use syn::Expr;".into() };
    assert!(foreign_crates(&own).is_empty());
}

#[test]
fn disk_access_is_seen() {
    let stage = Text { path: "src/resolve/mod.rs".into(), text: "fn f() { std::fs::read(\"x\"); }".into() };
    assert_eq!(disk_access(&stage), ["src/resolve/mod.rs: `resolve` touches the disk"]);
}

/// The analyzer's sources; files of tests may do as they like.
fn analyzer() -> Vec<Text> {
    let mut sources = files(&["src"], ".rs");
    sources.retain(|file| !file.path.ends_with("/tests.rs") && !file.path.contains("/tests/"));
    sources
}

fn upward_imports(file: &Text) -> Vec<String> {
    let module = module(file);
    if module == "lib" {
        return Vec::new();
    }
    let Some(layer) = LAYERS.iter().position(|layer| *layer == module) else {
        return vec![format!("{}: `{module}` is not in LAYERS", file.path)];
    };
    let mut imported = imports(&code(file));
    imported.sort();
    imported.dedup();
    let above =
        imported.iter().filter(|name| LAYERS.iter().position(|layer| layer == name).is_some_and(|at| at > layer));
    above.map(|name| format!("{}: `{module}` imports `{name}`, which is above it", file.path)).collect()
}

fn foreign_crates(file: &Text) -> Vec<String> {
    let module = module(file);
    let code = code(file);
    let named = CRATES.iter().filter(|(name, owners)| !owners.contains(&module.as_str()) && names_crate(&code, name));
    named.map(|(name, _)| format!("{}: names `{name}`", file.path)).collect()
}

fn disk_access(file: &Text) -> Vec<String> {
    let module = module(file);
    let touches = ["fs", "Command"].iter().any(|name| names_std(&code(file), name));
    let is_broken = touches && !DISK.contains(&module.as_str());
    is_broken.then(|| format!("{}: `{module}` touches the disk", file.path)).into_iter().collect()
}

/// `src/parse/tokens.rs` is in `parse`.
fn module(file: &Text) -> String {
    let path = file.path.strip_prefix("src/").unwrap_or(&file.path);
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs").to_owned()
}

/// The tokens without `#[cfg(test)]` items, groups flattened into `(`, tokens, `)`.
fn code(file: &Text) -> Vec<String> {
    let tokens: TokenStream = file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
    let mut flat = Vec::new();
    flatten(tokens, &mut flat);
    flat
}

fn flatten(tokens: TokenStream, flat: &mut Vec<String>) {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Bracket && group.to_string().replace(' ', "") == "[cfg(test)]" =>
            {
                for skipped in tokens.by_ref() {
                    let is_body = matches!(&skipped, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                    let is_end = matches!(&skipped, TokenTree::Punct(punct) if punct.as_char() == ';');
                    if is_body || is_end {
                        break;
                    }
                }
            }
            TokenTree::Group(group) => {
                flat.push("(".to_owned());
                flatten(group.stream(), flat);
                flat.push(")".to_owned());
            }
            other => flat.push(other.to_string()),
        }
    }
}

/// The first names after `crate::`, also in `crate::{a, b}`.
fn imports(code: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for at in 0..code.len() {
        let is_path = code[at..].iter().take(3).map(String::as_str).eq(["crate", ":", ":"]);
        let Some(next) = code.get(at + 3).filter(|_| is_path) else { continue };
        if next != "(" {
            found.push(next.clone());
            continue;
        }
        let mut depth = 0;
        let mut starts = true;
        for token in &code[at + 3..] {
            match token.as_str() {
                "(" => depth += 1,
                ")" => depth -= 1,
                "," if depth == 1 => starts = true,
                name if depth == 1 && starts => {
                    found.push(name.to_owned());
                    starts = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Whether a path starts with the crate's name.
fn names_crate(code: &[String], name: &str) -> bool {
    (0..code.len()).any(|at| {
        let before = at.checked_sub(1).map(|before| code[before].as_str());
        let starts = !matches!(before, Some(":" | "."));
        let ends = code.get(at + 1).is_some_and(|next| next == ";");
        starts && code[at] == name && (ends || code.get(at + 1..at + 3).is_some_and(|next| next == [":", ":"]))
    })
}

/// Whether `std::name`, `std::process::name` or `fs::name` is named.
fn names_std(code: &[String], name: &str) -> bool {
    (0..code.len()).any(|at| {
        let before = code[at.saturating_sub(6)..at].concat();
        let is_imported = before.ends_with("std::") || before.ends_with("process::");
        let is_module =
            name == "fs" && !before.ends_with("::") && code[at + 1..].starts_with(&[":".into(), ":".into()]);
        code[at] == name && (is_imported || is_module)
    })
}
