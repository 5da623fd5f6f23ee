//! A message and its form on the wire.

use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MessageId,
};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::{Refusal, SendError};

/// Longest Message-ID: it stays on one line, and is a file name.
const MAX_ID: usize = 200;

/// Longest part of a Message-ID before its `@` that every sender's domain leaves room for.
const MAX_LOCAL: usize = 64;

/// One e-mail to one recipient, as plain text and HTML that say the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The Message-ID without its angle brackets: `local@domain` of letters, digits, `.`, `_` and `-`, at most 200
    /// characters. The same notice keeps it, whoever sends it.
    pub message_id: String,
    /// When it was first about to leave. The same message has the same bytes, whenever it is built.
    pub date: SystemTime,
    /// The creditor: `name@example.com` or `Name <name@example.com>`. Bounces go there.
    pub from: String,
    /// The recipient, in the same form.
    pub to: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// An HTML page.
    pub html: String,
    /// ISO 639-1 code of what it is written in.
    pub language: String,
}

/// The id and nothing that is about a person.
impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// A message ready to go out.
pub(crate) struct Wire {
    pub(crate) envelope: Envelope,
    /// ASCII, every line ended by CRLF.
    pub(crate) text: String,
}

impl Message {
    /// The bytes of the message: multipart/alternative, everything but ASCII encoded, no dependence on clock or chance.
    pub(crate) fn wire(&self) -> Result<Wire, SendError> {
        let unusable =
            |field: &str| SendError::refused(Refusal::Message, format!("{field} is not usable"));
        if !is_message_id(&self.message_id) {
            return Err(unusable("message id"));
        }
        if self.subject.contains(char::is_control) {
            return Err(unusable("subject"));
        }
        if !is_language(&self.language) {
            return Err(unusable("language"));
        }
        let to = mailbox(&self.to)
            .ok_or_else(|| SendError::refused(Refusal::Address, "not an e-mail address"))?;
        let from = mailbox(&self.from).ok_or_else(|| unusable("sender"))?;
        let reply_to = self
            .reply_to
            .as_deref()
            .map(|it| mailbox(it).ok_or_else(|| unusable("reply address")));
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
            .map_err(|_| unusable("envelope"))?;
        let mut builder = lettre::Message::builder()
            .header(MessageId::from(format!("<{}>", self.message_id)))
            .date(self.date)
            .from(from)
            .to(to)
            .subject(self.subject.clone())
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", &self.language));
        if let Some(reply_to) = reply_to.transpose()? {
            builder = builder.reply_to(reply_to);
        }
        let parts = MultiPart::alternative()
            .boundary(self.boundary())
            .singlepart(part(ContentType::TEXT_PLAIN, &self.text))
            .singlepart(part(ContentType::TEXT_HTML, &self.html));
        let built = builder.multipart(parts).map_err(|_| unusable("message"))?;
        let text = String::from_utf8(built.formatted()).ok();
        let text = text.filter(|text| text.is_ascii() && text.ends_with("\r\n"));
        Ok(Wire {
            envelope,
            text: text.ok_or_else(|| unusable("message"))?,
        })
    }

