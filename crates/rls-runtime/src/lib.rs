#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod tenant;

mod binding;
mod connections;
mod error;
mod handle;
mod options;
mod pool;
mod role;
mod scope;
mod session;
mod slot;

pub mod bulk;
pub mod migrate;
pub mod policy;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "verify")]
pub mod verify;
#[cfg(feature = "queue")]
pub mod worker;

#[cfg(feature = "testing")]
pub mod testing;

pub use error::Error;
pub use handle::{Savepoint, TenantConn, TenantTx};
pub use options::{Isolation, Retry, ScopeOptions};
pub use pool::{RlsPool, RlsPoolOptions};
pub use role::{RoleProblem, RoleProblems};
pub use scope::{with_tenant, with_tenant_opts, with_tenant_retry};
pub use tenant::{ParseTenantIdError, TenantId};

/// The guide is run with the other examples, so that it cannot lie.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/from-unscoped-pool-to-force.md")]
struct Guide;
