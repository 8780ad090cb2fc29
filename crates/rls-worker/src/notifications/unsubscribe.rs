//! Who wants to hear no more of what in, a token that nobody else can make out; and back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rls_runtime::{TenantId, TenantTx};
use sha2::Sha256;
use uuid::Uuid;

use super::templates::Template;

/// What every token is signed over first, so that no other signature under the same key passes for one.
const PURPOSE: &[u8] = b"rls-worker unsubscribe 1\0";

/// Shorter keys can be guessed.
const SHORTEST: usize = 16;

/// What tokens are signed with.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// What a token is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub template: Template,
    /// Who.
    pub recipient: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token at all.
    #[error("this is no token")]
    Malformed,
    /// Somebody else made it, or it was changed.
    #[error("the token was not made here")]
    Forged,
}

impl Key {
    /// Takes a secret of at least 16 bytes.
    ///
    /// # Errors
    /// When it is shorter, in words.
    pub fn new(secret: &str) -> Result<Key, String> {
        match secret.len() >= SHORTEST {
            true => Ok(Key(secret.as_bytes().to_vec())),
            false => Err(format!("the key has fewer than {SHORTEST} bytes")),
        }
    }

    fn mac(&self, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(PURPOSE);
        mac.update(payload);
        Some(mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Subscription {
    /// The token, which goes into a link: the subscription and its signature.
    #[must_use]
    pub fn token(&self, key: &Key) -> String {
        let template = self.template.name().as_bytes();
        let payload =
            [self.tenant.as_uuid().as_bytes().as_slice(), template, b"\0", self.recipient.as_bytes()].concat();
        let signature = key.mac(&payload).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a token is about, if it was made with this key.
    ///
    /// # Errors
    /// When it was not.
    pub fn read(token: &str, key: &Key) -> Result<Subscription, TokenError> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
        let (payload, signature) = token.trim().split_once('.').ok_or(TokenError::Malformed)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        let mac = key.mac(&payload).ok_or(TokenError::Forged)?;
        mac.verify_slice(&signature).map_err(|_| TokenError::Forged)?;
        let (tenant, rest) = payload.split_first_chunk::<16>().ok_or(TokenError::Malformed)?;
        let rest = std::str::from_utf8(rest).map_err(|_| TokenError::Malformed)?;
        let (template, recipient) = rest.split_once('\0').ok_or(TokenError::Malformed)?;
        let template = template.parse().map_err(|_| TokenError::Malformed)?;
        let tenant = TenantId::new(Uuid::from_bytes(*tenant));
        Ok(Subscription { tenant, template, recipient: recipient.to_owned() })
    }
}

/// Turns the mail of a subscription off in its tenant's scope; says whether it was on.
///
/// # Errors
/// When the database says no.
pub async fn turn_off(tx: &mut TenantTx, subscription: &Subscription) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update notification_preferences set enabled = false
         where template = $1 and user_id = $2 and channel = 'EMAIL' and enabled",
    )
    .bind(subscription.template.name())
    .bind(&subscription.recipient)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(secret: &str) -> Key {
        Key::new(secret).unwrap()
    }

    fn ann() -> Subscription {
        Subscription {
            tenant: TenantId::new(Uuid::from_u128(7)),
            template: Template::TradeCaught,
            recipient: "ann".to_owned(),
        }
    }

    #[test]
    fn a_token_is_read_back_by_its_key_only() {
        let token = ann().token(&key("0123456789abcdef"));
        assert_eq!(Subscription::read(&token, &key("0123456789abcdef")), Ok(ann()));
        assert_eq!(Subscription::read(&token, &key("0123456789abcdeg")), Err(TokenError::Forged));
        assert!(Key::new("short").is_err());
        assert_eq!(format!("{:?}", key("0123456789abcdef")), "Key(..)");
    }

    #[test]
    fn the_signature_of_one_is_none_of_another() {
        let key = key("0123456789abcdef");
        let (ann, bob) = (ann().token(&key), Subscription { recipient: "bob".to_owned(), ..ann() }.token(&key));
        let (payload, signature) = (bob.split_once('.').unwrap().0, ann.split_once('.').unwrap().1);
        assert_eq!(Subscription::read(&format!("{payload}.{signature}"), &key), Err(TokenError::Forged));
        for text in ["", ".", "x.y", "no token", "AAAA."] {
            assert!(Subscription::read(text, &key).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_recipient_survives_and_any_text_is_read_without_a_panic(recipient in "[^\0]{0,40}", text in ".{0,80}") {
            let key = key("0123456789abcdef");
            let subscription = Subscription { recipient, ..ann() };
            let token = subscription.token(&key);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
            prop_assert_eq!(Subscription::read(&token, &key), Ok(subscription));
            prop_assert!(Subscription::read(&text, &key).is_err());
        }
    }
}
