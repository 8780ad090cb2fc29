//! Defects planted in a scratch copy of the schema in, those that the checks miss out.
//!
//! The copy is a schema of its own, made and changed inside one transaction that is rolled back: nothing is left behind,
//! and no table of the service is locked for longer than it takes to read its definition.

mod defects;

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::Options;
use super::catalog::Catalog;
use super::checks::CHECKS;
use super::subject::{Subject, Tenanted};
use crate::policy::{TableName, quote_ident};
use defects::{DEFECTS, Defect};

/// How well the verifier does on this database.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SelfTest {
    /// Defects that were found by the check they belong to.
    pub found: Vec<String>,
    /// Defects that were missed; there should be none.
    pub missed: Vec<String>,
    /// Defects that could not be planted, with the reason.
    pub skipped: Vec<String>,
}

/// The checks that are tested on every table.
const EVERYWHERE: [&str; 3] = ["V01", "V02", "V08"];

/// The schema that holds the copy; it exists only inside the transaction.
const SCRATCH: &str = "rls_verify_scratch";

/// Plants one defect after the other in a scratch copy and looks whether it is found.
///
/// The connected role must be allowed to create a schema in the database.
///
/// # Errors
/// When the connection fails, or the copy cannot be made.
pub async fn self_test(connection: &mut PgConnection, options: &Options) -> Result<SelfTest, sqlx::Error> {
    with_defects(connection, options, DEFECTS).await
}

async fn with_defects(
    connection: &mut PgConnection,
    options: &Options,
    defects: &[Defect],
) -> Result<SelfTest, sqlx::Error> {
    let catalog = Catalog::load(connection, &options.tenant_setting).await?;
    connection.execute("begin").await?;
    let outcome = plant_all(connection, &catalog, options, defects).await;
    connection.execute("rollback").await?;
    outcome
}

async fn plant_all(
    connection: &mut PgConnection,
    catalog: &Catalog,
    options: &Options,
    defects: &[Defect],
) -> Result<SelfTest, sqlx::Error> {
    let subject = Subject::new(catalog, options);
    let role = subject.runtime.first().map(|role| role.name.clone());
    // The copy is made with the roles found in the whole schema, not with those found in the copy alone.
    let options = Options { roles: subject.runtime.iter().map(|role| role.name.clone()).collect(), ..options.clone() };
    let (samples, left_out) = samples(&subject);
    run(connection, copy_sql(&subject, &samples)).await?;
    let before = findings(connection, &options).await?;
    let mut types = BTreeSet::new();
    let mut result = SelfTest::default();
    if left_out > 0 {
        result.skipped.push(format!("{left_out} more tables like those that were tested"));
    }
    for tenanted in samples {
        // What a check sees depends on the column's type; the rest of the tables are covered by what matters most.
        let first_of_type = types.insert(tenanted.column.base_type.as_str());
        for defect in defects.iter().filter(|defect| first_of_type || EVERYWHERE.contains(&defect.check)) {
            let label = format!("{} {} on {}", defect.check, defect.name, tenanted.table.label());
            let Some(sql) = defect.sql(&names(&subject, tenanted), role.as_deref()) else {
                result.skipped.push(format!("{label}: no runtime role"));
                continue;
            };
            run(connection, "savepoint planted".into()).await?;
            if let Err(error) = run(connection, sql).await {
                result.skipped.push(format!("{label}: {error}"));
            } else if is_new(defect, &before, &findings(connection, &options).await?) {
                result.found.push(label);
            } else if before
                .iter()
                .any(|(check, object)| *check == defect.check && object.contains(&names(&subject, tenanted).plain))
            {
                result.skipped.push(format!("{label}: the schema has it already"));
            } else {
                result.missed.push(label);
            }
            run(connection, "rollback to savepoint planted; release savepoint planted".into()).await?;
        }
    }
    Ok(result)
}

/// How many tables are copied; each defect takes a look at the whole catalog.
const SAMPLES: usize = 12;

