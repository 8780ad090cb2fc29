//! The tenant id: a UUID that is not just any UUID.

use std::fmt;
use std::str::FromStr;

use sqlx::Postgres;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use uuid::Uuid;

/// The id of a tenant.
///
/// A UUID, so that nothing can be injected through it, and a type of its own, so that a user id cannot be passed for it.
///
/// ```
/// use rls_runtime::TenantId;
///
/// let tenant: TenantId = "6f1d8a52-3c1e-4a7b-9a52-0d5c1c0a7e11".parse()?;
/// assert_eq!(tenant.to_string(), "6f1d8a52-3c1e-4a7b-9a52-0d5c1c0a7e11");
/// assert!("x'; DROP TABLE orders; --".parse::<TenantId>().is_err());
/// # Ok::<(), rls_runtime::ParseTenantIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Uuid);

/// The text is not the UUID of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant id: {0}")]
pub struct ParseTenantIdError(uuid::Error);

impl TenantId {
    /// Name a tenant by its UUID.
    pub const fn new(id: Uuid) -> TenantId {
        TenantId(id)
    }

    /// The UUID.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TenantId {
    fn from(id: Uuid) -> TenantId {
        TenantId(id)
    }
}

impl From<TenantId> for Uuid {
    fn from(tenant: TenantId) -> Uuid {
        tenant.0
    }
}

impl FromStr for TenantId {
    type Err = ParseTenantIdError;

    fn from_str(text: &str) -> Result<TenantId, ParseTenantIdError> {
        Uuid::try_parse(text).map(TenantId).map_err(ParseTenantIdError)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({self})")
    }
}

impl sqlx::Type<Postgres> for TenantId {
    fn type_info() -> PgTypeInfo {
        <Uuid as sqlx::Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for TenantId {
    fn array_type_info() -> PgTypeInfo {
        <Uuid as PgHasArrayType>::array_type_info()
    }
}

impl sqlx::Encode<'_, Postgres> for TenantId {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <Uuid as sqlx::Encode<'_, Postgres>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> sqlx::Decode<'r, Postgres> for TenantId {
    fn decode(value: PgValueRef<'r>) -> Result<TenantId, BoxDynError> {
        <Uuid as sqlx::Decode<'r, Postgres>>::decode(value).map(TenantId)
    }
}
