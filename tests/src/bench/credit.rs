//! `CheckCredit` against a handler that reads one row and writes two in a transaction.

use std::sync::atomic::{AtomicU64, Ordering};

use mahnwerk_proto::scoring::v1::{
    CheckCreditRequest, GetScoreResponse, scoring_service_client::ScoringServiceClient,
};
use tonic::transport::Channel;

use super::{
    Line,
    floor::{Floor, TABLES},
    load::{Caller, Kind, in_turns},
    portfolio::{CREDITOR, Portfolio, debtor_id},
    score::{CONNECTIONS, connect},
    tell,
};
use crate::{
    suite::{Service, channel},
    world::euro,
};

struct CheckCredit(Vec<Channel>);

impl CheckCredit {
    fn at(url: &str) -> Self {
        Self((0..CONNECTIONS).map(|_| channel(url)).collect())
    }
}

impl Kind for CheckCredit {
    fn caller(&self, number: usize) -> Box<dyn Caller> {
        let channel = self.0[number % CONNECTIONS].clone();
        Box::new(Asking(ScoringServiceClient::new(channel), number))
    }
}

struct Asking(ScoringServiceClient<Channel>, usize);

/// Request ids are unique over all rounds.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Asks for a decision that nobody asked for before.
pub fn request(debtor: &str) -> CheckCreditRequest {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    CheckCreditRequest {
        request_id: format!("r{number}"),
        creditor_id: CREDITOR.to_owned(),
        debtor_id: debtor.to_owned(),
        order_id: format!("o{number}"),
        amount: Some(euro(10_000)),
        at_least: String::new(),
        language: String::new(),
    }
}

#[tonic::async_trait]
impl Caller for Asking {
    async fn call(&mut self, turn: u64) {
        let debtor = debtor_id(self.1 * 157 + turn as usize * 31);
        self.0
            .check_credit(request(&debtor))
            .await
            .expect("a decision");
    }
}

pub async fn measure(portfolio: &Portfolio) -> Line {
    tell("CheckCredit");
    let database = portfolio
        .databases
        .url(Service::Scoring)
        .rsplit_once('/')
        .expect("a database")
        .1;
    let _told = portfolio.cluster.sql(database, TABLES);
    let mut client = ScoringServiceClient::new(channel(&portfolio.scoring));
    let decision = client
        .check_credit(request(&debtor_id(0)))
        .await
        .expect("a decision")
        .into_inner();
    let floor = Floor {
        db: Some(connect(portfolio).await),
        score: GetScoreResponse::default(),
        decision,
    };
    let kinds = [floor.serve(), portfolio.scoring.clone()].map(|url| CheckCredit::at(&url));
    let [floor, own] = in_turns([&kinds[0], &kinds[1]]).await;
    Line {
        what: "CheckCredit, against a read and two rows".to_owned(),
        unit: "calls",
        floor: Some(floor.rate()),
        rate: own.rate(),
        budget: Some(0.6),
        latency: Some([floor.latency(), own.latency()]),
    }
}
