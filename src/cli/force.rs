//! `force`: write the migration that forces every table that is ready.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::args::Force as Args;
use super::levels::Levels;
use super::output::{to_file, to_stdout};
use super::run::Run;
use crate::force::{ForceMigration, force as migration};
use crate::readiness::Readiness;
use crate::sql::TableName;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, and where no table is ready; then nothing is written.
pub fn force(args: &Args, levels: &Levels) -> Result<Outcome, UserError> {
    let run = Run::prepare(&args.sources, &[], levels)?;
    let (verdict, rules, _) = run.audit(&args.sources);
    super::say_blind_spots(&verdict);
    let readiness = Readiness::of(&verdict, &rules.rules.tables);
    let named: Vec<TableName> = args.tables.iter().map(|name| TableName::parse(name)).collect();
    let migration = migration(&readiness, &named).map_err(|unknown| {
        UserError::new(format!("no table `{unknown}` with tenant data is known"))
            .help("name a table of `cargo rls-audit tables`")
    })?;
    for (table, reasons) in &migration.refused {
        eprintln!("not forced: `{table}`: {}", reasons.join(", "));
    }
    if !readiness.unknown.is_empty() {
        eprintln!(
            "warning: statements outside a scope, on tables that are not known: {}; `cargo rls-audit tables` lists them",
            readiness.unknown.len()
        );
    }
    if migration.tables.is_empty() {
        eprintln!("no table is ready to be forced; nothing was written");
        return Ok(Outcome::Denied);
    }
    write(args.output.as_deref(), &migration)?;
    Ok(Outcome::Clean)
}

/// The way back goes where the migration tool looks for it, and into a comment where there is no such place.
fn write(output: Option<&Path>, migration: &ForceMigration) -> Result<(), UserError> {
    let whole = || format!("{}\n-- The way back:\n{}", migration.up, commented(&migration.down));
    let Some(path) = output else { return to_stdout(|out| out.write_all(whole().as_bytes())) };
    match way_back(path) {
        Some(back) => {
            to_file(path, |out| out.write_all(migration.up.as_bytes()))?;
            to_file(&back, |out| out.write_all(migration.down.as_bytes()))
        }
        None => to_file(path, |out| out.write_all(whole().as_bytes())),
    }
}

fn commented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.map(|line| format!("--   {line}\n")).collect()
}

/// `1_x.up.sql` has `1_x.down.sql`, and `1_x/up.sql` has `1_x/down.sql`.
fn way_back(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let back = match name.strip_suffix(".up.sql") {
        Some(stem) => format!("{stem}.down.sql"),
        None if name == "up.sql" => "down.sql".to_owned(),
        None => return None,
    };
    Some(path.with_file_name(back))
}

#[cfg(test)]
mod tests {
    use super::way_back;
    use std::path::Path;

    #[test]
    fn the_way_back_is_where_tools_look_for_it() {
        let back = |path: &str| way_back(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(back("m/1_force.up.sql").as_deref(), Some("m/1_force.down.sql"));
        assert_eq!(back("m/1_force/up.sql").as_deref(), Some("m/1_force/down.sql"));
        assert_eq!(back("m/1_force.sql"), None);
    }
}
