//! Packages and texts in, the target and module path of each file out.
//!
//! `mod` trees are followed from each target's root by the declarations alone, found in the text line by line:
//! the files are not parsed yet, and most never will be. A file that no declaration reaches belongs where cargo's
//! folder conventions put it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::manifest::test_kind;
use super::packages::{CargoTarget, Package};
use crate::parse::is_for_tests;
use crate::source::{SourceFile, Target};

/// Sets the target of every file of a package. `files` are the package's own, absolute path first.
pub fn place(package: &Package, files: &mut [(PathBuf, SourceFile)]) {
    let index: BTreeMap<PathBuf, usize> = files.iter().enumerate().map(|(i, (path, _))| (path.clone(), i)).collect();
    let mut placed: Vec<Option<Target>> = vec![None; files.len()];
    // What is built for real is walked before what is built for tests, and a file keeps its first place.
    let mut targets: Vec<&CargoTarget> = package.targets.iter().collect();
    targets.sort_by_key(|target| (target.is_test(), !target.kind.iter().any(|kind| kind.contains("lib"))));
    let mut queue: VecDeque<(usize, Target)> = VecDeque::new();
    let mut only_tests: VecDeque<(usize, Target)> = VecDeque::new();
    for target in &targets {
        if let Some(file) = index.get(&target.src_path) {
            let root = at_root(package, target);
            if root.is_test { only_tests.push_back((*file, root)) } else { queue.push_back((*file, root)) }
        }
    }
    while let Some((file, target)) = queue.pop_front().or_else(|| only_tests.pop_front()) {
        if placed[file].is_some() {
            continue;
        }
        let mut next = |child: usize, target: Target| {
            let queue = if target.is_test { &mut only_tests } else { &mut queue };
            queue.push_back((child, target));
        };
        for declared in declarations(&files[file].1.text) {
            if let Some(child) = resolve(&declared, &files[file].0, &target, &index) {
                let mut target = target.clone();
                target.module.push(declared.name.to_owned());
                target.is_test |= declared.only_test;
                next(child, target);
            }
        }
        // An included text is part of the module that includes it.
        for part in included(&files[file].1.text) {
            let folder = files[file].0.parent().unwrap_or(&package.dir);
            if let Some(child) = index.get(&super::absolute(Path::new(part.path), folder)) {
                let mut target = target.clone();
                target.module.extend(part.inside.map(str::to_owned));
                next(*child, target);
            }
        }
        placed[file] = Some(target);
    }
    for ((path, source), target) in files.iter_mut().zip(placed) {
        source.target = target.unwrap_or_else(|| by_convention(package, &targets, path));
    }
}

fn at_root(package: &Package, target: &CargoTarget) -> Target {
    Target {
        package: package.name.clone(),
        package_id: package.id.clone(),
        manifest_path: package.manifest.display().to_string(),
        name: target.name.clone(),
        kind: target.kind.clone(),
        src_path: target.src_path.display().to_string(),
        crate_name: target.name.replace('-', "_"),
        module: Vec::new(),
        is_test: target.is_test(),
    }
}

/// A `mod name;` of a text.
#[derive(Debug, PartialEq, Eq)]
struct Declared<'a> {
    name: &'a str,
    /// The value of `#[path = ".."]`.
    path: Option<&'a str>,
    only_test: bool,
}

fn declarations(text: &str) -> Vec<Declared<'_>> {
    memchr::memmem::find_iter(text.as_bytes(), b"mod ").filter_map(|at| declaration(text, at)).collect()
}

fn declaration(text: &str, at: usize) -> Option<Declared<'_>> {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[line_start..at].trim();
    let visibility = before.rsplit(']').next().unwrap_or_default().trim();
    let is_item = matches!(visibility, "" | "pub") || (visibility.starts_with("pub") && visibility.ends_with(')'));
    let name = text[at + 4..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != '#').next()?;
    let ends_as_declaration = text[at + 4 + name.len()..].trim_start().starts_with(';');
    if !is_item || name.is_empty() || !ends_as_declaration {
        return None;
    }
    let attributes = attributes_before(&text[..line_start], before);
    let path = attributes.iter().find_map(|line| {
        let value = line.trim().strip_prefix("#[path")?.trim_start().strip_prefix('=')?;
        value.trim().strip_prefix('"')?.split('"').next()
    });
    let says_test = |line: &&&str| line.contains("test");
    let only_test = attributes.iter().filter(says_test).any(|line| {
        let end = line.rfind(']').map_or(0, |at| at + 1);
        is_for_tests(&line[..end])
    });
    Some(Declared { name: name.trim_start_matches("r#"), path, only_test })
}

