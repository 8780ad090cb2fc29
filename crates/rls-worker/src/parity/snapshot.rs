//! A pool and a tenant in, all that the tenant has out: without what differs from run to run.

use std::collections::BTreeMap;
use std::path::Path;

use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::artifact::{Ended, Migrated, TableRow};
use crate::fingerprint;
use crate::schema::TENANT_TABLES;
use crate::smoke::Step;

/// What differs from run to run or from tenant to tenant: ids, keys that have the tenant in them, and the times at which rows were written.
const VOLATILE: &str = "{tenant_id,id,job_id,source_job_id,order_id,shipment_id,invoice_id,product_id,line_id,finding_id,superseded_by,guest_session_id,token_hash,secret,raised_at,created_at,at,effective_key}";

/// All that a tenant has, without what differs from run to run.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The rows of each table, in order.
    pub tables: BTreeMap<&'static str, Vec<String>>,
}

impl Snapshot {
    /// Reads all tables in the tenant's scope. Keys that are made of a job's id are left out as ids are.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn take(pool: &RlsPool, tenant: TenantId) -> sqlx::Result<Snapshot> {
        with_tenant(pool, tenant, async |mut tx| Snapshot::read(&mut tx).await).await
    }

    async fn read(tx: &mut TenantTx) -> sqlx::Result<Snapshot> {
        let mut tables = BTreeMap::new();
        for table in TENANT_TABLES {
            let sql = format!(
                "select regexp_replace((to_jsonb(t) - '{VOLATILE}'::text[])::text,
                     '[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}', 'ID', 'g') as row
                 from {table} t order by 1"
            );
            let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **tx).await?;
            tables.insert(*table, rows);
        }
        Ok(Snapshot { tables })
    }
}

/// One row per table; where the two differ, what only one of them has is written to a file.
pub(super) fn compare(a: &Snapshot, b: &Snapshot, tenant: &str, out: &Path) -> anyhow::Result<Vec<TableRow>> {
    let mut rows = Vec::new();
    for (table, before) in &a.tables {
        let after = b.tables.get(table).map(Vec::as_slice).unwrap_or_default();
        let hash_equal = hash(before) == hash(after);
        let diff_file = format!("{tenant}-{table}.csv");
        if !hash_equal {
            std::fs::create_dir_all(out)?;
            write_difference(&out.join(&diff_file), before, after)?;
        }
        rows.push(TableRow {
            table: (*table).to_owned(),
            tenant: tenant.to_owned(),
            rows_a: before.len(),
            rows_b: after.len(),
            hash_equal,
            diff_file: (!hash_equal).then_some(diff_file),
        });
    }
    Ok(rows)
}

fn hash(rows: &[String]) -> String {
    fingerprint::of_texts(rows.iter().map(String::as_str))
}

fn write_difference(path: &Path, before: &[String], after: &[String]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["side", "row"])?;
    for (side, own, other) in [("a", before, after), ("b", after, before)] {
        for row in own.iter().filter(|row| !other.contains(row)) {
            writer.write_record([side, row])?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// How a job ended.
pub(super) fn ended(step: &Step) -> Ended {
    let state = step.state().to_owned();
    let Some(status) = &step.status else { return Ended { state, hash: String::new() } };
    let result = status.result.as_ref().map(Value::to_string).unwrap_or_default();
    let error = status.last_error.as_deref().unwrap_or_default();
    let attempt = status.attempt.to_string();
    Ended { state, hash: fingerprint::of_texts([&attempt, &result, error]) }
}

/// What the migration has done to each table.
pub(super) async fn forced(connection: &mut PgConnection) -> sqlx::Result<Vec<Migrated>> {
    let tables: Vec<String> = TENANT_TABLES.iter().map(|table| (*table).to_owned()).collect();
    sqlx::query_as(
        "select c.relname as name, c.relrowsecurity as rls, c.relforcerowsecurity as force,
             (select count(*) from pg_policy p where p.polrelid = c.oid) as policies
         from pg_class c where c.relname = any ($1) and c.relnamespace = 'public'::regnamespace order by 1",
    )
    .bind(tables)
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(rows: &[&str]) -> Snapshot {
        Snapshot { tables: BTreeMap::from([("orders", rows.iter().map(|row| (*row).to_owned()).collect())]) }
    }

    #[test]
    fn what_only_one_state_has_is_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let same = compare(&snapshot(&["x"]), &snapshot(&["x"]), "t1", folder.path()).unwrap();
        assert_eq!((same[0].hash_equal, &same[0].diff_file), (true, &None));
        let rows = compare(&snapshot(&["x", "y"]), &snapshot(&["x", "z", "z"]), "t1", folder.path()).unwrap();
        assert_eq!((rows[0].hash_equal, rows[0].rows_a, rows[0].rows_b), (false, 2, 3));
        let diff = std::fs::read_to_string(folder.path().join("t1-orders.csv")).unwrap();
        assert_eq!(diff, "side,row\na,y\nb,z\nb,z\n");
    }
}
