//! Request in, Project out: the audited root, its packages, and what of it the caller wants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::packages::{self, Package, Workspace};
use super::walk::{Found, walk};
use super::{Coverage, Request, Sources, Tests, absolute, manifest, modules, read, shown};
use crate::clock::Clock;
use crate::finding::BlindSpot;
use crate::rules::RULES_FILE;
use crate::source::{SourceFile, Target};
use crate::user_error::UserError;

/// Where a run takes place.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The audited root, absolute; reports print paths relative to it.
    pub root: PathBuf,
    /// The manifest that was found or given.
    pub manifest: Option<PathBuf>,
    /// Where cargo builds, if there is a workspace.
    pub target: Option<PathBuf>,
    packages: Vec<Package>,
    starts: Vec<PathBuf>,
    coverage: Coverage,
    is_explicit: bool,
    blind_spots: Vec<BlindSpot>,
    stages: Vec<(&'static str, u64)>,
}

impl Project {
    /// Finds the root and the packages. Reads manifests only.
    ///
    /// # Errors
    /// Where a path, a manifest or a package that the caller names does not exist.
    pub fn find(request: &Request) -> Result<Self, UserError> {
        let paths: Vec<PathBuf> = request.paths.iter().map(|path| absolute(path, &request.cwd)).collect();
        for (path, typed) in paths.iter().zip(&request.paths) {
            let is_overlaid = request.stdin.as_ref().is_some_and(|(file, _)| absolute(file, &request.cwd) == *path);
            if !is_overlaid {
                check_readable(path, typed)?;
            }
        }
        let mut clock = Clock::after(Vec::new());
        let mut project = Self::locate(request, &paths)?;
        clock.lap("metadata");
        project.stages = clock.laps;
        let picks_packages = !request.packages.is_empty() || !request.exclude.is_empty();
        packages::select(&mut project.packages, &request.packages, &request.exclude)?;
        project.is_explicit = !paths.is_empty();
        let is_all = paths.is_empty() || paths.as_slice() == std::slice::from_ref(&project.root);
        project.coverage = if is_all && !picks_packages { Coverage::Whole } else { Coverage::Part };
        project.starts = if paths.is_empty() { project.folders() } else { paths };
        Ok(project)
    }

    /// The root folder of the project that a file belongs to, as far as its folders tell.
    #[must_use]
    pub fn around(file: &Path) -> Option<PathBuf> {
        let file = std::path::absolute(file).ok()?;
        upward(file.parent()?, |folder| is_project_root(folder).then(|| folder.to_path_buf()))
    }

    /// The root is the workspace's, else the folder that holds the rules or the repository. A folder that is a project
    /// by itself, or that lies outside the one around the caller, is its own root.
    fn locate(request: &Request, paths: &[PathBuf]) -> Result<Self, UserError> {
        if let [folder] = paths
            && folder.is_dir()
            && is_project_root(folder)
        {
            return Ok(Self::at(folder.clone(), existing(folder.join("Cargo.toml")), request));
        }
        let manifest = match &request.manifest_path {
            Some(path) => Some(given_manifest(path, &request.cwd)?),
            None => upward(&request.cwd, |folder| existing(folder.join("Cargo.toml"))),
        };
        // A folder with rules of its own, nearer than any manifest, is what its visitor means.
        let ruled = upward(&request.cwd, |folder| {
            folder.join(crate::rules::RULES_FILE).is_file().then(|| folder.to_path_buf())
        });
        let is_nearer = |folder: &PathBuf| {
            let above = manifest.as_deref().and_then(Path::parent);
            request.manifest_path.is_none() && above.is_some_and(|above| folder != above && folder.starts_with(above))
        };
        let around = match &manifest {
            _ if ruled.as_ref().is_some_and(is_nearer) => Self { root: ruled.unwrap_or_default(), ..Self::default() },
            Some(manifest) => Self::of_manifest(manifest, request),
            None => Self { root: plain_root(&request.cwd, paths), ..Self::default() },
        };
        let holds_all = paths.iter().all(|path| path.starts_with(&around.root));
        if holds_all {
            return Ok(around);
        }
        let root = match paths {
            [folder] if folder.is_dir() => folder.clone(),
            _ => common_folder(paths),
        };
        Ok(Self::at(root.clone(), existing(root.join("Cargo.toml")), request))
    }

    fn at(root: PathBuf, manifest: Option<PathBuf>, request: &Request) -> Self {
        let mut project = match manifest {
            Some(manifest) => Self::of_manifest(&manifest, request),
            None => Self::default(),
        };
        project.root = root;
        project
    }

