//! One message in, whether it got through out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outbox::Delivery;
use super::smtp::Smtp;
use super::webhook::Webhooks;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// It got through.
    Sent,
    /// It did not, and may get through later.
    Deferred(String),
    /// It did not, and never will.
    Failed(String),
    /// It did not, and whoever was to get it wants no more of any.
    Gone(String),
    /// The connection was lost after the message and before the answer: it may have got through.
    Unknown(String),
}

/// How messages go out, each kind its own way.
#[derive(Debug, Clone)]
pub struct Transport {
    /// How mail does.
    pub mail: Mail,
    /// How the messages of webhooks do.
    pub webhooks: Posts,
}

/// How mail goes out.
#[derive(Debug, Clone)]
pub enum Mail {
    /// As files of a folder, one text and one HTML per message, to look at.
    Files(PathBuf),
    /// Through a mail server.
    Smtp(Arc<Smtp>),
}

/// How the messages of webhooks go out.
#[derive(Debug, Clone)]
pub enum Posts {
    /// As files of a folder, one JSON per message, to look at.
    Files(PathBuf),
    /// To their endpoints.
    Http(Arc<Webhooks>),
}

impl Transport {
    /// Nothing leaves the machine: everything is files of a folder.
    #[must_use]
    pub fn files(folder: &Path) -> Transport {
        Transport { mail: Mail::Files(folder.to_owned()), webhooks: Posts::Files(folder.to_owned()) }
    }

    /// Sends a message.
    pub async fn send(&self, delivery: &Delivery) -> Sending {
        match (delivery.channel.as_str(), &self.mail, &self.webhooks) {
            ("WEBHOOK", _, Posts::Http(webhooks)) => webhooks.send(delivery).await,
            ("WEBHOOK", _, Posts::Files(folder)) => {
                let json = delivery.body_json.as_ref().map(|body| format!("{body:#}\n")).unwrap_or_default();
                write(folder, delivery, &[("json", &json)]).await
            }
            (_, Mail::Smtp(server), _) => server.send(delivery).await,
            (_, Mail::Files(folder), _) => {
                let Delivery { address, subject, body_text, body_html, .. } = delivery;
                let text = format!("To: {address}\nSubject: {subject}\n\n{body_text}");
                write(folder, delivery, &[("txt", &text), ("html", body_html)]).await
            }
        }
    }
}

/// The same message again is the same file.
async fn write(folder: &Path, delivery: &Delivery, files: &[(&str, &str)]) -> Sending {
    let written = async {
        tokio::fs::create_dir_all(folder).await?;
        for (end, content) in files {
            let name = format!("{}-{}.{end}", delivery.template, delivery.id);
            tokio::fs::write(folder.join(name), content).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    match written.await {
        Ok(()) => Sending::Sent,
        Err(error) => Sending::Deferred(format!("{}: {error}", folder.display())),
    }
}
