//! The file that names issuers of tokens and callers.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
};

use jsonwebtoken::Algorithm;
use mahnwerk_proto::is_key;
use serde::Deserialize;

use crate::{
    caller::{ANY, Caller, Creditors, Scope},
    limit::Limits,
};

/// Largest file, in bytes.
pub const MAX_TABLE_BYTES: usize = 4 * 1024 * 1024;
/// Most issuers, and most callers.
const MAX_ISSUERS: usize = 32;
const MAX_CALLERS: usize = 10_000;
/// Longest text in it.
const MAX_TEXT: usize = 512;
/// Largest difference between our clock and an issuer's that may be configured, in seconds.
const MAX_CLOCK_SKEW_S: u32 = 300;
/// Names that the audit trail uses for itself.
const RESERVED: [&str; 3] = ["local", "internal", "unknown"];

/// Who makes tokens that are accepted, and who may call.
#[derive(Debug, Default)]
pub struct Table {
    /// Who makes tokens.
    pub issuers: Vec<Issuer>,
    by_subject: BTreeMap<(String, String), Arc<Caller>>,
    by_certificate: BTreeMap<String, Arc<Caller>>,
}

/// Somebody who makes tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What callers in this file and the audit trail call it.
    pub name: String,
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// A token must be meant for one of these (`aud`).
    pub audiences: Vec<String>,
    /// File with its public keys; either this or `jwks_url`.
    #[serde(default)]
    pub jwks_file: String,
    /// Where its public keys are, `https://…`.
    #[serde(default)]
    pub jwks_url: String,
    /// File with the certificates (PEM) that vouch for `jwks_url`, instead of the public ones.
    #[serde(default)]
    pub jwks_ca_file: String,
    /// File with a token to show to `jwks_url`: the API server of Kubernetes demands one.
    #[serde(default)]
    pub jwks_token_file: String,
    /// Algorithms accepted; no shared secrets.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// How far its clock and ours may differ, in seconds, 0 to 300.
    #[serde(default = "default_clock_skew")]
    pub clock_skew_s: u32,
    /// The claim with the scopes of callers that this file does not name, as a list or separated by spaces; empty: callers
    /// have to be named here.
    #[serde(default)]
    pub scopes_claim: String,
    /// The claim with the creditors of such callers, as a list or one text.
    #[serde(default)]
    pub creditors_claim: String,
    /// What limits such callers, each by itself.
    #[serde(default)]
    pub limits: Limits,
}

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

fn default_clock_skew() -> u32 {
    60
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    issuers: Vec<Issuer>,
    #[serde(default)]
    callers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// Name of the issuer of its tokens.
    #[serde(default)]
    issuer: String,
    /// The claim `sub` of its tokens.
    #[serde(default)]
    subject: String,
    /// A name that its certificate states: DNS, or URI as in SPIFFE.
    #[serde(default)]
    certificate: String,
    scopes: Vec<String>,
    creditors: Vec<String>,
    #[serde(default)]
    limits: Limits,
}