/// Plain tables, those with a type of their own first, and how many were left out.
fn samples<'s>(subject: &'s Subject<'_>) -> (Vec<&'s Tenanted<'s>>, usize) {
    let mut types = BTreeSet::new();
    let plain = subject.tables.iter().filter(|tenanted| tenanted.table.kind == 'r' && !tenanted.table.partition);
    let (mut samples, others): (Vec<_>, Vec<_>) =
        plain.partition(|tenanted| types.insert(tenanted.column.base_type.as_str()));
    samples.extend(others);
    let left_out = samples.len().saturating_sub(SAMPLES);
    samples.truncate(SAMPLES);
    (samples, left_out)
}

/// The names that a defect's SQL is made of.
struct Names {
    table: String,
    column: String,
    plain: String,
    setting: String,
    predicate: String,
    /// Some tenant, as a value of the column's type.
    constant: &'static str,
}

fn names(subject: &Subject<'_>, tenanted: &Tenanted<'_>) -> Names {
    let plain = copy_name(tenanted);
    let canonical = subject.canonical(tenanted);
    Names {
        table: TableName::in_schema(SCRATCH, &plain).to_string(),
        column: quote_ident(&tenanted.column.name),
        plain,
        setting: subject.options.tenant_setting.clone(),
        predicate: canonical.predicate(),
        constant: match tenanted.column.base_type.as_str() {
            "uuid" => "'00000000-7e57-4000-8000-00000000000a'",
            _ => "'30321'",
        },
    }
}

/// Two schemas may have tables of one name, so the copy is called by the table's number.
fn copy_name(tenanted: &Tenanted<'_>) -> String {
    format!("t{}", tenanted.table.oid)
}

/// The copies: columns, defaults, keys and indexes as they are; the canonical policies for every runtime role.
fn copy_sql(subject: &Subject<'_>, samples: &[&Tenanted<'_>]) -> String {
    let mut sql = format!("create schema {SCRATCH};\n");
    for role in &subject.runtime {
        sql += &format!("grant usage on schema {SCRATCH} to {};\n", quote_ident(&role.name));
    }
    for tenanted in samples {
        let name = TableName::in_schema(SCRATCH, copy_name(tenanted));
        let canonical = subject.canonical(tenanted).renamed(name.clone());
        sql += &format!("create table {name} (like {} including all);\n", tenanted.table.sql());
        sql += &canonical.up();
        for role in &subject.runtime {
            let role = quote_ident(&role.name);
            sql += &format!("grant select, insert, update, delete on {name} to {role};\n");
        }
    }
    sql
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
}

/// What the checks say inside the open transaction, as check and object.
async fn findings(
    connection: &mut PgConnection,
    options: &Options,
) -> Result<Vec<(&'static str, String)>, sqlx::Error> {
    let catalog = Catalog::load_schema(connection, &options.tenant_setting, SCRATCH).await?;
    let subject = Subject::new(&catalog, options);
    let faults = CHECKS.iter().flat_map(|check| {
        let faults = (check.run)(&subject);
        faults.into_iter().map(|fault| (check.id, fault.object))
    });
    Ok(faults.collect())
}

fn is_new(defect: &Defect, before: &[(&str, String)], after: &[(&'static str, String)]) -> bool {
    after.iter().any(|(check, object)| *check == defect.check && !before.iter().any(|(c, o)| c == check && o == object))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::TestDb;
    use sqlx::Connection;

    /// A self-test that cannot fail would prove nothing: what is no defect must be reported as missed.
    #[tokio::test]
    async fn a_defect_that_no_check_finds_is_missed() {
        let db = TestDb::new().await;
        db.execute("create table orders (tenant_id uuid primary key)").await.unwrap();
        let mut connection = PgConnection::connect_with(&db.owner_options()).await.unwrap();
        let options = Options { roles: vec![db.runtime()], ..Options::default() };
        let harmless = [
            defects::defect("V08", "a comment", "comment on table {table} is 'harmless'"),
            defects::defect("V08", "no SQL", "alter nothing"),
        ];
        let result = with_defects(&mut connection, &options, &harmless).await.unwrap();
        assert_eq!(result.missed, ["V08 a comment on public.orders"]);
        assert_eq!((result.found.len(), result.skipped.len()), (0, 1));
        let left: i64 = sqlx::query_scalar("select count(*) from pg_namespace where nspname = 'rls_verify_scratch'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
