//! One message in, whether it got through out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outbox::Delivery;
use super::smtp::Smtp;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// It got through.
    Sent,
    /// It did not, and may get through later.
    Deferred(String),
    /// It did not, and never will.
    Failed(String),
    /// The connection was lost after the message and before the answer: it may have got through.
    Unknown(String),
}

/// How messages go out.
#[derive(Debug, Clone)]
pub enum Transport {
    /// As files of a folder, one text and one HTML per message, to look at.
    Files(PathBuf),
    /// Through a mail server.
    Smtp(Arc<Smtp>),
}

impl Transport {
    /// Sends a message.
    pub async fn send(&self, delivery: &Delivery) -> Sending {
        match self {
            Transport::Files(folder) => match write(folder, delivery).await {
                Ok(()) => Sending::Sent,
                Err(error) => Sending::Deferred(format!("{}: {error}", folder.display())),
            },
            Transport::Smtp(server) => server.send(delivery).await,
        }
    }
}

/// The same message again is the same file.
async fn write(folder: &Path, delivery: &Delivery) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let name = format!("{}-{}", delivery.template, delivery.id);
    let text = format!("To: {}\nSubject: {}\n\n{}", delivery.address, delivery.subject, delivery.body_text);
    tokio::fs::write(folder.join(format!("{name}.txt")), text).await?;
    tokio::fs::write(folder.join(format!("{name}.html")), &delivery.body_html).await
}
