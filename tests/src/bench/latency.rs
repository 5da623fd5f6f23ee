//! From a payment to the score, the segments and the dunning state that contain it.
//!
//! An open loop: postings arrive at fixed times, whatever became of those before, and everything is counted from the
//! time at which a posting should have arrived. So a service that stalls is charged with everybody who waits.

use std::{sync::Arc, time::Duration};

use mahnwerk_proto::{
    dunning::v1::{ExplainDebtorRequest, work_service_client::WorkServiceClient},
    registry::v1::{
        Allocation, CreatePaymentRequest, Item, account_service_client::AccountServiceClient,
    },
    scoring::v1::scoring_service_client::ScoringServiceClient,
    segmentation::v1::{GetMembershipsRequest, membership_service_client::MembershipServiceClient},
};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tonic::{Code, Response, Status, transport::Channel};

use super::{
    Report,
    load::percentiles,
    portfolio::{CREDITOR, INVOICES_EACH, LAST_DAY, debtor_id, debtors, score_request},
    score::CONNECTIONS,
    services::Services,
    tell,
};
use crate::{
    suite::{Service, channel},
    world::{euro, payment},
};

/// Postings per second, tried in turn until one does not hold.
const RATES: [u32; 9] = [50, 100, 150, 200, 300, 400, 600, 800, 1_200];
/// How long each, and how much of it at the begin does not count.
const LENGTH: Duration = Duration::from_secs(18);
const WARM_UP: Duration = Duration::from_secs(3);
/// A rate holds if 99 of 100 postings are readable everywhere within so many microseconds.
const LIMIT: u64 = 1_000_000;
/// Postings per second that must hold.
const BUDGET: u32 = 150;

/// Answers after which the same is asked again, how soon.
const NOT_NOW: [Code; 3] = [Code::Unavailable, Code::Aborted, Code::ResourceExhausted];
const RETRY: Duration = Duration::from_millis(20);
/// After so long a posting is given up: its rate does not hold.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Microseconds from the time at which a posting should have arrived.
#[derive(Clone, Copy)]
struct Timed {
    posted: u64,
    score: u64,
    segments: u64,
    dunning: u64,
}

/// Clients on one connection to each service.
struct Callers {
    accounts: AccountServiceClient<Channel>,
    scores: ScoringServiceClient<Channel>,
    memberships: MembershipServiceClient<Channel>,
    work: WorkServiceClient<Channel>,
}

pub async fn measure(services: &Services, report: &mut Report) {
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|_| Arc::new(Callers::connect(services)))
        .collect();
    report.notes.push(format!(
        "payment to readable, p50/p99 in ms {:>18} {:>12} {:>12} {:>12} {:>12}",
        "posted", "score", "segments", "dunning", "all"
    ));
    let (mut number, mut highest) = (0, 0);
    for rate in RATES {
        tell(&format!("payments, {rate} per second"));
        let timed = at_rate(&callers, rate, &mut number).await;
        let (told, p99) = tell_of(rate, &timed);
        report.notes.push(told);
        if p99 >= LIMIT {
            break;
        }
        highest = rate;
    }
    let missed = if highest < BUDGET { "  MISSED" } else { "" };
    report.notes.push(format!(
        "highest rate with p99 < 1 s: {highest} postings/s, budget {BUDGET}{missed}"
    ));
}

impl Callers {
    fn connect(services: &Services) -> Self {
        let to = |service| channel(services.url(service));
        Self {
            accounts: AccountServiceClient::new(to(Service::Registry)),
            scores: ScoringServiceClient::new(to(Service::Scoring)),
            memberships: MembershipServiceClient::new(to(Service::Segmentation)),
            work: WorkServiceClient::new(to(Service::Dunning)),
        }
    }

