//! Who wants to hear of what in, rows of the tenant out.

use rls_runtime::TenantTx;

use super::templates::Template;

/// How messages reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel<'a> {
    /// As mail to this address.
    Email(&'a str),
    /// As rows that a page shows.
    InApp,
    /// As posts to the endpoint that has the user's name.
    Webhook,
}

/// What of it reaches somebody at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wants {
    /// All of it.
    #[default]
    Everything,
    /// What is worth a look.
    Normal,
    /// What costs money when nobody acts.
    Urgent,
    /// Nothing: digests say how much was held back.
    DigestsOnly,
}

/// Lets a user hear of templates from now on, also of those that were turned off.
///
/// # Errors
/// When the database says no.
pub async fn subscribe(
    tx: &mut TenantTx,
    user: &str,
    channel: Channel<'_>,
    templates: &[Template],
    wants: Wants,
) -> sqlx::Result<()> {
    let (cadence, min_severity) = match wants {
        Wants::Everything => ("IMMEDIATE", "LOW"),
        Wants::Normal => ("IMMEDIATE", "NORMAL"),
        Wants::Urgent => ("IMMEDIATE", "HIGH"),
        Wants::DigestsOnly => ("DIGEST", "LOW"),
    };
    let names: Vec<&str> = templates.iter().map(|template| template.name()).collect();
    let (word, address) = match channel {
        Channel::Email(address) => ("EMAIL", Some(address)),
        Channel::InApp => ("IN_APP", None),
        Channel::Webhook => ("WEBHOOK", None),
    };
    sqlx::query(
        "insert into notification_preferences (user_id, template, channel, address, cadence, min_severity)
         select $1, template, $2, $3, $5, $6 from unnest($4::text[]) as template
         on conflict (tenant_id, user_id, template, channel) do update set (address, cadence, min_severity, enabled)
             = (excluded.address, excluded.cadence, excluded.min_severity, true)",
    )
    .bind(user)
    .bind(word)
    .bind(address)
    .bind(names)
    .bind(cadence)
    .bind(min_severity)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
