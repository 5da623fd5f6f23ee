//! What TLS, tokens and tracing cost: `GetScore` and `CheckCredit` at a replica that has them beside one that has not,
//! both on the same database. The token is for one creditor, so that requests are searched for it.

use mahnwerk_proto::scoring::v1::scoring_service_client::ScoringServiceClient;
use serde_json::json;
use tonic::{
    Request,
    metadata::MetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{
    Line, credit,
    load::{Caller, Kind, in_turns},
    portfolio::{CREDITOR, Portfolio, debtor_id, score_request},
    score::CONNECTIONS,
    tell,
};
use crate::{
    authority::{Access, LOGIN, claims},
    process::Program,
    suite::{Service, channel},
    traces::Collector,
};

/// A way to scoring, with a token if it needs one.
struct Way {
    channels: Vec<Channel>,
    bearer: Option<String>,
    asks_credit: bool,
}

impl Kind for Way {
    fn caller(&self, number: usize) -> Box<dyn Caller> {
        let channel = self.channels[number % CONNECTIONS].clone();
        Box::new(Asking {
            client: ScoringServiceClient::new(channel),
            number,
            bearer: self.bearer.clone(),
            asks_credit: self.asks_credit,
        })
    }
}

struct Asking {
    client: ScoringServiceClient<Channel>,
    number: usize,
    bearer: Option<String>,
    asks_credit: bool,
}

impl Asking {
    fn bearing<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            let value = MetadataValue::try_from(bearer).expect("a token");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }
}

#[tonic::async_trait]
impl Caller for Asking {
    async fn call(&mut self, turn: u64) {
        let debtor = debtor_id(self.number * 157 + turn as usize * 31);
        if self.asks_credit {
            let request = self.bearing(credit::request(&debtor));
            self.client.check_credit(request).await.expect("a decision");
        } else {
            let request = self.bearing(score_request(&debtor, ""));
            self.client.get_score(request).await.expect("a score");
        }
    }
}

pub async fn measure(portfolio: &Portfolio) -> Vec<Line> {
    tell("the same with TLS, tokens and tracing");
    let access = Access::new("");
    let collector = Collector::start();
    let program = Program::new(Service::Scoring, portfolio.databases.url(Service::Scoring))
        .knowing(Service::Registry, &portfolio.registry);
    let plain = program.clone().start().await;
    let mut guarded = program.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &collector.endpoint);
    for (key, value) in access.settings("registry") {
        guarded = guarded.set(&key, &value);
    }
    let guarded = guarded.start().await;
    let mut claims = claims(LOGIN, "checkout");
    claims["scope"] = json!("scoring.*.*");
    claims["creditors"] = json!([CREDITOR]);
    let token = access.login.token(&claims);
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(access.authority.pem()));
    let url = guarded.url.replace("http://", "https://");
    let secure = || {
        Endpoint::from_shared(url.clone())
            .expect("an address")
            .tls_config(tls.clone())
            .expect("TLS")
            .tcp_nodelay(true)
            .connect_lazy()
    };
    let mut lines = Vec::new();
    for (what, asks_credit) in [("GetScore", false), ("CheckCredit", true)] {
        let without = Way {
            channels: (0..CONNECTIONS).map(|_| channel(&plain.url)).collect(),
            bearer: None,
            asks_credit,
        };
        let with = Way {
            channels: (0..CONNECTIONS).map(|_| secure()).collect(),
            bearer: Some(format!("Bearer {token}")),
            asks_credit,
        };
        let [without, with] = in_turns([&without, &with]).await;
        lines.push(Line {
            what: format!("{what} with TLS, token and tracing, against without"),
            unit: "calls",
            floor: Some(without.rate()),
            rate: with.rate(),
            budget: None,
            latency: Some([without.latency(), with.latency()]),
        });
    }
    lines
}
