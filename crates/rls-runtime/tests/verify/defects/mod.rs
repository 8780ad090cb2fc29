//! The defects, as data: what to plant, which check must find it, at which object.

mod live;
mod objects;
mod policies;
mod rights;

/// Whether the SQL of the finding alone repairs the defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    Works,
    /// Only a person can decide, or the repair needs more than the database.
    Manual,
}

pub struct Defect {
    pub check: &'static str,
    pub object: &'static str,
    pub name: &'static str,
    pub sql: &'static str,
    pub fix: Fix,
}

impl Defect {
    /// A setting that is stored for a role without a database is seen from all databases.
    pub fn is_seen_everywhere(&self) -> bool {
        self.sql.starts_with("alter role {app} set ")
    }
}

const fn defect(check: &'static str, object: &'static str, name: &'static str, sql: &'static str) -> Defect {
    Defect { check, object, name, sql, fix: Fix::Works }
}

const fn manual(check: &'static str, object: &'static str, name: &'static str, sql: &'static str) -> Defect {
    Defect { fix: Fix::Manual, ..defect(check, object, name, sql) }
}

/// All of them.
pub fn all() -> Vec<&'static Defect> {
    let groups = [objects::DEFECTS, policies::DEFECTS, rights::DEFECTS, live::DEFECTS];
    groups.into_iter().flatten().collect()
}
