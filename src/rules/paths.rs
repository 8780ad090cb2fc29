//! How paths in rules match files: a file, a folder, or a pattern.

/// Whether a path of a rule covers a file. Both are relative to the root, with `/`.
/// A folder covers what is below it; `*` and `?` match inside a name, `**` any folders.
#[must_use]
pub fn path_matches(rule: &str, file: &str) -> bool {
    let rule = rule.trim_start_matches("./").trim_end_matches('/');
    let rule: Vec<&str> = rule.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let file: Vec<&str> = file.split('/').collect();
    covers(&rule, &file)
}

/// A rule that ends before the file does names a folder around it.
fn covers(rule: &[&str], file: &[&str]) -> bool {
    match (rule, file) {
        ([], _) => true,
        (["**", rest @ ..], [_, below @ ..]) => covers(rest, file) || covers(rule, below),
        (_, []) => false,
        ([part, rest @ ..], [name, below @ ..]) => name_matches(part, name) && covers(rest, below),
    }
}

/// Greedy with one point to come back to, so that no pattern takes exponential time.
fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star_p, star_n)) = star {
            star = Some((star_p, star_n + 1));
            (p, n) = (star_p + 1, star_n + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::path_matches;

    #[test]
    fn files_folders_and_patterns_match() {
        let file = "apps/api/src/jobs/claim.rs";
        let rules = [
            file,
            "apps",
            "./apps/api/",
            "apps/*/src",
            "**/claim.rs",
            "apps/**/c*.rs",
            "**/jobs/**",
            "apps/api/src/jobs/cl?im.rs",
            ".",
        ];
        for rule in rules {
            assert!(path_matches(rule, file), "{rule}");
        }
    }

    #[test]
    fn neighbours_do_not_match() {
        for rule in ["app", "apps/api/src/job", "*/src", "claim.rs", "apps/api/src/jobs/claim.rs/x", "**/claim"] {
            assert!(!path_matches(rule, "apps/api/src/jobs/claim.rs"), "{rule}");
        }
    }
}
