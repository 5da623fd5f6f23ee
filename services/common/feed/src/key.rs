//! Partitions and lock keys: hashes that every service and every replica computes alike.

use sha2::{Digest, Sha256};

/// Number of partitions of a feed.
pub const PARTITIONS: i64 = 64;

/// The partition of facts that belong to a creditor as a whole.
pub const CREDITOR_LEVEL: i64 = -1;

/// The partition of a debtor, 0 to 63: the first 8 bytes, big endian, of SHA-256 over creditor id, a zero byte and
/// debtor id, modulo 64. An empty debtor id means a fact of the creditor.
#[must_use]
pub fn partition(creditor_id: &str, debtor_id: &str) -> i64 {
    if debtor_id.is_empty() {
        return CREDITOR_LEVEL;
    }
    let hash = hash(&[creditor_id.as_bytes(), &[0], debtor_id.as_bytes()]);
    i64::try_from(hash % PARTITIONS.unsigned_abs()).unwrap_or(0)
}

/// The advisory lock of a creditor.
pub(crate) fn creditor_lock(creditor_id: &str) -> i64 {
    hash(&[b"creditor", &[0], creditor_id.as_bytes()]).cast_signed()
}

/// The advisory lock of a debtor.
pub(crate) fn debtor_lock(creditor_id: &str, debtor_id: &str) -> i64 {
    hash(&[
        b"debtor",
        &[0],
        creditor_id.as_bytes(),
        &[0],
        debtor_id.as_bytes(),
    ])
    .cast_signed()
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let bytes = digest.finalize();
    bytes
        .iter()
        .take(8)
        .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_the_published_ones() {
        // printf 'acme\0d1' | sha256sum | cut -c1-16, modulo 64
        for (creditor, debtor) in [("acme", "d1"), ("acme", "d2"), ("b", "d1")] {
            let part = partition(creditor, debtor);
            assert!((0..PARTITIONS).contains(&part));
        }
        assert_eq!(partition("acme", "d1"), 4);
        assert_eq!(partition("acme", ""), CREDITOR_LEVEL);
    }

    #[test]
    fn ids_do_not_run_into_each_other() {
        assert_ne!(debtor_lock("ab", "c"), debtor_lock("a", "bc"));
        assert_ne!(creditor_lock("a"), debtor_lock("a", ""));
    }
}
