//! What a server says when it says no, and who is at fault.

use std::error::Error as _;
use std::fmt;

use lettre::transport::smtp::Error;

/// A refusal without the words of the server: they often repeat the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    /// The enhanced status code of RFC 3463, if there is one: it tells apart what share a code.
    status: Option<[u16; 3]>,
}

impl Reply {
    /// What an error of lettre was told by the server, if anything.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let code = error.status()?.into();
        let text = error.source().map(ToString::to_string);
        let status = text.as_deref().and_then(status);
        Some(Self { code, status })
    }

    pub(super) fn code(self) -> u16 {
        self.code
    }

    /// Whether the answer to a recipient means the recipient, for good.
    ///
    /// Many servers wait for the recipient before they refuse client, login or sender, Postfix by default. Taken for
    /// the recipient's, such a refusal would mark the addresses of all debtors, so the server has to say that it is.
    pub(super) fn refuses_recipient(self) -> bool {
        self.code >= 500
            && match self.status {
                Some(status) => matches!(status, [5, 1 | 2, _]) && !is_ours(status),
                None => matches!(self.code, 550 | 551 | 553),
            }
    }

    /// Whether the answer to a text means the text, for good.
    pub(super) fn refuses_text(self) -> bool {
        self.code >= 500 && !self.status.is_some_and(is_ours)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "answer {}", self.code)?;
        match self.status {
            Some([class, subject, detail]) => write!(formatter, " {class}.{subject}.{detail}"),
            None => Ok(()),
        }
    }
}

/// Whether a status is about the sender, the login or the way: once somebody has mended that, the same message to the
/// same address may well arrive.
fn is_ours(status: [u16; 3]) -> bool {
    match status {
        // The sender's address. 5.1.0 leaves open whose, but Postfix says it of senders.
        [5, 1, detail] => matches!(detail, 0 | 7 | 8),
        // Exchange: the login may not send as this sender.
        [5, 2, detail] => detail == 252,
        // Routes and quotas.
        [5, 4, _] => true,
        // Authentication: of the login, of the sender's domain (20 to 27), and again Exchange's (60).
        [5, 7, detail] => matches!(detail, 8 | 20..=27 | 60),
        _ => false,
    }
}

/// The status in a text: its first word by RFC 2034; qmail ends with it, as in `(#5.7.1)`.
fn status(text: &str) -> Option<[u16; 3]> {
    let mut words = text.split_whitespace();
    let first = words.next()?.trim_start_matches('#');
    digits(first).or_else(|| digits(words.next_back()?.strip_prefix("(#")?.strip_suffix(')')?))
}

/// Three numbers of at most three digits, parted by dots.
fn digits(word: &str) -> Option<[u16; 3]> {
    let number = |part: &str| {
        let short = part.len() <= 3 && part.bytes().all(|it| it.is_ascii_digit());
        part.parse().ok().filter(|_| short)
    };
    let numbers: Option<Vec<u16>> = word.split('.').map(number).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_numbers_where_servers_put_them() {
        for (text, expected) in [
            ("5.1.1 <ann@example.com>: no such user", Some([5, 1, 1])),
            ("5.7.54 cannot relay", Some([5, 7, 54])),
            ("#5.1.0 Address rejected.", Some([5, 1, 0])),
            ("sorry, no mailbox here (#5.1.1)", Some([5, 1, 1])),
            ("4.2.2", Some([4, 2, 2])),
            ("", None),
            ("no such user", None),
            ("5.1", None),
            ("5.1.1.1 is blocked", None),
            ("5.1.2026 was the last day", None),
            ("5.+1.1", None),
            ("5..1", None),
            ("see RFC 5.1.1", None),
            ("5.1.1@example.com unknown", None),
        ] {
            assert_eq!(status(text), expected, "{text}");
        }
    }
}