impl Table {
    /// Reads the file (TOML).
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        if text.len() > MAX_TABLE_BYTES {
            return Err(vec![format!("has more than {MAX_TABLE_BYTES} bytes")]);
        }
        let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut wrong = Vec::new();
        let mut table = Self::default();
        if file.issuers.len() > MAX_ISSUERS || file.callers.len() > MAX_CALLERS {
            wrong.push(format!(
                "more than {MAX_ISSUERS} issuers or {MAX_CALLERS} callers"
            ));
        }
        for (index, issuer) in file.issuers.iter().enumerate() {
            check_issuer(issuer, &file.issuers[..index], &mut |field, rule| {
                wrong.push(format!("issuers[{index}].{field}: {rule}"));
            });
        }
        let mut places = BTreeMap::new();
        for (index, entry) in file.callers.into_iter().enumerate() {
            // Limits and request ids are kept by name: two callers of one name would use up each other's.
            match places.entry(entry.name.clone()) {
                btree_map::Entry::Occupied(other) => wrong.push(format!(
                    "callers[{index}].name: belongs to callers[{}] as well",
                    other.get()
                )),
                btree_map::Entry::Vacant(place) => {
                    place.insert(index);
                }
            }
            table.add(entry, &file.issuers, &mut |field, rule| {
                wrong.push(format!("callers[{index}].{field}: {rule}"));
            });
        }
        if table.by_subject.is_empty()
            && table.by_certificate.is_empty()
            && file
                .issuers
                .iter()
                .all(|issuer| issuer.scopes_claim.is_empty())
        {
            wrong
                .push("nobody could call: no caller, and no issuer with `scopes_claim`".to_owned());
        }
        table.issuers = file.issuers;
        if wrong.is_empty() {
            Ok(table)
        } else {
            Err(wrong)
        }
    }

    fn add(&mut self, entry: Entry, issuers: &[Issuer], refuse: &mut dyn FnMut(&str, &str)) {
        check_name(&entry.name, &mut |rule| refuse("name", rule));
        let mut scopes = Vec::new();
        for text in &entry.scopes {
            match Scope::parse(text) {
                Ok(scope) => scopes.push(scope),
                Err(rule) => refuse("scopes", &format!("`{text}` {rule}")),
            }
        }
        if entry.creditors.is_empty() {
            refuse("creditors", "must name creditors, or `*` for all");
        }
        if let Some(id) = entry.creditors.iter().find(|id| *id != ANY && !is_key(id)) {
            refuse("creditors", &format!("`{id}` is no creditor's id"));
        }
        entry.limits.check(refuse);
        let caller = Arc::new(Caller {
            name: entry.name,
            scopes,
            creditors: Creditors::new(entry.creditors),
            limits: entry.limits,
        });
        let by_token = !entry.subject.is_empty() || !entry.issuer.is_empty();
        if !by_token && entry.certificate.is_empty() {
            refuse("subject", "needs `issuer` and `subject`, or `certificate`");
        }
        if entry.subject.len() > MAX_TEXT || entry.certificate.len() > MAX_TEXT {
            refuse("subject", "is too long");
        }
        if by_token {
            if !issuers.iter().any(|issuer| issuer.name == entry.issuer) {
                refuse("issuer", "must be the name of an issuer in this file");
            }
            if entry.subject.is_empty() {
                refuse("subject", "must be given with `issuer`");
            }
            let key = (entry.issuer, entry.subject);
            if self.by_subject.insert(key, caller.clone()).is_some() {
                refuse("subject", "belongs to another caller as well");
            }
        }
        if !entry.certificate.is_empty()
            && self
                .by_certificate
                .insert(entry.certificate, caller)
                .is_some()
        {
            refuse("certificate", "belongs to another caller as well");
        }
    }

    /// The caller that a token's subject stands for.
    #[must_use]
    pub fn by_subject(&self, issuer: &Issuer, subject: &str) -> Option<&Arc<Caller>> {
        self.by_subject
            .get(&(issuer.name.clone(), subject.to_owned()))
    }

    /// The caller that a certificate with these names stands for.
    #[must_use]
    pub fn by_certificate<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<&Arc<Caller>> {
        names
            .into_iter()
            .find_map(|name| self.by_certificate.get(name))
    }

    /// Whether any caller is known by a certificate.
    #[must_use]
    pub fn knows_certificates(&self) -> bool {
        !self.by_certificate.is_empty()
    }
}

fn check_issuer(issuer: &Issuer, before: &[Issuer], refuse: &mut dyn FnMut(&str, &str)) {
    check_name(&issuer.name, &mut |rule| refuse("name", rule));
    if before.iter().any(|other| other.name == issuer.name) {
        refuse("name", "belongs to another issuer as well");
    }
    if issuer.issuer.is_empty() || issuer.issuer.len() > MAX_TEXT {
        refuse("issuer", "must have 1 to 512 bytes");
    }
    if before.iter().any(|other| other.issuer == issuer.issuer) {
        refuse("issuer", "belongs to another issuer as well");
    }
    if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
        refuse("audiences", "must name whom tokens are for");
    }
    if issuer.jwks_file.is_empty() == issuer.jwks_url.is_empty() {
        refuse("jwks_file", "give either `jwks_file` or `jwks_url`");
    }
    if !issuer.jwks_url.is_empty() && !issuer.jwks_url.starts_with("https://") {
        refuse("jwks_url", "must begin with https://");
    }
    let mut algorithms = BTreeSet::new();
    for algorithm in &issuer.algorithms {
        let name = format!("{algorithm:?}");
        if name.starts_with("HS") {
            refuse(
                "algorithms",
                &format!("{name} is a shared secret: whoever checks could also sign"),
            );
        }
        algorithms.insert(name);
    }
    if algorithms.is_empty() {
        refuse("algorithms", "must not be empty");
    }
    if issuer.clock_skew_s > MAX_CLOCK_SKEW_S {
        refuse("clock_skew_s", "must be 0 to 300");
    }
    issuer.limits.check(refuse);
    if issuer.scopes_claim.is_empty() != issuer.creditors_claim.is_empty() {
        refuse(
            "creditors_claim",
            "`scopes_claim` and `creditors_claim` go together",
        );
    }
}

