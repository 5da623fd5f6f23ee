//! The templates, as part of the program.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::format::Language;
use crate::render::RenderError;

/// Keys of the letters that can be rendered, each in every language and tone.
#[must_use]
pub fn template_keys() -> &'static [&'static str] {
    &KEYS
}

/// The letter that asks for nothing any more.
pub(crate) const HANDOVER: &str = "handover";

const KEYS: [&str; 8] = [
    "reminder",
    "courtesy-call",
    "notice",
    "second-notice",
    "final-notice",
    HANDOVER,
    "welcome-reminder",
    "welcome-call",
];

/// The texts of a language: its layout and its letters.
macro_rules! texts {
    ($($language:literal),+) => {
        [$(
            (concat!($language, "/layout.txt"), include_str!(concat!("../templates/", $language, "/layout.txt"))),
            (concat!($language, "/reminder.txt"), include_str!(concat!("../templates/", $language, "/reminder.txt"))),
            (concat!($language, "/courtesy-call.txt"), include_str!(concat!("../templates/", $language, "/courtesy-call.txt"))),
            (concat!($language, "/notice.txt"), include_str!(concat!("../templates/", $language, "/notice.txt"))),
            (concat!($language, "/second-notice.txt"), include_str!(concat!("../templates/", $language, "/second-notice.txt"))),
            (concat!($language, "/final-notice.txt"), include_str!(concat!("../templates/", $language, "/final-notice.txt"))),
            (concat!($language, "/handover.txt"), include_str!(concat!("../templates/", $language, "/handover.txt"))),
            (concat!($language, "/welcome-reminder.txt"), include_str!(concat!("../templates/", $language, "/welcome-reminder.txt"))),
            (concat!($language, "/welcome-call.txt"), include_str!(concat!("../templates/", $language, "/welcome-call.txt"))),
        )+]
    };
}

const TEXTS: [(&str, &str); 27] = texts!("en", "de", "nl");

const LAYOUTS: [(&str, &str); 2] = [
    ("letter.txt", include_str!("../templates/letter.txt")),
    ("letter.html", include_str!("../templates/letter.html")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, String>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    for (name, source) in TEXTS.into_iter().chain(LAYOUTS) {
        environment
            .add_template(name, source)
            .map_err(|error| failure(&error))?;
    }
    Ok(environment)
});

/// The templates, parsed once.
pub(crate) fn environment() -> Result<&'static Environment<'static>, RenderError> {
    ENVIRONMENT
        .as_ref()
        .map_err(|error| RenderError::Template(error.clone()))
}

/// The name of a letter's template.
pub(crate) fn name(language: Language, key: &str) -> Result<String, RenderError> {
    if KEYS.contains(&key) {
        Ok(format!("{}/{key}.txt", language.code()))
    } else {
        Err(RenderError::UnknownTemplate(key.to_owned()))
    }
}

/// Where a template failed and how, without the detail, which may hold what is in the letter.
pub(crate) fn failure(error: &minijinja::Error) -> String {
    let name = error.name().unwrap_or("unnamed");
    let line = error.line().unwrap_or_default();
    format!("{name} line {line}: {}", error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_letter() {
        for language in Language::ALL {
            for key in KEYS {
                let name = name(language, key).unwrap();
                assert!(environment().unwrap().get_template(&name).is_ok(), "{name}");
            }
        }
        let other = name(Language::En, "layout");
        assert_eq!(other, Err(RenderError::UnknownTemplate("layout".into())));
    }

    #[test]
    fn every_template_of_the_starter_procedures_exists() {
        for procedure in dunning_core::procedure::starter_procedures().unwrap() {
            for step in procedure.steps {
                assert!(KEYS.contains(&step.template.as_str()), "{}", step.template);
            }
        }
    }
}
