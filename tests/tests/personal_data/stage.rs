//! The four programs on PostgreSQL with passwords, TLS and tokens, everything logged.

use std::fs;

use dunning_channel::testing::Server;
use e2e::{
    authority::{Access, LOGIN, claims},
    fleet::sending_by,
    postgres::Cluster,
    process::{Log, Process, Program},
    service::Service,
    suite::{Databases, Suite, connect},
    traces::Collector,
};
use serde_json::{Value, json};
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    canary,
    needles::Needles,
    outlets::{LOGS, Outlets, SCRAPED},
};
use crate::{descriptors::service_of, metrics::scrape};

/// The user of the databases.
const USER: &str = "keeper";
/// Its password.
const PASSWORD: &str = "Pass4Keeper8Needle";
/// A password that is wrong.
const WRONG_PASSWORD: &str = "Wrong4Keeper8Needle";

/// Whoever shows this certificate may do everything.
const CALLER: &str = r#"
    [[callers]]
    name = "keeper"
    certificate = "spiffe://tests/keeper"
    scopes = ["*"]
    creditors = ["*"]
"#;

/// Everything that runs.
pub struct Stage {
    pub cluster: Cluster,
    pub access: Access,
    pub mail: Server,
    pub outlets: Outlets,
    pub needles: Needles,
    /// Reached with the certificate.
    pub suite: Suite,
    /// Reached without one, for calls with tokens.
    channels: Vec<Channel>,
    collector: Collector,
    databases: Vec<String>,
    processes: Vec<Process>,
}

impl Stage {
    /// Starts everything, and what cannot start.
    pub async fn start() -> Self {
        let cluster = Cluster::start();
        demand_password(&cluster);
        let collector = Collector::start();
        let mail = Server::start().await.expect("a mail server");
        let access = Access::new(CALLER);
        let databases = Databases::in_cluster(&cluster, Service::Dunning);
        let mut outlets = Outlets::default();
        let mut needles = Needles::default();
        needles.templates();
        for (what, password) in [("password", PASSWORD), ("wrong password", WRONG_PASSWORD)] {
            needles.words(what, password);
        }
        for service in ["scoring", "segmentation", "dunning"] {
            let token = fs::read_to_string(access.path(&format!("{service}.token")));
            needles.token("token of a service", &token.expect("a token"));
        }
        let mut environment = canary::telemetry(&collector.endpoint);
        environment.extend(sending_by(&mail));
        for service in Service::ALL {
            let name = service.name().to_uppercase();
            environment.push((format!("{name}__LOG__FILTER"), "trace".to_owned()));
        }
        let mut processes: Vec<Process> = Vec::new();
        let mut urls: Vec<String> = Vec::new();
        let mut names = Vec::new();
        for service in Service::ALL {
            let url = databases.url(service);
            names.push(url.rsplit('/').next().unwrap_or_default().to_owned());
            let program = |url: &str| {
                let mut program = Program::new(service, url);
                for (key, value) in access.settings(service.name()) {
                    program = program.set(&key, &value);
                }
                for (upstream, url) in Service::ALL.into_iter().zip(&urls) {
                    program = program.knowing(upstream, url);
                }
                for (key, value) in &environment {
                    program = program.env(key, value);
                }
                program
            };
            let good = with_password(url, PASSWORD);
            if service == Service::Registry {
                let bad = [
                    with_password(url, WRONG_PASSWORD),
                    // An address whose port is none.
                    good.replace("@127.0.0.1:", "@127.0.0.1:x"),
                ];
                for bad in bad {
                    let told = program(&bad).fails_to_start().await;
                    outlets.add(LOGS, told.into_bytes());
                }
            }
            let process = program(&good).start().await;
            urls.push(process.url.replacen("http://", "https://", 1));
            processes.push(process);
        }
        let identity =
            access
                .authority
                .write(access.directory(), "keeper", &["spiffe://tests/keeper"]);
        let [certificate, key] =
            [identity.certificate, identity.key].map(|file| fs::read(file).expect("a file"));
        let trusting =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(access.authority.pem()));
        let showing = trusting
            .clone()
            .identity(Identity::from_pem(certificate, key));
        let to_all = |tls: &ClientTlsConfig| urls.iter().map(|url| channel(url, tls)).collect();
        let channels = to_all(&trusting);
        let showing: Vec<Channel> = to_all(&showing);
        Self {
            suite: Suite::elsewhere(databases, urls, showing),
            cluster,
            access,
            mail,
            outlets,
            needles,
            channels,
            collector,
            databases: names,
            processes,
        }
    }

    /// The channel for calls with tokens to the service that answers a method.
    pub fn channel(&self, path: &str) -> &Channel {
        self.channel_to(service_of(path))
    }

    /// The channel for calls with tokens.
    pub fn channel_to(&self, service: Service) -> &Channel {
        &self.channels[place(service)]
    }

    /// Name of a service's database.
    pub fn database(&self, service: Service) -> &str {
        &self.databases[place(service)]
    }

    /// The log of a service.
    pub fn log(&self, service: Service) -> Log {
        self.processes[place(service)].log()
    }

    /// A token of somebody who may do everything, with other claims. It becomes a needle.
    pub fn token(&mut self, others: &Value) -> String {
        let mut claims = claims(LOGIN, "clerk");
        claims["scope"] = json!("*");
        claims["creditors"] = json!(["*"]);
        for (name, value) in others.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let token = self.access.login.token(&claims);
        self.needles.token("token of a caller", &token);
        token
    }

    /// Notes how a call to a method was refused; an answer is fine.
    pub fn note<T>(&mut self, answer: Result<T, Status>) -> bool {
        match answer {
            Ok(_) => false,
            Err(status) => {
                self.outlets.refused(&status);
                true
            }
        }
    }

    /// Stops all and captures what is left.
    pub async fn end(mut self) -> (Outlets, Needles) {
        let mut logs = Vec::new();
        for process in &self.processes {
            let line = process
                .log()
                .wait_for("listening", |line| line["message"] == "listening")
                .await;
            let ops = line["ops"].as_str().and_then(|it| it.parse().ok());
            let told = scrape(ops.expect("an address")).await.expect("metrics");
            self.outlets.add(SCRAPED, told.into_bytes());
            logs.push(process.log());
        }
        for process in self.processes.drain(..).rev() {
            process.terminate().await;
            process.stopped().await;
        }
        for (service, log) in Service::ALL.into_iter().zip(&logs) {
            log.ended().await;
            is_at_trace(service, log);
            self.outlets.log(log);
        }
        self.outlets.collector(&self.collector);
        for service in Service::ALL {
            let db = connect(&self.cluster.url(self.database(service))).await;
            self.needles.read(service, &db).await;
        }
        (self.outlets, self.needles)
    }
}

