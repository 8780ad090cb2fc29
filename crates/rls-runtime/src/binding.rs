//! What a scope says to the server: a pool's names and a tenant in, the text of the messages out.

use std::sync::Arc;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::tenant::TenantId;

/// Starts and ends what the server says about a scope that is no longer its own.
const REPORT: (&str, &str) = ("rls-runtime|", "|end");

/// Holds the tenant a second time. It is lost with the transaction, and no statement of a service sets it: so it tells whether the transaction is still the scope's own, and whether the tenant is.
const MARK: &str = "rls_runtime.scope";

/// The check as each connection has it prepared.
const PREPARED_CHECK: &str = "rls_runtime_check";

/// What is the same for all scopes of a pool.
#[derive(Debug)]
pub(crate) struct Wording {
    pub(crate) setting: String,
    role: String,
    /// Fails, and so skips what follows in the message, unless the tenant, the transaction and the role are still the scope's own.
    pub(crate) check: String,
    /// Says whether a tenant is left on the session, and leaves nothing else there: no open cursor, no temporary table.
    ///
    /// These are commands and not queries because commands need no planner; together they cost a few microseconds.
    pub(crate) tidy: String,
    /// What a new connection is told.
    pub(crate) greeting: Option<String>,
}

/// Whether messages reach the server's session that the ones before have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Direct,
    TransactionPooler,
}

/// The tenant, as it is bound for one transaction.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) wording: Arc<Wording>,
    pub(crate) tenant: TenantId,
}

impl Wording {
    pub(crate) fn new(setting: String, role: String, link: Link) -> Wording {
        let check = check_query(&setting, &role);
        let tidy = format!("SHOW {setting};CLOSE ALL;DISCARD TEMP");
        match link {
            // Planned once per connection, which makes it four times as cheap. With the interval the server notices while it runs a statement that we are gone, and ends the statement of a cancelled scope; where the system cannot do this the setting is refused.
            Link::Direct => Wording {
                greeting: Some(format!(
                    "PREPARE {PREPARED_CHECK} AS {check};SET client_connection_check_interval='1s'"
                )),
                check: format!("EXECUTE {PREPARED_CHECK}"),
                tidy,
                setting,
                role,
            },
            // Closing our connection would not close the server's, so it is unbound at once.
            Link::TransactionPooler => {
                Wording { greeting: None, tidy: format!("{tidy};RESET {setting}"), check, setting, role }
            }
        }
    }
}

impl Binding {
    pub(crate) fn begin_sql(&self, options: &ScopeOptions) -> String {
        let (modes, tenant) = (options.begin_modes(), self.tenant.to_string());
        let own = [(&*self.wording.setting, tenant.clone()), (MARK, tenant)];
        let settings = own.into_iter().chain(options.settings());
        let mut sql = format!("BEGIN{modes};");
        if modes.is_empty() {
            settings.for_each(|(name, value)| sql.push_str(&format!("SET LOCAL {name}='{value}';")));
        } else {
            // After a query the modes of the transaction are settled, so that no closure can undo them.
            let columns: Vec<_> =
                settings.map(|(name, value)| format!("set_config('{name}','{value}',true)")).collect();
            sql.push_str(&format!("SELECT {}", columns.join(",")));
        }
        sql
    }

    /// Reads what the failed check reports.
    pub(crate) fn explain(&self, message: &str) -> Option<Error> {
        let (_, report) = message.split_once(REPORT.0)?;
        let (report, _) = report.rsplit_once(REPORT.1)?;
        let mut fields = report.splitn(3, '|');
        let (found, mark, role) = (fields.next()?, fields.next()?, fields.next()?);
        let tenant = self.tenant;
        Some(if mark != tenant.to_string() {
            Error::EndedEarly { tenant }
        } else if role != self.wording.role {
            Error::RoleChanged { tenant, found: role.to_owned() }
        } else {
            Error::TenantChanged { expected: tenant, found: found.to_owned() }
        })
    }
}

/// A text that is no truth value makes the cast fail, and so is the way to say something from within a query. Where all is well there is no row to send.
fn check_query(setting: &str, role: &str) -> String {
    let found = format!("pg_catalog.current_setting('{setting}',true)");
    let mark = format!("pg_catalog.current_setting('{MARK}',true)");
    let role = role.replace('\\', "\\\\").replace('\'', "''");
    let (start, end) = REPORT;
    format!(
        "SELECT WHERE CASE WHEN {found}={mark} AND {mark}<>'' AND current_user=E'{role}' THEN false \
         ELSE pg_catalog.concat('{start}',{found},'|',{mark},'|',current_user,'{end}')::pg_catalog.bool END"
    )
}
