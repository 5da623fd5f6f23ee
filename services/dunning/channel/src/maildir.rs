//! A directory instead of a mail server, for development.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::{Channel, Message, SendError};

/// Delivers into `new/` of a maildir. The file is named by the Message-ID, so a message that is sent again replaces
/// itself, as long as no reader has moved it.
pub struct Maildir {
    path: PathBuf,
    /// Parts sends of the same message that go on at the same time.
    sends: AtomicU64,
}

impl Maildir {
    /// A maildir, made if it is not there.
    ///
    /// # Errors
    ///
    /// The directories cannot be made.
    pub async fn open(path: &Path) -> io::Result<Self> {
        for directory in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(directory)).await?;
        }
        Ok(Self {
            path: path.to_owned(),
            sends: AtomicU64::new(0),
        })
    }

    async fn deliver(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let send = self.sends.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}.{}.{send}", std::process::id());
        let unfinished = self.path.join("tmp").join(unfinished);
        let mut file = fs::File::create(&unfinished).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        let new = self.path.join("new");
        fs::rename(&unfinished, new.join(name)).await?;
        fs::File::open(&new).await?.sync_all().await
    }
}

#[async_trait]
impl Channel for Maildir {
    /// Never uncertain: a repeated send delivers the same file.
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let wire = message.wire()?;
        // The kind of the error only: its text names the path.
        let failed = |error: io::Error| SendError::NotSent(format!("maildir: {}", error.kind()));
        self.deliver(&message.message_id, wire.text.as_bytes())
            .await
            .map_err(failed)
    }

    /// A directory takes many.
    fn at_once(&self) -> u16 {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    fn names(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_message_sent_again_is_delivered_once() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = Maildir::open(directory.path()).await.unwrap();
        let (one, two) = (message("n-1@example.com"), message("n-2@example.com"));
        for message in [&one, &two, &one] {
            assert_eq!(maildir.send(message).await, Ok(()));
        }
        let reopened = Maildir::open(directory.path()).await.unwrap();
        let both = tokio::join!(reopened.send(&one), maildir.send(&one));
        assert_eq!(both, (Ok(()), Ok(())));
        let new = directory.path().join("new");
        assert_eq!(names(&new), ["n-1@example.com", "n-2@example.com"]);
        assert!(names(&directory.path().join("tmp")).is_empty());
        let bytes = std::fs::read(new.join("n-1@example.com")).unwrap();
        assert_eq!(bytes, one.wire().unwrap().text.into_bytes());
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_written_was_not_sent() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = Maildir::open(directory.path()).await.unwrap();
        std::fs::remove_dir(directory.path().join("tmp")).unwrap();
        let sent = maildir.send(&message("n-1@example.com")).await;
        assert_eq!(
            sent,
            Err(SendError::NotSent("maildir: entity not found".into()))
        );
    }
}