/// Asserts that the log of a service says what only the least of levels says, of the call that carried the canary, and
/// that no library says more than it may.
fn is_at_trace(service: Service, log: &Log) {
    let lines = log.lines();
    let sang = lines.iter().any(|line| {
        line["level"] == "DEBUG"
            && line["message"] == "call started"
            && line["request_id"] == canary::CANARY
    });
    assert!(sang, "{} does not log everything", service.name());
    for line in lines {
        let target = line["target"].as_str().unwrap_or_default();
        let is_ours = target.starts_with("mahnwerk");
        let is_loud = line["level"] == "DEBUG" || line["level"] == "TRACE";
        assert!(is_ours || !is_loud, "a library says {line}");
    }
}

fn place(service: Service) -> usize {
    let place = Service::ALL.iter().position(|it| *it == service);
    place.expect("one of all")
}

fn channel(url: &str, tls: &ClientTlsConfig) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
    endpoint
        .tls_config(tls.clone())
        .expect("TLS")
        .tcp_nodelay(true)
        .connect_lazy()
}

/// Has the server ask the user of the databases for its password.
fn demand_password(cluster: &Cluster) {
    let made = format!("CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    let _nothing = cluster.sql("postgres", &made);
    let file = cluster.home().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&file).expect("the rules of access");
    let rule = format!("host all {USER} 127.0.0.1/32 scram-sha-256\n");
    fs::write(&file, rule + &rules).expect("the rules of access");
    let _yes = cluster.sql("postgres", "SELECT pg_reload_conf()");
}

fn with_password(url: &str, password: &str) -> String {
    url.replace(
        "postgres://postgres@",
        &format!("postgres://{USER}:{password}@"),
    )
}
