//! `GetScore` against a handler that does the same read, and against one that does nothing.

use mahnwerk_proto::scoring::v1::{
    CheckCreditResponse, scoring_service_client::ScoringServiceClient,
};
use tonic::transport::Channel;

use super::{
    Line,
    floor::Floor,
    load::{Caller, IN_FLIGHT, Kind, in_turns},
    portfolio::{Portfolio, debtor_id, score_request},
    tell,
};
use crate::suite::{Service, channel};

/// Connections that the callers share.
pub const CONNECTIONS: usize = 4;

struct GetScore(Vec<Channel>);

impl GetScore {
    fn at(url: &str) -> Self {
        Self((0..CONNECTIONS).map(|_| channel(url)).collect())
    }
}

impl Kind for GetScore {
    fn caller(&self, number: usize) -> Box<dyn Caller> {
        let channel = self.0[number % CONNECTIONS].clone();
        Box::new(Asking(ScoringServiceClient::new(channel), number))
    }
}

struct Asking(ScoringServiceClient<Channel>, usize);

#[tonic::async_trait]
impl Caller for Asking {
    async fn call(&mut self, turn: u64) {
        let debtor = debtor_id(self.1 * 157 + turn as usize * 31);
        self.0
            .get_score(score_request(&debtor, ""))
            .await
            .expect("a score");
    }
}

pub async fn measure(portfolio: &Portfolio) -> [Line; 2] {
    tell(&format!("GetScore, {IN_FLIGHT} in flight"));
    let mut client = ScoringServiceClient::new(channel(&portfolio.scoring));
    let score = client
        .get_score(score_request(&debtor_id(0), ""))
        .await
        .expect("a score")
        .into_inner();
    let bare = Floor {
        db: None,
        score,
        decision: CheckCreditResponse::default(),
    };
    let reading = Floor {
        db: Some(connect(portfolio).await),
        ..bare.clone()
    };
    let kinds =
        [bare.serve(), reading.serve(), portfolio.scoring.clone()].map(|url| GetScore::at(&url));
    let [bare, reading, own] = in_turns([&kinds[0], &kinds[1], &kinds[2]]).await;
    let line = |what: &str, floor: &super::load::Measured, budget| Line {
        what: what.to_owned(),
        unit: "calls",
        floor: Some(floor.rate()),
        rate: own.rate(),
        budget,
        latency: Some([floor.latency(), own.latency()]),
    };
    [
        line("GetScore, against the same read", &reading, Some(0.7)),
        line("GetScore, against bare tonic", &bare, None),
    ]
}

/// A pool as large as the service's own.
pub async fn connect(portfolio: &Portfolio) -> mahnwerk_runtime::db::Db {
    let settings = mahnwerk_runtime::db::DatabaseSettings {
        url: portfolio.databases.url(Service::Scoring).to_owned(),
        ..mahnwerk_runtime::db::DatabaseSettings::default()
    };
    mahnwerk_runtime::db::Db::connect(&settings)
        .await
        .expect("scoring's database")
}
