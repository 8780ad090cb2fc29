//! One message in, whether it got through out.

use std::path::{Path, PathBuf};

use super::engine::Delivery;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// It got through.
    Sent,
    /// It may get through later.
    Deferred(String),
    /// It never will.
    Failed(String),
}

/// How messages go out.
#[derive(Debug, Clone)]
pub enum Transport {
    /// As files of a folder, one text and one HTML per message, to look at.
    Files(PathBuf),
}

impl Transport {
    /// Sends a message.
    pub async fn send(&self, delivery: &Delivery) -> Sending {
        match self {
            Transport::Files(folder) => match write(folder, delivery).await {
                Ok(()) => Sending::Sent,
                Err(error) => Sending::Deferred(format!("{}: {error}", folder.display())),
            },
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
