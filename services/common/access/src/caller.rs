//! A caller, and the one decision on a call.

use std::collections::BTreeSet;

use mahnwerk_proto::policy::Policy;

use crate::limit::Limits;

/// Parts of a scope: `<service>.<area>.<verb>`.
const SCOPE_PARTS: usize = 3;
/// Stands for anything: a part of a scope, all scopes, all creditors.
pub(crate) const ANY: &str = "*";

/// Somebody who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What the audit trail and the log call it. Request ids are remembered per name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Whose things it may see and change.
    pub creditors: Creditors,
    /// How often it may call.
    pub limits: Limits,
}

/// Why a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It lacks the scope, or the method declares none.
    ScopeMissing,
    /// Not this creditor, or not all creditors.
    CreditorNotAllowed,
}

impl Caller {
    /// Whether the caller may call a method with this policy at all. `names_creditor`: requests of the method name a
    /// creditor, which is to be held against [`Caller::creditors`] then.
    ///
    /// # Errors
    /// Why not.
    pub fn may_call(&self, policy: Option<&Policy>, names_creditor: bool) -> Result<(), Refusal> {
        let policy = policy.ok_or(Refusal::ScopeMissing)?;
        if !self.scopes.iter().any(|scope| scope.covers(&policy.scope)) {
            return Err(Refusal::ScopeMissing);
        }
        let concerns_all = !names_creditor && !policy.without_creditor;
        if concerns_all && self.creditors != Creditors::All {
            return Err(Refusal::CreditorNotAllowed);
        }
        Ok(())
    }
}

/// Whose things a caller may see and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creditors {
    /// Everybody's.
    All,
    /// Theirs.
    Only(BTreeSet<String>),
}

impl Creditors {
    /// From ids, among which `*` stands for all.
    pub fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let ids: BTreeSet<String> = ids.into_iter().collect();
        if ids.contains(ANY) {
            Self::All
        } else {
            Self::Only(ids)
        }
    }

    /// Whether this creditor is among them.
    #[must_use]
    pub fn contain(&self, creditor_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(creditor_id),
        }
    }
}

/// A scope that a caller holds: `registry.debtor.read`, with `*` for any part, or `*` alone for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Reads a scope.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        let is_part = |part: &String| {
            part == ANY || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        if text == ANY || (parts.len() == SCOPE_PARTS && parts.iter().all(is_part)) {
            Ok(Self(parts))
        } else {
            Err(
                "must be `<service>.<area>.<verb>`, each part in lower case or `*`, or `*`"
                    .to_owned(),
            )
        }
    }

    /// Whether it includes the scope that a method demands.
    #[must_use]
    pub fn covers(&self, demanded: &str) -> bool {
        match self.0.as_slice() {
            [any] => any == ANY,
            parts => {
                let demanded: Vec<&str> = demanded.split('.').collect();
                demanded.len() == parts.len()
                    && parts
                        .iter()
                        .zip(demanded)
                        .all(|(part, demanded)| part == ANY || part == demanded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mahnwerk_proto::common::v1::Idempotency;

    use super::*;

    fn policy(scope: &str, without_creditor: bool) -> Policy {
        Policy {
            scope: scope.to_owned(),
            idempotency: Idempotency::Read,
            without_creditor,
        }
    }

    fn caller(scopes: &[&str], creditors: &[&str]) -> Caller {
        Caller {
            name: "shop".to_owned(),
            scopes: scopes
                .iter()
                .map(|text| Scope::parse(text).unwrap())
                .collect(),
            creditors: Creditors::new(creditors.iter().map(|id| (*id).to_owned())),
            limits: Limits::default(),
        }
    }

    #[test]
    fn a_scope_covers_itself_and_what_its_stars_stand_for() {
        let covers = |held: &str, demanded: &str| Scope::parse(held).unwrap().covers(demanded);
        assert!(covers("registry.debtor.read", "registry.debtor.read"));
        assert!(covers("registry.*.read", "registry.debtor.read"));
        assert!(covers("*.*.*", "registry.debtor.read"));
        assert!(covers("*", "registry.debtor.read"));
        assert!(!covers("registry.debtor.read", "registry.debtor.write"));
        assert!(!covers("registry.*.read", "scoring.score.read"));
        assert!(!covers("registry.*.read", "registry.debtor.write"));
        assert!(!covers("*.*.*", "registry.debtor"));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for text in [
            "",
            "registry",
            "registry.*",
            "a.b.c.d",
            "a..c",
            "A.b.c",
            "a.b*.c",
            "**",
        ] {
            assert!(Scope::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_method_without_policy_is_refused_to_everybody() {
        let everything = caller(&["*"], &["*"]);
        assert_eq!(everything.may_call(None, true), Err(Refusal::ScopeMissing));
    }

    #[test]
    fn what_concerns_all_creditors_is_refused_to_who_may_see_some() {
        let some = caller(&["*"], &["acme"]);
        let all = caller(&["*"], &["acme", "*"]);
        let refused = Err(Refusal::CreditorNotAllowed);
        assert_eq!(some.may_call(Some(&policy("a.b.c", false)), false), refused);
        assert_eq!(some.may_call(Some(&policy("a.b.c", true)), false), Ok(()));
        assert_eq!(some.may_call(Some(&policy("a.b.c", false)), true), Ok(()));
        assert_eq!(all.may_call(Some(&policy("a.b.c", false)), false), Ok(()));
        assert!(some.creditors.contain("acme") && !some.creditors.contain("other"));
        assert!(all.creditors.contain("other"));
    }
}
