//! What to verify a database against.

use crate::policy::{BadName, TableName};

/// What a database shall be like; the default is this crate's own conventions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The roles that the service runs as; without any they are deduced.
    pub roles: Vec<String>,
    /// The column that holds the tenant.
    pub tenant_column: String,
    /// The setting that carries the tenant.
    pub tenant_setting: String,
    /// The tables without tenant data that the runtime roles may read.
    pub global_tables: Vec<GlobalTable>,
    /// Findings that are accepted, each with a reason.
    pub allows: Vec<Allow>,
    /// Whether to run the live probes.
    pub probe: bool,
    /// Tenants that exist, for the probes that need two.
    pub tenants: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roles: Vec::new(),
            tenant_column: "tenant_id".into(),
            tenant_setting: "app.tenant_id".into(),
            global_tables: Vec::new(),
            allows: Vec::new(),
            probe: true,
            tenants: Vec::new(),
        }
    }
}

/// A table without tenant data, and which columns of it are known to be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalTable {
    /// The table; without a schema it is one of `public`.
    pub table: TableName,
    /// The pinned columns; a column that is not among them is a finding.
    pub columns: Option<Vec<String>>,
}

impl std::str::FromStr for GlobalTable {
    type Err = BadName;

    /// Reads `plans`, `billing.plans` or `billing.plans(id, name)`.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let Some((table, rest)) = text.trim().split_once('(') else {
            return Ok(Self { table: text.parse()?, columns: None });
        };
        let Some(list) = rest.strip_suffix(')') else {
            // The parser of names says what is wrong with the whole text.
            return text.parse::<TableName>().map(|table| Self { table, columns: None });
        };
        let columns = list
            .split(',')
            .map(|column| column.parse::<TableName>().map(|column| column.name))
            .collect::<Result<_, _>>()?;
        Ok(Self { table: table.parse()?, columns: Some(columns) })
    }
}

/// An exception: these checks may find something at this object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The checks, as in `V08` and `P3`.
    pub checks: Vec<String>,
    /// The object as the finding names it, or how it begins; empty for every object.
    pub object: String,
    /// Why it is accepted.
    pub reason: String,
}

/// An exception that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not CHECK[,CHECK]…[:OBJECT]=REASON")]
pub struct BadAllow(String);

impl std::str::FromStr for Allow {
    type Err = BadAllow;

    /// Reads `V08,P2,P3:public.doorbell=every worker looks for work here`.
    fn from_str(text: &str) -> Result<Self, BadAllow> {
        let bad = || BadAllow(text.to_owned());
        let (what, reason) = text.split_once('=').ok_or_else(bad)?;
        let (checks, object) = what.split_once(':').unwrap_or((what, ""));
        let checks: Vec<String> = checks.split(',').map(|check| check.trim().to_owned()).collect();
        if reason.trim().is_empty() || checks.iter().any(|check| super::checks::find(check).is_none()) {
            return Err(bad());
        }
        Ok(Self { checks, object: object.trim().to_owned(), reason: reason.trim().to_owned() })
    }
}

impl Allow {
    pub(crate) fn covers(&self, check: &str, object: &str) -> bool {
        let named = object == self.object
            || self.object.is_empty()
            || object.strip_prefix(&self.object).is_some_and(|rest| rest.starts_with(' '));
        named && self.checks.iter().any(|own| own == check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_global_table_with_and_without_pinned_columns() {
        let plain: GlobalTable = "billing.Plans".parse().unwrap();
        assert_eq!(plain.table, TableName::in_schema("billing", "plans"));
        let pinned: GlobalTable = "plans(id, \"Name\")".parse().unwrap();
        assert_eq!(pinned.columns.unwrap(), ["id", "Name"]);
        assert!("plans(id".parse::<GlobalTable>().is_ok_and(|table| table.columns.is_none()));
    }

    #[test]
    fn an_exception_needs_a_check_that_exists_and_a_reason() {
        assert!("V08:public.bell=known".parse::<Allow>().is_ok());
        assert_eq!("V08, P2:public.bell=a=b".parse::<Allow>().unwrap().checks, ["V08", "P2"]);
        assert!("V08:public.bell=".parse::<Allow>().is_err());
        assert!("V99=why".parse::<Allow>().is_err());
    }

    #[test]
    fn an_exception_for_a_table_covers_its_parts_but_no_namesake() {
        let allow: Allow = "V08:public.a=x".parse().unwrap();
        assert!(allow.covers("V08", "public.a policy p"));
        assert!(!allow.covers("V08", "public.ab"));
    }
}
