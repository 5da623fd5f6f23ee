//! Where every debtor must be, computed by the rules alone from what registry and scoring answer: none of segmentation's
//! own conversions, projections or stored facts.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mahnwerk_proto::{
    common::v1::{Date, ListSnapshotRequest},
    registry::v1::{self as registry, Debtor},
    scoring::v1::{self as scoring, ScoreState},
    segmentation::v1::{
        self as wire, GetMembershipsRequest, Hold, ListMembershipHistoryRequest,
        ListSchemesRequest, MembershipPeriod, MembershipSource, SchemeState,
    },
};
use mahnwerk_runtime::validate::to_date;
use prost::Message as _;
use segmentation_core::{
    assign::{Input, Membership, Source, assign},
    facts::{
        BillingMethod, DebtorFacts, DebtorKind, Relationship, RiskClass, ScorecardKind,
        build::{Account, Behaviour, Grade, RegistryPart, ScorePart, build},
    },
    money::Conversion,
    policy::{EarlyPaymentDiscount, Handling, Policy, ReminderFees},
    scheme::{CompiledScheme, FinalSegment, Scheme, Segment},
};

use crate::{
    oracle::all_debtors,
    suite::{Clients, SegmentationClients, patiently},
};

/// What was compared, so that a test can print it and refuse zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Active schemes.
    pub schemes: usize,
    /// Memberships that were recomputed.
    pub memberships: usize,
    /// Stays in their histories.
    pub stays: usize,
}

/// Recomputes the membership of every debtor of a creditor without pins, whose amounts are all in euro, in every active
/// scheme. `at_least` is a token of the registry that memberships must contain.
///
/// # Panics
/// On the first difference.
pub async fn compare(
    clients: &mut Clients,
    segmentation: &SegmentationClients,
    creditor_id: &str,
    today: Date,
    at_least: &str,
) -> Compared {
    let debtors = all_debtors(clients, creditor_id).await;
    let scores = all_scores(clients, creditor_id).await;
    let schemes = active_schemes(segmentation, creditor_id).await;
    let today = to_date(&today).expect("a date of the calendar");
    let mut compared = Compared {
        schemes: schemes.len(),
        ..Compared::default()
    };
    for debtor in &debtors {
        let facts = facts(debtor, scores.get(&debtor.debtor_id), today);
        let found = memberships(segmentation, debtor, at_least).await;
        assert_eq!(
            found.len(),
            schemes.len(),
            "schemes of {}",
            debtor.debtor_id
        );
        for membership in &found {
            let scheme = &schemes[&membership.scheme_id];
            compare_membership(membership, scheme, &facts, today);
            compared.memberships += 1;
            compared.stays += compare_history(segmentation, membership).await;
        }
    }
    compared
}

/// Where the debtor is, is where the rules leave it; where nothing holds it, they put it there and for that reason.
fn compare_membership(
    found: &wire::Membership,
    (revision, scheme): &(i32, CompiledScheme),
    facts: &DebtorFacts,
    today: NaiveDate,
) {
    let about = format!("{} in {}: {facts:?}", found.debtor_id, found.scheme_id);
    let current = Membership {
        segment_id: found.segment_id.clone(),
        since: date(found.since.as_ref()).expect("a date"),
        source: match found.source() {
            MembershipSource::Unclassified => Source::Unclassified,
            MembershipSource::Migration => Source::Migration,
            MembershipSource::Rule => Source::Rule,
            other => panic!("{other:?} of {about}"),
        },
    };
    let decide = |current| {
        let input = Input {
            facts,
            current,
            pin: None,
            business_date: today,
        };
        assign(scheme, &input)
    };
    let kept = decide(Some(&current));
    assert_eq!(kept.segment_id, found.segment_id, "segment of {about}");
    assert_eq!(found.revision, *revision, "revision of {about}");
    if found.hold() == Hold::Unspecified {
        let anew = decide(None);
        assert_eq!(anew.segment_id, found.segment_id, "segment anew of {about}");
        let rule = anew
            .reason
            .rule()
            .map(|rule| i32::try_from(rule).expect("few rules"));
        assert_eq!(found.rule, rule, "rule of {about}");
    } else {
        assert!(
            kept.reason.source().is_none(),
            "{:?} of {about}",
            found.hold()
        );
    }
}

