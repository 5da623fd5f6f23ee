use std::collections::BTreeSet;

use super::day;
use crate::decision::DecisionReason;
use crate::features::Feature;
use crate::score::RiskClass;
use crate::text::{Language, decision_sentence, reason_sentence};

const LANGUAGES: [Language; 3] = [Language::En, Language::De, Language::Nl];

fn in_all(code: &str, value: Option<i64>) -> [String; 3] {
    LANGUAGES.map(|language| reason_sentence(code, value, language))
}

#[test]
fn every_feature_has_a_sentence_in_every_language_for_every_value() {
    let values = [
        None,
        Some(0),
        Some(1),
        Some(2),
        Some(-1),
        Some(1_234),
        Some(10_000),
        Some(i64::MIN),
        Some(i64::MAX),
    ];
    for feature in Feature::ALL {
        for value in values {
            let sentences = in_all(feature.code(), value);
            for sentence in &sentences {
                let begins_well = sentence
                    .starts_with(|first: char| first.is_uppercase() || !first.is_alphabetic());
                assert!(
                    begins_well && sentence.ends_with('.') && !sentence.contains("  "),
                    "{sentence}"
                );
                assert!(
                    !sentence.contains('_') && !sentence.contains('{'),
                    "{sentence}"
                );
            }
            assert_eq!(
                BTreeSet::from(sentences).len(),
                3,
                "{} {value:?}",
                feature.code()
            );
        }
    }
}

#[test]
fn days_beyond_terms_are_worded_as_early_on_time_or_late() {
    assert_eq!(
        in_all("avg_dbt_12m_days", Some(12)),
        [
            "Payments of the last 12 months came on average 12 days after the due date.",
            "Die Zahlungen der letzten 12 Monate kamen im Schnitt 12 Tage nach Fälligkeit.",
            "De betalingen van de afgelopen 12 maanden kwamen gemiddeld 12 dagen na de vervaldatum.",
        ]
    );
    assert_eq!(
        in_all("worst_dbt_24m_days", Some(-1)),
        [
            "The slowest payment of the last 24 months came 1 day before the due date.",
            "Die langsamste Zahlung der letzten 24 Monate kam 1 Tag vor Fälligkeit.",
            "De traagste betaling van de afgelopen 24 maanden kwam 1 dag vóór de vervaldatum.",
        ]
    );
    assert!(in_all("avg_dbt_12m_days", Some(0))[1].ends_with("am Fälligkeitstag."));
}

#[test]
fn shares_are_percentages_in_the_style_of_the_language() {
    assert_eq!(
        in_all("share_late_12m_bps", Some(3_750)),
        [
            "37.5% of the invoices paid in the last 12 months were paid after the due date.",
            "Von den in den letzten 12 Monaten bezahlten Rechnungen wurden 37,5 % nach Fälligkeit bezahlt.",
            "Van de in de afgelopen 12 maanden betaalde facturen is 37,5% na de vervaldatum betaald.",
        ]
    );
    assert!(in_all("overdue_share_bps", Some(10_000))[0].starts_with("100% of"));
    assert!(in_all("overdue_share_bps", Some(5))[0].starts_with("0.05% of"));
}

#[test]
fn counts_are_grouped_and_rates_have_no_trailing_zeros() {
    assert_eq!(
        in_all("settled_items", Some(1_234_567))[0],
        "1,234,567 invoices have been paid in full so far."
    );
    assert!(in_all("settled_items", Some(1_000))[1].contains("1.000 Rechnungen"));
    assert!(in_all("items_per_month_12m_milli", Some(2_500))[2].contains("gemiddeld 2,5 facturen"));
}

