//! Manifest in, packages out: what cargo says of a workspace. Never builds, never touches the network.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::rules::path_matches;
use crate::user_error::{UserError, nearest};

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Cargo's package id.
    pub id: String,
    /// Absolute path of its manifest.
    pub manifest: PathBuf,
    /// The folder of the manifest.
    pub dir: PathBuf,
    /// What cargo would build from it.
    pub targets: Vec<CargoTarget>,
    /// Whether the caller wants it.
    pub selected: bool,
}

/// One target of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CargoTarget {
    /// As cargo spells it.
    pub name: String,
    /// `lib`, `bin`, `test`, ...
    pub kind: Vec<String>,
    /// Its root file, absolute.
    pub src_path: PathBuf,
}

impl CargoTarget {
    /// Tests, examples and benches.
    pub fn is_test(&self) -> bool {
        self.kind.iter().any(|kind| matches!(kind.as_str(), "test" | "example" | "bench"))
    }

    /// A build script.
    pub fn is_build_script(&self) -> bool {
        self.kind.iter().any(|kind| kind == "custom-build")
    }
}

/// The members of a workspace and its root.
pub struct Workspace {
    /// The root folder.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// The members.
    pub packages: Vec<Package>,
}

/// Asks cargo. The error is cargo's own, with what caused it.
pub fn workspace(manifest: &Path, cargo_flags: &[String]) -> Result<Workspace, String> {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().other_options(cargo_flags.to_vec());
    let metadata = command.exec().map_err(|error| said(&error, manifest))?;
    let root = metadata.workspace_root.clone().into_std_path_buf();
    let target = metadata.target_directory.clone().into_std_path_buf();
    Ok(Workspace { root, target, packages: members(metadata) })
}

/// What cargo said is wrong, and the last of the causes that it gave, with paths relative to the manifest's folder.
fn said(error: &cargo_metadata::Error, manifest: &Path) -> String {
    let text = match error {
        cargo_metadata::Error::CargoMetadata { stderr } => stderr.clone(),
        other => other.to_string(),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = lines.iter().find(|line| line.starts_with("error")).or(lines.first()).copied().unwrap_or("no message");
    let first = first.trim_start_matches("error: ");
    let caused_by = |pair: &&[&str]| pair[0] == "Caused by:";
    let cause = lines.windows(2).rfind(caused_by).map(|pair| pair[1].split(" (os error").next().unwrap_or_default());
    let said = cause.map_or_else(|| first.to_owned(), |cause| format!("{first}: {cause}"));
    let folder = manifest.parent().unwrap_or(manifest).display().to_string();
    said.replace(&format!("{folder}/"), "")
}

fn members(metadata: Metadata) -> Vec<Package> {
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let manifest = package.manifest_path.into_std_path_buf();
            Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                id: package.id.repr,
                dir: manifest.parent().map(Path::to_path_buf).unwrap_or_default(),
                manifest,
                targets: package
                    .targets
                    .into_iter()
                    .map(|target| CargoTarget {
                        name: target.name,
                        kind: target.kind.iter().map(ToString::to_string).collect(),
                        src_path: target.src_path.into_std_path_buf(),
                    })
                    .collect(),
                selected: true,
            }
        })
        .collect()
}

/// Marks the packages that `-p` and `--exclude` name.
pub fn select(packages: &mut [Package], wanted: &[String], excluded: &[String]) -> Result<(), UserError> {
    for spec in wanted.iter().chain(excluded) {
        if !packages.iter().any(|package| matches_spec(package, spec)) {
            return Err(unknown_package(packages, spec));
        }
    }
    for package in packages {
        let in_wanted = wanted.is_empty() || wanted.iter().any(|spec| matches_spec(package, spec));
        let in_excluded = excluded.iter().any(|spec| matches_spec(package, spec));
        package.selected = in_wanted && !in_excluded;
    }
    Ok(())
}

fn unknown_package(packages: &[Package], spec: &str) -> UserError {
    let names = || packages.iter().map(|package| package.name.as_str());
    let help = match nearest(spec, names()) {
        Some(name) => format!("write `-p {name}`"),
        None if packages.is_empty() => "run it where there is a Cargo.toml, or name folders instead".to_owned(),
        None => format!("write one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    UserError::new(format!("package `{spec}` is not a member of the workspace")).help(help)
}

/// Package-id specs as cargo takes them: `name`, `name@1.0`, `path+file:///dir#name@1.0`, and names with `*` and `?`.
fn matches_spec(package: &Package, spec: &str) -> bool {
    if spec == package.id {
        return true;
    }
    let (url, tail) = spec.rsplit_once('#').map_or((None, spec), |(url, tail)| (Some(url), tail));
    let same_url = url.is_none_or(|url| package.id.split('#').next().is_some_and(|own| own.ends_with(url)));
    let (name, version) = tail.split_once('@').or_else(|| tail.split_once(':')).unwrap_or((tail, ""));
    let only_version = url.is_some() && tail == package.version;
    let same_version = version.is_empty() || version == package.version;
    same_url && (only_version || (same_version && path_matches(name, &package.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.2.0".to_owned(),
            id: format!("path+file:///repo/{name}#{name}@1.2.0"),
            manifest: PathBuf::new(),
            dir: PathBuf::new(),
            targets: Vec::new(),
            selected: true,
        }
    }

    #[test]
    fn specs_match_as_cargo_matches_them() {
        let api = package("api");
        for spec in ["api", "api@1.2.0", "a*", "ap?", "path+file:///repo/api#api@1.2.0", "file:///repo/api#1.2.0"] {
            let spec = spec.strip_prefix("file://").map_or(spec, |rest| rest);
            assert!(matches_spec(&api, spec), "{spec}");
        }
        for spec in ["ap", "api@2.0.0", "b*", "path+file:///repo/web#api@1.2.0"] {
            assert!(!matches_spec(&api, spec), "{spec}");
        }
    }

    #[test]
    fn an_unknown_package_gets_a_suggestion() {
        let error = select(&mut [package("billing")], &["biling".to_owned()], &[]).unwrap_err();
        assert_eq!(error.help.as_deref(), Some("write `-p billing`"));
    }

    #[test]
    fn exclude_takes_packages_out() {
        let mut packages = [package("api"), package("web")];
        select(&mut packages, &[], &["web".to_owned()]).unwrap();
        assert_eq!(packages.map(|package| package.selected), [true, false]);
    }
}
