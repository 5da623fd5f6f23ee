//! Explanations: for every open item of a debtor the reason why it is dunned, or why not.

use dunning_core::input::DunningState;
use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        ExplainDebtorRequest, ExplainDebtorResponse, LineKind, NoticeChannel, TaskKind,
        work_service_server::WorkService,
    },
    registry::v1::{
        Channel, ContactPurpose, ContactState, DebtorKind, DisputeState, InstalmentPlanState,
        PromiseState,
    },
    segmentation::v1::ReminderFees,
};
use mahnwerk_runtime::{db::Db, validate::from_date};
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_not_found, assert_refused, assert_violates,
    world::{World, app, date, euro},
};
use crate::{
    grpc::Api,
    storage::{
        pause,
        settings::{self, DunningSettings},
        state,
    },
};

const DUE: &str = "2026-02-16";

async fn open(db: &Db) -> Result<(World, Api), Status> {
    let world = World::open(db, "c1", date("2026-03-02")).await?;
    let api = Api {
        app: world.app.clone(),
    };
    Ok((world, api))
}

async fn explain(
    api: &Api,
    creditor_id: &str,
    debtor_id: &str,
) -> Result<Response<ExplainDebtorResponse>, Status> {
    api.explain_debtor(Request::new(ExplainDebtorRequest {
        creditor_id: creditor_id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        at_least: String::new(),
    }))
    .await
}

/// The reasons of a debtor's items, by item; asserts that every one of them is told in words.
async fn reasons(api: &Api, debtor_id: &str) -> Result<Vec<String>, Status> {
    let explained = explain(api, "c1", debtor_id).await?.into_inner();
    let told = explained.findings.iter();
    assert!(
        told.clone()
            .all(|it| it.text.ends_with('.') && !it.text.contains(&it.reason))
    );
    Ok(told.map(|it| it.reason.clone()).collect())
}

async fn record(world: &World, debtor_id: &str, item_id: &str, state: DunningState) -> Outcome {
    let txn = world.app.publisher.db().begin_write().await?;
    let states = [(debtor_id.to_owned(), item_id.to_owned(), state)];
    state::record_states(&txn, "c1", &states).await?;
    Ok(txn.commit().await?)
}

fn sent(procedure: &str, level: u8, on: &str, pay_by: &str) -> DunningState {
    DunningState {
        procedure: procedure.to_owned(),
        cycle: 1,
        level,
        pay_by: Some(date(pay_by)),
        notice_on: Some(date(on)),
        done: true,
        ..DunningState::default()
    }
}

/// A debtor who is due for a step is told the notice of a run of today, line by line.
///
/// # Errors
/// If a call fails that should not.
pub async fn the_notice_of_today_is_told_line_by_line(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    world.owing(
        "d1",
        &[("R-1", 100_000, "2026-01-31"), ("R-2", 5_000, "2026-03-02")],
    );
    world.treat("d1", "late", "standard", |_| {});
    world.flush().await?;
    record(
        &world,
        "d1",
        "R-1",
        sent("standard", 1, "2026-02-06", "2026-02-20"),
    )
    .await?;
    let told = explain(&api, "c1", "d1").await?.into_inner();
    assert_eq!(told.business_date, Some(from_date(date("2026-03-02"))));
    assert_eq!(
        (told.segment_id.as_str(), told.procedure.as_str()),
        ("late", "standard@1")
    );
    let reasons: Vec<_> = told
        .findings
        .iter()
        .map(|it| (it.reason.as_str(), it.dunned))
        .collect();
    assert_eq!(reasons, [("DUNNED_NEXT", true), ("NOT_DUE", false)]);
    assert_eq!(told.next_evaluation, Some(from_date(date("2026-03-05"))));
    assert!(told.tasks.is_empty() && told.current_notices.is_empty());
    let notice = told.notices.first().cloned().unwrap_or_default();
    assert_eq!(told.notices.len(), 1);
    assert_eq!(
        (notice.notice_id.as_str(), notice.state, notice.level),
        ("", 0, 2)
    );
    assert_eq!(
        (notice.channel(), notice.contact_point_id.as_str()),
        (NoticeChannel::Email, "mail")
    );
    assert_eq!(
        (notice.tone.as_str(), notice.template_id.as_str()),
        ("firm", "notice")
    );
    assert_eq!(
        (notice.language.as_str(), notice.procedure.as_str()),
        ("de", "standard@1")
    );
    assert_eq!(notice.pay_by, Some(from_date(date("2026-03-12"))));
    let lines: Vec<_> = notice
        .lines
        .iter()
        .map(|it| (it.kind(), it.minor_units))
        .collect();
    // 10.27 % a year on 1,000 euro from 1 February to 2 March: 30 days.
    assert_eq!(
        lines,
        [(LineKind::Principal, 100_000), (LineKind::Interest, 844)]
    );
    assert_eq!(notice.total_minor, 100_844);
    Ok(())
}

