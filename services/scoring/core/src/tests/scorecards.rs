use super::{TODAY, day, debtor, invoice};
use crate::facts::{DebtorFacts, DebtorKind, ItemFacts};
use crate::features::{Feature, Features};
use crate::score::{RiskClass, Scored, pd_ppm, score};
use crate::scorecard::{
    Bin, Characteristic, Scorecard, ScorecardError, ScorecardKind, starter_scorecards,
};

const CARD: &str = r#"
kind = "organisation"
revision = 1
bad_definition = "90 days past due"
base_score = 500
points_to_double_odds = 20
anchor_score = 600
anchor_odds = 30
class_limits_ppm = [5000, 15000, 50000, 150000]

[[characteristics]]
feature = "avg_dbt_12m_days"
bins = [
    { to = 0, points = 80 },
    { from = 1, to = 7, points = 40 },
    { from = 8, points = -20 },
    { missing = true, points = 10 },
]

[[characteristics]]
feature = "settled_items"
bins = [
    { to = 0, points = 0 },
    { from = 1, to = 1, points = 20 },
    { from = 2, points = 60 },
    { missing = true, points = 0 },
]
"#;

fn card() -> Scorecard {
    Scorecard::from_toml(CARD).unwrap()
}

fn refused(change: impl Fn(&mut Scorecard)) -> ScorecardError {
    let mut scorecard = card();
    change(&mut scorecard);
    scorecard.validate().unwrap_err()
}

/// Features in which one has the value and nothing else is known.
fn only(feature: Feature, value: Option<i64>) -> Features {
    let mut features = Features::default();
    match feature {
        Feature::SettledItems => features.settled_items = value.unwrap_or_default(),
        Feature::AvgDbt12mDays => features.avg_dbt_12m_days = value,
        Feature::WeightedDbt12mDays => features.weighted_dbt_12m_days = value,
        Feature::AvgDaysToPay12mDays => features.avg_days_to_pay_12m_days = value,
        Feature::ShareLate12mBps => features.share_late_12m_bps = value,
        Feature::ShareLateOver30Of12mBps => features.share_late_over_30_12m_bps = value,
        Feature::WorstDbt24mDays => features.worst_dbt_24m_days = value,
        Feature::DbtTrendDays => features.dbt_trend_days = value,
        Feature::PartialPaymentShare12mBps => features.partial_payment_share_12m_bps = value,
        Feature::WrittenOffItems24m => features.written_off_items_24m = value.unwrap_or_default(),
        Feature::OverdueItems => features.overdue_items = value.unwrap_or_default(),
        Feature::OverdueShareBps => features.overdue_share_bps = value,
        Feature::OldestOverdueDays => features.oldest_overdue_days = value,
        Feature::MonthsSinceFirstItem => features.months_since_first_item = value,
        Feature::MonthsSinceLastItem => features.months_since_last_item = value,
        Feature::ItemsPerMonth12mMilli => features.items_per_month_12m_milli = value,
        Feature::MonthsAsCustomer => features.months_as_customer = value,
        Feature::DisputeShare12mBps => features.dispute_share_12m_bps = value,
        Feature::UpheldDisputeShare12mBps => features.upheld_dispute_share_12m_bps = value,
        Feature::OpenDisputes => features.open_disputes = value.unwrap_or_default(),
        Feature::BrokenPromises12m => features.broken_promises_12m = value.unwrap_or_default(),
        Feature::BrokenPlans12m => features.broken_plans_12m = value.unwrap_or_default(),
    }
    features
}

/// The points a bin promises, with every value on and next to its bounds that lies within it.
fn promised(bin: &Bin) -> Vec<(Option<i64>, i32)> {
    if bin.missing {
        return vec![(None, bin.points)];
    }
    let near = |bound: i64| [bound.saturating_sub(1), bound, bound.saturating_add(1)];
    let bounds = [bin.from.unwrap_or(i64::MIN), bin.to.unwrap_or(i64::MAX)];
    let inside = |value: &i64| bounds[0] <= *value && *value <= bounds[1];
    bounds
        .into_iter()
        .flat_map(near)
        .filter(inside)
        .map(|value| (Some(value), bin.points))
        .collect()
}

