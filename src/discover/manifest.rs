//! One Cargo.toml in, one Package out: what cargo would say by convention, where cargo is not asked.
//! That is for packages outside the workspace and for checkouts without a manifest at their root.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::packages::{CargoTarget, Package};

#[derive(Default, Deserialize)]
struct Manifest {
    package: Option<PackageTable>,
    lib: Option<TargetTable>,
    #[serde(default)]
    bin: Vec<TargetTable>,
    #[serde(default)]
    test: Vec<TargetTable>,
    #[serde(default)]
    example: Vec<TargetTable>,
    #[serde(default)]
    bench: Vec<TargetTable>,
}

#[derive(Deserialize)]
struct PackageTable {
    name: String,
    version: Option<toml::Value>,
}

#[derive(Deserialize)]
struct TargetTable {
    name: Option<String>,
    path: Option<String>,
}

/// The package of a manifest; `None` for a virtual workspace and for what is no manifest at all.
/// `files` are all Rust files that were found, sorted.
pub fn package(manifest: &Path, text: &str, files: &[PathBuf]) -> Option<Package> {
    let parsed: Manifest = toml::from_str(text).ok()?;
    let table = parsed.package.as_ref()?;
    let dir = manifest.parent()?.to_path_buf();
    let inside = &files[files.partition_point(|file| *file < dir)..];
    let files = &inside[..inside.partition_point(|file| file.starts_with(&dir))];
    let version = table.version.as_ref().and_then(|version| version.as_str()).unwrap_or("0.0.0").to_owned();
    let targets = targets(&parsed, &table.name, &dir, files);
    Some(Package {
        id: format!("path+file://{}#{}@{version}", dir.display(), table.name),
        name: table.name.clone(),
        version,
        manifest: manifest.to_path_buf(),
        dir,
        targets,
        selected: true,
    })
}

fn targets(manifest: &Manifest, package: &str, dir: &Path, files: &[PathBuf]) -> Vec<CargoTarget> {
    let mut targets = Vec::new();
    let lib = manifest.lib.as_ref();
    let lib_path = lib.and_then(|lib| lib.path.clone()).unwrap_or_else(|| "src/lib.rs".to_owned());
    if lib.is_some() || files.binary_search(&dir.join(&lib_path)).is_ok() {
        let name = lib.and_then(|lib| lib.name.clone()).unwrap_or_else(|| package.replace('-', "_"));
        targets.push(CargoTarget { name, kind: vec!["lib".to_owned()], src_path: dir.join(lib_path) });
    }
    let written = [
        ("bin", &manifest.bin, "src/bin"),
        ("test", &manifest.test, "tests"),
        ("example", &manifest.example, "examples"),
        ("bench", &manifest.bench, "benches"),
    ];
    for (kind, rows, folder) in written {
        for row in rows {
            let name = row.name.clone().unwrap_or_else(|| package.to_owned());
            let path = row.path.clone().unwrap_or_else(|| format!("{folder}/{name}.rs"));
            targets.push(CargoTarget { name, kind: vec![kind.to_owned()], src_path: dir.join(path) });
        }
    }
    for file in files {
        let Ok(relative) = file.strip_prefix(dir) else { continue };
        let Some((kind, name)) = by_convention(relative, package) else { continue };
        if !targets.iter().any(|target| target.src_path == *file) {
            targets.push(CargoTarget { name, kind: vec![kind.to_owned()], src_path: file.clone() });
        }
    }
    targets
}

/// The target that cargo finds by itself for a file that is its root.
fn by_convention(relative: &Path, package: &str) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    let stem = |file: &str| file.strip_suffix(".rs").map(str::to_owned);
    match parts.as_slice() {
        ["src", "main.rs"] => Some(("bin", package.to_owned())),
        ["build.rs"] => Some(("custom-build", "build-script-build".to_owned())),
        ["src", "bin", file] => Some(("bin", stem(file)?)),
        ["src", "bin", folder, "main.rs"] => Some(("bin", (*folder).to_owned())),
        [folder, file] => Some((test_kind(folder)?, stem(file)?)),
        [folder, name, "main.rs"] => Some((test_kind(folder)?, (*name).to_owned())),
        _ => None,
    }
}

/// The kind of target that cargo looks for in a folder of a package.
pub fn test_kind(folder: &str) -> Option<&'static str> {
    match folder {
        "tests" => Some("test"),
        "examples" => Some("example"),
        "benches" => Some("bench"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_that_cargo_would_find() {
        let files: Vec<PathBuf> =
            ["build.rs", "src/bin/tool/main.rs", "src/lib.rs", "tests/api.rs", "tests/common/mod.rs"]
                .iter()
                .map(|path| Path::new("/repo").join(path))
                .collect();
        let package = package(Path::new("/repo/Cargo.toml"), "[package]\nname = \"my-api\"", &files).unwrap();
        let found: Vec<(&str, &str)> =
            package.targets.iter().map(|target| (target.kind[0].as_str(), target.name.as_str())).collect();
        assert_eq!(
            found,
            [("lib", "my_api"), ("custom-build", "build-script-build"), ("bin", "tool"), ("test", "api")]
        );
    }

    #[test]
    fn a_virtual_workspace_is_no_package() {
        assert_eq!(package(Path::new("/repo/Cargo.toml"), "[workspace]\nmembers = []", &[]), None);
    }
}