/// A file that a text takes in as code: `include!("part.rs");` on a line of its own.
#[derive(Debug, PartialEq, Eq)]
struct Included<'a> {
    path: &'a str,
    /// The inline module around it: `mod name { include!(..); }`.
    inside: Option<&'a str>,
}

fn included(text: &str) -> impl Iterator<Item = Included<'_>> {
    memchr::memmem::find_iter(text.as_bytes(), b"include!").filter_map(|at| {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text[at + "include!".len()..].trim_start().strip_prefix(['(', '[', '{'])?;
        let (path, after) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let is_alone = text[line_start..at].trim().is_empty() && after.trim_start().starts_with([')', ']', '}']);
        is_alone.then(|| Included { path, inside: module_around(&text[..line_start]) })
    })
}

/// The inline module that the end of a text is in, as far as nothing but imports and other inclusions come before.
fn module_around(above: &str) -> Option<&str> {
    let says_nothing = |line: &&str| {
        line.is_empty() || ["//", "#[", "use ", "pub use ", "include!"].iter().any(|start| line.starts_with(start))
    };
    let opening = above.lines().rev().map(str::trim).find(|line| !says_nothing(line))?;
    let (before, name) = opening.strip_suffix('{')?.trim_end().rsplit_once("mod ")?;
    (before.is_empty() || before.starts_with("pub")).then_some(name)
}

/// The attribute lines that stand directly above a line, and what stands before the item on its own line.
fn attributes_before<'a>(above: &'a str, same_line: &'a str) -> Vec<&'a str> {
    // On a line of its own: what stands behind one belongs to that.
    let is_attribute = |line: &str| {
        let after = line.rsplit_once(']').map_or("", |(_, after)| after.trim_start());
        line.starts_with("#[") && (after.is_empty() || after.starts_with("//"))
    };
    let lines = above.lines().rev().map(str::trim).take_while(|line| is_attribute(line) || line.starts_with("//"));
    lines.filter(|line| is_attribute(line)).chain([same_line]).collect()
}

fn resolve(declared: &Declared<'_>, file: &Path, target: &Target, index: &BTreeMap<PathBuf, usize>) -> Option<usize> {
    let folder = file.parent()?;
    if let Some(path) = declared.path {
        return index.get(&super::absolute(Path::new(path), folder)).copied();
    }
    let owns_its_folder = target.module.is_empty() || file.ends_with("mod.rs");
    let folder = if owns_its_folder { folder.to_path_buf() } else { folder.join(file.file_stem()?) };
    let beside = folder.join(format!("{}.rs", declared.name));
    let inside = folder.join(declared.name).join("mod.rs");
    index.get(&beside).or_else(|| index.get(&inside)).copied()
}

fn by_convention(package: &Package, targets: &[&CargoTarget], path: &Path) -> Target {
    let first_folder = path.strip_prefix(&package.dir).ok().and_then(|relative| relative.iter().next());
    let test_folder = first_folder.and_then(|name| name.to_str()).and_then(test_kind);
    let near = |target: &&&CargoTarget| {
        let folder = target.src_path.parent().filter(|folder| path.starts_with(folder));
        folder.map(|folder| folder.components().count())
    };
    let candidates =
        targets.iter().filter(|target| !target.is_build_script() && target.is_test() == test_folder.is_some());
    // `max_by_key` keeps the last of equals; libraries come first, so the order is turned round.
    let nearest = candidates.rev().max_by_key(near);
    let mut target = nearest.map(|target| at_root(package, target)).unwrap_or_else(|| Target {
        package: package.name.clone(),
        package_id: package.id.clone(),
        manifest_path: package.manifest.display().to_string(),
        crate_name: package.name.replace('-', "_"),
        ..Target::default()
    });
    let folder = Path::new(&target.src_path).parent().unwrap_or(&package.dir).to_path_buf();
    target.module = module_path(path, &folder);
    target.is_test = test_folder.is_some();
    target
}