fn check_name(name: &str, refuse: &mut dyn FnMut(&str)) {
    if !is_key(name) || RESERVED.contains(&name) {
        refuse(
            "must be 1 to 64 of `A-Za-z0-9._~-`, and neither `local` nor `internal` nor `unknown`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[issuers]]
        name = "cluster"
        issuer = "https://kubernetes.default.svc"
        audiences = ["mahnwerk"]
        jwks_file = "/keys.json"

        [[callers]]
        name = "checkout"
        issuer = "cluster"
        subject = "system:serviceaccount:shop:checkout"
        certificate = "spiffe://example/checkout"
        scopes = ["scoring.decision.write", "scoring.*.read"]
        creditors = ["acme"]
        limits = { requests_per_second = 200 }
    "#;

    #[test]
    fn callers_are_found_by_token_and_by_certificate() {
        let table = Table::parse(GOOD).unwrap();
        let issuer = &table.issuers[0];
        assert_eq!(issuer.clock_skew_s, 60);
        let subject = "system:serviceaccount:shop:checkout";
        let caller = table.by_subject(issuer, subject).unwrap();
        assert_eq!(caller.name, "checkout");
        assert_eq!(caller.limits.requests_per_second, 200);
        let names = ["checkout.shop", "spiffe://example/checkout"];
        assert_eq!(table.by_certificate(names), Some(caller));
        assert_eq!(table.by_subject(issuer, "other"), None);
        assert_eq!(table.by_certificate(["other"]), None);
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let wrong = Table::parse(
            r#"
            [[issuers]]
            name = "local"
            issuer = ""
            audiences = []
            jwks_file = "/keys.json"
            jwks_url = "http://example.com"
            algorithms = ["HS256"]
            clock_skew_s = 301
            scopes_claim = "scope"

            [[callers]]
            name = "a b"
            issuer = "nobody"
            scopes = ["everything"]
            creditors = []
            [[callers]]
            name = "b"
            scopes = []
            creditors = ["a b"]
            "#,
        )
        .unwrap_err();
        for place in [
            "issuers[0].name",
            "issuers[0].issuer",
            "issuers[0].audiences",
            "issuers[0].jwks_file",
            "issuers[0].jwks_url",
            "issuers[0].algorithms",
            "issuers[0].clock_skew_s",
            "issuers[0].creditors_claim",
            "callers[0].name",
            "callers[0].issuer",
            "callers[0].subject",
            "callers[0].scopes",
            "callers[0].creditors",
            "callers[1].subject",
            "callers[1].creditors",
        ] {
            assert!(
                wrong.iter().any(|text| text.starts_with(place)),
                "{place}: {wrong:#?}"
            );
        }
    }

    #[test]
    fn two_callers_of_one_name_are_refused_and_both_places_named() {
        let other = r#"
            [[callers]]
            name = "NAME"
            certificate = "spiffe://example/other"
            scopes = []
            creditors = ["*"]
        "#;
        let with = |name| format!("{GOOD}{}", other.replace("NAME", name));
        assert!(Table::parse(&with("other")).is_ok());
        assert_eq!(
            Table::parse(&with("checkout")).unwrap_err(),
            ["callers[1].name: belongs to callers[0] as well"]
        );
    }

    #[test]
    fn limits_that_would_limit_nothing_are_refused() {
        let typo = GOOD.replace(
            "requests_per_second = 200",
            "requests_per_second = 2000000000",
        );
        assert_eq!(
            Table::parse(&typo).unwrap_err(),
            ["callers[0].limits.requests_per_second: must be 0 to 1000000"]
        );
    }

    #[test]
    fn an_empty_file_and_unknown_fields_are_refused() {
        assert!(Table::parse("").is_err());
        assert!(Table::parse(&GOOD.replace("jwks_file", "jwks_flie")).is_err());
    }
}
