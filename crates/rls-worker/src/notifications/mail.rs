//! A delivery in, a message as mail servers want it out: text and HTML, who it is from, and how to hear no more of it.

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use rls_runtime::TenantId;

use super::outbox::Delivery;
use super::unsubscribe::{Key, Subscription};

/// What all messages have in common.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// Who they are from.
    pub from: Mailbox,
    /// Where one click ends a subscription; the token is added as `?token=`.
    pub unsubscribe_url: String,
    /// Where a mail with the token as its subject ends one.
    pub unsubscribe_mail: Option<Address>,
    /// What the tokens are signed with.
    pub key: Key,
}

impl Letterhead {
    /// Writes the message of a delivery: the same delivery again has the same `Message-ID`, so that whoever gets it twice can tell.
    ///
    /// # Errors
    /// When the recipient's address is none, in words.
    pub fn write(&self, delivery: &Delivery) -> Result<Message, String> {
        let to: Address = delivery.address.parse().map_err(|error| format!("ADDRESS_INVALID: {error}"))?;
        let part = |kind: ContentType, body: &str| {
            let encoding = ContentTransferEncoding::QuotedPrintable;
            SinglePart::builder().header(kind).header(encoding).body(body.to_owned())
        };
        let body = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, &delivery.body_text))
            .singlepart(part(ContentType::TEXT_HTML, &delivery.body_html));
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&delivery.subject)
            .date(delivery.created_at.into())
            .message_id(Some(self.message_id(delivery)))
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
        let builder = match self.unsubscribe(delivery) {
            Some(links) => builder
                .raw_header(header("List-Unsubscribe", links))
                .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())),
            None => builder,
        };
        builder.multipart(body).map_err(|error| format!("MESSAGE_INVALID: {error}"))
    }

    /// Made of what makes the delivery the only one of its kind.
    fn message_id(&self, delivery: &Delivery) -> String {
        format!("<{}@{}>", delivery.key_hash(), self.from.email.domain())
    }

    /// The links of RFC 8058: one click, or one mail.
    fn unsubscribe(&self, delivery: &Delivery) -> Option<String> {
        let template = delivery.template.parse().ok()?;
        let tenant = TenantId::new(delivery.tenant_id);
        let token = Subscription { tenant, template, recipient: delivery.recipient.clone() }.token(&self.key);
        let click = format!("<{}?token={token}>", self.unsubscribe_url);
        Some(match &self.unsubscribe_mail {
            Some(address) => format!("{click},\r\n <mailto:{address}?subject={token}>"),
            None => click,
        })
    }
}

/// A header that goes out as it is: links must not be folded or encoded.
fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}