    /// What parts the two texts: it cannot occur in either, because quoted-printable never has `=_`. At most 70
    /// characters by RFC 2046, of which the first ones of the id make it telling.
    fn boundary(&self) -> String {
        let plain = |sign: &char| sign.is_ascii_alphanumeric();
        let id: String = self.message_id.chars().filter(plain).take(50).collect();
        format!("=_part_{id}")
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder()
        .header(kind)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(text.to_owned())
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A mailbox whose address is ASCII: servers without SMTPUTF8 take no other.
pub(crate) fn mailbox(text: &str) -> Option<Mailbox> {
    if text.contains(char::is_control) {
        return None;
    }
    let mailbox: Mailbox = text.trim().parse().ok()?;
    let address: &str = mailbox.email.as_ref();
    address.is_ascii().then_some(mailbox)
}

/// Whether messages can be sent from an address, with its domain in their ids: ASCII, without a name, and with a domain
/// of letters, digits, `.`, `_` and `-`, at most 135 characters.
#[must_use]
pub fn is_sender(text: &str) -> bool {
    mailbox(text).is_some_and(|mailbox| {
        let address: &str = mailbox.email.as_ref();
        let id = format!("{}@{}", "x".repeat(MAX_LOCAL), mailbox.email.domain());
        // As it was written: then what follows the `@` in the text is the domain.
        address == text && is_message_id(&id)
    })
}

fn is_message_id(id: &str) -> bool {
    let plain = |text: &str| {
        let allowed = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
        text.starts_with(|sign: char| sign.is_ascii_alphanumeric()) && text.chars().all(allowed)
    };
    let halves = id.split_once('@');
    id.len() <= MAX_ID && halves.is_some_and(|(local, domain)| plain(local) && plain(domain))
}

fn is_language(code: &str) -> bool {
    (2..=8).contains(&code.len())
        && code
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || sign == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    fn text(message: &Message) -> String {
        message.wire().unwrap().text
    }

    #[test]
    fn the_same_message_has_the_same_ascii_bytes_with_short_lines() {
        let mut message = message("n-1@example.com");
        message.subject =
            "Zweite Mahnung: für Rechnung R-1, überfällig seit 83 Tagen, bitte größte Eile".into();
        message.text = format!("Grüße\n{}\n.\n..\nEnde\n", "ä".repeat(400));
        let wire = text(&message);
        assert_eq!(wire, text(&message.clone()));
        assert!(wire.is_ascii());
        for line in wire.split("\r\n") {
            assert!(line.len() <= 78, "{line}");
            assert!(!line.contains('\n') && !line.contains('\r'), "{line:?}");
        }
    }

    #[test]
    fn the_headers_say_what_it_is() {
        let mut message = message("n-1@example.com");
        message.from = "Bäckerei Süß <mahnung@suess.example>".into();
        message.reply_to = Some("antwort@suess.example".into());
        let wire = text(&message);
        let (headers, body) = wire.split_once("\r\n\r\n").unwrap();
        for line in [
            "Message-ID: <n-1@example.com>",
            "Auto-Submitted: auto-generated",
            "Content-Language: de",
            "MIME-Version: 1.0",
            "Reply-To: antwort@suess.example",
            "To: debtor@example.com",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
        ] {
            assert!(headers.contains(line), "{line} in {headers}");
        }
        assert!(headers.contains("From: =?utf-8?"), "{headers}");
        assert!(headers.contains("multipart/alternative"), "{headers}");
        let plain = body.find("text/plain; charset=utf-8").unwrap();
        let html = body.find("text/html; charset=utf-8").unwrap();
        assert!(plain < html, "the best alternative comes last");
    }

    #[test]
    fn bounces_go_to_the_sender_and_the_recipient_is_the_one_of_the_message() {
        let envelope = message("n-1@example.com").wire().unwrap().envelope;
        assert_eq!(
            envelope.from().map(AsRef::as_ref),
            Some("creditor@example.com")
        );
        assert_eq!(envelope.to().len(), 1);
    }

    #[test]
    fn a_bad_address_is_the_debtors_and_a_bad_field_is_ours() {
        let cause = |change: fn(&mut Message)| {
            let mut message = message("n-1@example.com");
            change(&mut message);
            match message.wire().map(|_| ()) {
                Err(SendError::Refused { cause, .. }) => Some(cause),
                _ => None,
            }
        };
        let addresses: [fn(&mut Message); 6] = [
            |it| it.to = String::new(),
            |it| it.to = "nobody".into(),
            |it| it.to = "a@b@c.example".into(),
            |it| it.to = "a@example.com\r\nBcc: b@example.com".into(),
            |it| it.to = "a@example.com, b@example.com".into(),
            |it| it.to = "jörg@example.com".into(),
        ];
        for change in addresses {
            assert_eq!(cause(change), Some(Refusal::Address));
        }
        let fields: [fn(&mut Message); 8] = [
            |it| it.from = "x".into(),
            |it| it.reply_to = Some("x".into()),
            |it| it.subject = "a\r\nBcc: b@example.com".into(),
            |it| it.message_id = "a@b>\r\nBcc: <c".into(),
            |it| it.message_id = "../a@b".into(),
            |it| it.message_id = "a".into(),
            |it| it.message_id = format!("{}@b", "a".repeat(200)),
            |it| it.language = "de\r\nX: y".into(),
        ];
        for change in fields {
            assert_eq!(cause(change), Some(Refusal::Message));
        }
    }

    #[test]
    fn a_sender_is_an_address_from_which_messages_can_leave() {
        let domain = |length: usize| format!("a@{}.example", "b".repeat(60) + &".c".repeat(length));
        for (from, expected) in [
            ("mahnung@acme.de", true),
            ("Mahn.ung+1@sub-1.acme.example", true),
            ("o'neill@acme.de", true),
            ("mahnung@xn--mller-kva.de", true),
            (&domain(33), true),
            (&domain(34), false),
            ("", false),
            ("nobody", false),
            ("@acme.de", false),
            ("mahnung@", false),
            ("mahnung@müller.de", false),
            ("jörg@acme.de", false),
            ("Acme<mahnung@acme.de>", false),
            ("Acme <mahnung@acme.de>", false),
            ("<mahnung@acme.de>", false),
            ("mahnung@acme.de, x@acme.de", false),
            (" mahnung@acme.de", false),
            ("mahnung@acme.de ", false),
            ("mahnung@acme.de\n", false),
            ("mahnung@[127.0.0.1]", false),
            ("a@b@acme.de", false),
            ("\"a b\"@acme.de", false),
        ] {
            assert_eq!(is_sender(from), expected, "{from:?}");
            let mut message = message("n-1@example.com");
            from.clone_into(&mut message.from);
            let domain = from.rsplit_once('@').map_or("", |(_, it)| it);
            message.message_id = format!("{}@{domain}", "x".repeat(MAX_LOCAL));
            assert!(!expected || message.wire().is_ok(), "{from:?}");
        }
    }

    #[test]
    fn nothing_about_a_person_is_printed() {
        let printed = format!("{:?}", message("n-1@example.com"));
        assert_eq!(printed, "Message { message_id: \"n-1@example.com\", .. }");
    }
}
