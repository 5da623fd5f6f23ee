//! Looks at the suite by the calls that every operator may make.

use std::{collections::BTreeMap, time::Duration};

use clap::ValueEnum as _;
use dunning_core::law::{HalfYear, LawPacks};
use futures::future::join_all;
use mahnwerk_access::certificate::first_end;
use mahnwerk_client::Shown;
use mahnwerk_proto::{
    common::v1::{GetFeedStatusRequest, ListParkedRequest, Position},
    dunning::v1::GetDispatchRequest,
    registry::v1::{BusinessDayMode, Creditor, ListCreditorsRequest},
};
use mahnwerk_runtime::{
    about::About,
    clock::{Clock as _, SystemClock},
};
use tonic::{Code, Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use super::seen::{CreditorSeen, DispatchSeen, FeedSeen, Health, RateSeen, Seen, ServiceSeen};
use crate::{
    cli::{Service, Urls, doctor::DoctorArgs},
    client::{Clients, Failure, Result, describe},
    commands::{Context, listing::pages},
    output::calendar_date,
};

/// Time for one call: whoever asks whether all is well does not want to wait for the answer that it is not.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at feeds that are behind.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Creditors asked about at once.
const AT_ONCE: usize = 32;

/// Parked debtors that are counted.
const PARKED: usize = 10_000;

/// Looks at everything.
///
/// # Errors
/// Only if this program itself is broken: what is wrong with the suite is in the answer.
pub(super) async fn look(context: &Context, urls: &Urls, args: &DoctorArgs) -> Result<Seen> {
    let clients = &context.clients;
    let all = Service::value_variants().iter().copied();
    let mut services = join_all(all.map(|it| service(context, urls, it))).await;
    let feeds = feeds(clients, &mut services, args.patience).await;
    let (creditors, more_creditors) = creditors(clients, &mut services, args.creditors).await;
    let now = chrono::DateTime::from_timestamp_micros(SystemClock.now()).unwrap_or_default();
    let today = args.today.unwrap_or(now.date_naive());
    Ok(Seen {
        today,
        program: mahnwerk_runtime::about::VERSION.to_owned(),
        services,
        feeds,
        creditors,
        more_creditors,
        rates: rates(HalfYear::of(today))?,
    })
}

fn ask<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// An error in one line.
fn line(what: &str, status: Status) -> String {
    let text = describe(&Failure::from(status));
    let first = text.lines().next().unwrap_or_default();
    format!("{what}: {}", first.trim_start_matches("error: "))
}

/// As in settings and programs.
fn name(service: Service) -> String {
    format!("{service:?}").to_lowercase()
}

fn url(urls: &Urls, service: Service) -> String {
    match service {
        Service::Registry => &urls.registry,
        Service::Scoring => &urls.scoring,
        Service::Segmentation => &urls.segmentation,
        Service::Dunning => &urls.dunning,
    }
    .clone()
}

/// The feeds that a service consumes.
fn upstreams(service: Service) -> &'static [Service] {
    match service {
        Service::Registry => &[],
        Service::Scoring => &[Service::Registry],
        Service::Segmentation => &[Service::Registry, Service::Scoring],
        Service::Dunning => &[Service::Registry, Service::Scoring, Service::Segmentation],
    }
}

/// What a service says of itself.
async fn service(context: &Context, urls: &Urls, service: Service) -> ServiceSeen {
    let clients = &context.clients;
    let mut seen = ServiceSeen {
        service: name(service),
        url: url(urls, service),
        ..ServiceSeen::default()
    };
    // Before the calls, which do not say which replica was not believed.
    certificates(&context.credentials, &mut seen).await;
    let mut health = clients.health(service);
    match health.check(ask(HealthCheckRequest::default())).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {
            seen.health = Health::Serving;
        }
        Ok(_) => seen.health = Health::NotServing,
        Err(status) => {
            seen.troubles.push(line("health", status));
            return seen;
        }
    }
    if let Err(status) = status(clients, service, &mut seen).await {
        seen.troubles.push(line("feed status", status));
    }
    let mut admin = clients.feed_admin(service);
    let parked = pages(PARKED, async |page| {
        let request = ListParkedRequest {
            page_size: page.size,
            page_token: page.token,
        };
        let answer = admin.list_parked(ask(request)).await?.into_inner();
        Ok((answer.parked, answer.next_page_token))
    });
    match parked.await {
        Ok(parked) => seen.parked = parked.rows.len(),
        Err(Failure::Refused(status)) => seen.troubles.push(line("parked", *status)),
        Err(other) => seen.troubles.push(other.to_string()),
    }
    seen
}

