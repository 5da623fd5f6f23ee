//! Consistency tokens: "this read must contain that write".

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A position in the history of one service's database: everything up to and including transaction `tx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// The service that wrote, for example `registry`.
    pub service: String,
    /// The incarnation of its database.
    pub incarnation: String,
    /// The transaction.
    pub tx: i64,
}

impl ConsistencyToken {
    /// The opaque text that callers carry.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}|{}|{}", self.service, self.incarnation, self.tx))
    }

    /// Reads a token; `None` if it is not one.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > 256 {
            return None;
        }
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = decoded.split('|');
        let token = Self {
            service: parts.next()?.to_owned(),
            incarnation: parts.next()?.to_owned(),
            tx: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_round_trip() {
        let token = ConsistencyToken {
            service: "registry".to_owned(),
            incarnation: "0199".to_owned(),
            tx: i64::MAX,
        };
        assert_eq!(ConsistencyToken::decode(&token.encode()), Some(token));
    }

    #[test]
    fn garbage_is_not_a_token() {
        for text in ["", "%%%", "cmVnaXN0cnk", &"A".repeat(1000)] {
            assert_eq!(ConsistencyToken::decode(text), None);
        }
    }
}
