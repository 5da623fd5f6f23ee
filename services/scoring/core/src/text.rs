//! Sentences for people, in English, German and Dutch.

mod dutch;
mod english;
mod german;
mod numbers;

use crate::decision::DecisionReason;
use crate::features::Feature;

/// A language there are sentences in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, `en`.
    En,
    /// German, `de`.
    De,
    /// Dutch, `nl`.
    Nl,
}

impl Language {
    /// The language of an ISO 639-1 code, with or without a region (`de`, `de-AT`). English for all others.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        let language = code.split(['-', '_']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("de") {
            Self::De
        } else if language.eq_ignore_ascii_case("nl") {
            Self::Nl
        } else {
            Self::En
        }
    }
}

/// What a feature says about the debtor, in one sentence; `None` is the missing value. A code that is not a feature's
/// (see [`Feature::code`]) yields an empty text.
#[must_use]
pub fn reason_sentence(code: &str, value: Option<i64>, language: Language) -> String {
    let Some(feature) = Feature::from_code(code) else {
        return String::new();
    };
    match language {
        Language::En => english::feature(feature, value),
        Language::De => german::feature(feature, value),
        Language::Nl => dutch::feature(feature, value),
    }
}

/// A reason of a credit decision, in one sentence.
#[must_use]
pub fn decision_sentence(reason: &DecisionReason, language: Language) -> String {
    match language {
        Language::En => english::decision(reason),
        Language::De => german::decision(reason),
        Language::Nl => dutch::decision(reason),
    }
}
