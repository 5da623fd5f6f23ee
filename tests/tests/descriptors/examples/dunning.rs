//! The cases of procedures, runs, notices, pauses and tasks.

use serde_json::json;

use super::date;
use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

pub fn procedure(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    Some(match method {
        "CreateProcedureRevision" => good(json!({"request_id": "r1", "procedure": {
            "creditor_id": c, "procedure_id": "standard", "definition": f.procedure,
        }}))
        .other(
            json!({"procedure": {"definition": format!("{}\n# Looked through.\n", f.procedure)}}),
        )
        .refers(&["procedure.creditor_id"])
        .names(&["procedure.procedure_id"])
        .ignores(&["procedure.revision"]),
        "GetProcedure" => good(json!({"creditor_id": c, "procedure_id": "strict", "revision": 1}))
            .refers(&["creditor_id", "procedure_id"]),
        "ListProcedures" => good(json!({"creditor_id": c, "page_size": 1})),
        "SetDunningSettings" => good(json!({"request_id": "r1", "settings": {
            "creditor_id": c, "max_bank_import_age_days": 5, "when_stale": "WHEN_STALE_MARK",
            "sender": "Nordlicht Handel GmbH, Hafenstraße 1, 20457 Hamburg",
            "payment_details": "DE89 3704 0044 0532 0130 00", "email_from": "mahnung@example.org",
            "four_eyes_release": true,
        }, "update_mask": [
            "max_bank_import_age_days", "when_stale", "sender", "payment_details", "email_from",
            "four_eyes_release",
        ]}))
        .other(json!({"settings": {"max_bank_import_age_days": 6}}))
        .refers(&["settings.creditor_id"])
        .ignores(&["settings.version", "settings.etag"]),
        "GetDunningSettings" => good(json!({"creditor_id": c})),
        _ => return None,
    })
}

pub fn run(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let run = json!({"creditor_id": c, "run_id": f.run});
    let write = json!({"request_id": "r1", "creditor_id": c, "run_id": f.run});
    Some(match method {
        "ProposeRun" => good(json!({
            "request_id": "r1", "creditor_id": c, "business_date": date(2025, 1, 2),
        }))
        .other(json!({"business_date": date(2025, 1, 3)})),
        "GetRun" | "ReplayRun" => good(run).refers(&["creditor_id", "run_id"]),
        "ListRuns" => good(json!({"creditor_id": c, "page_size": 1})),
        "ListNotices" => {
            good(json!({"creditor_id": c, "run_id": f.run, "debtor_id": "d3", "page_size": 1}))
                .refers(&["creditor_id"])
                .names(&["run_id", "debtor_id"])
                .may_be_unspecified(&["state"])
        }
        "GetNotice" => good(json!({"creditor_id": c, "notice_id": f.notice}))
            .refers(&["creditor_id", "notice_id"]),
        "PreviewNotice" => {
            good(json!({"creditor_id": c, "notice_id": f.notice, "language": "en"}))
                .refers(&["creditor_id", "notice_id"])
        }
        "ReviewNotice" => good(json!({
            "request_id": "r1", "creditor_id": c, "notice_id": f.notice, "edit": {"comment": "looked at"},
        }))
        .other(json!({"edit": {"comment": "looked at twice"}}))
        .refers(&["creditor_id", "notice_id"])
        .names(&["edit.exclude_item_id"]),
        "ReleaseRun" | "CancelRun" => good(write)
            .other(json!({"run_id": "other"}))
            .refers(&["creditor_id", "run_id"]),
        _ => return None,
    })
}

pub fn pause(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    Some(match method {
        "CreatePause" => good(json!({"request_id": "r1", "pause": {
            "creditor_id": c, "pause_id": "pause-new", "debtor_id": "d1", "item_id": "open-1",
            "kind": "PAUSE_KIND_STOP_CLOCK", "from": date(2024, 12, 30), "until": date(2025, 1, 31),
            "reason": "parcel on its way back",
        }}))
        .other(json!({"pause": {"reason": "parcel lost"}}))
        .refers(&["pause.creditor_id"])
        .names(&[
            "pause.pause_id",
            "pause.debtor_id",
            "pause.item_id",
            "pause.segment_id",
        ])
        .ignores(&["pause.principal", "pause.version"]),
        "EndPause" => good(json!({
            "request_id": "r1", "creditor_id": c, "pause_id": "pause-1", "until": date(2025, 1, 2),
        }))
        .other(json!({"until": date(2025, 1, 1)}))
        .refers(&["creditor_id", "pause_id"]),
        "ListPauses" => good(json!({"creditor_id": c, "debtor_id": "d1", "page_size": 1})),
        "SetManualMode" => good(json!({
            "request_id": "r1", "creditor_id": c, "debtor_id": "d1", "until": date(2025, 2, 28),
        }))
        .other(json!({"until": date(2025, 3, 31)})),
        _ => return None,
    })
}

pub fn work(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    Some(match method {
        "ExplainDebtor" => {
            good(json!({"creditor_id": c, "debtor_id": "d1", "at_least": f.token}))
        }
        "ListTasks" => good(json!({"creditor_id": c, "debtor_id": "d2", "page_size": 1}))
            .refers(&["creditor_id"])
            .names(&["debtor_id"])
            .may_be_unspecified(&["kind"]),
        "ClaimTask" => good(json!({
            "request_id": "r1", "creditor_id": c, "task_id": f.task, "minutes": 30,
        }))
        .other(json!({"minutes": 31}))
        .refers(&["creditor_id", "task_id"]),
        "CompleteTask" => good(json!({
            "request_id": "r1", "creditor_id": c, "task_id": f.task, "outcome": "TASK_OUTCOME_DISMISSED",
            "note": "found in the old system",
        }))
        .other(json!({"note": "found"}))
        .refers(&["creditor_id", "task_id"]),
        "ReportDelivery" => good(json!({
            "request_id": "r1", "creditor_id": c, "notice_id": f.sent_notice,
            "outcome": "DELIVERY_OUTCOME_DELIVERED",
        }))
        .other(json!({"outcome": "DELIVERY_OUTCOME_MOVED"}))
        .refers(&["creditor_id", "notice_id"]),
        "GetDispatch" => good(json!({"creditor_id": c})),
        "SetDispatch" => good(json!({
            "request_id": "r1", "creditor_id": c, "enabled": false, "reason": "bank holiday",
        }))
        .other(json!({"reason": "other"})),
        _ => return None,
    })
}