/// `a/b.rs` and `a/b/mod.rs` below the folder of the crate root are the module `a::b`.
pub fn module_path(path: &Path, folder: &Path) -> Vec<String> {
    let Ok(relative) = path.strip_prefix(folder) else { return Vec::new() };
    let mut parts: Vec<String> =
        relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(targets: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<(String, String, bool)> {
        let targets = targets
            .iter()
            .map(|(kind, path)| CargoTarget {
                name: "app".to_owned(),
                kind: vec![(*kind).to_owned()],
                src_path: Path::new("/app").join(path),
            })
            .collect();
        let package = Package {
            name: "app".to_owned(),
            version: String::new(),
            id: "id".to_owned(),
            manifest: "/app/Cargo.toml".into(),
            dir: "/app".into(),
            targets,
            selected: true,
        };
        let mut files: Vec<_> = files
            .iter()
            .map(|(path, text)| {
                let source = SourceFile::new((*path).to_owned(), (*text).to_owned(), Target::default());
                (Path::new("/app").join(path), source)
            })
            .collect();
        place(&package, &mut files);
        files
            .into_iter()
            .map(|(_, file)| (file.target.kind.join(","), file.target.module.join("::"), file.target.is_test))
            .collect()
    }

    #[test]
    fn module_trees_are_followed() {
        let found = placed(
            &[("lib", "src/lib.rs"), ("test", "tests/it.rs")],
            &[
                (
                    "src/lib.rs",
                    "pub mod a;\n#[cfg(test)]\nmod checks;\n#[path = \"odd/place.rs\"]\npub(crate) mod named;\n\
                     #[cfg(any(test, feature = \"testing\"))] pub mod seed;\n#[cfg(any(test, feature = \"ssr\"))]\nmod ssr;",
                ),
                ("src/a.rs", "mod b;"),
                ("src/a/b.rs", ""),
                ("src/checks.rs", ""),
                ("src/odd/place.rs", ""),
                ("src/seed.rs", ""),
                ("src/ssr.rs", ""),
                ("tests/it.rs", "mod common;"),
                ("tests/common/mod.rs", ""),
            ],
        );
        let expected = [
            ("lib", "", false),
            ("lib", "a", false),
            ("lib", "a::b", false),
            ("lib", "checks", true),
            ("lib", "named", false),
            ("lib", "seed", true),
            ("lib", "ssr", false),
            ("test", "", true),
            ("test", "common", true),
        ];
        assert_eq!(found, expected.map(|(kind, module, is_test)| (kind.to_owned(), module.to_owned(), is_test)));
    }

    #[test]
    fn an_included_text_is_part_of_the_module_that_includes_it() {
        let found = placed(
            &[("lib", "src/lib.rs")],
            &[
                ("src/lib.rs", "mod bulk;\npub mod orders {\n    include!(\"a.rs\");\n    include!(\"b.rs\");\n}\n"),
                ("src/bulk.rs", "include!(\"bulk_parts/export.rs\");\n// include!(\"loose.rs\")"),
                ("src/bulk_parts/export.rs", ""),
                ("src/loose.rs", ""),
                ("src/a.rs", ""),
                ("src/b.rs", ""),
            ],
        );
        let modules: Vec<&str> = found.iter().map(|(_, module, _)| module.as_str()).collect();
        assert_eq!(modules, ["", "bulk", "bulk", "loose", "orders", "orders"]);
    }

    #[test]
    fn files_that_no_declaration_reaches_go_by_folder() {
        let found = placed(
            &[("lib", "src/lib.rs"), ("bin", "src/main.rs"), ("test", "tests/it.rs")],
            &[("src/lib.rs", ""), ("src/loose/mod.rs", ""), ("tests/ui/case.rs", ""), ("examples/demo/data.rs", "")],
        );
        assert_eq!(found[1], ("lib".to_owned(), "loose".to_owned(), false));
        assert_eq!(found[2].0, "test");
        assert!(found[2].2 && found[3].2);
    }

    #[test]
    fn words_in_comments_and_inline_modules_are_no_declarations() {
        assert_eq!(declarations("// the mod tree;\nmod inline { fn f() {} }\nlet modulus = 1; // mod x"), []);
    }
}