/// What stops an item: dispute, promise, plan, set-off, and the debtor's own state.
///
/// # Errors
/// If a call fails that should not.
pub async fn what_stops_an_item_is_the_reason(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    let items = ["R-1", "R-2", "R-3", "R-4"].map(|id| (id, 1_000, DUE));
    world.owing("d1", &items);
    world.dispute("d1", "R-1", None, DisputeState::Open);
    world.promise("d1", "V-1", &[("R-2", 1_000)], PromiseState::Open);
    world.plan("d1", "T-1", &[("R-3", 1_000)], InstalmentPlanState::Active);
    world.owing("d2", &[("R-5", 1_000, DUE), ("R-6", 1_000, "2026-02-20")]);
    world.payment("d2", "P-1", euro(1_000));
    world.owing("d3", &[("R-7", 1_000, DUE)]);
    world.debtor("d3", |it| {
        it.insolvent_since = Some(from_date(date("2026-02-01")))
    });
    world.owing("d4", &[("R-8", 1_000, DUE)]);
    world.debtor("d4", |it| {
        it.kind = DebtorKind::Person.into();
        it.deceased_since = Some(from_date(date("2026-02-01")));
    });
    world.flush().await?;
    assert_eq!(
        reasons(&api, "d1").await?,
        ["DISPUTED", "PROMISED", "IN_PLAN", "DUNNED_ENTRY"]
    );
    assert_eq!(reasons(&api, "d2").await?, ["NETTED", "DUNNED_ENTRY"]);
    assert_eq!(reasons(&api, "d3").await?, ["INSOLVENT"]);
    assert_eq!(reasons(&api, "d4").await?, ["DECEASED"]);
    // What ends gives way.
    world.dispute("d1", "R-1", None, DisputeState::Rejected);
    world.promise("d1", "V-1", &[("R-2", 0)], PromiseState::Broken);
    world.plan("d1", "T-1", &[("R-3", 0)], InstalmentPlanState::Cancelled);
    world.flush().await?;
    assert_eq!(reasons(&api, "d1").await?, ["DUNNED_ENTRY"; 4]);
    Ok(())
}

/// What a step waits for: the pay-by date, age, the step before, the contact budget, a least amount.
///
/// # Errors
/// If a call fails that should not.
pub async fn what_a_step_waits_for_is_the_reason(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    let items = ["R-1", "R-2", "R-3", "R-4"].map(|id| (id, 10_000, DUE));
    world.owing("d1", &items);
    world.owing("d2", &[("R-5", 10_000, DUE)]);
    world.contact(
        "d2",
        "K-1",
        (Channel::Phone, ContactPurpose::Reminder),
        date("2026-02-27"),
    );
    world.owing("d3", &[("R-6", 100, DUE)]);
    world.owing(
        "d4",
        &[("R-7", 10_000, "2026-02-25"), ("R-8", 10_000, "2026-02-26")],
    );
    world.treat("d4", "new", "courteous", |_| {});
    world.flush().await?;
    record(
        &world,
        "d1",
        "R-1",
        sent("standard", 1, "2026-02-20", "2026-03-06"),
    )
    .await?;
    record(
        &world,
        "d1",
        "R-2",
        sent("standard", 5, "2026-02-06", "2026-02-06"),
    )
    .await?;
    let left = DunningState {
        left_on: Some(date("2026-02-06")),
        ..sent("standard", 5, "2026-02-06", "2026-02-06")
    };
    record(&world, "d1", "R-3", left).await?;
    let expected = [
        "WAITING_PAY_BY",
        "LADDER_FINISHED",
        "LEFT_LADDER",
        "DUNNED_ENTRY",
    ];
    assert_eq!(reasons(&api, "d1").await?, expected);
    let told = explain(&api, "c1", "d1").await?.into_inner().findings;
    assert_eq!(told[0].deciding_date, Some(from_date(date("2026-03-06"))));
    assert_eq!(told[0].next_date, Some(from_date(date("2026-03-09"))));
    assert_eq!((told[0].sent_level, told[0].level), (1, 2));
    assert_eq!(reasons(&api, "d2").await?, ["CONTACT_BUDGET"]);
    assert_eq!(reasons(&api, "d3").await?, ["MINIMUM"]);
    let waiting = reasons(&api, "d4").await?;
    assert!(
        waiting
            .iter()
            .all(|it| it == "WAITING_AGE" || it == "NOT_DUE"),
        "{waiting:?}"
    );
    Ok(())
}

