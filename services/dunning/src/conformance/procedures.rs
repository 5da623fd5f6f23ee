//! Procedures and settings, as a caller sees them.

use mahnwerk_proto::{
    common::v1::ErrorReason,
    dunning::v1::{
        CreateProcedureRevisionRequest, CreateProcedureRevisionResponse, DunningSettings,
        ExplainDebtorRequest, GetDunningSettingsRequest, GetProcedureRequest,
        ListProceduresRequest, Procedure, SetDunningSettingsRequest, WhenStale,
        procedure_service_server::ProcedureService, work_service_server::WorkService,
    },
};
use mahnwerk_runtime::db::Db;
use tonic::{Code, Request, Response, Status};

use super::{
    Outcome, assert_not_found, assert_refused, assert_violates,
    world::{World, date},
};
use crate::grpc::Api;

async fn open(db: &Db) -> Result<(World, Api), Status> {
    let mut world = World::open(db, "c1", date("2026-03-02")).await?;
    world.owing("d1", &[("R-1", 10_000, "2026-02-16")]);
    world.flush().await?;
    let api = Api {
        app: world.app.clone(),
    };
    Ok((world, api))
}

async fn definition(api: &Api, procedure_id: &str, revision: i32) -> Result<Procedure, Status> {
    let found = api
        .get_procedure(Request::new(GetProcedureRequest {
            creditor_id: "c1".to_owned(),
            procedure_id: procedure_id.to_owned(),
            revision,
            at_least: String::new(),
        }))
        .await?;
    Ok(found.into_inner().procedure.unwrap_or_default())
}

async fn create(
    api: &Api,
    request_id: &str,
    procedure_id: &str,
    definition: &str,
    validate_only: bool,
) -> Result<Response<CreateProcedureRevisionResponse>, Status> {
    api.create_procedure_revision(Request::new(CreateProcedureRevisionRequest {
        request_id: request_id.to_owned(),
        procedure: Some(Procedure {
            creditor_id: "c1".to_owned(),
            procedure_id: procedure_id.to_owned(),
            revision: 7,
            definition: definition.to_owned(),
        }),
        validate_only,
    }))
    .await
}

/// Revisions count up, stay as they are, and the latest applies.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_procedure_is_revised_and_the_latest_applies(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let first = definition(&api, "standard", 0).await?;
    assert_eq!(first.revision, 1);
    let renamed = first
        .definition
        .replace("name = \"Standard\"", "name = \"Ours\"");
    assert_ne!(renamed, first.definition);

    let checked = create(&api, "r-1", "standard", &renamed, true)
        .await?
        .into_inner();
    assert_eq!(checked.consistency_token, "");
    assert_eq!(checked.procedure.unwrap_or_default().revision, 0);
    assert_eq!(definition(&api, "standard", 0).await?.revision, 1);

    let written = create(&api, "r-2", "standard", &renamed, false)
        .await?
        .into_inner();
    assert!(!written.consistency_token.is_empty());
    let second = written.procedure.unwrap_or_default();
    assert_eq!((second.revision, &second.definition), (2, &renamed));
    let repeated = create(&api, "r-2", "standard", &renamed, false)
        .await?
        .into_inner();
    assert_eq!(repeated.procedure.unwrap_or_default(), second);
    let reused = create(&api, "r-2", "standard", &first.definition, false).await;
    assert_refused(&reused, Code::AlreadyExists, ErrorReason::RequestIdReused);

    assert_eq!(definition(&api, "standard", 0).await?, second);
    assert_eq!(definition(&api, "standard", 1).await?, first);
    let explained = api
        .explain_debtor(Request::new(ExplainDebtorRequest {
            creditor_id: "c1".to_owned(),
            debtor_id: "d1".to_owned(),
            at_least: written.consistency_token,
        }))
        .await?;
    assert_eq!(explained.into_inner().procedure, "standard@2");

    let own = create(&api, "r-3", "ours", &renamed, false)
        .await?
        .into_inner();
    assert_eq!(own.procedure.unwrap_or_default().revision, 1);
    Ok(())
}

