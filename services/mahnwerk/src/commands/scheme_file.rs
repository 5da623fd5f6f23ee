//! Schemes as TOML files, in the shape of the starter schemes of `services/segmentation/core/data`.

use mahnwerk_proto::segmentation::v1 as proto;
use serde::{Deserialize, Serialize};

use crate::client::{Failure, Result};

/// The scheme that says how debtors are treated.
const TREATMENT: &str = "treatment";

/// A scheme as written in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemeFile {
    id: String,
    display_name: String,
    /// Follows from the id; a file that says otherwise is refused.
    treatment: Option<bool>,
    minimum_stay_days: i32,
    segments: Vec<Segment>,
    default: Segment,
    unclassified: Segment,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    id: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    payment_term_days: i32,
    credit_refused: bool,
    reminder_fees: ReminderFees,
    handling: Handling,
    #[serde(skip_serializing_if = "Option::is_none")]
    portfolio: Option<String>,
    procedure_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    early_payment_discount: Option<Discount>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discount {
    bps: i32,
    days: i32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReminderFees {
    ByProcedure,
    Waived,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Handling {
    Autopilot,
    Personal,
}

/// Reads a scheme. Its rules are checked by the service.
///
/// # Errors
/// If the text is not a scheme.
pub(crate) fn read(creditor_id: &str, text: &str) -> Result<proto::Scheme> {
    let file: SchemeFile = toml::from_str(text)
        .map_err(|error| Failure::Input(format!("the scheme is wrong: {error}")))?;
    let treatment = file.id == TREATMENT;
    if file.treatment.is_some_and(|said| said != treatment) {
        return Err(Failure::Input(format!(
            "the scheme is wrong: `treatment` is true in the scheme `{TREATMENT}` and in no other"
        )));
    }
    Ok(proto::Scheme {
        creditor_id: creditor_id.to_owned(),
        scheme_id: file.id,
        display_name: file.display_name,
        minimum_stay_days: file.minimum_stay_days,
        segments: file.segments.into_iter().map(Into::into).collect(),
        default_segment: Some(file.default.into()),
        unclassified_segment: Some(file.unclassified.into()),
        ..proto::Scheme::default()
    })
}

/// Writes a scheme as the file that would create it.
///
/// # Errors
/// If it cannot be written as TOML, which no scheme of the service causes.
pub(crate) fn write(scheme: &proto::Scheme) -> Result<String> {
    let last =
        |segment: &Option<proto::Segment>| Segment::from(segment.clone().unwrap_or_default());
    let file = SchemeFile {
        id: scheme.scheme_id.clone(),
        display_name: scheme.display_name.clone(),
        treatment: Some(scheme.scheme_id == TREATMENT),
        minimum_stay_days: scheme.minimum_stay_days,
        segments: scheme.segments.iter().cloned().map(Into::into).collect(),
        default: last(&scheme.default_segment),
        unclassified: last(&scheme.unclassified_segment),
    };
    toml::to_string_pretty(&file)
        .map_err(|error| Failure::Unexpected(format!("the scheme cannot be shown: {error}")))
}

/// Text that is left out of a file where it is empty.
fn stated(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<Segment> for proto::Segment {
    fn from(segment: Segment) -> Self {
        Self {
            segment_id: segment.id,
            display_name: segment.display_name,
            condition: segment.condition.unwrap_or_default(),
            policy: segment.policy.map(Into::into),
        }
    }
}

impl From<proto::Segment> for Segment {
    fn from(segment: proto::Segment) -> Self {
        Self {
            id: segment.segment_id,
            display_name: segment.display_name,
            condition: stated(segment.condition),
            policy: segment.policy.map(Into::into),
        }
    }
}

impl From<Policy> for proto::Policy {
    fn from(policy: Policy) -> Self {
        let discount = |discount: Discount| proto::EarlyPaymentDiscount {
            discount_bps: discount.bps,
            days: discount.days,
        };
        let reminder_fees = match policy.reminder_fees {
            ReminderFees::ByProcedure => proto::ReminderFees::ByProcedure,
            ReminderFees::Waived => proto::ReminderFees::Waived,
        };
        let handling = match policy.handling {
            Handling::Autopilot => proto::Handling::Autopilot,
            Handling::Personal => proto::Handling::Personal,
        };
        Self {
            payment_term_days: policy.payment_term_days,
            credit_refused: policy.credit_refused,
            early_payment_discount: policy.early_payment_discount.map(discount),
            reminder_fees: reminder_fees.into(),
            handling: handling.into(),
            portfolio: policy.portfolio.unwrap_or_default(),
            procedure_id: policy.procedure_id,
        }
    }
}

impl From<proto::Policy> for Policy {
    fn from(policy: proto::Policy) -> Self {
        let discount = |discount: proto::EarlyPaymentDiscount| Discount {
            bps: discount.discount_bps,
            days: discount.days,
        };
        Self {
            reminder_fees: match policy.reminder_fees() {
                proto::ReminderFees::Waived => ReminderFees::Waived,
                _ => ReminderFees::ByProcedure,
            },
            handling: match policy.handling() {
                proto::Handling::Autopilot => Handling::Autopilot,
                _ => Handling::Personal,
            },
            payment_term_days: policy.payment_term_days,
            credit_refused: policy.credit_refused,
            portfolio: stated(policy.portfolio),
            procedure_id: policy.procedure_id,
            early_payment_discount: policy.early_payment_discount.map(discount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTERS: [(&str, &str, usize); 5] = [
        (
            "lifecycle",
            include_str!("../../../segmentation/core/data/lifecycle.toml"),
            3,
        ),
        (
            "payer_speed",
            include_str!("../../../segmentation/core/data/payer_speed.toml"),
            2,
        ),
        (
            "risk",
            include_str!("../../../segmentation/core/data/risk.toml"),
            4,
        ),
        (
            "treatment",
            include_str!("../../../segmentation/core/data/treatment.toml"),
            5,
        ),
        (
            "value",
            include_str!("../../../segmentation/core/data/value.toml"),
            3,
        ),
    ];

    #[test]
    fn the_starter_schemes_are_read_in_full_and_written_as_they_were_read() {
        for (id, text, segments) in STARTERS {
            let scheme = read("acme", text).expect(id);
            assert_eq!(scheme.scheme_id, id);
            assert_eq!(scheme.creditor_id, "acme");
            assert_eq!(scheme.segments.len(), segments, "{id}");
            assert!(scheme.segments.iter().all(|it| !it.condition.is_empty()));
            let policies = scheme.segments.iter().filter(|it| it.policy.is_some());
            let expected = if id == "treatment" { segments } else { 0 };
            assert_eq!(policies.count(), expected, "{id}");
            let written = write(&scheme).expect(id);
            assert_eq!(read("acme", &written).expect(id), scheme, "{written}");
        }
    }

    #[test]
    fn a_policy_keeps_every_value() {
        let (_, text, _) = STARTERS[3];
        let scheme = read("acme", text).expect("treatment");
        let key_account = scheme
            .segments
            .iter()
            .find(|segment| segment.segment_id == "key_account")
            .and_then(|segment| segment.policy.as_ref())
            .expect("policy");
        let expected = proto::Policy {
            payment_term_days: 30,
            credit_refused: false,
            early_payment_discount: Some(proto::EarlyPaymentDiscount {
                discount_bps: 200,
                days: 10,
            }),
            reminder_fees: proto::ReminderFees::Waived.into(),
            handling: proto::Handling::Personal.into(),
            portfolio: String::new(),
            procedure_id: "courteous".to_owned(),
        };
        assert_eq!(*key_account, expected);
        let default = scheme.default_segment.expect("default");
        assert_eq!(default.segment_id, "standard");
        assert_eq!(default.condition, "");
        let policy = default.policy.expect("policy");
        assert_eq!(policy.reminder_fees(), proto::ReminderFees::ByProcedure);
        assert_eq!(policy.handling(), proto::Handling::Autopilot);
    }

    #[test]
    fn what_is_misspelt_is_named() {
        let (_, text, _) = STARTERS[0];
        let wrong = text.replace("minimum_stay_days", "minimum_stay");
        let Err(Failure::Input(message)) = read("acme", &wrong) else {
            panic!("accepted");
        };
        assert!(message.contains("minimum_stay"), "{message}");
        let wrong = text.replace("treatment = false", "treatment = true");
        assert!(matches!(read("acme", &wrong), Err(Failure::Input(_))));
    }
}
