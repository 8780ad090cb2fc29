//! The pool that hands out scopes and nothing else.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::binding::{Link, Wording};
use crate::connections::{Borrowed, Connections, Limits};
use crate::error::Error;
use crate::role::{Inspected, RoleProblems, inspect_role};

/// A pool of connections that are only ever used in a tenant's scope.
///
/// It refuses to connect as a role that could get past the policies, and hands out no connection: [`with_tenant`](crate::with_tenant) is the only way in.
///
/// ```no_run
/// # async fn connect() -> Result<(), rls_runtime::Error> {
/// let pool = rls_runtime::RlsPool::connect("postgres://shop_app@db.internal/shop").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RlsPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connections: Connections,
    wording: Arc<Wording>,
    link: Link,
}

/// How a pool is built.
///
/// ```no_run
/// # async fn connect() -> Result<(), rls_runtime::Error> {
/// use std::time::Duration;
/// use rls_runtime::RlsPoolOptions;
///
/// let pool = RlsPoolOptions::new()
///     .max_connections(20)
///     .acquire_timeout(Duration::from_secs(3))
///     .tenant_setting("app.tenant_id")
///     .connect("postgres://shop_app@db.internal/shop")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RlsPoolOptions {
    limits: Limits,
    tenant_setting: String,
    tenant_column: String,
    link: Link,
    role_check: RoleCheck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleCheck {
    Refuse,
    WarnInLocalDevelopment,
}

impl RlsPool {
    /// Connect with the options of [`RlsPoolOptions::new`].
    pub async fn connect(url: &str) -> Result<RlsPool, Error> {
        RlsPoolOptions::new().connect(url).await
    }

    /// Connect as the options of sqlx say.
    pub async fn connect_with(options: PgConnectOptions) -> Result<RlsPool, Error> {
        RlsPoolOptions::new().connect_with(options).await
    }

    /// The setting that the policies read the tenant from.
    pub fn tenant_setting(&self) -> &str {
        &self.shared.wording.setting
    }

    /// How many connections there are, in use or idle.
    pub fn size(&self) -> u32 {
        self.shared.connections.size()
    }

    /// How many connections are idle.
    pub fn num_idle(&self) -> usize {
        self.shared.connections.idle()
    }

    /// Open no more scopes, and wait until the open ones have ended.
    pub async fn close(&self) {
        self.shared.connections.close().await;
    }

    /// Whether the pool is closed.
    pub fn is_closed(&self) -> bool {
        self.shared.connections.is_closed()
    }

    /// A connection that no tenant is bound on, closed unless it is given back.
    pub(crate) async fn borrow(&self) -> Result<Borrowed, Error> {
        self.shared.connections.borrow().await.map_err(Error::no_connection)
    }

    /// How many connections can have died while they were idle.
    pub(crate) fn max_connections(&self) -> u32 {
        self.shared.connections.limits().most
    }

    pub(crate) fn wording(&self) -> &Arc<Wording> {
        &self.shared.wording
    }

    pub(crate) fn link(&self) -> Link {
        self.shared.link
    }

    /// Connections of its own to the same database, for the runtime that this is called in.
    #[cfg(feature = "queue")]
    pub(crate) fn sibling(&self, max_connections: u32) -> RlsPool {
        let connections = self.shared.connections.sibling(max_connections);
        let shared = Shared { connections, wording: Arc::clone(&self.shared.wording), link: self.shared.link };
        RlsPool { shared: Arc::new(shared) }
    }

    /// Whether a session stays the same: a statement that is prepared by name is found again, and notifications arrive.
    #[cfg(feature = "queue")]
    pub(crate) fn keeps_sessions(&self) -> bool {
        self.shared.link == Link::Direct
    }

    /// For a connection that is not used for scopes.
    #[cfg(feature = "queue")]
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.shared.connections.options().clone()
    }
}

impl Default for RlsPoolOptions {
    fn default() -> RlsPoolOptions {
        RlsPoolOptions::new()
    }
}

impl RlsPoolOptions {
    /// Ten connections, the setting `app.tenant_id`, the column `tenant_id`.
    pub fn new() -> RlsPoolOptions {
        RlsPoolOptions {
            limits: Limits::default(),
            tenant_setting: "app.tenant_id".to_owned(),
            tenant_column: "tenant_id".to_owned(),
            link: Link::Direct,
            role_check: RoleCheck::Refuse,
        }
    }

