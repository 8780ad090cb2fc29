//! What a guest shows to come in, the guest's own session out.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rls_runtime::{ScopeOptions, TenantId, TenantTx};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::Summary;
use crate::fingerprint;
use crate::schema::GUEST_SETTING;
use crate::table::FileError;
use crate::workers::outcome::LaneError;

/// What a guest shows to come in. Only its hash is on file.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub(super) tenant: TenantId,
    pub(super) session: Uuid,
    secret: String,
}

impl Token {
    /// One that nobody guesses.
    pub(super) fn random(tenant: TenantId) -> Token {
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Token { tenant, session: Uuid::new_v4(), secret }
    }

    /// What is on file of it.
    pub(super) fn hash(&self) -> String {
        fingerprint::of_texts([self.session.to_string().as_str(), &self.secret])
    }

    /// The scope of the guest, which sees the rows of the own session only.
    pub(super) fn scope(&self) -> ScopeOptions {
        ScopeOptions::new().also(GUEST_SETTING, self.session)
    }

    /// What the guest may try, and whether that was done.
    pub(super) async fn session(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> Result<(String, bool), LaneError> {
        let found: Option<(String, bool)> = sqlx::query_as(
            "select lane, summary is not null from guest_sessions where id = $1 and token_hash = $2 and expires_at > $3",
        )
        .bind(self.session)
        .bind(self.hash())
        .bind(now)
        .fetch_optional(&mut **tx)
        .await?;
        Ok(found.ok_or_else(unknown)?)
    }

    /// Keeps what became of the file: of two at once the first.
    pub(super) async fn keep(&self, tx: &mut TenantTx, summary: &Summary, results: &[Value]) -> Result<(), LaneError> {
        let kept = sqlx::query("update guest_sessions set summary = $2 where id = $1 and summary is null")
            .bind(self.session)
            .bind(Json(summary))
            .execute(&mut **tx)
            .await?;
        if kept.rows_affected() == 0 {
            return Err(FileError::new("GUEST_FILE_USED", "another file came at the same time").into());
        }
        sqlx::query(
            "insert into guest_results (guest_session_id, position, result)
             select $1, position, result from jsonb_array_elements($2) with ordinality as r (result, position)",
        )
        .bind(self.session)
        .bind(Json(results))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.tenant.as_uuid().simple(), self.session.simple(), self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("session", &self.session).finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Token, FileError> {
        let mut parts = text.trim().splitn(3, '.');
        let mut id = || Uuid::try_parse(parts.next()?).ok();
        let ids = id().zip(id());
        let secret = parts.next().filter(|secret| !secret.is_empty()).map(str::to_owned);
        let parsed = ids.zip(secret);
        let token = parsed.map(|((tenant, session), secret)| Token { tenant: tenant.into(), session, secret });
        token.ok_or_else(unknown)
    }
}

/// Whoever guesses learns nothing of what was wrong.
fn unknown() -> FileError {
    FileError::new("GUEST_TOKEN_INVALID", "the invitation is not valid, or its time is over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_says_nothing_of_its_secret() {
        let token = Token { tenant: Uuid::from_u128(1).into(), session: Uuid::from_u128(2), secret: "abc".to_owned() };
        assert_eq!(token.to_string().parse::<Token>(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("abc"));
        for text in ["", "a.b.c", "..", &format!("{}.{}.", Uuid::nil(), Uuid::nil())] {
            assert_eq!(text.parse::<Token>().unwrap_err().code, "GUEST_TOKEN_INVALID", "{text}");
        }
    }
}
