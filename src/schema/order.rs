//! Paths of SQL files in, the migrations among them out, in the order in which they run.
//!
//! Knows sqlx (`1_name.sql`, `1_name.up.sql`), diesel and Prisma (`1_name/up.sql`, `1_name/migration.sql`), refinery and Flyway (`V1__name.sql`) and plain numbered files.

/// Whether a file takes a migration back.
fn is_way_back(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let undo = name.strip_prefix('u').is_some_and(|rest| rest.starts_with(|byte: char| byte.is_ascii_digit()));
    let stem = name.strip_suffix(".sql").unwrap_or(&name);
    let ends = [".down", "_down", "-down", ".rollback", "_rollback", ".undo", "_undo"];
    stem == "down" || stem == "rollback" || ends.iter().any(|end| stem.ends_with(end)) || (undo && name.contains("__"))
}

/// The part of the path up to and with the folder of migrations.
fn folder<'a>(path: &'a str, configured: &[String]) -> Option<&'a str> {
    for folder in configured {
        let folder = folder.trim_matches('/').trim_start_matches("./");
        if path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) {
            return path.get(..folder.len());
        }
    }
    let (folders, _) = path.rsplit_once('/')?;
    let mut end = 0;
    for part in folders.split('/') {
        end += part.len();
        if matches!(part.to_lowercase().as_str(), "migrations" | "migration" | "migrate") {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

/// The indices of the migrations among the paths, in the order in which they run.
///
/// Without any folder of migrations, files named `schema.sql`, `structure.sql` and `init.sql` are taken.
#[must_use]
pub fn migrations(paths: &[&str], configured: &[String]) -> Vec<usize> {
    let mut found: Vec<(&str, Vec<Part<'_>>, usize)> = paths
        .iter()
        .enumerate()
        .filter(|(_, path)| !is_way_back(path))
        .filter_map(|(index, path)| {
            let folder = folder(path, configured)?;
            Some((folder, version(&path[folder.len()..]), index))
        })
        .collect();
    if found.is_empty() {
        let is_schema = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
            matches!(name.as_str(), "schema.sql" | "structure.sql" | "init.sql")
        };
        return (0..paths.len()).filter(|index| is_schema(paths[*index])).collect();
    }
    found.sort();
    found.into_iter().map(|(_, _, index)| index).collect()
}

/// A part of a name: numbers compare as numbers, and before text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(usize, &'a str),
    Text(&'a str),
}

/// The name as what it is ordered by.
fn version(name: &str) -> Vec<Part<'_>> {
    let mut rest = name.trim_start_matches('/');
    let after_v = rest.strip_prefix(['V', 'v']).filter(|after| after.starts_with(|byte: char| byte.is_ascii_digit()));
    rest = after_v.unwrap_or(rest);
    // Refinery's and Flyway's repeatable migrations come last.
    let mut parts = if rest.starts_with("R__") { vec![Part::Text("\u{10FFFF}")] } else { Vec::new() };
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|byte: char| byte.is_ascii_digit()).len();
        let len = if digits > 0 { digits } else { rest.find(|byte: char| byte.is_ascii_digit()).unwrap_or(rest.len()) };
        let (part, after) = rest.split_at(len);
        let number = part.trim_start_matches('0');
        parts.push(if digits > 0 { Part::Number(number.len(), number) } else { Part::Text(part) });
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::migrations;

    fn ordered<'a>(paths: &[&'a str]) -> Vec<&'a str> {
        migrations(paths, &["sql/up".to_owned()]).into_iter().map(|index| paths[index]).collect()
    }

    #[test]
    fn every_tool_has_its_order() {
        for paths in [
            &["migrations/9_a.sql", "migrations/10_b.sql"][..],
            &["migrations/20240101000000_a.up.sql", "migrations/20240102000000_b.up.sql"],
            &["m/migrations/2024-01-01-000000_a/up.sql", "m/migrations/2024-01-02-000000_b/up.sql"],
            &["migrations/V1__a.sql", "migrations/V2__b.sql", "migrations/V10__c.sql", "migrations/R__d.sql"],
            &["prisma/migrations/20240101_a/migration.sql", "prisma/migrations/20240102_b/migration.sql"],
            &["sql/up/1.sql", "sql/up/2.sql"],
            &["a/migrations/2.sql", "b/migrations/1.sql"],
        ] {
            let mut shuffled = paths.to_vec();
            shuffled.reverse();
            assert_eq!(ordered(&shuffled), paths);
        }
    }

    #[test]
    fn the_way_back_is_left_out() {
        let back = ["migrations/1_a.down.sql", "migrations/1_a/down.sql", "migrations/U1__a.sql", "queries/q.sql"];
        assert!(ordered(&back).is_empty());
        assert_eq!(ordered(&["db/schema.sql", "db/query.sql"]), ["db/schema.sql"]);
        assert_eq!(ordered(&["db/schema.sql", "migrations/1.sql"]), ["migrations/1.sql"]);
    }
}
