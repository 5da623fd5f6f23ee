//! Four eyes: one proposes, another releases.

/// Whether two take part in a run: `released_by` releases what `proposed_by` proposed. `None` is background work, which is
/// nobody: its proposal may be released by anybody, but it cannot be the second who looks at somebody's.
#[must_use]
pub fn two_agree(proposed_by: Option<&str>, released_by: Option<&str>) -> bool {
    released_by.is_some() && proposed_by != released_by
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn background_work_proposes_but_does_not_look() {
        assert!(two_agree(None, Some("clerk")));
        assert!(!two_agree(Some("clerk"), None));
        assert!(!two_agree(None, None));
    }

    proptest! {
        #[test]
        fn nobody_releases_what_they_proposed(one in "[a-z]{1,4}", other in "[a-z]{1,4}") {
            prop_assert!(!two_agree(Some(&one), Some(&one)));
            prop_assert_eq!(two_agree(Some(&one), Some(&other)), one != other);
        }
    }
}
