//! A live database in, everything that lets one tenant reach another's rows out.
//!
//! The checks read the system catalogs in one query; the probes then try it as the runtime roles.
//! Each finding names the object, what can happen, and the SQL that fixes it; `docs/verify.md` has a section per check.
//!
//! ```no_run
//! # async fn run() -> Result<(), sqlx::Error> {
//! use rls_runtime::verify::{Options, verify};
//! use sqlx::{Connection, PgConnection};
//!
//! let mut connection = PgConnection::connect("postgres:///app").await?;
//! let report = verify(&mut connection, &Options::default()).await?;
//! for finding in report.open() {
//!     println!("{} {}: {}", finding.check, finding.object, finding.message);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it cannot see
//!
//! A policy is judged by its form: one that is safe in a way this module does not know is reported, and can be allowed.
//! Code inside functions is searched for words, not understood.
//! Any role may set the tenant to any value: policies guard against omissions, not against injected SQL.

mod catalog;
mod checks;
mod expr;
mod finding;
mod options;
mod predicate;
mod probe;
pub mod report;
pub mod self_test;
mod subject;

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

pub use checks::{CHECKS, Check, find as find_check};
pub use finding::{Finding, Severity, Status};
pub use options::{Allow, BadAllow, GlobalTable, Options};

use catalog::Catalog;
use finding::Fault;
use subject::Subject;

/// What a verification found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Everything found, worst first, then by check and object.
    pub findings: Vec<Finding>,
    /// What was guessed, and what could not be looked at.
    pub notes: Vec<String>,
    /// The database's name.
    pub database: String,
    /// The roles that were taken for the service's own.
    pub roles: Vec<String>,
    /// The tenant tables that were looked at.
    pub tables: Vec<String>,
    /// How long it took, without connecting.
    pub elapsed: Duration,
}

impl Report {
    /// The findings that fail the run.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == Status::Open)
    }

    /// Whether nothing fails the run.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.open().next().is_none()
    }
}

/// Verifies the database that the connection is on.
///
/// The connection must not be inside a transaction; it is left outside one, with no setting changed.
///
/// # Errors
/// When the connection fails, or the role may not read the system catalogs.
pub async fn verify(connection: &mut PgConnection, options: &Options) -> Result<Report, sqlx::Error> {
    let start = Instant::now();
    let catalog = Catalog::load(connection, &options.tenant_setting).await?;
    let subject = Subject::new(&catalog, options);
    let mut found: Vec<(&'static str, Fault)> = checks::CHECKS
        .iter()
        .flat_map(|check| (check.run)(&subject).into_iter().map(|fault| (check.id, fault)))
        .collect();
    let mut notes = subject.notes.clone();
    if options.probe {
        let probed = probe::probe(connection, &subject).await?;
        found.extend(probed.faults);
        notes.extend(probed.notes);
    }
    Ok(Report {
        findings: judged(found, &subject),
        notes,
        database: catalog.server.database.clone(),
        roles: subject.runtime.iter().map(|role| role.name.clone()).collect(),
        tables: subject.tables.iter().map(|tenanted| tenanted.table.label()).collect(),
        elapsed: start.elapsed(),
    })
}

/// Applies the exceptions, reports those that except nothing, and sorts.
fn judged(found: Vec<(&'static str, Fault)>, subject: &Subject<'_>) -> Vec<Finding> {
    let allows = &subject.options.allows;
    let mut findings: Vec<Finding> = found
        .into_iter()
        .filter_map(|(id, fault)| {
            let allow = allows.iter().find(|allow| allow.covers(id, &fault.object));
            finding(id, fault, allow.map(|allow| allow.reason.clone()))
        })
        .collect();
    let stale =
        allows.iter().filter(|allow| !findings.iter().any(|finding| allow.covers(finding.check, &finding.object)));
    let stale = stale.map(|allow| {
        (format!("allow {}:{}", allow.checks.join(","), allow.object), "the exception matches no finding")
    });
    let unused =
        subject.options.global_tables.iter().filter(|global| {
            !subject.catalog.relations.iter().any(|relation| subject.global(relation) == Some(*global))
        });
    let unused = unused.map(|global| (format!("global table {}", global.table), "there is no such table"));
    let stale: Vec<Finding> = stale
        .chain(unused)
        .filter_map(|(object, message)| finding("V90", Fault::new(object, message, ""), None))
        .collect();
    findings.extend(stale);
    findings.sort_by(|a, b| {
        let order = |finding: &Finding| checks::CHECKS.iter().position(|check| check.id == finding.check);
        (b.severity, order(a), &a.object).cmp(&(a.severity, order(b), &b.object))
    });
    findings.dedup_by(|a, b| a.check == b.check && a.object == b.object && a.message == b.message);
    findings
}

fn finding(id: &str, fault: Fault, allowed: Option<String>) -> Option<Finding> {
    let check = checks::find(id)?;
    let status = match allowed {
        Some(reason) => Status::Allowed(reason),
        None if check.advice => Status::Advice,
        None => Status::Open,
    };
    Some(Finding {
        check: check.id,
        name: check.name,
        severity: check.severity,
        object: fault.object,
        message: fault.message,
        fix: fault.fix,
        status,
    })
}
