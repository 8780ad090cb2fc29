//! A git revision in, the Sources of that revision out, so that a change can be judged by what it brought.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::Sources;
use super::read;
use crate::source::{SourceFile, Target};
use crate::user_error::UserError;

/// The files of a revision that lie where the audited files lie, under the names they have now, and those that are gone since.
///
/// # Errors
/// Where the root is in no git repository, the revision is unknown, or git cannot be run.
pub fn at(revision: &str, now: &Sources) -> Result<Sources, UserError> {
    let known = git(&now.root, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]);
    let commit = known.map_err(|_| {
        UserError::new(format!("`{revision}` is no revision of the repository around `{}`", now.root.display()))
            .help("give a branch, a tag or a commit that `git log` knows, such as `origin/main`")
    })?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let list = git(&now.root, &["ls-tree", "-r", "-z", "--name-only", &commit, "."])?;
    let list = String::from_utf8_lossy(&list);
    let targets: BTreeMap<&str, &Target> =
        now.files.iter().chain(&now.sql).map(|file| (file.path.as_str(), &file.target)).collect();
    let is_gone = |path: &str| !now.root.join(path).exists() && !is_left_out(path);
    let names = names_of_today(&now.root, &commit)?;
    let (then, wanted): (Vec<&str>, Vec<&str>) = list
        .split('\0')
        .filter(|path| path.ends_with(".rs") || path.ends_with(".sql"))
        .map(|path| (path, names.get(path).map_or(path, String::as_str)))
        .filter(|(_, path)| targets.contains_key(path) || is_gone(path))
        .unzip();
    let texts = texts(&now.root, &commit, &then)?;
    let mut old = Sources {
        root: now.root.clone(),
        coverage: now.coverage,
        left_out: now.left_out.clone(),
        ..Sources::default()
    };
    for (path, bytes) in wanted.into_iter().zip(texts) {
        // What does not decode is a blind spot of the present run, if it is still there.
        let (text, _) = read::text(bytes);
        let target = targets.get(path).map_or_else(Target::default, |target| (*target).clone());
        let file = SourceFile::new(path.to_owned(), text, target);
        if path.ends_with(".sql") { old.sql.push(file) } else { old.files.push(file) }
    }
    old.files.sort_by(|a, b| a.path.cmp(&b.path));
    old.sql.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(old)
}

/// What files that were moved since are called now.
fn names_of_today(root: &Path, commit: &str) -> Result<BTreeMap<String, String>, UserError> {
    let moved = git(root, &["diff", "--name-status", "-z", "-M", "--diff-filter=R", "--relative", commit])?;
    let moved = String::from_utf8_lossy(&moved);
    // How alike they are, the old name and the new one.
    let fields: Vec<&str> = moved.split('\0').collect();
    Ok(fields.chunks_exact(3).map(|file| (file[1].to_owned(), file[2].to_owned())).collect())
}

/// Folders that are not read now were not read then.
fn is_left_out(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "target" | "vendor" | "third_party" | "fixtures" | "tests" | "examples" | "benches"))
}

fn git(root: &Path, args: &[&str]) -> Result<Vec<u8>, UserError> {
    let output = Command::new("git").arg("-C").arg(root).args(args).stderr(Stdio::piped()).output().map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it failed").trim_start_matches("fatal: ").to_owned();
    Err(UserError::new(format!("git cannot read `{}`: {said}", root.display())).help("run it inside a git repository"))
}

/// The contents of files, in one call of git.
fn texts(root: &Path, commit: &str, paths: &[&str]) -> Result<Vec<Vec<u8>>, UserError> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let names: String = paths.iter().map(|path| format!("{commit}:./{path}\n")).collect();
    let mut input = child.stdin.take().ok_or_else(|| UserError::new("git took no input"))?;
    // Git answers while it reads: a thread of its own keeps the two pipes from waiting for each other.
    let writer = std::thread::spawn(move || input.write_all(names.as_bytes()));
    let mut answer = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut answer).map_err(failed)?;
    }
    let _ = writer.join();
    child.wait().map_err(failed)?;
    Ok(split(&answer, paths.len()))
}

/// `<id> blob <size>\n<bytes>\n` for each file; `<name> missing\n` for one that is not there.
fn split(mut answer: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let end = answer.iter().position(|byte| *byte == b'\n').unwrap_or(answer.len());
        let header = String::from_utf8_lossy(&answer[..end]).into_owned();
        answer = answer.get(end + 1..).unwrap_or_default();
        let size = header.rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let Some(size) = size.filter(|size| *size <= answer.len()) else {
            texts.push(Vec::new());
            continue;
        };
        texts.push(answer[..size].to_vec());
        answer = answer.get(size + 1..).unwrap_or_default();
    }
    texts
}

fn failed(error: std::io::Error) -> UserError {
    UserError::new(format!("git cannot be run: {error}")).help("install git, or leave `--diff` out")
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn contents_are_told_apart_by_their_sizes() {
        let answer = b"aa blob 3\nx\ny\nHEAD:./gone.rs missing\nbb blob 0\n\n";
        assert_eq!(split(answer, 3), [b"x\ny".to_vec(), Vec::new(), Vec::new()]);
    }
}
