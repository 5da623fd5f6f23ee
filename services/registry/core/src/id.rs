//! Keys chosen by callers.

/// Longest key, in bytes.
const MAX_LENGTH: usize = 64;

/// Whether this can be a key: 1 to 64 of `A-Za-z0-9._~-`.
pub fn valid_key(key: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
    (1..=MAX_LENGTH).contains(&key.len()) && key.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_1_to_64_unreserved_characters() {
        assert!(valid_key("a") && valid_key("R-2026.04_7~x") && valid_key(&"9".repeat(64)));
        assert!(!valid_key("") && !valid_key(&"9".repeat(65)));
        for key in ["a b", "a/b", "ä", "a\n", "a%20", "a:b"] {
            assert!(!valid_key(key), "{key}");
        }
    }
}