    /// Posts a payment of a cent of an invoice and reads what follows from it.
    async fn post(&self, number: usize, due: Instant) -> Timed {
        let micros = || u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        let debtor_id = debtor_id(number);
        let payment = payment_request(number, &debtor_id);
        let until = due + GIVE_UP;
        let ask = |mut client: AccountServiceClient<Channel>, request| async move {
            client.create_payment(request).await
        };
        let answer = answered(&self.accounts, &payment, until, ask).await;
        let posted = micros();
        let Some(at_least) = answer.map(|answer| answer.consistency_token) else {
            return Timed {
                posted,
                score: posted,
                segments: posted,
                dunning: posted,
            };
        };
        let score = async {
            let request = score_request(&debtor_id, &at_least);
            let ask = |mut client: ScoringServiceClient<Channel>, request| async move {
                client.get_score(request).await
            };
            answered(&self.scores, &request, until, ask).await;
            micros()
        };
        let segments = async {
            let request = GetMembershipsRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor_id.clone(),
                at_least: at_least.clone(),
            };
            let ask = |mut client: MembershipServiceClient<Channel>, request| async move {
                client.get_memberships(request).await
            };
            answered(&self.memberships, &request, until, ask).await;
            micros()
        };
        let dunning = async {
            let request = ExplainDebtorRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor_id.clone(),
                at_least: at_least.clone(),
            };
            let ask = |mut client: WorkServiceClient<Channel>, request| async move {
                client.explain_debtor(request).await
            };
            answered(&self.work, &request, until, ask).await;
            micros()
        };
        let (score, segments, dunning) = tokio::join!(score, segments, dunning);
        Timed {
            posted,
            score,
            segments,
            dunning,
        }
    }
}

/// Asks until the answer is not "not now" any more; a server waits up to two seconds before it says that. `None` if it
/// is given up.
async fn answered<C: Clone, Q: Clone, A, F>(
    client: &C,
    request: &Q,
    until: Instant,
    ask: impl Fn(C, Q) -> F,
) -> Option<A>
where
    F: Future<Output = Result<Response<A>, Status>>,
{
    let mut pause = interval(RETRY);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while pause.tick().await < until {
        match ask(client.clone(), request.clone()).await {
            Ok(answer) => return Some(answer.into_inner()),
            Err(status) if NOT_NOW.contains(&status.code()) => {}
            Err(status) => panic!("{status}"),
        }
    }
    None
}

fn payment_request(number: usize, debtor_id: &str) -> CreatePaymentRequest {
    let invoice = number % (debtors() * INVOICES_EACH);
    CreatePaymentRequest {
        request_id: format!("latency-{number}"),
        payment: Some(Item {
            value_date: Some(LAST_DAY),
            ..payment(CREDITOR, debtor_id, &format!("latency-{number}"), 1)
        }),
        allocations: vec![Allocation {
            invoice_id: format!("i{invoice:07}"),
            amount: Some(euro(1)),
            discount: None,
        }],
    }
}

/// Posts at a rate and waits until all is readable. `number` goes on from rate to rate.
async fn at_rate(callers: &[Arc<Callers>], rate: u32, number: &mut usize) -> Vec<Timed> {
    let began = Instant::now();
    let mut arrivals = interval_at(began, Duration::from_secs(1) / rate);
    arrivals.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut postings = Vec::new();
    loop {
        let due = arrivals.tick().await;
        if due >= began + LENGTH {
            break;
        }
        let callers = callers[*number % callers.len()].clone();
        let posting = *number;
        *number += 1;
        let task = tokio::spawn(async move { callers.post(posting, due).await });
        postings.push((due, task));
    }
    let mut timed = Vec::new();
    for (due, task) in postings {
        let each = task.await.expect("a posting");
        if due >= began + WARM_UP {
            timed.push(each);
        }
    }
    timed
}

/// A line of the table, and the 99th percentile of all that has to be readable.
fn tell_of(rate: u32, timed: &[Timed]) -> (String, u64) {
    let all = |each: &Timed| each.score.max(each.segments).max(each.dunning);
    let figures: [fn(&Timed) -> u64; 4] = [
        |each| each.posted,
        |each| each.score,
        |each| each.segments,
        |each| each.dunning,
    ];
    let of = |figure: &dyn Fn(&Timed) -> u64| percentiles(timed.iter().map(figure).collect());
    let cell =
        |(p50, p99): (u64, u64)| format!("{:>12}", format!("{}/{}", p50 / 1_000, p99 / 1_000));
    let whole = of(&all);
    let cells: Vec<_> = figures
        .iter()
        .map(|figure| cell(of(figure)))
        .chain([cell(whole)])
        .collect();
    let told = format!("  at {rate:>5} postings/s {:>22} {}", "", cells.join(" "));
    (told, whole.1)
}
