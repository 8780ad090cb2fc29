//! Rewritings of whole fixtures that keep every line where it is.

use proc_macro2::{TokenStream, TokenTree};

use crate::{FIXTURES, census};

#[test]
fn names_of_locals_do_not_matter() {
    assert_unchanged(|text| {
        let text = rename(text, "pool", "p_7");
        let text = rename(&text, "tx", "q_7");
        rename(&text, "conn", "r_7")
    });
}

#[test]
fn names_of_functions_do_not_matter() {
    assert_unchanged(|text| {
        let names =
            ["begin_tenant", "set_tenant", "set_tenant_context", "in_tenant", "takes_a_connection", "delete_orders"];
        names.iter().fold(text.to_owned(), |text, name| rename(&text, name, &format!("f_{}", name.len())))
    });
}

#[test]
fn an_alias_of_an_import_does_not_matter() {
    assert_unchanged(|text| {
        // In an inner module the alias would have to be imported again.
        let has_modules = text.contains("mod ") || text.contains("macro_rules!");
        let Some(at) = text.find("use ").filter(|_| !has_modules) else { return text.to_owned() };
        let (before, after) = text.split_at(at);
        format!("{before}use sqlx::query as aliased; {}", after.replace("sqlx::query(", "aliased("))
    });
}

#[test]
fn the_module_does_not_matter() {
    assert_unchanged(|text| format!("mod moved {{ {text} }}"));
}

#[test]
fn line_ends_do_not_matter() {
    assert_unchanged(|text| text.replace('\n', "\r\n"));
}

#[test]
fn a_byte_order_mark_does_not_matter() {
    assert_unchanged(|text| format!("\u{feff}{text}"));
}

#[test]
fn code_around_it_does_not_matter() {
    assert_unchanged(|text| {
        format!("{text}\nfn unrelated() -> u8 {{ 1 + 1 }}\nmod unrelated {{ pub struct Pool; }}\n")
    });
}

fn assert_unchanged(rewrite: impl Fn(&str) -> String) {
    let mut changed = Vec::new();
    for fixture in FIXTURES.iter() {
        let before = &fixture.census;
        let after = census(&rewrite(&fixture.text));
        let lines = before.keys().chain(after.keys()).filter(|line| before.get(line) != after.get(line));
        changed.extend(
            lines.map(|line| format!("{}:{line}: {:?} became {:?}", fixture.name, before.get(line), after.get(line))),
        );
    }
    changed.dedup();
    assert!(changed.is_empty(), "\n{}\n", changed.join("\n"));
}

/// Renames an identifier wherever it stands as a token of its own.
fn rename(text: &str, from: &str, to: &str) -> String {
    let tokens: TokenStream = text.parse().unwrap();
    let mut places = Vec::new();
    collect(tokens, from, &mut places);
    let mut renamed = text.to_owned();
    for range in places.into_iter().rev() {
        renamed.replace_range(range, to);
    }
    renamed
}

fn collect(tokens: TokenStream, name: &str, places: &mut Vec<std::ops::Range<usize>>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == name => places.push(ident.span().byte_range()),
            TokenTree::Group(group) => collect(group.stream(), name, places),
            _ => {}
        }
    }
}