/// For how long the certificates of its replicas are good, and who shows none that is.
async fn certificates(credentials: &mahnwerk_client::Settings, seen: &mut ServiceSeen) {
    let shown = match mahnwerk_client::certificates(&seen.url, credentials).await {
        Ok(shown) => shown,
        Err(error) => return seen.troubles.push(error.to_string()),
    };
    let now = u64::try_from(SystemClock.now() / 1_000_000).unwrap_or(0);
    for Shown {
        replica,
        certificates,
    } in shown
    {
        match certificates {
            Ok(certificates) => {
                let end = first_end(certificates.iter().map(Vec::as_slice), now);
                let left = end.map(|end| end.cast_signed().saturating_sub(now.cast_signed()));
                // The least of those that are known.
                seen.certificate_left_s = seen.certificate_left_s.into_iter().chain(left).min();
            }
            Err(error) => seen.troubles.push(format!("TLS with {replica}: {error}")),
        }
    }
}

/// Version, clock and feeds.
async fn status(clients: &Clients, service: Service, seen: &mut ServiceSeen) -> Result<(), Status> {
    let mut admin = clients.feed_admin(service);
    let asked_at = SystemClock.now();
    let answer = admin.get_feed_status(ask(GetFeedStatusRequest {})).await?;
    let answered_at = SystemClock.now();
    let about = About::of(answer.metadata());
    // It answered some time between.
    let middle = i64::midpoint(asked_at, answered_at);
    seen.clock_ms = about.time.map(|time| (time - middle) / 1_000);
    seen.clock_error_ms = (answered_at - asked_at) / 2_000 + 1;
    seen.version = about.version;
    let status = answer.into_inner();
    seen.oldest_writer_ms = status.oldest_writer_ms;
    seen.horizon = status.horizon;
    seen.consumed = status.consumed;
    Ok(())
}

