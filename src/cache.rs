//! A run's inputs in, what was found of them last time out. The report is the same with and without.
//!
//! What is remembered is the resolved program and the little of the facts that is needed after it, under a key of
//! everything that it depends on: this very program file, the rules, the options, and each file's path, place and text.
//! Whatever is not perfectly in order, a damaged file or one of another version, is as if it were not there.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::facts::{FileFacts, Function};
use crate::program::{FileId, Program};
use crate::schema::rust;
use crate::source::{SourceFile, to_u32};

/// How many runs are remembered for one project: with and without tests, parts of it, revisions that were compared.
const MOST: usize = 8;

/// What every file starts with.
const HEADER: &str = "rls-audit run ";

/// What a run found out before it judged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    /// The resolved program.
    pub program: Program,
    /// Files that were parsed.
    pub parsed: usize,
    /// What is left to do with facts: allow comments, blind spots, migrations. Most files have none.
    facts: Vec<(FileId, FileFacts)>,
}

impl Remembered {
    /// What is worth remembering of these.
    #[must_use]
    pub fn new(program: &Program, facts: &[FileFacts]) -> Self {
        let rest = (0..).zip(facts).filter_map(|(file, facts)| Some((file, rest(file, facts)?)));
        Self { program: program.clone(), parsed: parsed(facts), facts: rest.collect() }
    }

    /// The facts, of which most are empty.
    #[must_use]
    pub fn facts(&mut self, files: usize) -> Vec<FileFacts> {
        let mut all = vec![FileFacts::default(); files];
        for (file, facts) in std::mem::take(&mut self.facts) {
            if let Some(slot) = all.get_mut(file as usize) {
                *slot = facts;
            }
        }
        all
    }
}

/// How many files have facts.
#[must_use]
pub fn parsed(facts: &[FileFacts]) -> usize {
    facts.iter().filter(|facts| !facts.modules.is_empty()).count()
}

/// What stages after the resolver ask of a file's facts.
fn rest(file: FileId, facts: &FileFacts) -> Option<FileFacts> {
    if !rust::places(file, facts).is_empty() {
        return Some(facts.clone());
    }
    if facts.directives.is_empty() && facts.blind_spots.is_empty() {
        return None;
    }
    let outside = |function: &Function| Function { body: None, ..function.clone() };
    Some(FileFacts {
        modules: facts.modules.clone(),
        functions: facts.functions.iter().filter(|function| function.in_test).map(outside).collect(),
        directives: facts.directives.clone(),
        blind_spots: facts.blind_spots.clone(),
        ..FileFacts::default()
    })
}

/// Where a run is remembered.
#[derive(Clone, Debug)]
pub struct Slot {
    folder: PathBuf,
    key: u64,
}

impl Slot {
    /// The slot of a run on these files. `settings` are rules and options, as text.
    #[must_use]
    pub fn new(folder: &Path, files: &[SourceFile], settings: &str) -> Option<Self> {
        let program = std::env::current_exe().and_then(fs::metadata).ok()?;
        let built = program.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let hashes: Vec<u64> = files.par_iter().map(hash_of_file).collect();
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), program.len(), built, settings, hashes).hash(&mut hasher);
        Some(Self { folder: folder.to_owned(), key: hasher.finish() })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("run-{:016x}.json", self.key))
    }

    /// What was remembered.
    #[must_use]
    pub fn recall(&self) -> Option<Remembered> {
        let text = fs::read(self.path()).ok()?;
        let (header, body) = text.split_at_checked(HEADER.len() + 17)?;
        let sound = header == self.header(body).as_bytes();
        sound.then(|| serde_json::from_slice(body).ok())?
    }

    /// Remembers a run. A folder that cannot be written to only costs the next run its time.
    pub fn remember(&self, run: &Remembered) {
        let Ok(body) = serde_json::to_vec(run) else { return };
        if make_folder(&self.folder).is_none() {
            return;
        }
        let path = self.path();
        let half = path.with_extension(format!("{}.part", std::process::id()));
        let written = fs::write(&half, [self.header(&body).as_bytes(), &body].concat());
        // Nobody ever sees half a file: it gets its name when it is whole.
        if written.and_then(|()| fs::rename(&half, &path)).is_err() {
            let _ = fs::remove_file(&half);
        }
        self.forget_oldest();
    }

    fn header(&self, body: &[u8]) -> String {
        let mut hasher = DefaultHasher::new();
        (self.key, body).hash(&mut hasher);
        format!("{HEADER}{:016x}\n", hasher.finish())
    }

    fn forget_oldest(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let runs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("run-"));
        let mut runs: Vec<(SystemTime, PathBuf)> =
            runs.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        runs.sort();
        let surplus = runs.len().saturating_sub(MOST);
        for (_, path) in runs.into_iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
    }
}

fn hash_of_file(file: &SourceFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&file.path, &file.text, format!("{:?}", file.target), to_u32(file.text.len())).hash(&mut hasher);
    hasher.finish()
}

/// Makes the folder, which neither git nor backups are to look at.
fn make_folder(folder: &Path) -> Option<()> {
    if folder.is_dir() {
        return Some(());
    }
    fs::create_dir_all(folder).ok()?;
    fs::write(folder.join(".gitignore"), "*\n").ok()?;
    fs::write(folder.join("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").ok()
}
