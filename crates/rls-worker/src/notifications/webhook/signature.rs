//! A message and a secret in, the signature of Standard Webhooks out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

/// How secrets begin when they are shown.
const PREFIX: &str = "whsec_";

/// What the worker and one endpoint know, and nobody else.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// One that nobody guesses.
    #[must_use]
    pub fn random() -> Secret {
        Secret([Uuid::new_v4(), Uuid::new_v4()].iter().flat_map(|id| *id.as_bytes()).collect())
    }

    /// As libraries for Standard Webhooks take it. It is shown once, and is not for any log.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The value of `webhook-signature`: over the id, the time and the body, so that none of them can be changed.
    #[must_use]
    pub fn sign(&self, id: &str, time: i64, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| {
            let signed = mac.chain_update(format!("{id}.{time}.{body}"));
            STANDARD.encode(signed.finalize().into_bytes())
        });
        format!("v1,{}", mac.unwrap_or_default())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_differ_and_are_not_shown_by_accident() {
        assert_ne!(Secret::random(), Secret::random());
        assert_eq!((format!("{:?}", Secret::random()).as_str(), Secret::random().0.len()), ("Secret(..)", 32));
    }
}
