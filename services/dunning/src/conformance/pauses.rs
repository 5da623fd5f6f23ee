//! Pauses and manual mode, as a caller sees them.

use mahnwerk_proto::{
    common::v1::{Date, ErrorReason},
    dunning::v1::{
        CreatePauseRequest, CreatePauseResponse, EndPauseRequest, EndPauseResponse,
        ExplainDebtorRequest, Finding, ListPausesRequest, Pause, PauseKind, SetManualModeRequest,
        SetManualModeResponse, work_service_server::WorkService,
    },
};
use mahnwerk_runtime::{
    db::{Db, Sql, column},
    error::Result as Found,
    validate::from_date,
};
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_not_found, assert_refused, assert_violates,
    world::{World, date},
};
use crate::{grpc::Api, storage::pause};

fn day(text: &str) -> Option<Date> {
    Some(from_date(date(text)))
}

/// `d1` owes `R-1` for 14 days and `R-2` for 2, in segment `late`; `d2` owes `R-3`, in none.
async fn open(db: &Db) -> Result<(World, Api), Status> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing(
        "d1",
        &[("R-1", 10_000, "2026-02-16"), ("R-2", 10_000, "2026-02-28")],
    );
    world.treat("d1", "late", "standard", |_| {});
    world.owing("d2", &[("R-3", 10_000, "2026-02-16")]);
    world.flush().await?;
    let api = Api {
        app: world.app.clone(),
    };
    Ok((world, api))
}

fn pause(id: &str, debtor_id: &str, kind: PauseKind, from: &str, until: Option<&str>) -> Pause {
    Pause {
        creditor_id: "c1".to_owned(),
        pause_id: id.to_owned(),
        debtor_id: debtor_id.to_owned(),
        kind: kind.into(),
        from: day(from),
        until: until.and_then(day),
        reason: "asked for time".to_owned(),
        ..Pause::default()
    }
}

async fn create(api: &Api, pause: &Pause) -> Result<Response<CreatePauseResponse>, Status> {
    api.create_pause(Request::new(CreatePauseRequest {
        request_id: format!("create-{}", pause.pause_id),
        pause: Some(pause.clone()),
    }))
    .await
}

async fn end(
    api: &Api,
    request_id: &str,
    pause_id: &str,
    until: Option<Date>,
) -> Result<Response<EndPauseResponse>, Status> {
    api.end_pause(Request::new(EndPauseRequest {
        request_id: request_id.to_owned(),
        creditor_id: "c1".to_owned(),
        pause_id: pause_id.to_owned(),
        until,
    }))
    .await
}

async fn findings(api: &Api, debtor_id: &str) -> Result<Vec<Finding>, Status> {
    let explained = api
        .explain_debtor(Request::new(ExplainDebtorRequest {
            creditor_id: "c1".to_owned(),
            debtor_id: debtor_id.to_owned(),
            at_least: String::new(),
        }))
        .await?;
    Ok(explained.into_inner().findings)
}

/// Reason, days past due and reference by item of a debtor.
async fn said(api: &Api, debtor_id: &str) -> Result<Vec<(String, i64, String)>, Status> {
    let findings = findings(api, debtor_id).await?.into_iter();
    Ok(findings
        .map(|it| (it.reason, it.age_days, it.reference))
        .collect())
}

fn expect(said: &[(&str, i64, &str)]) -> Vec<(String, i64, String)> {
    let said = said.iter();
    said.map(|(reason, age, reference)| ((*reason).to_owned(), *age, (*reference).to_owned()))
        .collect()
}

/// A pause silences what it covers and nothing else; one that stops the clock, however far back-dated, takes its days
/// away, once where two overlap.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_pause_silences_what_it_covers(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let (suppress, stop) = (PauseKind::Suppress, PauseKind::StopClock);
    let dunned = expect(&[("DUNNED_ENTRY", 14, "EUR"), ("NOT_DUE", 2, "")]);
    assert_eq!(said(&api, "d1").await?, dunned);

    let mut item = pause("item", "d1", suppress, "2026-03-02", Some("2026-03-06"));
    item.item_id = "R-1".to_owned();
    let created = create(&api, &item).await?.into_inner();
    let stored = created.pause.clone().unwrap_or_default();
    assert_eq!((stored.version, stored.principal.as_str()), (1, "unknown"));
    assert_eq!(create(&api, &item).await?.into_inner(), created);
    let silent = findings(&api, "d1").await?;
    assert_eq!(
        said(&api, "d1").await?[0],
        expect(&[("PAUSED", 14, "item")])[0]
    );
    assert_eq!(silent[0].next_date, day("2026-03-07"));
    assert_eq!(
        said(&api, "d2").await?,
        expect(&[("DUNNED_ENTRY", 14, "EUR")])
    );
    end(&api, "e-1", "item", None).await?;
    assert_eq!(said(&api, "d1").await?, dunned);

    create(
        &api,
        &pause("past", "d1", stop, "2026-02-17", Some("2026-02-26")),
    )
    .await?;
    create(
        &api,
        &pause("more", "d1", stop, "2026-02-20", Some("2026-02-27")),
    )
    .await?;
    let young = expect(&[("WAITING_AGE", 3, ""), ("NOT_DUE", 2, "")]);
    assert_eq!(said(&api, "d1").await?, young);

    let mut segment = pause("seg", "", suppress, "2026-03-02", None);
    segment.segment_id = "late".to_owned();
    create(&api, &segment).await?;
    assert_eq!(
        said(&api, "d1").await?[0],
        expect(&[("PAUSED", 3, "seg")])[0]
    );
    assert_eq!(
        said(&api, "d2").await?,
        expect(&[("DUNNED_ENTRY", 14, "EUR")])
    );
    create(&api, &pause("all", "", suppress, "2026-03-02", None)).await?;
    assert_eq!(said(&api, "d2").await?, expect(&[("PAUSED", 14, "all")]));
    Ok(())
}