/// What a person must do first is a task: no channel, no law, no procedure, a notice of the law that was skipped.
///
/// # Errors
/// If a call fails that should not.
pub async fn what_needs_a_person_is_a_task(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    world.owing("d1", &[("R-1", 10_000, DUE)]);
    world.contact_point("d1", "mail", Channel::Email, |it| {
        it.state = ContactState::Bounced.into();
    });
    world.owing("d2", &[("R-2", 10_000, DUE)]);
    world.debtor("d2", |debtor| debtor.country = "XX".to_owned());
    world.owing("d3", &[("R-3", 10_000, DUE)]);
    world.treat("d3", "late", "gone", |_| {});
    world.owing("d4", &[("R-4", 10_000, DUE)]);
    world.debtor("d4", |debtor| {
        debtor.kind = DebtorKind::Person.into();
        debtor.country = "NL".to_owned();
    });
    world.flush().await?;
    let overdue = sent("standard", 1, "2026-02-02", "2026-02-16");
    record(&world, "d2", "R-2", overdue.clone()).await?;
    record(&world, "d4", "R-4", overdue).await?;
    for (debtor_id, reason, reference, task) in [
        (
            "d1",
            "NO_CHANNEL",
            "email BOUNCED, post NO_CONTACT_POINT",
            TaskKind::ResearchContact,
        ),
        ("d2", "CHARGES_UNKNOWN", "NO_PACK XX", TaskKind::SupplyRate),
        (
            "d3",
            "PROCEDURE_UNKNOWN",
            "gone",
            TaskKind::DecideProcedureChange,
        ),
        (
            "d4",
            "STATUTORY_NOTICE_MISSING",
            "",
            TaskKind::StatutoryNoticeMissing,
        ),
    ] {
        let told = explain(&api, "c1", debtor_id).await?.into_inner();
        let said: Vec<_> = told
            .findings
            .iter()
            .map(|it| (it.reason.as_str(), it.reference.as_str()))
            .collect();
        assert_eq!(said, [(reason, reference)], "{debtor_id}");
        assert_eq!(told.tasks, [i32::from(task)], "{debtor_id}");
        assert!(told.notices.is_empty());
    }
    // A segment that waives fees and interest needs no law.
    world.treat("d2", "good", "standard", |policy| {
        policy.reminder_fees = ReminderFees::Waived.into();
    });
    world.flush().await?;
    assert_eq!(reasons(&api, "d2").await?, ["DUNNED_NEXT"]);
    Ok(())
}

