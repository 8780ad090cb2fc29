//! The endpoints of a tenant in its table: where they are, their secrets, and which are turned off.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use rls_runtime::TenantTx;
use serde::Serialize;
use url::{Host, Url};

use super::signature::Secret;

/// The URL of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: String,
}

/// An endpoint as a list shows it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is told of.
    pub templates: Vec<String>,
    /// When it was turned off, if it was.
    pub off_since: Option<DateTime<Utc>>,
    /// Why.
    pub off_because: Option<String>,
}

impl Target {
    /// One that nobody has: the name is reserved.
    ///
    /// # Panics
    /// Never: it is an URL.
    #[must_use]
    pub fn example() -> Target {
        "https://erp.example.com/hook".parse().expect("it is an URL")
    }

    /// Its host, an address of version 6 without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, the usual one if the URL names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Whether nobody on the way can read what it gets.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What the `Host` header names.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// The path with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }

    /// The URL, written as it is always written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

impl FromStr for Target {
    type Err = String;

    /// Reads the URL. What may be secret in it is not repeated.
    fn from_str(text: &str) -> Result<Target, String> {
        let mut url = Url::parse(text).map_err(|_| "write it as `https://example.com/hook`".to_owned())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("an endpoint's URL starts with `https://` or `http://`".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an endpoint's URL has no password: the signature says who sends".to_owned());
        }
        url.set_fragment(None);
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err("an endpoint's URL has a host".to_owned()),
        };
        Ok(Target { url, host })
    }
}

/// Adds an endpoint under a name, and gives the secret that is shown this once.
///
/// One that is there by that name moves to the URL, gets another secret, and is turned on again.
///
/// # Errors
/// When the database says no.
pub async fn put(tx: &mut TenantTx, name: &str, target: &Target) -> sqlx::Result<Secret> {
    let secret = Secret::random();
    sqlx::query(
        "insert into webhook_endpoints (name, url, secret) values ($1, $2, $3)
         on conflict (tenant_id, name) do update set (url, secret, off_since, off_because)
             = (excluded.url, excluded.secret, null, null)",
    )
    .bind(name)
    .bind(target.as_str())
    .bind(&secret)
    .execute(&mut **tx)
    .await?;
    Ok(secret)
}

/// All endpoints.
///
/// # Errors
/// When the database says no.
pub async fn list(tx: &mut TenantTx) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as(
        "select e.name, e.url, e.off_since, e.off_because, array(
             select p.template from notification_preferences p where p.tenant_id = e.tenant_id and p.user_id = e.name
                 and p.channel = 'WEBHOOK' and p.enabled order by p.template) as templates
         from webhook_endpoints e order by e.name",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Removes an endpoint and what it was to be told of; says whether it was there.
///
/// # Errors
/// When the database says no.
pub async fn remove(tx: &mut TenantTx, name: &str) -> sqlx::Result<bool> {
    sqlx::query("delete from notification_preferences where user_id = $1 and channel = 'WEBHOOK'")
        .bind(name)
        .execute(&mut **tx)
        .await?;
    let gone = sqlx::query("delete from webhook_endpoints where name = $1").bind(name).execute(&mut **tx).await?;
    Ok(gone.rows_affected() > 0)
}

/// Turns an endpoint off that wants no more, unless it has moved meanwhile.
///
/// # Errors
/// When the database says no.
pub async fn turn_off(
    tx: &mut TenantTx,
    name: &str,
    url: &str,
    because: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update webhook_endpoints set off_since = $3, off_because = $4
         where name = $1 and url = $2 and off_since is null",
    )
    .bind(name)
    .bind(url)
    .bind(since)
    .bind(because)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_endpoints() {
        let parts = |text: &str| {
            let target: Target = text.parse().unwrap();
            (target.host().to_owned(), target.port(), target.authority().to_owned(), target.path().to_owned())
        };
        let text =
            |parts: (&str, u16, &str, &str)| (parts.0.to_owned(), parts.1, parts.2.to_owned(), parts.3.to_owned());
        assert_eq!(parts("https://Example.com"), text(("example.com", 443, "example.com", "/")));
        assert_eq!(parts("https://example.com/a?b=c#d"), text(("example.com", 443, "example.com", "/a?b=c")));
        assert_eq!(parts("http://[::1]:8080/x"), text(("::1", 8080, "[::1]:8080", "/x")));
        assert_eq!(parts("http://0x7f.1/"), text(("127.0.0.1", 80, "127.0.0.1", "/")), "no other name for an address");
    }

    #[test]
    fn urls_that_are_none_and_are_not_repeated() {
        for url in [
            "",
            "example.com/secret",
            "ftp://example.com/secret",
            "https://u:secret@example.com",
            "https://u@e.com",
            "https://",
        ] {
            let error = url.parse::<Target>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
