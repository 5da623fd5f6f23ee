//! Settings as text without secrets.

use serde::Serialize;
use serde_json::Value;

const HIDDEN: &str = "[redacted]";

/// The settings as TOML. Passwords, secrets and tokens are hidden; of addresses with a password only the password.
#[must_use]
pub fn redacted<S: Serialize>(settings: &S) -> String {
    let mut value = serde_json::to_value(settings).unwrap_or_default();
    redact(&mut value);
    toml::to_string(&value).unwrap_or_else(|_| value.to_string())
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // TOML knows no null; an absent key says the same.
            fields.retain(|_, value| !value.is_null());
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::String(text) => *text = redact_text(name, text),
                    other if is_secret(name) => *other = HIDDEN.into(),
                    other => redact(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "token"]
        .iter()
        .any(|word| name.ends_with(word))
}

fn redact_text(name: &str, text: &str) -> String {
    if is_secret(name) {
        return if text.is_empty() { "" } else { HIDDEN }.to_owned();
    }
    let text = redact_user(text).unwrap_or_else(|| text.to_owned());
    redact_parameter(&text).unwrap_or(text)
}

/// `scheme://user:password@host` anywhere, whatever the key is called.
fn redact_user(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    // A password may hold an unescaped '/' or '?'; then hide too much rather than too little.
    let at = rest[..authority_end]
        .rfind('@')
        .or_else(|| rest.rfind('@'))?;
    let (user, host) = (&rest[..at], &rest[at + 1..]);
    let (user, _password) = user.split_once(':')?;
    Some(format!("{scheme}://{user}:{HIDDEN}@{host}"))
}

/// `…?password=…`.
fn redact_parameter(text: &str) -> Option<String> {
    let start = text.find("password=")? + "password=".len();
    let end = text[start..].find('&').map_or(text.len(), |at| start + at);
    Some(format!("{}{HIDDEN}{}", &text[..start], &text[end..]))
}