/// A ledger that may lack payments withholds, or marks, as the creditor wants.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_stale_ledger_withholds_or_marks(db: &Db) -> Outcome {
    use dunning_core::input::WhenStale;
    let (mut world, api) = open(db).await?;
    world.owing("d1", &[("R-1", 10_000, DUE)]);
    world.flush().await?;
    let set = async |max_age: Option<u16>, when_stale| -> Outcome {
        let settings = DunningSettings {
            max_bank_import_age_days: max_age,
            when_stale,
            ..DunningSettings::default()
        };
        let txn = db.begin_write().await?;
        settings::put(&txn, "c1", &settings).await?;
        Ok(txn.commit().await?)
    };
    assert_eq!(reasons(&api, "d1").await?, ["DUNNED_ENTRY"]);
    set(Some(2), WhenStale::Withhold).await?;
    assert_eq!(reasons(&api, "d1").await?, ["STALE_LEDGER"]);
    world.change_creditor(|it| it.last_bank_import = Some(from_date(date("2026-02-27"))));
    world.flush().await?;
    let told = explain(&api, "c1", "d1").await?.into_inner().findings;
    assert_eq!(
        told[0].text,
        "The last bank import is of 2026-02-27, more than 2 days ago."
    );
    set(Some(3), WhenStale::Withhold).await?;
    assert_eq!(reasons(&api, "d1").await?, ["DUNNED_ENTRY"]);
    set(Some(2), WhenStale::Mark).await?;
    assert_eq!(reasons(&api, "d1").await?, ["DUNNED_ENTRY"]);
    // A feed that is not followed says what the ledger may lack, too.
    set(None, WhenStale::Withhold).await?;
    db.execute(
        "UPDATE feed_cursor SET state = 'snapshot' WHERE part = 3",
        vec![],
    )
    .await?;
    assert_eq!(reasons(&api, "d1").await?, ["STALE_LEDGER"]);
    Ok(())
}

/// Nobody gets what a person handles by hand, or what is paused.
///
/// # Errors
/// If a call fails that should not.
pub async fn manual_mode_comes_before_everything_but_insolvency(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    world.owing("d1", &[("R-1", 10_000, DUE)]);
    world.flush().await?;
    let txn = db.begin_write().await?;
    pause::set_manual(&txn, "c1", "d1", Some(world.today), "somebody").await?;
    txn.commit().await?;
    assert_eq!(reasons(&api, "d1").await?, ["MANUAL_MODE"]);
    world.debtor("d1", |it| {
        it.insolvent_since = Some(from_date(date("2026-03-01")))
    });
    world.flush().await?;
    assert_eq!(reasons(&api, "d1").await?, ["INSOLVENT"]);
    Ok(())
}

/// Explanations that cannot be given are refused with the reason.
///
/// # Errors
/// If a call fails that should not.
pub async fn what_cannot_be_explained_is_refused(db: &Db) -> Outcome {
    let api = Api {
        app: app(db).await?,
    };
    let precondition = Code::FailedPrecondition;
    let refused = explain(&api, "c1", "d1").await;
    assert_refused(&refused, precondition, ErrorReason::ProjectionNotReady);
    let (mut world, api) = open(db).await?;
    assert_not_found(&explain(&api, "c2", "d1").await, "creditor");
    assert_not_found(&explain(&api, "c1", "d1").await, "debtor");
    assert_violates(
        &explain(&api, "", "a b").await,
        &["creditor_id", "debtor_id"],
    );
    world.owing("d1", &[("R-1", 10_000, DUE)]);
    world.flush().await?;
    assert_eq!(reasons(&api, "d1").await?, ["DUNNED_ENTRY"]);

    let parking = "INSERT INTO feed_parked (feed, creditor_id, debtor_id, part, error, entity, entity_id, parked_at) \
                   VALUES ('registry', 'c1', 'd1', 0, '', '', '', 0)";
    db.execute(parking, vec![]).await?;
    let refused = explain(&api, "c1", "d1").await;
    assert_refused(&refused, precondition, ErrorReason::DebtorParked);
    db.execute("DELETE FROM feed_parked", vec![]).await?;

    let one_feed = "UPDATE feed_cursor SET ready = $1 WHERE feed = 'segmentation' AND part = 5";
    db.execute(one_feed, vec![0_i64.into()]).await?;
    let refused = explain(&api, "c1", "d1").await;
    assert_refused(&refused, precondition, ErrorReason::ProjectionNotReady);
    db.execute(one_feed, vec![1_i64.into()]).await?;

    world.change_creditor(|creditor| creditor.business_date = None);
    world.flush().await?;
    let refused = explain(&api, "c1", "d1").await;
    assert_refused(&refused, precondition, ErrorReason::NoBusinessDay);
    let foreign = api
        .explain_debtor(Request::new(ExplainDebtorRequest {
            creditor_id: "c1".to_owned(),
            debtor_id: "d1".to_owned(),
            at_least: "%%%".to_owned(),
        }))
        .await;
    assert_violates(&foreign, &["at_least"]);
    Ok(())
}
