//! No function over 70 lines, no file over 500 lines of code, tests aside.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::{Text, assert_none, sources};

const FUNCTION: usize = 70;
const FILE: usize = 500;

#[test]
fn functions_fit_on_a_screen() {
    assert_none(&sources().iter().flat_map(long_functions).collect::<Vec<_>>());
}

#[test]
fn files_are_readable_in_one_sitting() {
    assert_none(&sources().iter().filter_map(long_file).collect::<Vec<_>>());
}

#[test]
fn a_long_function_is_seen() {
    let body = "    let _ = 1;\n".repeat(FUNCTION);
    let long = Text { path: "f".into(), text: format!("impl A {{\nfn long() {{\n{body}}}\n}}\nfn short() {{}}\n") };
    assert_eq!(long_functions(&long), ["f:2: `long` has 72 lines"]);
    let test = Text { path: "f".into(), text: format!("#[cfg(test)]\nmod tests {{\nfn long() {{\n{body}}}\n}}\n") };
    assert!(long_functions(&test).is_empty());
}

#[test]
fn a_long_file_is_seen() {
    let code = Text { path: "f".into(), text: "const A: u8 = 1;\n".repeat(FILE + 1) };
    assert_eq!(long_file(&code).as_deref(), Some("f: 501 lines of code"));
    let comments = Text { path: "f".into(), text: "/// Says why.\n\n".repeat(FILE) };
    assert_eq!(long_file(&comments), None);
}

fn long_file(file: &Text) -> Option<String> {
    let is_test = file.path.ends_with("tests.rs");
    let before_tests = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or(&file.text);
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = before_tests.lines().filter(is_code).count();
    (lines > FILE && !is_test).then(|| format!("{}: {lines} lines of code", file.path))
}

fn long_functions(file: &Text) -> Vec<String> {
    if file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let syntax = syn::parse_file(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
    let mut finder = Finder { path: &file.path, found: Vec::new() };
    finder.visit_file(&syntax);
    finder.found
}

struct Finder<'a> {
    path: &'a str,
    found: Vec<String>,
}

impl Finder<'_> {
    fn judge(&mut self, signature: &syn::Signature, end: Span) {
        let start = signature.span().start().line;
        let lines = end.end().line - start + 1;
        if lines > FUNCTION {
            self.found.push(format!("{}:{start}: `{}` has {lines} lines", self.path, signature.ident));
        }
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        let is_test = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
        });
        if !is_test {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.judge(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.judge(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.judge(&function.sig, block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}
