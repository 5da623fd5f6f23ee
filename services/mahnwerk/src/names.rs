//! The values of the protos' enums as words, in tables and arguments: `PAUSE_KIND_STOP_CLOCK` is `stop-clock`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use mahnwerk_proto::policy;
use prost_reflect::EnumDescriptor;

/// The word of a value; empty if it is unspecified or unknown. `name` is the full name of the enum.
pub(crate) fn word(name: &str, number: i32) -> String {
    words(name)
        .into_iter()
        .find(|(value, _)| *value == number)
        .map_or_else(String::new, |(_, word)| word)
}

/// Takes the words of an enum as an argument and gives the number.
pub(crate) fn parser(name: &'static str) -> impl TypedValueParser<Value = i32> {
    let allowed: Vec<PossibleValue> = words(name)
        .into_iter()
        .map(|(_, word)| PossibleValue::new(word))
        .collect();
    PossibleValuesParser::new(allowed).map(move |given| {
        words(name)
            .into_iter()
            .find(|(_, word)| *word == given)
            .map_or(0, |(value, _)| value)
    })
}

/// All values but the unspecified one.
fn words(name: &str) -> Vec<(i32, String)> {
    let Some(descriptor) = policy::pool().get_enum_by_name(name) else {
        return Vec::new();
    };
    let prefix = prefix(&descriptor);
    descriptor
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let own = value.name().trim_start_matches(&prefix);
            (value.number(), own.to_lowercase().replace('_', "-"))
        })
        .collect()
}

/// What all values of an enum begin with, as the unspecified one shows.
fn prefix(descriptor: &EnumDescriptor) -> String {
    let unspecified = descriptor.get_value(0);
    unspecified.map_or_else(String::new, |value| {
        value.name().trim_end_matches("UNSPECIFIED").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use mahnwerk_proto::{dunning::v1::PauseKind, registry::v1::BillingMethod};

    use super::*;

    const PAUSE_KIND: &str = "mahnwerk.dunning.v1.PauseKind";

    #[test]
    fn values_are_shown_without_the_name_of_their_enum() {
        assert_eq!(word(PAUSE_KIND, PauseKind::StopClock.into()), "stop-clock");
        assert_eq!(word(PAUSE_KIND, 0), "");
        assert_eq!(word(PAUSE_KIND, 99), "");
        assert_eq!(
            word(
                "mahnwerk.registry.v1.BillingMethod",
                BillingMethod::EmailPdf.into()
            ),
            "email-pdf"
        );
    }

    #[test]
    fn words_are_read_as_the_values_they_show() {
        let command = clap::Command::new("test");
        let read = |text| {
            parser(PAUSE_KIND)
                .parse_ref(&command, None, OsStr::new(text))
                .ok()
        };
        assert_eq!(read("suppress"), Some(PauseKind::Suppress.into()));
        assert_eq!(read("stop-clock"), Some(PauseKind::StopClock.into()));
        assert_eq!(read("unspecified"), None);
        assert_eq!(read("STOP_CLOCK"), None);
    }
}