/// Every fault of a definition is named, and nothing is stored.
///
/// # Errors
/// If a call fails that should not.
pub async fn a_wrong_procedure_is_refused_with_every_reason(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let good = definition(&api, "standard", 0).await?.definition;
    let wrong = good
        .replace("grace_days = 2", "grace_days = 91")
        .replace("template = \"notice\"", "template = \"\"")
        .replace("escalation = \"BY_AGE\"", "escalation = \"STEP_BY_STEP\"");
    for validate_only in [true, false] {
        let refused = create(&api, "r-1", "standard", &wrong, validate_only).await;
        let fields = [
            "procedure.definition.grace_days",
            "procedure.definition.steps[1].template",
        ];
        assert_violates(&refused, &fields);
    }
    for unreadable in ["steps = 3", "name = ", "colour = \"red\""] {
        let refused = create(&api, "r-1", "standard", unreadable, false).await;
        assert_violates(&refused, &["procedure.definition"]);
    }
    let posted = good.replace("NOTICE_ONLY", "RECEIVABLE");
    let refused = create(&api, "r-1", "standard", &posted, false).await;
    assert_violates(&refused, &["procedure.definition.fee_posting"]);
    let refused = create(&api, "", "a b", &"x".repeat(65 * 1024), false).await;
    let fields = [
        "request_id",
        "procedure.procedure_id",
        "procedure.definition",
    ];
    assert_violates(&refused, &fields);
    let refused = api
        .create_procedure_revision(Request::new(CreateProcedureRevisionRequest::default()))
        .await;
    let fields = [
        "request_id",
        "procedure.creditor_id",
        "procedure.procedure_id",
        "procedure.definition",
    ];
    assert_violates(&refused, &fields);
    assert_eq!(definition(&api, "standard", 0).await?.revision, 1);
    // A refused call leaves its request id unused.
    create(&api, "r-1", "standard", &good, false).await?;
    Ok(())
}