/// A pause is ended yesterday unless a day is given, may be reopened, and keeps every end it had; one ended before it
/// began never took effect.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_pause_is_ended_and_remembers_its_ends(db: &Db) -> Outcome {
    let (world, api) = open(db).await?;
    let suppress = PauseKind::Suppress;
    create(&api, &pause("p", "d1", suppress, "2026-02-20", None)).await?;
    let ended = end(&api, "e-1", "p", None)
        .await?
        .into_inner()
        .pause
        .unwrap_or_default();
    assert_eq!((ended.until, ended.version), (day("2026-03-01"), 2));
    let later = end(&api, "e-2", "p", day("2026-04-01")).await?.into_inner();
    assert_eq!(later.pause.unwrap_or_default().version, 3);
    let repeated = end(&api, "e-1", "p", None).await?.into_inner();
    assert_eq!(repeated.pause, Some(ended));
    let never = end(&api, "e-3", "p", day("2026-02-19")).await?.into_inner();
    assert_eq!(never.pause.and_then(|it| it.until), day("2026-02-19"));
    assert_eq!(said(&api, "d1").await?[0].0, "DUNNED_ENTRY");
    let refused = end(&api, "e-4", "p", day("2026-02-18")).await;
    assert_violates(&refused, &["until"]);
    let history = pause::history(db, "c1", "p").await?;
    let ends: Vec<_> = history
        .iter()
        .map(|(until, _)| until.map(|it| it.to_string()))
        .collect();
    let expected = [
        None,
        Some("2026-03-01"),
        Some("2026-04-01"),
        Some("2026-02-19"),
    ];
    assert_eq!(ends, expected.map(|it| it.map(str::to_owned)));

    create(&api, &pause("ahead", "", suppress, "2026-05-04", None)).await?;
    let ended = end(&api, "e-5", "ahead", None).await?.into_inner();
    assert_eq!(ended.pause.and_then(|it| it.until), day("2026-05-03"));
    assert_not_found(&end(&api, "e-6", "none", None).await, "pause");

    let rows = world
        .app
        .publisher
        .db()
        .query(
            "SELECT debtor_id, entity_id, action, version FROM event ORDER BY seq",
            vec![],
        )
        .await?;
    let told = rows.iter().map(|row| {
        let text = |name| column::<String>(row, name);
        let version: i64 = column(row, "version")?;
        let (debtor_id, entity_id) = (text("debtor_id")?, text("entity_id")?);
        let action = text("action")?;
        Ok(format!("{debtor_id}/{entity_id} {action} {version}"))
    });
    let told: Vec<String> = told.collect::<Found<_>>()?;
    let expected = [
        "d1/p created 1",
        "d1/p ended 2",
        "d1/p ended 3",
        "d1/p ended 4",
        "/ahead created 1",
        "/ahead ended 2",
    ];
    assert_eq!(told, expected);
    Ok(())
}

