//! The public keys of an issuer.

use jsonwebtoken::{
    AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};

/// Largest key set, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 1024 * 1024;
/// Most keys of one issuer.
const MAX_KEYS: usize = 256;

/// A key that may have signed a token.
pub(crate) struct Key {
    id: Option<String>,
    /// The algorithm that the set names for the key, if it names one.
    algorithm: Option<String>,
    pub(crate) key: DecodingKey,
}

impl Key {
    /// Whether the set allows the key to be used with the algorithm of this name.
    pub(crate) fn allows(&self, algorithm: &str) -> bool {
        self.algorithm.as_deref().is_none_or(|own| own == algorithm)
    }
}

/// The public keys of an issuer.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads a JSON Web Key Set (RFC 7517). Keys for encryption, shared secrets and keys of unknown kinds are left out.
    ///
    /// # Errors
    /// If the text is no key set, or has no key that could sign.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_KEY_SET_BYTES {
            return Err(format!("has more than {MAX_KEY_SET_BYTES} bytes"));
        }
        let set: JwkSet = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let keys: Vec<Key> = set.keys.iter().filter_map(usable).collect();
        match keys.len() {
            0 => Err("has no public key that could have signed a token".to_owned()),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(format!("has more than {MAX_KEYS} keys")),
        }
    }

    /// The key named by a token; a token that names none can only mean the only one.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match id {
            Some(id) => self.0.iter().find(|key| key.id.as_deref() == Some(id)),
            None => match self.0.as_slice() {
                [only] => Some(only),
                _ => None,
            },
        }
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    let signs = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let is_public = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => true,
        AlgorithmParameters::EllipticCurve(curve) => {
            matches!(curve.curve, EllipticCurve::P256 | EllipticCurve::P384)
        }
        AlgorithmParameters::OctetKeyPair(pair) => matches!(pair.curve, EllipticCurve::Ed25519),
        _ => false,
    };
    if !signs || !is_public {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    if key.family() == AlgorithmFamily::Hmac {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        algorithm: jwk
            .common
            .key_algorithm
            .map(|algorithm| algorithm.to_string()),
        key,
    })
}