/// Procedures are listed by id, page by page; what there is not is not found.
///
/// # Errors
/// If a call fails that should not.
pub async fn procedures_are_listed_and_read(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = api
            .list_procedures(Request::new(ListProceduresRequest {
                creditor_id: "c1".to_owned(),
                page_size: 3,
                page_token,
                at_least: String::new(),
            }))
            .await?
            .into_inner();
        found.extend(page.procedures.into_iter().map(|it| it.procedure_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["courteous", "new_customer", "standard", "strict"]);
    let request = |creditor_id: &str, procedure_id: &str, revision| {
        Request::new(GetProcedureRequest {
            creditor_id: creditor_id.to_owned(),
            procedure_id: procedure_id.to_owned(),
            revision,
            at_least: String::new(),
        })
    };
    let missing = api.get_procedure(request("c1", "standard", 2)).await;
    assert_not_found(&missing, "procedure");
    let missing = api.get_procedure(request("c1", "none", 0)).await;
    assert_not_found(&missing, "procedure");
    let missing = api.get_procedure(request("nobody", "standard", 0)).await;
    assert_not_found(&missing, "creditor");
    let wrong = api.get_procedure(request("", "", -1)).await;
    assert_violates(&wrong, &["creditor_id", "procedure_id", "revision"]);
    Ok(())
}

const ALL_SETTINGS: [&str; 6] = [
    "max_bank_import_age_days",
    "when_stale",
    "sender",
    "payment_details",
    "email_from",
    "four_eyes_release",
];

async fn read_settings(api: &Api) -> Result<DunningSettings, Status> {
    let request = GetDunningSettingsRequest {
        creditor_id: "c1".to_owned(),
        at_least: String::new(),
    };
    let found = api.get_dunning_settings(Request::new(request)).await?;
    Ok(found.into_inner().settings.unwrap_or_default())
}

/// A request to change the settings named in `mask`, if they have the etag.
fn change(
    request_id: &str,
    settings: &DunningSettings,
    mask: &[&str],
    etag: &str,
) -> Request<SetDunningSettingsRequest> {
    Request::new(SetDunningSettingsRequest {
        request_id: request_id.to_owned(),
        settings: Some(settings.clone()),
        update_mask: mask.iter().map(|path| (*path).to_owned()).collect(),
        etag: etag.to_owned(),
    })
}

/// Settings begin as documented, and may all be changed at once.
///
/// # Errors
/// If a call fails that should not.
pub async fn settings_are_set_and_read(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let read = async || read_settings(&api).await;
    let begin = read().await?;
    let expected = DunningSettings {
        creditor_id: "c1".to_owned(),
        when_stale: WhenStale::Withhold.into(),
        etag: begin.etag.clone(),
        ..DunningSettings::default()
    };
    assert_eq!(begin, expected);
    assert!(!begin.etag.is_empty());
    let wanted = DunningSettings {
        max_bank_import_age_days: Some(0),
        when_stale: WhenStale::Mark.into(),
        sender: "Sample GmbH\nMusterweg 1".to_owned(),
        payment_details: "DE00 0000".to_owned(),
        email_from: "mahnung@example.org".to_owned(),
        four_eyes_release: true,
        version: 9,
        ..begin
    };
    let set = |request_id: &str, settings: &DunningSettings| {
        api.set_dunning_settings(change(request_id, settings, &ALL_SETTINGS, ""))
    };
    let stored = set("r-1", &wanted).await?.into_inner();
    let answered = stored.settings.clone().unwrap_or_default();
    let expected = DunningSettings {
        version: 1,
        etag: answered.etag.clone(),
        ..wanted.clone()
    };
    assert_eq!(answered, expected);
    assert_ne!(answered.etag, wanted.etag);
    assert_eq!(set("r-1", &wanted).await?.into_inner(), stored);
    assert_eq!(read().await?, expected);
    set("r-2", &wanted).await?;
    assert_eq!(read().await?.version, 2);

    let wrong = DunningSettings {
        creditor_id: String::new(),
        max_bank_import_age_days: Some(366),
        when_stale: 0,
        sender: "x".repeat(501),
        payment_details: "\u{0}".to_owned(),
        email_from: "nobody".to_owned(),
        four_eyes_release: true,
        version: 0,
        etag: String::new(),
    };
    let refused = set("", &wrong).await;
    let fields = [
        "request_id",
        "settings.creditor_id",
        "settings.max_bank_import_age_days",
        "settings.when_stale",
        "settings.sender",
        "settings.payment_details",
        "settings.email_from",
    ];
    assert_violates(&refused, &fields);
    let elsewhere = DunningSettings {
        creditor_id: "nobody".to_owned(),
        ..wanted
    };
    assert_not_found(&set("r-3", &elsewhere).await, "creditor");
    Ok(())
}

/// A change leaves alone what it does not name, even if it was changed since the caller read it; with an etag it is
/// refused then.
///
/// # Errors
/// If a call fails that should not.
pub async fn settings_change_where_they_are_named_and_read(db: &Db) -> Outcome {
    let (_world, api) = open(db).await?;
    let before = read_settings(&api).await?;
    let two = DunningSettings {
        four_eyes_release: true,
        ..before.clone()
    };
    let both = change("r-1", &two, &["four_eyes_release"], &before.etag);
    api.set_dunning_settings(both).await?;
    let now = read_settings(&api).await?;
    assert!(now.four_eyes_release);

    // Whoever read it before still believes that one is enough.
    let sender = DunningSettings {
        sender: "Sample GmbH".to_owned(),
        email_from: "not looked at".to_owned(),
        when_stale: 0,
        ..before.clone()
    };
    let stale = change("r-2", &sender, &ALL_SETTINGS[2..3], &before.etag);
    let stale = api.set_dunning_settings(stale).await;
    assert_refused(&stale, Code::Aborted, ErrorReason::EtagMismatch);
    assert_eq!(read_settings(&api).await?, now);
    let named = change("r-2", &sender, &ALL_SETTINGS[2..3], "");
    let stored = api.set_dunning_settings(named).await?.into_inner();
    let stored = stored.settings.unwrap_or_default();
    let expected = DunningSettings {
        sender: "Sample GmbH".to_owned(),
        version: 2,
        etag: stored.etag.clone(),
        ..now.clone()
    };
    assert_eq!(stored, expected);
    assert_ne!(stored.etag, now.etag);

    let nothing = api.set_dunning_settings(change("r-3", &sender, &[], ""));
    assert_violates(&nothing.await, &["update_mask"]);
    let mask = ["sender", "version", "no such"];
    let unknown = api.set_dunning_settings(change("r-3", &sender, &mask, ""));
    assert_violates(&unknown.await, &["update_mask[1]", "update_mask[2]"]);
    Ok(())
}