/// All pauses are listed, or those that concern a debtor, by id and page by page.
///
/// # Errors
/// If a call fails that should not.
pub async fn pauses_are_listed_by_whom_they_concern(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let suppress = PauseKind::Suppress;
    for (id, debtor_id, item_id, segment_id) in [
        ("a-all", "", "", ""),
        ("b-seg", "", "", "late"),
        ("c-other-seg", "", "", "fast"),
        ("d-debtor", "d1", "", ""),
        ("e-item", "d1", "R-1", ""),
        ("f-other", "d2", "", ""),
    ] {
        let pause = Pause {
            item_id: item_id.to_owned(),
            segment_id: segment_id.to_owned(),
            ..pause(id, debtor_id, suppress, "2026-03-02", None)
        };
        create(&api, &pause).await?;
    }
    let list = async |debtor_id: &str, page_size: i32| -> Result<Vec<String>, Status> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListPausesRequest {
                creditor_id: "c1".to_owned(),
                debtor_id: debtor_id.to_owned(),
                page_size,
                page_token,
                at_least: String::new(),
            };
            let page = api.list_pauses(Request::new(request)).await?.into_inner();
            assert!(page_size == 0 || page.pauses.len() <= 2);
            found.extend(page.pauses.into_iter().map(|it| it.pause_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    };
    let all = [
        "a-all",
        "b-seg",
        "c-other-seg",
        "d-debtor",
        "e-item",
        "f-other",
    ];
    assert_eq!(list("", 2).await?, all);
    assert_eq!(
        list("d1", 2).await?,
        ["a-all", "b-seg", "d-debtor", "e-item"]
    );
    assert_eq!(list("d2", 0).await?, ["a-all", "f-other"]);
    let missing = list("nobody", 0).await.map(Response::new);
    assert_not_found(&missing, "debtor");
    Ok(())
}

/// What is wrong with a pause is named, all of it.
///
/// # Errors
/// If a call fails that should not.
pub async fn wrong_pauses_are_refused(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let good = pause("p", "d1", PauseKind::Suppress, "2026-03-02", None);
    let wrong = Pause {
        creditor_id: String::new(),
        pause_id: "a b".to_owned(),
        debtor_id: String::new(),
        item_id: "R-1".to_owned(),
        segment_id: "late".to_owned(),
        kind: 0,
        from: None,
        until: Some(Date::default()),
        reason: " ".to_owned(),
        ..good.clone()
    };
    let refused = api
        .create_pause(Request::new(CreatePauseRequest {
            request_id: String::new(),
            pause: Some(wrong),
        }))
        .await;
    let fields = [
        "request_id",
        "pause.creditor_id",
        "pause.pause_id",
        "pause.debtor_id",
        "pause.segment_id",
        "pause.kind",
        "pause.from",
        "pause.until",
        "pause.reason",
    ];
    assert_violates(&refused, &fields);
    let backwards = Pause {
        until: day("2026-03-01"),
        ..good.clone()
    };
    assert_violates(&create(&api, &backwards).await, &["pause.until"]);
    let nobody = Pause {
        debtor_id: "nobody".to_owned(),
        ..good.clone()
    };
    assert_not_found(&create(&api, &nobody).await, "debtor");
    let nowhere = Pause {
        creditor_id: "nobody".to_owned(),
        ..good.clone()
    };
    assert_not_found(&create(&api, &nowhere).await, "creditor");
    create(&api, &good).await?;
    let again = api
        .create_pause(Request::new(CreatePauseRequest {
            request_id: "another".to_owned(),
            pause: Some(good),
        }))
        .await;
    assert_refused(&again, Code::AlreadyExists, ErrorReason::ResourceExists);
    Ok(())
}

/// A debtor handed over to a person gets nothing until the day after; it can be taken back.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_debtor_is_handed_over_to_a_person(db: &Db) -> Outcome {
    let (mut world, api) = open(db).await?;
    let set = async |request_id: &str,
                     debtor_id: &str,
                     until: Option<Date>|
           -> Result<Response<SetManualModeResponse>, Status> {
        api.set_manual_mode(Request::new(SetManualModeRequest {
            request_id: request_id.to_owned(),
            creditor_id: "c1".to_owned(),
            debtor_id: debtor_id.to_owned(),
            until,
        }))
        .await
    };
    let written = set("m-1", "d1", day("2026-03-03")).await?.into_inner();
    assert!(!written.consistency_token.is_empty());
    let handed = findings(&api, "d1").await?;
    assert_eq!(
        (handed[0].reason.as_str(), handed[0].deciding_date),
        ("MANUAL_MODE", day("2026-03-03"))
    );
    assert_eq!(
        set("m-1", "d1", day("2026-03-03")).await?.into_inner(),
        written
    );
    world.open_day(date("2026-03-04"));
    world.flush().await?;
    assert_eq!(said(&api, "d1").await?[0].0, "DUNNED_ENTRY");
    set("m-2", "d1", day("2027-03-04")).await?;
    assert_eq!(said(&api, "d1").await?[0].0, "MANUAL_MODE");
    set("m-3", "d1", None).await?;
    assert_eq!(said(&api, "d1").await?[0].0, "DUNNED_ENTRY");
    for until in ["2026-03-03", "2027-03-05"] {
        assert_violates(&set("m-4", "d1", day(until)).await, &["until"]);
    }
    assert_not_found(&set("m-5", "nobody", None).await, "debtor");
    let refused = set("", "", Some(Date::default())).await;
    assert_violates(&refused, &["request_id", "debtor_id", "until"]);
    Ok(())
}