    /// Open at most so many connections.
    pub fn max_connections(mut self, connections: u32) -> RlsPoolOptions {
        self.limits.most = connections;
        self
    }

    /// Keep at least so many connections open.
    pub fn min_connections(mut self, connections: u32) -> RlsPoolOptions {
        self.limits.least = connections;
        self
    }

    /// Wait no longer for a connection.
    pub fn acquire_timeout(mut self, timeout: Duration) -> RlsPoolOptions {
        self.limits.patience = timeout;
        self
    }

    /// Close connections that were idle for longer; `None` keeps them.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> RlsPoolOptions {
        self.limits.idle = timeout.into();
        self
    }

    /// Close connections that are older; `None` keeps them.
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> RlsPoolOptions {
        self.limits.age = lifetime.into();
        self
    }

    /// Name the setting that the policies read the tenant from, `app.tenant_id` otherwise.
    pub fn tenant_setting(mut self, setting: impl Into<String>) -> RlsPoolOptions {
        self.tenant_setting = setting.into();
        self
    }

    /// Name the column that makes a table a tenant's, `tenant_id` otherwise. Only the check of the role uses it.
    pub fn tenant_column(mut self, column: impl Into<String>) -> RlsPoolOptions {
        self.tenant_column = column.into();
        self
    }

    /// Between this pool and the server is a PgBouncer, or the like, in transaction mode.
    ///
    /// Nothing is then prepared by name, for the next message may reach another session of the server.
    /// Every statement is parsed each time, at the price of a round trip.
    pub fn behind_transaction_pooler(mut self) -> RlsPoolOptions {
        self.link = Link::TransactionPooler;
        self
    }

    /// Warn, and do not refuse, when the role could get past the policies.
    ///
    /// For a developer's own machine, where there is only the superuser.
    /// In a build without debug assertions it still refuses, unless the server is on the same machine.
    pub fn dangerously_accept_any_role_for_local_development(mut self) -> RlsPoolOptions {
        self.role_check = RoleCheck::WarnInLocalDevelopment;
        self
    }

    /// Check the role, and connect to the server that the URL names.
    pub async fn connect(self, url: &str) -> Result<RlsPool, Error> {
        let options = url.parse().map_err(|error: sqlx::Error| Error::Configuration(error.to_string()))?;
        self.connect_with(options).await
    }

    /// Check the role, and connect.
    pub async fn connect_with(self, options: PgConnectOptions) -> Result<RlsPool, Error> {
        if !is_setting_name(&self.tenant_setting) {
            let message =
                format!("`{}` is no name for a tenant setting, use one such as `app.tenant_id`", self.tenant_setting);
            return Err(Error::Configuration(message));
        }
        let role = self.check_role(&options).await?;
        let wording = Arc::new(Wording::new(self.tenant_setting, role, self.link));
        let connections = Connections::new(options, wording.greeting.clone(), self.limits);
        let shared = Shared { connections, wording, link: self.link };
        Ok(RlsPool { shared: Arc::new(shared) })
    }

    /// On a connection of its own, so that the pool starts without a history. Returns the role.
    async fn check_role(&self, options: &PgConnectOptions) -> Result<String, Error> {
        let mut connection = options.connect().await.map_err(Error::no_connection)?;
        let server = inspect_role(&mut connection, &self.tenant_setting, &self.tenant_column).await;
        let Inspected { role, problems, server_is_local } = server.map_err(Error::Unavailable)?;
        connection.close().await.ok();
        let tolerated =
            self.role_check == RoleCheck::WarnInLocalDevelopment && (cfg!(debug_assertions) || server_is_local);
        if problems.is_empty() {
            return Ok(role);
        }
        let refused = RoleProblems { problems };
        if tolerated {
            tracing::warn!("{refused}; accepted for local development only");
            return Ok(role);
        }
        Err(Error::RoleRefused(refused))
    }
}

/// It is written into statements, so nothing but plain names may pass.
fn is_setting_name(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.contains('.') && name.len() < 64 && name.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_names() {
        for good in ["app.tenant_id", "a.b.c", "_x.Y1"] {
            assert!(is_setting_name(good), "{good}");
        }
        for bad in ["", "tenant", "app.", ".x", "app.1x", "app.t'; --", "app.tenant id", "app.tenant\u{e9}"] {
            assert!(!is_setting_name(bad), "{bad}");
        }
    }
}
