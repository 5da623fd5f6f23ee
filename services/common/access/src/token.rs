//! Whether a token is good, and who it speaks for.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, dangerous::insecure_decode_claims, errors::ErrorKind};
use mahnwerk_proto::is_key;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    caller::{Caller, Creditors, Scope},
    keys::Keys,
    ring_provider,
    table::{Issuer, Table},
};

/// Longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest subject, in bytes: it goes into the audit trail.
const MAX_SUBJECT_BYTES: usize = 512;
/// Most scopes and creditors that a token may claim.
const MAX_CLAIMED: usize = 256;

/// A token that was found to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who calls; shared, because every call takes it.
    pub caller: Arc<Caller>,
    /// Until when, in seconds since 1970, the difference between the clocks granted.
    pub until: u64,
}

/// Why a token is refused. The texts are for the log: they hold nothing of the token but names of issuers and keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not acceptable, now or later.
    #[error("{0}")]
    Invalid(String),
    /// The issuer's keys, the index of which is given, do not include the one named: they may have changed.
    #[error("the key named is not among those of issuer {0}")]
    UnknownKey(usize),
    /// It is expired, or not valid yet.
    #[error("{0}")]
    Expired(&'static str),
    /// It is good, and speaks for nobody who may call.
    #[error("its subject is nobody in the table of callers")]
    Unknown,
}

#[derive(Deserialize)]
struct Addressed {
    iss: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since 1970, possibly with a fraction (RFC 7519, NumericDate).
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

/// Judges a token at `now`, in seconds since 1970. `keys` belong to the issuers of the table, in their order.
///
/// # Errors
/// Why it is refused.
pub fn verify(token: &str, table: &Table, keys: &[&Keys], now: u64) -> Result<Verified, Refused> {
    let invalid = |what: &str| Refused::Invalid(what.to_owned());
    if token.len() > MAX_TOKEN_BYTES {
        return Err(invalid("it is too long"));
    }
    // An unsigned token (`alg` = none) has a header that does not parse.
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| invalid("it is no signed token"))?;
    if header.crit.is_some_and(|names| !names.is_empty()) {
        return Err(invalid("it demands extensions"));
    }
    // Not trusted: it only says whose keys to try.
    let claimed: Addressed =
        insecure_decode_claims(token).map_err(|_| invalid("it names no issuer"))?;
    let (index, issuer) = table
        .issuers
        .iter()
        .enumerate()
        .find(|(_, issuer)| issuer.issuer == claimed.iss)
        .ok_or_else(|| invalid("its issuer is not known"))?;
    if !issuer.algorithms.contains(&header.alg) {
        return Err(invalid("its algorithm is not accepted"));
    }
    let key = keys
        .get(index)
        .and_then(|keys| keys.find(header.kid.as_deref()))
        .ok_or(Refused::UnknownKey(index))?;
    if !key.allows(&format!("{:?}", header.alg)) {
        return Err(invalid("its key is not for its algorithm"));
    }
    ring_provider::install();
    let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation(issuer, header.alg))
        .map_err(|error| not_good(error.kind()))?
        .claims;
    let until = valid_until(&claims, issuer, now)?;
    Ok(Verified {
        caller: caller(table, issuer, &claims)?,
        until,
    })
}

/// Why a token with a known key is refused. What cannot be read is not told: the reader's words repeat it.
fn not_good(kind: &ErrorKind) -> Refused {
    Refused::Invalid(match kind {
        ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            "its claims cannot be read".to_owned()
        }
        kind => format!("{kind:?}"),
    })
}

/// Signature, issuer and audience; times are judged by our own clock.
fn validation(issuer: &Issuer, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_audience(&issuer.audiences);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    validation
}

fn valid_until(claims: &Claims, issuer: &Issuer, now: u64) -> Result<u64, Refused> {
    let skew = f64::from(issuer.clock_skew_s);
    // Exact: these are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = now as f64;
    if claims.nbf.is_some_and(|from| now + skew < from) {
        return Err(Refused::Expired("it is not valid yet"));
    }
    let until = claims.exp + skew;
    if !until.is_finite() || until <= now {
        return Err(Refused::Expired("it is expired"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; saturates far in the future"
    )]
    let until = until as u64;
    Ok(until)
}

/// Who the token speaks for: by the table, or by its claims where the issuer may say so.
fn caller(table: &Table, issuer: &Issuer, claims: &Claims) -> Result<Arc<Caller>, Refused> {
    let subject = &claims.sub;
    if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
        return Err(Refused::Invalid(
            "its subject is empty or too long".to_owned(),
        ));
    }
    if let Some(caller) = table.by_subject(issuer, subject) {
        return Ok(caller.clone());
    }
    if issuer.scopes_claim.is_empty() {
        return Err(Refused::Unknown);
    }
    // Scopes of other systems stand beside ours in the same claim.
    let scopes = texts(claims.others.get(&issuer.scopes_claim))
        .filter_map(|text| Scope::parse(text).ok())
        .take(MAX_CLAIMED)
        .collect();
    let creditors = texts(claims.others.get(&issuer.creditors_claim))
        .filter(|id| *id == crate::caller::ANY || is_key(id))
        .take(MAX_CLAIMED)
        .map(ToOwned::to_owned);
    Ok(Arc::new(Caller {
        name: format!("{}:{subject}", issuer.name),
        scopes,
        creditors: Creditors::new(creditors),
        limits: issuer.limits,
    }))
}

/// The texts of a claim: a list, or one text with spaces between them.
fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = claim.and_then(Value::as_array).into_iter().flatten();
    let line = claim
        .and_then(Value::as_str)
        .into_iter()
        .flat_map(str::split_whitespace);
    list.filter_map(Value::as_str).chain(line)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
