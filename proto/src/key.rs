//! How keys look: ids of things, request ids, names of callers.

/// Longest key, in bytes.
const MAX_BYTES: usize = 64;

/// Whether a text is a key: 1 to 64 of `A-Za-z0-9._~-`.
#[must_use]
pub fn is_key(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_plain() {
        for key in ["a", "A-z_0.9~", &"x".repeat(64)] {
            assert!(is_key(key), "{key}");
        }
        for other in ["", "a b", "a/b", "ä", "a\n", "*", &"x".repeat(65)] {
            assert!(!is_key(other), "{other}");
        }
    }
}