#[test]
fn disputes_and_broken_arrangements_are_counted_in_words() {
    assert_eq!(
        in_all("dispute_share_12m_bps", Some(2_500)),
        [
            "25% of the invoices of the last 12 months were disputed.",
            "Von den Rechnungen der letzten 12 Monate wurden 25 % beanstandet.",
            "Van de facturen van de afgelopen 12 maanden is 25% betwist.",
        ]
    );
    assert_eq!(
        in_all("upheld_dispute_share_12m_bps", Some(0))[0],
        "None of the invoices of the last 12 months was rightly disputed."
    );
    assert_eq!(
        in_all("broken_promises_12m", Some(2)),
        [
            "2 promises to pay were broken in the last 12 months.",
            "In den letzten 12 Monaten wurden 2 Zahlungszusagen gebrochen.",
            "In de afgelopen 12 maanden zijn 2 betalingsbeloften verbroken.",
        ]
    );
    assert_eq!(
        in_all("broken_plans_12m", Some(1)),
        [
            "1 instalment plan was broken in the last 12 months.",
            "In den letzten 12 Monaten wurde 1 Ratenplan gebrochen.",
            "In de afgelopen 12 maanden is 1 betalingsregeling verbroken.",
        ]
    );
    assert_eq!(
        in_all("open_disputes", Some(1))[2],
        "Er staat 1 betwisting open."
    );
}

#[test]
fn missing_values_are_said_and_not_called_zero() {
    assert_eq!(
        in_all("avg_dbt_12m_days", None),
        [
            "No invoice was paid in full in the last 12 months.",
            "In den letzten 12 Monaten wurde keine Rechnung vollständig bezahlt.",
            "In de afgelopen 12 maanden is geen enkele factuur volledig betaald.",
        ]
    );
}

#[test]
fn decisions_are_told_with_amounts_and_dates_as_the_language_writes_them() {
    let exceeded = DecisionReason::LimitExceeded {
        currency: "EUR".to_owned(),
        free_limit: 50_005,
        order: 123_456_789,
    };
    assert_eq!(
        LANGUAGES.map(|language| decision_sentence(&exceeded, language)),
        [
            "The order of EUR 1,234,567.89 exceeds the free limit of EUR 500.05.",
            "Die Bestellung über 1.234.567,89 EUR übersteigt das freie Limit von 500,05 EUR.",
            "De bestelling van EUR 1.234.567,89 overschrijdt de vrije limiet van EUR 500,05.",
        ]
    );
    let yen = DecisionReason::WithinLimit {
        currency: "JPY".to_owned(),
        free_limit: 50_005,
        order: 5,
    };
    assert_eq!(
        decision_sentence(&yen, Language::En),
        "The order of JPY 5 is within the free limit of JPY 50,005."
    );
    let insolvent = DecisionReason::Insolvent {
        since: day("2025-02-01"),
    };
    assert_eq!(
        decision_sentence(&insolvent, Language::De),
        "Der Debitor ist seit dem 01.02.2025 insolvent."
    );
    let deceased = DecisionReason::Deceased {
        since: day("2025-02-01"),
    };
    assert_eq!(
        LANGUAGES.map(|language| decision_sentence(&deceased, language)),
        [
            "The debtor has been recorded as deceased since 2025-02-01.",
            "Der Debitor ist seit dem 01.02.2025 als verstorben vermerkt.",
            "De debiteur staat sinds 01-02-2025 als overleden geregistreerd.",
        ]
    );
    let missing = DecisionReason::FxRateMissing {
        from: "USD".to_owned(),
        to: "EUR".to_owned(),
    };
    assert_eq!(
        decision_sentence(&missing, Language::En),
        "There is no exchange rate to convert USD to EUR."
    );
}

#[test]
fn every_decision_reason_has_its_own_sentence_in_every_language() {
    let reasons = [
        DecisionReason::CreditHold,
        DecisionReason::BrokenPlan,
        DecisionReason::Class {
            class: RiskClass::D,
        },
        DecisionReason::NoScore,
        DecisionReason::PersonReview,
    ];
    let sentences: BTreeSet<_> = reasons
        .iter()
        .flat_map(|reason| LANGUAGES.map(|language| decision_sentence(reason, language)))
        .collect();
    assert_eq!(sentences.len(), 15);
    assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
}

#[test]
fn unknown_languages_read_english_and_regions_do_not_matter() {
    let languages = ["de", "DE-at", "nl_BE", "en", "fr", ""].map(Language::from_code);
    let (en, de, nl) = (Language::En, Language::De, Language::Nl);
    assert_eq!(languages, [de, de, nl, en, en, en]);
}

#[test]
fn an_unknown_code_has_no_sentence() {
    assert_eq!(in_all("shoe_size", Some(43)), [""; 3]);
}
