//! Settings: wire types to what is stored and back.

use dunning_channel::is_sender;
use dunning_core::input::WhenStale;
use mahnwerk_proto::{dunning::v1, is_key};
use mahnwerk_runtime::validate::Checker;

use crate::{
    app::{etag, settings::UPDATABLE},
    storage::settings::DunningSettings,
};

/// Most days since a bank import that a limit may allow.
const MAX_IMPORT_AGE: i32 = 365;

/// Longest head of a notice, and longest payment details, in characters.
const MAX_PRINTED: usize = 500;

/// Refuses a mask that names nothing, or something that cannot be changed.
pub fn check_mask(check: &mut Checker, mask: &[String]) {
    if mask.is_empty() {
        check.refuse("update_mask", "must name at least one field");
    }
    for (index, path) in mask.iter().enumerate() {
        if !UPDATABLE.contains(&path.as_str()) {
            // A path in no key's form is not repeated: it may be long, or anything at all.
            let shown = if is_key(path) {
                format!("`{path}`")
            } else {
                "the path".to_owned()
            };
            check.refuse(
                format!("update_mask[{index}]"),
                format!("{shown} is not one of {}", UPDATABLE.join(", ")),
            );
        }
    }
}

/// The settings that a caller wants; only fields in the mask are looked at, the others are those at the begin.
pub fn settings(
    check: &mut Checker,
    given: &v1::DunningSettings,
    mask: &[String],
) -> DunningSettings {
    let mut wanted = DunningSettings::default();
    let has = |name: &str| mask.iter().any(|path| path == name);
    if has("max_bank_import_age_days")
        && let Some(days) = given.max_bank_import_age_days
    {
        if !(0..=MAX_IMPORT_AGE).contains(&days) {
            check.refuse("settings.max_bank_import_age_days", "must be 0 to 365");
        }
        wanted.max_bank_import_age_days = u16::try_from(days).ok();
    }
    if has("when_stale")
        && let Some(v1::WhenStale::Mark) = check.enum_value("settings.when_stale", given.when_stale)
    {
        wanted.when_stale = WhenStale::Mark;
    }
    if has("sender") {
        check.text("settings.sender", &given.sender, 0, MAX_PRINTED);
        wanted.sender.clone_from(&given.sender);
    }
    if has("payment_details") {
        let printed = &given.payment_details;
        check.text("settings.payment_details", printed, 0, MAX_PRINTED);
        wanted.payment_details.clone_from(printed);
    }
    if has("email_from") {
        if !given.email_from.is_empty() && !is_sender(&given.email_from) {
            check.refuse(
                "settings.email_from",
                "must be an ASCII e-mail address without a name, such as a@example.com, or empty",
            );
        }
        wanted.email_from.clone_from(&given.email_from);
    }
    if has("four_eyes_release") {
        wanted.four_eyes_release = given.four_eyes_release;
    }
    wanted
}

/// Settings on the wire.
#[must_use]
pub fn settings_message(creditor_id: &str, settings: DunningSettings) -> v1::DunningSettings {
    v1::DunningSettings {
        creditor_id: creditor_id.to_owned(),
        max_bank_import_age_days: settings.max_bank_import_age_days.map(i32::from),
        when_stale: match settings.when_stale {
            WhenStale::Withhold => v1::WhenStale::Withhold,
            WhenStale::Mark => v1::WhenStale::Mark,
        }
        .into(),
        sender: settings.sender,
        payment_details: settings.payment_details,
        email_from: settings.email_from,
        version: settings.version,
        four_eyes_release: settings.four_eyes_release,
        etag: etag(settings.version),
    }
}
