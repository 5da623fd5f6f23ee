//! Nothing leaves by accident.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::message::mailbox;
use crate::{Channel, Message, Refusal, SendError};

/// Who gets messages. Without any setting, everybody whom they are for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Every message goes to this address, and nowhere else; its subject says which one it would have been. The
    /// allowlist is then not asked.
    pub redirect_to: Option<String>,
    /// If not empty: addresses (`ann@example.com`) and domains (`@example.com`, without those below it) that get
    /// messages; nobody else does. Case does not matter.
    pub allow: Vec<String>,
}

/// A setting that is neither an address nor a domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not an e-mail address")]
pub struct GuardError(String);

/// Stands in front of a channel and decides who gets messages.
pub struct Guard {
    channel: Arc<dyn Channel>,
    redirect_to: Option<String>,
    /// Lower case.
    allow: Vec<String>,
}

impl Guard {
    /// A guard in front of a channel.
    ///
    /// # Errors
    ///
    /// See [`GuardError`]: it names the setting.
    pub fn new(channel: Arc<dyn Channel>, config: &GuardConfig) -> Result<Self, GuardError> {
        if let Some(address) = &config.redirect_to {
            mailbox(address).ok_or_else(|| GuardError("redirect_to".to_owned()))?;
        }
        for (index, entry) in config.allow.iter().enumerate() {
            let address = if entry.starts_with('@') {
                format!("x{entry}")
            } else {
                entry.clone()
            };
            // With a name it would never match.
            let bare = mailbox(&address).is_some_and(|it| it.name.is_none());
            if !bare {
                return Err(GuardError(format!("allow[{index}]")));
            }
        }
        Ok(Self {
            channel,
            redirect_to: config.redirect_to.clone(),
            allow: config
                .allow
                .iter()
                .map(|entry| entry.trim().to_lowercase())
                .collect(),
        })
    }

    fn allows(&self, to: &str) -> bool {
        if self.allow.is_empty() {
            return true;
        }
        let Some(mailbox) = mailbox(to) else {
            return false;
        };
        let address = mailbox.email.to_string().to_lowercase();
        let domain = format!("@{}", mailbox.email.domain().to_lowercase());
        self.allow
            .iter()
            .any(|entry| *entry == address || *entry == domain)
    }
}

#[async_trait]
impl Channel for Guard {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        if let Some(redirect_to) = &self.redirect_to {
            let redirected = Message {
                to: redirect_to.clone(),
                subject: format!("[{}] {}", message.message_id, message.subject),
                ..message.clone()
            };
            return self.channel.send(&redirected).await.map_err(not_debtors);
        }
        if !self.allows(&message.to) {
            return Err(SendError::refused(Refusal::Guard, "not on the allowlist"));
        }
        self.channel.send(message).await
    }

    fn at_once(&self) -> u16 {
        self.channel.at_once()
    }
}

/// A refused address that we chose is ours to mend, and says nothing about the debtor's.
fn not_debtors(error: SendError) -> SendError {
    match error {
        SendError::Refused {
            cause: Refusal::Address,
            reason,
        } => SendError::NotSent(format!("redirect_to: {reason}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::testing::message;

    /// Keeps what it is given.
    #[derive(Default)]
    struct Drawer(Mutex<Vec<Message>>);

    #[async_trait]
    impl Channel for Drawer {
        async fn send(&self, message: &Message) -> Result<(), SendError> {
            self.0.lock().unwrap().push(message.clone());
            Ok(())
        }
    }

    fn guarded(
        redirect_to: Option<&str>,
        allow: &[&str],
    ) -> (Arc<Drawer>, Result<Guard, GuardError>) {
        let drawer = Arc::new(Drawer::default());
        let config = GuardConfig {
            redirect_to: redirect_to.map(str::to_owned),
            allow: allow.iter().map(|&it| it.to_owned()).collect(),
        };
        (drawer.clone(), Guard::new(drawer, &config))
    }

    #[tokio::test]
    async fn a_redirected_message_goes_to_one_address_and_says_which_one_it_is() {
        let (drawer, guard) = guarded(Some("tester@example.com"), &["@elsewhere.example"]);
        let sent = guard.unwrap().send(&message("n-1@example.com")).await;
        assert_eq!(sent, Ok(()));
        let kept = drawer.0.lock().unwrap();
        assert_eq!(kept[0].to, "tester@example.com");
        assert_eq!(kept[0].subject, "[n-1@example.com] Mahnung");
        assert_eq!(kept[0].message_id, "n-1@example.com");
    }

    /// Answers the same to everything.
    struct Wall(SendError);

    #[async_trait]
    impl Channel for Wall {
        async fn send(&self, _: &Message) -> Result<(), SendError> {
            Err(self.0.clone())
        }
    }

    #[tokio::test]
    async fn a_refused_redirect_address_is_not_the_debtors() {
        let config = GuardConfig {
            redirect_to: Some("tester@example.com".to_owned()),
            allow: Vec::new(),
        };
        let through = async |answer: SendError, config: &GuardConfig| {
            let guard = Guard::new(Arc::new(Wall(answer)), config).unwrap();
            guard.send(&message("n-1@example.com")).await.unwrap_err()
        };
        let address = SendError::refused(Refusal::Address, "recipient: answer 550");
        assert_eq!(
            through(address.clone(), &config).await,
            SendError::NotSent("redirect_to: recipient: answer 550".to_owned())
        );
        let plain = GuardConfig::default();
        assert_eq!(through(address.clone(), &plain).await, address);
        for other in [
            SendError::refused(Refusal::Message, "text: answer 554"),
            SendError::NotSent("connection: answer 421".to_owned()),
            SendError::Uncertain("text: connection lost".to_owned()),
        ] {
            assert_eq!(through(other.clone(), &config).await, other);
        }
    }

    #[tokio::test]
    async fn only_listed_addresses_and_domains_get_messages() {
        let (drawer, guard) = guarded(None, &["ann@example.com", "@Friends.example"]);
        let guard = guard.unwrap();
        let cases = [
            ("ann@example.com", true),
            ("Ann <ANN@Example.com>", true),
            ("anybody@friends.example", true),
            ("bob@example.com", false),
            ("joann@example.com", false),
            ("x@sub.friends.example", false),
            ("x@notfriends.example", false),
            ("\"@friends.example\" <x@evil.example>", false),
            ("nobody", false),
        ];
        for (to, allowed) in cases {
            let sent = guard
                .send(&Message {
                    to: to.into(),
                    ..message("n-1@example.com")
                })
                .await;
            let refused = SendError::refused(Refusal::Guard, "not on the allowlist");
            assert_eq!(sent, if allowed { Ok(()) } else { Err(refused) }, "{to}");
        }
        assert_eq!(drawer.0.lock().unwrap().len(), 3);
    }

    #[test]
    fn a_setting_that_is_no_address_is_named() {
        let refused = |redirect, allow: &[&str]| {
            guarded(redirect, allow)
                .1
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(
            refused(Some("x"), &[]).unwrap(),
            "redirect_to is not an e-mail address"
        );
        assert_eq!(
            refused(None, &["@a.example", "b"]).unwrap(),
            "allow[1] is not an e-mail address"
        );
        assert!(refused(None, &["Ann <ann@example.com>"]).is_some());
        assert_eq!(refused(None, &[]), None);
    }
}