#[test]
fn the_points_table_is_what_scores_in_every_bin() {
    let mut walked = 0;
    for scorecard in starter_scorecards().unwrap() {
        for (position, characteristic) in scorecard.characteristics.iter().enumerate() {
            for bin in &characteristic.bins {
                for (value, points) in promised(bin) {
                    let is_count = characteristic.feature.unit() == "count";
                    if is_count && value.is_none() {
                        assert_eq!(characteristic.bin(None), Some(bin));
                        continue;
                    }
                    let features = only(characteristic.feature, value);
                    let scored = score(&scorecard, &features);
                    let contribution = scored.contributions[position];
                    assert_eq!(contribution.characteristic, characteristic.feature.code());
                    assert_eq!((contribution.value, contribution.points), (value, points));
                    assert_eq!(contribution.bin_label, bin.label);
                    let sum: i32 = scored.contributions.iter().map(|it| it.points).sum();
                    assert_eq!(scored.score, scorecard.base_score + sum);
                    walked += 1;
                }
            }
        }
    }
    assert!(walked > 500, "{walked}");
}

#[test]
fn score_is_base_plus_points_and_every_20_points_double_the_odds() {
    let features = Features {
        settled_items: 5,
        avg_dbt_12m_days: Some(3),
        ..Features::default()
    };
    let scorecard = card();
    let scored = score(&scorecard, &features);
    assert_eq!(scored.score, 500 + 40 + 60);
    assert_eq!(scored.pd_ppm, 32_258); // 1 / 31
    assert_eq!(scored.class, RiskClass::C);
    assert_eq!(pd_ppm(&scorecard, 620), 16_393); // 1 / 61
    assert_eq!(pd_ppm(&scorecard, 580), 62_500); // 1 / 16
    assert_eq!(pd_ppm(&scorecard, 610), 23_027); // 1 / (1 + 30·√2)
}

#[test]
fn probabilities_stay_between_one_in_a_million_and_all_but_one() {
    assert_eq!(
        (pd_ppm(&card(), i32::MAX), pd_ppm(&card(), i32::MIN)),
        (1, 999_999)
    );
}

#[test]
fn a_class_reaches_up_to_its_limit() {
    let class_at = |limit: i32| {
        let mut scorecard = card();
        scorecard.class_limits_ppm = [limit, 700_000, 800_000, 900_000];
        score(
            &scorecard,
            &Features {
                settled_items: 5,
                avg_dbt_12m_days: Some(3),
                ..Features::default()
            },
        )
        .class
    };
    assert_eq!(
        (class_at(32_258), class_at(32_257)),
        (RiskClass::A, RiskClass::B)
    );
}

#[test]
fn reasons_are_what_cost_points_the_most_first_then_by_code() {
    let scorecard = card();
    let codes = |scored: Scored<'_>, at_most| -> Vec<(&str, i32)> {
        scored
            .reasons(at_most)
            .into_iter()
            .map(|it| (it.characteristic, it.points_lost()))
            .collect()
    };
    let features = |settled_items, dbt| Features {
        settled_items,
        avg_dbt_12m_days: dbt,
        ..Features::default()
    };
    let worst = score(&scorecard, &features(0, Some(9)));
    assert_eq!(
        codes(worst.clone(), 4),
        [("avg_dbt_12m_days", 100), ("settled_items", 60)]
    );
    assert_eq!(codes(worst, 1), [("avg_dbt_12m_days", 100)]);
    let tie = score(&scorecard, &features(1, Some(5)));
    assert_eq!(
        codes(tie, 4),
        [("avg_dbt_12m_days", 40), ("settled_items", 40)]
    );
    assert_eq!(codes(score(&scorecard, &features(2, Some(0))), 4), []);
}

#[test]
fn labels_say_the_range() {
    let labels: Vec<_> = card()
        .characteristics
        .into_iter()
        .flat_map(|it| it.bins)
        .map(|bin| bin.label)
        .collect();
    assert_eq!(
        labels,
        [
            "..0", "1..7", "8..", "missing", "..0", "1", "2..", "missing"
        ]
    );
}

