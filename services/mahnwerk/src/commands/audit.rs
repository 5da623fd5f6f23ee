//! `mahnwerk audit`.

use chrono::{DateTime, Utc};
use comfy_table::Table;
use mahnwerk_proto::common::v1::{AuditEntry, ListAuditEntriesRequest};
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{
    Context,
    listing::{Listed, Page, pages},
};
use crate::{
    cli::{Service, audit::AuditArgs},
    client::{Result, call},
    json,
    output::{count_text, print_json, right, table, time_text},
};

const SERVICES: [Service; 4] = [
    Service::Registry,
    Service::Scoring,
    Service::Segmentation,
    Service::Dunning,
];

/// Shows who did what: of one service, or of all of them by time.
pub(super) async fn run(context: &Context, args: AuditArgs) -> Result<()> {
    let limit = args.limit.max(1);
    let services = args
        .service
        .map_or_else(|| SERVICES.to_vec(), |one| vec![one]);
    let request = request(&args);
    let mut lists = Vec::new();
    for service in services {
        lists.push((service, read(context, service, limit, &request).await?));
    }
    let found = merged(lists, limit);
    if context.json {
        let entries: Vec<Value> = found.rows.iter().map(document).collect();
        print_json(&json!({ "entries": entries, "more": found.more }));
    } else if found.rows.is_empty() {
        say!("nothing of the kind was done");
    } else {
        say!("{}", entries(&found.rows));
        if found.more {
            say!("there are more; --limit shows them, --since and --until leave others out");
        }
    }
    Ok(())
}

fn request(args: &AuditArgs) -> ListAuditEntriesRequest {
    ListAuditEntriesRequest {
        creditor_id: args.creditor.clone(),
        debtor_id: args.debtor.clone(),
        entity: args.entity.clone(),
        entity_id: args.id.clone(),
        principal: args.principal.clone(),
        cause_request_id: args.request.clone(),
        trace_id: args.trace.clone(),
        start_time: args.since.map(timestamp),
        end_time: args.until.map(timestamp),
        ..ListAuditEntriesRequest::default()
    }
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

/// The first entries of a service.
async fn read(
    context: &Context,
    service: Service,
    limit: usize,
    request: &ListAuditEntriesRequest,
) -> Result<Listed<AuditEntry>> {
    let mut audit = context.clients.audit(service);
    pages(limit, async |page: Page| {
        let request = ListAuditEntriesRequest {
            page_size: page.size,
            page_token: page.token,
            ..request.clone()
        };
        let answer = audit.list_audit_entries(call(request)).await?.into_inner();
        Ok((answer.entries, answer.next_page_token))
    })
    .await
}

/// The first entries of all services, by the time at which they were recorded. Those of one service stay in its order
/// where that cannot be told apart.
fn merged(
    lists: Vec<(Service, Listed<AuditEntry>)>,
    limit: usize,
) -> Listed<(Service, AuditEntry)> {
    let mut more = false;
    let mut rows = Vec::new();
    for (service, list) in lists {
        more |= list.more;
        rows.extend(list.rows.into_iter().map(|entry| (service, entry)));
    }
    let time = |entry: &AuditEntry| {
        let time = entry.record_time.unwrap_or_default();
        (time.seconds, time.nanos)
    };
    rows.sort_by_key(|(_, entry)| time(entry));
    more |= rows.len() > limit;
    rows.truncate(limit);
    Listed { rows, more }
}

fn document((service, entry): &(Service, AuditEntry)) -> Value {
    let mut document = json::message("mahnwerk.common.v1.AuditEntry", entry);
    document["service"] = json!(name(*service));
    document
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Registry => "registry",
        Service::Scoring => "scoring",
        Service::Segmentation => "segmentation",
        Service::Dunning => "dunning",
    }
}

fn entries(rows: &[(Service, AuditEntry)]) -> Table {
    let mut shown = table(&[
        "Time", "Service", "By", "Action", "What", "Which", "Version", "Debtor", "Request", "Trace",
    ]);
    for (service, entry) in rows {
        shown.add_row([
            time_text(entry.record_time.as_ref()),
            name(*service).to_owned(),
            entry.principal.clone(),
            entry.action.clone(),
            entry.entity.clone(),
            entry.entity_id.clone(),
            count_text(entry.version),
            entry.debtor_id.clone(),
            entry.request_id.clone(),
            entry.trace_id.clone(),
        ]);
    }
    right(&mut shown, [6]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(times: &[i64], more: bool) -> Listed<AuditEntry> {
        let entry = |seconds: &i64| AuditEntry {
            record_time: Some(Timestamp {
                seconds: *seconds,
                nanos: 0,
            }),
            ..AuditEntry::default()
        };
        Listed {
            rows: times.iter().map(entry).collect(),
            more,
        }
    }

    #[test]
    fn the_first_entries_of_all_services_are_shown_by_time() {
        let lists = |more| {
            vec![
                (Service::Registry, list(&[1, 4, 4], more)),
                (Service::Dunning, list(&[2, 4], false)),
            ]
        };
        let times = |found: &Listed<(Service, AuditEntry)>| {
            let seconds = |(service, entry): &(Service, AuditEntry)| {
                let time = entry.record_time.unwrap_or_default();
                (name(*service), time.seconds)
            };
            found.rows.iter().map(seconds).collect::<Vec<_>>()
        };
        let all = merged(lists(false), 5);
        assert_eq!(
            times(&all),
            [
                ("registry", 1),
                ("dunning", 2),
                ("registry", 4),
                ("registry", 4),
                ("dunning", 4)
            ]
        );
        assert!(!all.more);
        let some = merged(lists(false), 2);
        assert_eq!(times(&some), [("registry", 1), ("dunning", 2)]);
        assert!(some.more);
        assert!(merged(lists(true), 5).more);
    }
}
