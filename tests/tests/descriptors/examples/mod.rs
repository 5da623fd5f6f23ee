//! The case of every method.

mod account;
mod approval;
mod arrangement;
mod debtor;
mod dunning;
mod scoring;
mod segmentation;

use serde_json::{Value, json};
use tonic::Code;

use crate::descriptors::{
    cases::{Case, good},
    fixture::Fixture,
};

/// The case of the method at `path`.
pub fn case(path: &str, f: &Fixture) -> Option<Case> {
    let (service, method) = path.strip_prefix("/mahnwerk.")?.split_once('/')?;
    match service {
        "common.v1.FeedService" => feed(method, f),
        "common.v1.FeedAdminService" => feed_admin(method, f),
        "common.v1.AuditService" => audit(method, f),
        "registry.v1.CreditorService" => creditor(method, f),
        "registry.v1.DebtorService" => {
            debtor::debtor(method, f).or_else(|| debtor::contact(method, f))
        }
        "registry.v1.AccountService" => {
            account::posting(method, f).or_else(|| account::account(method, f))
        }
        "registry.v1.ApprovalService" => approval::approval(method, f),
        "registry.v1.ArrangementService" => {
            arrangement::dispute(method, f).or_else(|| arrangement::arrangement(method, f))
        }
        "registry.v1.ImportService" => account::import(method, f),
        "scoring.v1.ScoringService" => scoring::scoring(method, f),
        "scoring.v1.ScorecardService" => scoring::scorecard(method, f),
        "segmentation.v1.SchemeService" => segmentation::scheme(method, f),
        "segmentation.v1.MembershipService" => segmentation::membership(method, f),
        "dunning.v1.ProcedureService" => dunning::procedure(method, f),
        "dunning.v1.RunService" => dunning::run(method, f),
        "dunning.v1.WorkService" => dunning::pause(method, f).or_else(|| dunning::work(method, f)),
        _ => None,
    }
}

fn date(year: i32, month: i32, day: i32) -> Value {
    json!({"year": year, "month": month, "day": day})
}

fn euro(cents: i64) -> Value {
    json!({"currency_code": "EUR", "minor_units": cents})
}

fn feed(method: &str, f: &Fixture) -> Option<Case> {
    Some(match method {
        "Watch" => good(json!({
            "consumer": "test", "partitions": [0, 63],
            "from": {"incarnation": f.incarnation, "tx": f.tx},
        }))
        .otherwise(&[
            ("from.incarnation", Code::OutOfRange, "CURSOR_EXPIRED"),
            ("from.tx", Code::OutOfRange, "CURSOR_EXPIRED"),
        ]),
        "ListSnapshot" => good(json!({"partitions": [0, 63], "page_size": 1})),
        _ => return None,
    })
}

fn feed_admin(method: &str, f: &Fixture) -> Option<Case> {
    let parked = json!({
        "request_id": "r1", "feed": "registry", "creditor_id": f.creditor, "debtor_id": "parked",
    });
    Some(match method {
        "GetFeedStatus" => good(json!({})),
        "ListParked" => good(json!({"page_size": 1})),
        "RetryParked" | "DiscardParked" => good(parked).other(json!({"debtor_id": "other"})),
        "ResetFeed" => good(json!({"request_id": format!("reset-{}", f.creditor)})),
        _ => return None,
    })
}

fn audit(method: &str, f: &Fixture) -> Option<Case> {
    Some(match method {
        // What is unknown has no entries; services other than the registry do not know who there is.
        "ListAuditEntries" => good(json!({
            "creditor_id": f.creditor, "debtor_id": "d1", "entity": "item", "principal": "local", "page_size": 1,
        }))
        .refers(&[])
        .names(&["creditor_id", "debtor_id", "entity_id", "cause_request_id", "trace_id"]),
        _ => return None,
    })
}

fn creditor(method: &str, f: &Fixture) -> Option<Case> {
    let c = &f.creditor;
    let creditor = json!({
        "creditor_id": c, "display_name": "Südwind Technik AG", "time_zone": "Europe/Vienna",
        "calendar": "TARGET", "reporting_currency": "EUR", "business_day_mode": "BUSINESS_DAY_MODE_MANUAL",
    });
    let mut with_limit = creditor.clone();
    with_limit["four_eyes"] = json!({"write_off_above": euro(50_000)});
    let other_name = json!({"creditor": {"display_name": "Westwind"}});
    Some(match method {
        "CreateCreditor" => {
            let mut new = creditor;
            new["creditor_id"] = json!(format!("{c}-new"));
            good(json!({"request_id": format!("create-{c}-new"), "creditor": new}))
                .other(other_name)
                .refers(&[])
                .names(&["creditor.creditor_id"])
                .ignores(&[
                    "creditor.business_date",
                    "creditor.last_bank_import",
                    "creditor.version",
                    "creditor.etag",
                ])
        }
        "UpdateCreditor" => good(json!({
            "request_id": "r1", "creditor": with_limit,
            "update_mask": ["display_name", "time_zone", "calendar", "business_day_mode", "four_eyes"],
        }))
        .other(other_name)
        .refers(&["creditor.creditor_id"])
        .ignores(&[
            "creditor.reporting_currency",
            "creditor.business_date",
            "creditor.last_bank_import",
            "creditor.version",
            "creditor.etag",
        ]),
        "GetCreditor" => good(json!({"creditor_id": c})),
        "ListCreditors" => good(json!({"page_size": 1})),
        "OpenBusinessDay" => good(json!({
            "request_id": "r1", "creditor_id": c, "business_date": date(2025, 1, 3),
        }))
        .other(json!({"business_date": date(2025, 1, 6)})),
        "RecordBankImport" => good(json!({
            "request_id": "r1", "creditor_id": c, "import_date": date(2025, 1, 2),
        }))
        .other(json!({"import_date": date(2025, 1, 1)})),
        "SetFxRate" => good(json!({"request_id": "r1", "fx_rate": {
            "creditor_id": c, "base_currency": "CHF", "quote_currency": "EUR", "rate_date": date(2025, 1, 2),
            "numerator": 106, "denominator": 100, "source": "ECB",
        }}))
        .other(json!({"fx_rate": {"numerator": 107}}))
        .refers(&["fx_rate.creditor_id"])
        .ignores(&["fx_rate.version"]),
        "ListFxRates" => good(json!({"creditor_id": c})),
        _ => return None,
    })
}