#[test]
fn bins_must_cover_every_value_exactly_once() {
    let bins =
        |change: fn(&mut Vec<Bin>)| refused(|card| change(&mut card.characteristics[0].bins));
    let gaps = ScorecardError::Gaps("avg_dbt_12m_days");
    assert_eq!(bins(|bins| bins[1].from = Some(2)), gaps);
    assert_eq!(bins(|bins| bins[1].from = Some(0)), gaps);
    assert_eq!(bins(|bins| bins[0].from = Some(-10)), gaps);
    assert_eq!(bins(|bins| bins[2].to = Some(10)), gaps);
    assert_eq!(bins(|bins| bins.swap(0, 1)), gaps);
    assert_eq!(bins(|bins| drop(bins.remove(1))), gaps);
    assert_eq!(bins(|bins| drop(bins.drain(..3))), gaps);
    let missing = ScorecardError::Missing("avg_dbt_12m_days");
    assert_eq!(bins(|bins| drop(bins.pop())), missing);
    assert_eq!(bins(|bins| bins.push(bins[3].clone())), missing);
    assert_eq!(bins(|bins| bins[3].from = Some(1)), missing);
    assert_eq!(bins(Vec::clear), missing);
    assert_eq!(
        bins(|bins| "0..".clone_into(&mut bins[0].label)),
        ScorecardError::Label("avg_dbt_12m_days")
    );
    assert_eq!(
        bins(|bins| bins[0].points = i32::MIN + 1),
        ScorecardError::OutOfRange("points")
    );
}

#[test]
fn a_scorecard_needs_sound_numbers() {
    assert_eq!(
        refused(|card| card.revision = 0),
        ScorecardError::OutOfRange("revision")
    );
    assert_eq!(
        refused(|card| card.points_to_double_odds = 0),
        ScorecardError::OutOfRange("points_to_double_odds")
    );
    assert_eq!(
        refused(|card| card.anchor_odds = 0),
        ScorecardError::OutOfRange("anchor_odds")
    );
    assert_eq!(
        refused(|card| card.class_limits_ppm[1] = 5_000),
        ScorecardError::ClassLimits
    );
    assert_eq!(
        refused(|card| card.class_limits_ppm[3] = 1_000_000),
        ScorecardError::ClassLimits
    );
    assert_eq!(
        refused(|card| card.characteristics.clear()),
        ScorecardError::Characteristics
    );
    assert_eq!(
        refused(|card| card
            .characteristics
            .push(Characteristic::clone(&card.characteristics[0]))),
        ScorecardError::Characteristics
    );
}

#[test]
fn an_unknown_key_or_feature_is_refused() {
    let unknown_key = format!("colour = \"red\"\n{CARD}");
    assert!(matches!(
        Scorecard::from_toml(&unknown_key),
        Err(ScorecardError::Unreadable(_))
    ));
    let unknown_feature = CARD.replace("settled_items", "shoe_size");
    assert!(matches!(
        Scorecard::from_toml(&unknown_feature),
        Err(ScorecardError::Unreadable(_))
    ));
}

fn starter(kind: ScorecardKind) -> Scorecard {
    starter_scorecards()
        .unwrap()
        .into_iter()
        .find(|card| card.kind == kind)
        .unwrap()
}

#[test]
fn there_is_one_starter_scorecard_of_each_kind() {
    let kinds: Vec<_> = starter_scorecards()
        .unwrap()
        .into_iter()
        .map(|card| card.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            ScorecardKind::Organisation,
            ScorecardKind::Person,
            ScorecardKind::Prospect
        ]
    );
}

