//! The roles that use the queue in, the SQL that makes its tables out.

use sqlx::{AssertSqlSafe, PgPool};

use crate::policy::{quote_ident, quote_literal};

/// The tables of the queue, all under FORCE.
///
/// They are made by their owner, in the first schema of the owner's search path.
///
/// ```
/// use rls_runtime::queue::Schema;
///
/// let sql = Schema::new().role("app").up();
/// assert!(sql.contains("force row level security"));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Schema {
    setting: String,
    roles: Vec<String>,
    hint: Hint,
}

/// How a worker learns that the doorbell rings.
#[derive(Debug, Clone, Copy)]
enum Hint {
    Nothing,
    Notify,
}

/// Only what makes the doorbell ring sooner is worth a notification: all others find it ringing.
const NOTIFY: &str = "
create or replace trigger rls_doorbell_rings after insert on rls_doorbell
    for each row execute function rls_doorbell_notify();
create or replace trigger rls_doorbell_rings_sooner after update of next_due on rls_doorbell
    for each row when (new.next_due < old.next_due) execute function rls_doorbell_notify();
";

const NO_NOTIFY: &str = "
drop trigger if exists rls_doorbell_rings on rls_doorbell;
drop trigger if exists rls_doorbell_rings_sooner on rls_doorbell;
";

impl Default for Schema {
    fn default() -> Schema {
        Schema::new()
    }
}

impl Schema {
    /// The tables that the roles need.
    pub const TABLES: [&str; 4] = ["rls_jobs", "rls_doorbell", "rls_schedules", "rls_lane_slots"];

    /// Policies that read the setting `app.tenant_id`, for every role that the tables are granted to.
    pub fn new() -> Schema {
        Schema { setting: "app.tenant_id".to_owned(), roles: Vec::new(), hint: Hint::Nothing }
    }

    /// Name the setting that carries the tenant.
    pub fn setting(mut self, setting: impl Into<String>) -> Schema {
        self.setting = setting.into();
        self
    }

    /// Grant the queue to a role, and make the policies for the roles so named. Without any the policies are for all, and nothing is granted.
    pub fn role(mut self, role: impl Into<String>) -> Schema {
        self.roles.push(role.into());
        self
    }

    /// Send a notification without content when a silent doorbell is to ring, for workers that [`listen`](crate::worker::Worker::listen).
    ///
    /// The server lets transactions that notify commit one after the other, in the whole cluster; those that find the doorbell ringing do not notify.
    pub fn notify(mut self) -> Schema {
        self.hint = Hint::Notify;
        self
    }

    /// What makes the tables; running it twice changes nothing more.
    pub fn up(&self) -> String {
        let tables = include_str!("schema.sql")
            .replace("'app.tenant_id'", &quote_literal(&self.setting))
            .replace("to public", &format!("to {}", self.grantees()));
        let hint = match self.hint {
            Hint::Nothing => NO_NOTIFY,
            Hint::Notify => NOTIFY,
        };
        tables + hint + &self.grants()
    }

    /// What takes it back, with all jobs.
    pub fn down(&self) -> String {
        format!(
            "drop table if exists {};\n\
             drop function if exists rls_jobs_enqueued, rls_jobs_sooner, rls_jobs_passed, rls_schedules_put, rls_lane_hold, \
             rls_doorbell_notify, rls_doorbell_ring, rls_doorbell_quiet, rls_doorbell_key;\n",
            Schema::TABLES.join(", ")
        )
    }

    /// Make the tables, in one transaction.
    ///
    /// # Errors
    /// What the server says.
    // rls-audit: allow(RLS001, reason = "makes the tables of the queue, as their owner")
    pub async fn apply(&self, owner: &PgPool) -> sqlx::Result<()> {
        // What is not there yet need not be said to be not there.
        let in_one = format!("BEGIN; SET LOCAL client_min_messages = warning; {} COMMIT;", self.up());
        sqlx::raw_sql(AssertSqlSafe(in_one)).execute(owner).await.map(drop)
    }

    fn grantees(&self) -> String {
        match self.roles.as_slice() {
            [] => "public".to_owned(),
            roles => roles.iter().map(|role| quote_ident(role)).collect::<Vec<_>>().join(", "),
        }
    }

    fn grants(&self) -> String {
        let grant = |role: &String| {
            let (tables, role) = (Schema::TABLES.join(", "), quote_ident(role));
            format!("grant select, insert, update, delete on {tables} to {role};\n")
        };
        self.roles.iter().map(grant).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_setting_reach_every_policy() {
        let sql = Schema::new().setting("my.tenant").role("app").role("Odd one").up();
        assert_eq!(sql.matches("create policy").count(), 12);
        assert_eq!(sql.matches("to \"app\", \"Odd one\"").count(), 12);
        assert_eq!(sql.matches("current_setting('my.tenant')").count(), 14);
        assert!(!sql.contains("app.tenant_id"));
    }

    #[test]
    fn a_schema_notifies_only_when_told_to() {
        assert!(Schema::new().notify().up().contains("create or replace trigger rls_doorbell_rings "));
        assert!(Schema::new().up().contains("drop trigger if exists rls_doorbell_rings "));
    }
}