/// Stays follow each other without a gap, none is in the segment of the one before, and the last one is where the debtor
/// is; since when, is told by those that lasted beyond their first day. Answers how many there are.
async fn compare_history(segmentation: &SegmentationClients, found: &wire::Membership) -> usize {
    let about = format!("history of {} in {}", found.debtor_id, found.scheme_id);
    let stays = history(segmentation, found).await;
    let newest = stays.first().unwrap_or_else(|| panic!("no {about}"));
    assert_eq!(newest.segment_id, found.segment_id, "{about}");
    assert_eq!(newest.valid_to, None, "{about}");
    let lasting = stays.iter().filter(|it| it.valid_to != it.valid_from);
    let since = lasting.take_while(|it| it.segment_id == found.segment_id);
    let since = since.last().and_then(|first| first.valid_from);
    assert_eq!(since, found.since, "{about}");
    for pair in stays.windows(2) {
        assert_eq!(pair[1].valid_to, pair[0].valid_from, "{about}");
        assert_ne!(pair[1].segment_id, pair[0].segment_id, "{about}");
    }
    stays.len()
}

async fn history(
    segmentation: &SegmentationClients,
    of: &wire::Membership,
) -> Vec<MembershipPeriod> {
    let mut request = ListMembershipHistoryRequest {
        creditor_id: of.creditor_id.clone(),
        debtor_id: of.debtor_id.clone(),
        scheme_id: of.scheme_id.clone(),
        page_size: 100,
        ..ListMembershipHistoryRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let mut client = segmentation.memberships.clone();
        let page = client.list_membership_history(request.clone()).await;
        let page = page.expect("a page of the history").into_inner();
        all.extend(page.periods);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

async fn memberships(
    segmentation: &SegmentationClients,
    debtor: &Debtor,
    at_least: &str,
) -> Vec<wire::Membership> {
    let found = patiently(async || {
        let mut client = segmentation.memberships.clone();
        client
            .get_memberships(GetMembershipsRequest {
                creditor_id: debtor.creditor_id.clone(),
                debtor_id: debtor.debtor_id.clone(),
                at_least: at_least.to_owned(),
            })
            .await
    })
    .await;
    found.into_inner().memberships
}

/// What scoring tells of every debtor of the creditor.
async fn all_scores(clients: &Clients, creditor_id: &str) -> BTreeMap<String, ScoreState> {
    let mut request = ListSnapshotRequest {
        partitions: (0..64).collect(),
        ..ListSnapshotRequest::default()
    };
    let mut all = BTreeMap::new();
    loop {
        let mut client = clients.scoring_feed.clone();
        let page = client.list_snapshot(request.clone()).await;
        let page = page.expect("a page of the snapshot").into_inner();
        let scores = page.changes.into_iter();
        for change in scores.filter(|row| row.entity == "score" && row.creditor_id == creditor_id) {
            let state = change.state.expect("a state");
            let state = ScoreState::decode(state.value.as_slice()).expect("the state of a score");
            all.insert(change.debtor_id, state);
        }
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

async fn active_schemes(
    segmentation: &SegmentationClients,
    creditor_id: &str,
) -> BTreeMap<String, (i32, CompiledScheme)> {
    let mut client = segmentation.schemes.clone();
    let listed = client
        .list_schemes(ListSchemesRequest {
            creditor_id: creditor_id.to_owned(),
            page_size: 100,
            ..ListSchemesRequest::default()
        })
        .await
        .expect("schemes")
        .into_inner();
    assert_eq!(listed.next_page_token, "", "more revisions than a page has");
    let active = listed.schemes.into_iter();
    active
        .filter(|scheme| scheme.state() == SchemeState::Active)
        .map(|scheme| {
            let key = (scheme.scheme_id.clone(), scheme.revision);
            (key.0, (key.1, compiled(scheme)))
        })
        .collect()
}

fn compiled(scheme: wire::Scheme) -> CompiledScheme {
    let last = |segment: Option<wire::Segment>| {
        let segment = segment.expect("a segment");
        FinalSegment {
            id: segment.segment_id,
            display_name: segment.display_name,
            policy: segment.policy.map(policy),
        }
    };
    let segment = |segment: wire::Segment| Segment {
        id: segment.segment_id,
        display_name: segment.display_name,
        condition: segment.condition,
        policy: segment.policy.map(policy),
    };
    let scheme = Scheme {
        treatment: scheme.scheme_id == "treatment",
        id: scheme.scheme_id,
        display_name: scheme.display_name,
        minimum_stay_days: number(scheme.minimum_stay_days),
        default: last(scheme.default_segment),
        unclassified: last(scheme.unclassified_segment),
        segments: scheme.segments.into_iter().map(segment).collect(),
    };
    scheme.compile().expect("an active scheme is valid")
}

fn policy(policy: wire::Policy) -> Policy {
    Policy {
        payment_term_days: number(policy.payment_term_days),
        credit_refused: policy.credit_refused,
        early_payment_discount: policy.early_payment_discount.map(|discount| {
            EarlyPaymentDiscount {
                bps: number(discount.discount_bps),
                days: number(discount.days),
            }
        }),
        reminder_fees: match policy.reminder_fees() {
            wire::ReminderFees::Waived => ReminderFees::Waived,
            _ => ReminderFees::ByProcedure,
        },
        handling: match policy.handling() {
            wire::Handling::Personal => Handling::Personal,
            _ => Handling::Autopilot,
        },
        portfolio: Some(policy.portfolio).filter(|portfolio| !portfolio.is_empty()),
        procedure_id: policy.procedure_id,
    }
}

fn number(small: i32) -> u32 {
    u32::try_from(small).expect("not below zero")
}

fn facts(debtor: &Debtor, score: Option<&ScoreState>, today: NaiveDate) -> DebtorFacts {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    assert_eq!(debtor.preferred_channel, 0, "no test prefers a channel");
    let registry = RegistryPart {
        kind: match debtor.kind() {
            registry::DebtorKind::Person => DebtorKind::Person,
            _ => DebtorKind::Organisation,
        },
        relationship: match debtor.relationship() {
            registry::Relationship::Prospect => Relationship::Prospect,
            _ => Relationship::Customer,
        },
        language: debtor.language.clone(),
        country: given(&debtor.country),
        sector: given(&debtor.sector),
        billing_method: match debtor.billing_method() {
            registry::BillingMethod::Paper => BillingMethod::Paper,
            registry::BillingMethod::EInvoice => BillingMethod::EInvoice,
            _ => BillingMethod::EmailPdf,
        },
        preferred_channel: None,
        customer_since: date(debtor.customer_since.as_ref()),
        insolvent_since: date(debtor.insolvent_since.as_ref()),
        deceased_since: date(debtor.deceased_since.as_ref()),
        credit_hold: debtor.credit_hold,
    };
    let euro = Conversion {
        to: "EUR",
        rates: &[],
    };
    build(&registry, score.map(score_part).as_ref(), &euro, today)
}

fn date(date: Option<&Date>) -> Option<NaiveDate> {
    date.map(|date| to_date(date).expect("a date of the calendar"))
}

fn score_part(state: &ScoreState) -> ScorePart {
    let features = state.features.expect("features");
    ScorePart {
        grade: grade(state.score.as_ref().expect("a score")),
        behaviour: Behaviour {
            settled_items: features.settled_items,
            avg_dbt_12m_days: features.avg_dbt_12m_days,
            weighted_dbt_12m_days: features.weighted_dbt_12m_days,
            avg_days_to_pay_12m_days: features.avg_days_to_pay_12m_days,
            share_late_12m_bps: features.share_late_12m_bps,
            share_late_over_30_12m_bps: features.share_late_over_30_12m_bps,
            worst_dbt_24m_days: features.worst_dbt_24m_days,
            dbt_trend_days: features.dbt_trend_days,
            partial_payment_share_12m_bps: features.partial_payment_share_12m_bps,
            written_off_items_24m: features.written_off_items_24m,
            overdue_items: features.overdue_items,
            overdue_share_bps: features.overdue_share_bps,
            oldest_overdue_days: features.oldest_overdue_days,
            months_since_first_item: features.months_since_first_item,
            months_since_last_item: features.months_since_last_item,
            items_per_month_12m_milli: features.items_per_month_12m_milli,
            months_as_customer: features.months_as_customer,
            dispute_share_12m_bps: features.dispute_share_12m_bps,
            open_disputes: features.open_disputes,
            broken_promises_12m: features.broken_promises_12m,
            broken_plans_12m: features.broken_plans_12m,
        },
        accounts: state
            .accounts
            .iter()
            .map(|account| Account {
                currency: account.currency_code.clone(),
                open_minor: account.open_minor,
                overdue_minor: account.overdue_minor,
                disputed_minor: account.disputed_minor,
                turnover_12m_minor: account.turnover_12m_minor,
            })
            .collect(),
    }
}

fn grade(score: &scoring::Score) -> Option<Grade> {
    let risk_class = match score.risk_class() {
        scoring::RiskClass::A => RiskClass::A,
        scoring::RiskClass::B => RiskClass::B,
        scoring::RiskClass::C => RiskClass::C,
        scoring::RiskClass::D => RiskClass::D,
        scoring::RiskClass::E => RiskClass::E,
        scoring::RiskClass::X | scoring::RiskClass::Unspecified => return None,
    };
    Some(Grade {
        score: score.score.into(),
        pd_ppm: score.pd_ppm.into(),
        risk_class,
        scorecard_kind: match score.scorecard_kind() {
            scoring::ScorecardKind::Person => ScorecardKind::Person,
            scoring::ScorecardKind::Prospect => ScorecardKind::Prospect,
            _ => ScorecardKind::Organisation,
        },
        scorecard_revision: score.scorecard_revision.into(),
    })
}