#[test]
fn the_starter_scorecards_never_reward_what_is_worse() {
    const WORSE_WHEN_HIGHER: [Feature; 9] = [
        Feature::AvgDbt12mDays,
        Feature::WeightedDbt12mDays,
        Feature::ShareLate12mBps,
        Feature::ShareLateOver30Of12mBps,
        Feature::WorstDbt24mDays,
        Feature::PartialPaymentShare12mBps,
        Feature::OldestOverdueDays,
        Feature::OverdueShareBps,
        Feature::WrittenOffItems24m,
    ];
    for characteristic in starter_scorecards()
        .unwrap()
        .into_iter()
        .flat_map(|card| card.characteristics)
    {
        let points: Vec<_> = characteristic
            .bins
            .iter()
            .filter(|bin| !bin.missing)
            .map(|bin| bin.points)
            .collect();
        if WORSE_WHEN_HIGHER.contains(&characteristic.feature) {
            assert!(
                points.is_sorted_by(|better, worse| better >= worse),
                "{}",
                characteristic.feature.code()
            );
        }
    }
}

/// Twelve monthly invoices at 30 days, the last one before today's month, each paid so many days after its due date.
fn payer(dbt: i64) -> Vec<ItemFacts> {
    (0..12_u32)
        .map(|number| {
            let document = day("2024-06-05") + chrono::Months::new(number);
            let due = document + chrono::Days::new(30);
            let paid = (due + chrono::TimeDelta::days(dbt)).to_string();
            invoice(
                &format!("i{number}"),
                10_000,
                &document.to_string(),
                &due.to_string(),
            )
            .paid(10_000, &paid)
        })
        .collect()
}

fn scored_today(debtor: &DebtorFacts, items: &[ItemFacts]) -> (RiskClass, i32) {
    let features = Features::compute(debtor, items, day(TODAY));
    let scorecard = starter(ScorecardKind::for_debtor(debtor, &features));
    let scored = score(&scorecard, &features);
    (scored.class, scored.score)
}

#[test]
fn the_later_a_debtor_pays_the_lower_its_score() {
    let scores: Vec<_> = [-20, -5, 0, 5, 15, 40, 80]
        .map(|dbt| scored_today(&debtor(), &payer(dbt)).1)
        .into();
    assert!(
        scores.is_sorted_by(|earlier, later| earlier > later),
        "{scores:?}"
    );
}

#[test]
fn good_payers_are_of_class_a_or_b_and_bad_ones_of_d_or_e() {
    let class = |dbt| scored_today(&debtor(), &payer(dbt)).0;
    assert_eq!(class(-10), RiskClass::A);
    assert!(class(0) <= RiskClass::B);
    assert_eq!(class(15), RiskClass::D);
    assert_eq!(class(45), RiskClass::E);
}

#[test]
fn a_fresh_prospect_is_of_class_c_at_three_percent() {
    let scorecard = starter(ScorecardKind::Prospect);
    let scored = score(&scorecard, &Features::default());
    assert_eq!((scored.class, scored.pd_ppm), (RiskClass::C, 30_303));
}

#[test]
fn a_person_with_the_history_of_an_organisation_scores_ten_points_lower() {
    let person = DebtorFacts {
        kind: DebtorKind::Person,
        ..debtor()
    };
    assert_eq!(
        scored_today(&person, &payer(0)).1 + 10,
        scored_today(&debtor(), &payer(0)).1
    );
}

#[test]
fn the_scorecard_follows_from_the_items_and_then_from_the_person() {
    let person = DebtorFacts {
        kind: DebtorKind::Person,
        ..debtor()
    };
    let kind = |debtor: &DebtorFacts, items: &[ItemFacts]| {
        ScorecardKind::for_debtor(debtor, &Features::compute(debtor, items, day(TODAY)))
    };
    let not_due = [invoice("a", 100, "2025-06-01", "2025-07-01")];
    let overdue = [invoice("a", 100, "2025-05-01", "2025-06-01")];
    assert_eq!(kind(&debtor(), &[]), ScorecardKind::Prospect);
    assert_eq!(kind(&person, &not_due), ScorecardKind::Prospect);
    assert_eq!(kind(&person, &overdue), ScorecardKind::Person);
    assert_eq!(kind(&debtor(), &overdue), ScorecardKind::Organisation);
    assert_eq!(kind(&debtor(), &payer(0)), ScorecardKind::Organisation);
}