    fn of_manifest(manifest: &Path, request: &Request) -> Self {
        let manifest_path = Some(manifest.to_path_buf());
        match packages::workspace(manifest, &request.cargo_flags) {
            Ok(Workspace { root, target, packages }) => {
                Self { root, packages, manifest: manifest_path, target: Some(target), ..Self::default() }
            }
            Err(reason) => {
                let root = manifest.parent().map(Path::to_path_buf).unwrap_or_default();
                let reason = format!("cargo cannot read the workspace, so folders are read as they are: {reason}");
                let file = shown(manifest, &root);
                let blind_spots = vec![BlindSpot { file, line: 1, column: 1, reason }];
                Self { root, manifest: manifest_path, blind_spots, ..Self::default() }
            }
        }
    }

    /// The root and the members outside it.
    fn folders(&self) -> Vec<PathBuf> {
        let outside = self.packages.iter().filter(|package| !package.dir.starts_with(&self.root));
        std::iter::once(self.root.clone()).chain(outside.map(|package| package.dir.clone())).collect()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Where a file that the caller names cannot be read.
    pub fn read(self, request: &Request) -> Result<Sources, UserError> {
        let mut clock = Clock::after(self.stages.clone());
        let mut found = walk(&self.starts, &self.root);
        let mut sources = Sources { root: self.root.clone(), coverage: self.coverage, ..Sources::default() };
        let reads_sql_elsewhere = self.is_explicit && is_project_root(&self.root);
        if reads_sql_elsewhere && self.starts.as_slice() != std::slice::from_ref(&self.root) {
            found.sql = walk(std::slice::from_ref(&self.root), &self.root).sql;
        }
        // An editor may name a file that is not on disk yet, or that has other text there.
        let overlaid = request.stdin.as_ref().map(|(path, _)| absolute(path, &request.cwd));
        self.check_not_empty(request, &found)?;
        let packages = self.all_packages(&found);
        clock.lap("walk");
        let packages = by_folder(&packages);
        found.rust.retain(|path| Some(path) != overlaid.as_ref() && self.wants(path, &packages));
        let (mut files, blind_spots) = read::read(&found.rust, &self.root);
        self.check_named(request, &blind_spots)?;
        let (sql, sql_blind_spots) = read::read(&found.sql, &self.root);
        clock.lap("read");
        add_stdin(request, &self.root, &mut files);
        place_all(&packages, &mut files);
        self.settle_tests(request, files, &mut sources);
        sources.sql = sql.into_iter().map(|(_, file)| file).collect();
        sources.blind_spots = [self.blind_spots, found.blind_spots, blind_spots, sql_blind_spots].concat();
        sources.blind_spots.sort();
        clock.lap("place");
        sources.stages = clock.laps;
        Ok(sources)
    }

    /// The members, and the packages that the walk met outside the workspace.
    fn all_packages(&self, found: &Found) -> Vec<Package> {
        let mut packages = self.packages.clone();
        for path in &found.manifests {
            if packages.iter().any(|package| package.manifest == *path) {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if let Some(mut stray) = manifest::package(path, &text, &found.rust) {
                stray.selected = self.packages.is_empty() || self.is_explicit;
                packages.push(stray);
            }
        }
        packages
    }

    fn wants(&self, path: &Path, packages: &ByFolder<'_>) -> bool {
        let is_named = self.is_explicit && self.starts.iter().any(|start| start == path);
        is_named || owner(packages, path).is_none_or(|package| package.selected)
    }

    /// A clean report on nothing would look like a clean project.
    fn check_not_empty(&self, request: &Request, found: &Found) -> Result<(), UserError> {
        let has_code = !found.rust.is_empty() || !found.sql.is_empty() || request.stdin.is_some();
        if has_code || !found.blind_spots.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = request.paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let message = match (&self.manifest, self.is_explicit) {
            (_, true) => format!("no Rust or SQL file in {}", names.join(", ")),
            (Some(manifest), false) => format!("no Rust file in the workspace of `{}`", manifest.display()),
            (None, false) => format!("no Cargo.toml and no Rust file in `{}`", self.root.display()),
        };
        Err(UserError::new(message).help("run it in a Cargo project, or name files and folders"))
    }

    /// A file that the caller names must be readable; one that was met on the way is a blind spot.
    fn check_named(&self, request: &Request, blind_spots: &[BlindSpot]) -> Result<(), UserError> {
        for (start, typed) in self.starts.iter().zip(&request.paths) {
            let name = shown(start, &self.root);
            let unread = blind_spots.iter().find(|spot| spot.file == name && spot.reason.starts_with("cannot be read"));
            if let Some(spot) = unread.filter(|_| start.is_file()) {
                return Err(UserError::new(format!("`{}` {}", typed.display(), spot.reason)));
            }
        }
        Ok(())
    }

    /// Test targets are left out, unless asked for; what the caller names inside them is asked for.
    fn settle_tests(&self, request: &Request, files: Vec<(PathBuf, SourceFile)>, sources: &mut Sources) {
        let in_tests = self.starts.iter().filter(|start| is_in_test_folder(start, &self.root));
        let named: Vec<&PathBuf> = in_tests.filter(|_| self.is_explicit).collect();
        for (path, mut file) in files {
            let leaves_out = request.tests == Tests::Out && file.target.is_test;
            if !leaves_out {
                sources.files.push(file);
            } else if named.iter().any(|start| path.starts_with(start)) {
                file.target.is_test = false;
                sources.files.push(file);
            } else {
                sources.left_out.push(file);
            }
        }
        sources.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

fn check_readable(path: &Path, typed: &Path) -> Result<(), UserError> {
    let reason = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() => return Ok(()),
        Ok(_) => "it is neither a file nor a folder".to_owned(),
        Err(error) => super::walk::reason(&error),
    };
    let message = format!("`{}` cannot be read: {reason}", typed.display());
    Err(UserError::new(message).help("name an existing file or folder"))
}

fn given_manifest(path: &Path, cwd: &Path) -> Result<PathBuf, UserError> {
    let manifest = absolute(path, cwd);
    let is_manifest = manifest.file_name().is_some_and(|name| name == "Cargo.toml") && manifest.is_file();
    if is_manifest {
        return Ok(manifest);
    }
    let message = format!("manifest path `{}` is not a Cargo.toml file", path.display());
    Err(UserError::new(message).help("give the path of a Cargo.toml, or name folders without `--manifest-path`"))
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

fn upward<T>(start: &Path, find: impl Fn(&Path) -> Option<T>) -> Option<T> {
    start.ancestors().find_map(find)
}

/// A folder that holds rules, a repository or a workspace.
fn is_project_root(folder: &Path) -> bool {
    folder.join(RULES_FILE).exists() || folder.join(".git").exists() || declares_workspace(&folder.join("Cargo.toml"))
}

fn declares_workspace(manifest: &Path) -> bool {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    text.lines().any(|line| line.trim_start().starts_with("[workspace"))
}

/// Without a manifest: the project around the caller, else the caller's folder, else what was named.
fn plain_root(cwd: &Path, paths: &[PathBuf]) -> PathBuf {
    let around = upward(cwd, |folder| is_project_root(folder).then(|| folder.to_path_buf()));
    match (around, paths) {
        (Some(root), _) => root,
        (None, [folder]) if folder.is_dir() => folder.clone(),
        (None, _) => cwd.to_path_buf(),
    }
}

fn common_folder(paths: &[PathBuf]) -> PathBuf {
    let folder =
        |path: &PathBuf| if path.is_dir() { path.clone() } else { path.parent().unwrap_or(path).to_path_buf() };
    let mut common = paths.first().map(folder).unwrap_or_default();
    while !paths.iter().all(|path| path.starts_with(&common)) && common.pop() {}
    common
}

/// Packages by their folders: every file of thousands asks whose it is.
type ByFolder<'p> = FxHashMap<&'p Path, &'p Package>;

fn by_folder(packages: &[Package]) -> ByFolder<'_> {
    packages.iter().map(|package| (package.dir.as_path(), package)).collect()
}

/// The package whose folder is the deepest around a file.
fn owner<'p>(packages: &ByFolder<'p>, path: &Path) -> Option<&'p Package> {
    path.ancestors().skip(1).find_map(|folder| packages.get(folder).copied())
}

fn add_stdin(request: &Request, root: &Path, files: &mut Vec<(PathBuf, SourceFile)>) {
    if let Some((path, text)) = &request.stdin {
        let path = absolute(path, &request.cwd);
        let file = SourceFile::new(shown(&path, root), text.clone(), Target::default());
        files.push((path, file));
    }
}

fn place_all(packages: &ByFolder<'_>, files: &mut Vec<(PathBuf, SourceFile)>) {
    let mut of_package: BTreeMap<Option<&Path>, Vec<(PathBuf, SourceFile)>> = BTreeMap::new();
    for entry in std::mem::take(files) {
        let dir = owner(packages, &entry.0).map(|package| package.dir.as_path());
        of_package.entry(dir).or_default().push(entry);
    }
    for (dir, mut own) in of_package {
        match dir.and_then(|dir| packages.get(dir)) {
            Some(package) => modules::place(package, &mut own),
            None => own.iter_mut().for_each(|(_, file)| place_plain(file)),
        }
        files.append(&mut own);
    }
}

/// A file of no package: only its folders say what it is.
fn place_plain(file: &mut SourceFile) {
    let path = Path::new(&file.path);
    file.target.is_test = is_in_test_folder(path, Path::new(""));
    let after_src = path.iter().position(|part| part == "src").map_or(0, |at| at + 1);
    let folder: PathBuf = path.iter().take(after_src).collect();
    file.target.module = modules::module_path(path, &folder);
}

/// `tests`, `examples` or `benches` on the way from the root, not below `src`.
fn is_in_test_folder(path: &Path, root: &Path) -> bool {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let folders = relative.iter().map_while(|part| part.to_str()).take_while(|part| *part != "src");
    folders.into_iter().any(|part| manifest::test_kind(part).is_some())
}