/// All consumed feeds, and after how long each contained what could be read of its upstream at first. Waits for those that
/// are behind until `patience` seconds are over.
async fn feeds(clients: &Clients, services: &mut [ServiceSeen], patience: u32) -> Vec<FeedSeen> {
    let horizons: BTreeMap<String, Position> = services
        .iter()
        .filter_map(|seen| Some((seen.service.clone(), seen.horizon.clone()?)))
        .collect();
    let began = SystemClock.now();
    let mut lags = BTreeMap::<(String, String), i64>::new();
    loop {
        let elapsed = (SystemClock.now() - began) / 1_000;
        let (mut feeds, mut behind) = (Vec::new(), Vec::new());
        for (at, service) in Service::value_variants().iter().enumerate() {
            let Some(seen) = services.get(at).filter(|seen| seen.horizon.is_some()) else {
                continue;
            };
            for feed in upstreams(*service).iter().copied().map(name) {
                let horizon = horizons.get(&feed);
                let mut found = FeedSeen::of(&seen.service, &feed, &seen.consumed, horizon);
                let key = (seen.service.clone(), feed);
                match horizon {
                    Some(horizon) if found.contains(&seen.consumed, horizon) => {
                        lags.entry(key.clone()).or_insert(elapsed);
                    }
                    Some(_) => behind.push((at, *service)),
                    None => {}
                }
                found.lag_ms = lags.get(&key).copied();
                feeds.push(found);
            }
        }
        if behind.is_empty() || elapsed >= i64::from(patience) * 1_000 {
            return feeds;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        behind.dedup();
        for (at, service) in behind {
            let mut admin = clients.feed_admin(service);
            let again = admin.get_feed_status(ask(GetFeedStatusRequest {})).await;
            if let (Ok(again), Some(seen)) = (again, services.get_mut(at)) {
                seen.consumed = again.into_inner().consumed;
            }
        }
    }
}

/// Creditors with their business dates, and what dunning says of them. Whether there are more than `limit`.
async fn creditors(
    clients: &Clients,
    services: &mut [ServiceSeen],
    limit: u16,
) -> (Vec<CreditorSeen>, bool) {
    let serves = |seen: &ServiceSeen| seen.health == Health::Serving;
    let [registry, .., dunning] = services else {
        return (Vec::new(), false);
    };
    if !serves(registry) {
        return (Vec::new(), false);
    }
    let mut client = clients.creditors();
    let listed = pages(usize::from(limit), async |page| {
        let request = ListCreditorsRequest {
            page_size: page.size,
            page_token: page.token,
            at_least: String::new(),
        };
        let answer = client.list_creditors(ask(request)).await?.into_inner();
        Ok((answer.creditors, answer.next_page_token))
    });
    let listed = match listed.await {
        Ok(listed) => listed,
        Err(Failure::Refused(status)) => {
            registry.troubles.push(line("creditors", *status));
            return (Vec::new(), false);
        }
        Err(other) => {
            registry.troubles.push(other.to_string());
            return (Vec::new(), false);
        }
    };
    let mut all = Vec::with_capacity(listed.rows.len());
    for some in listed.rows.chunks(AT_ONCE) {
        let asks_dunning = serves(dunning);
        let found = some.iter().map(|it| creditor(clients, it, asks_dunning));
        for (seen, trouble) in join_all(found).await {
            all.push(seen);
            dunning.troubles.extend(trouble);
        }
    }
    (all, listed.more)
}

/// A creditor, and what went wrong when dunning was asked about it.
async fn creditor(
    clients: &Clients,
    creditor: &Creditor,
    asks_dunning: bool,
) -> (CreditorSeen, Option<String>) {
    let mut seen = CreditorSeen {
        creditor_id: creditor.creditor_id.clone(),
        automatic: creditor.business_day_mode() == BusinessDayMode::Automatic,
        business_date: calendar_date(creditor.business_date.as_ref()),
        dispatch: None,
    };
    if !asks_dunning {
        return (seen, None);
    }
    let request = GetDispatchRequest {
        creditor_id: seen.creditor_id.clone(),
        at_least: String::new(),
    };
    match clients.work().get_dispatch(ask(request)).await {
        Ok(answer) => {
            let dispatch = answer.into_inner().dispatch.unwrap_or_default();
            seen.dispatch = Some(DispatchSeen {
                enabled: dispatch.enabled,
                reason: dispatch.reason,
                waiting_notices: dispatch.waiting,
                uncertain_notices: dispatch.uncertain,
                waiting_commands: dispatch.waiting_commands,
            });
            (seen, None)
        }
        // It is new, and has not come by yet: the feed says how far behind dunning is.
        Err(status) if status.code() == Code::NotFound => (seen, None),
        Err(status) => {
            let what = format!("dispatch of {}", seen.creditor_id);
            (seen, Some(line(&what, status)))
        }
    }
}

/// What the rate tables say: those of this program, which are those of a dunning service of the same version.
fn rates(half_year: HalfYear) -> Result<Vec<RateSeen>> {
    let packs = LawPacks::shipped().map_err(|error| Failure::Unexpected(error.to_string()))?;
    let rates = packs.table_rates(half_year).into_iter();
    Ok(rates
        .map(|rate| RateSeen {
            country: rate.country.to_string(),
            table: rate.table.to_owned(),
            half_year: half_year.to_string(),
            published: rate.rate.is_some(),
            unconfirmed: rate.unconfirmed.unwrap_or_default().to_owned(),
        })
        .collect())
}
