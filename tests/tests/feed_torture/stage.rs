//! Registry and scoring as processes of their own, on databases to which anything may happen.

use std::{cell::Cell, time::Duration};

use e2e::{
    oracle::{self, Compared},
    postgres::{Cluster, Database},
    process::{Log, Process, Program},
    suite::{self, Clients, channel, patiently},
    wire::reason,
    world::{TODAY, day, invoice, payment},
};
use mahnwerk_proto::{
    common::v1::{Date, ResetFeedRequest},
    registry::v1::GetCreditorRequest,
    scoring::v1::{BatchGetScoresRequest, GetScoreRequest, Score},
};
use tokio::time::Instant;
use tonic::{Code, Status};

/// The creditor of every stage.
pub const CREDITOR: &str = "acme";

/// Debtors of every stage: `d0`, `d1`, …
pub const DEBTORS: usize = 12;

/// Longest wait for scoring to contain a write, whatever happened to the feed before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Creditors, debtors, invoices and scores as the registry has them: every debtor of an open creditor has a score.
const THERE: &str = "SELECT (SELECT count(*) FROM creditor), (SELECT count(*) FROM debtor), \
    (SELECT count(*) FROM item WHERE kind = 'invoice'), (SELECT count(*) FROM debtor)";

/// The same as scoring has them.
const STORED: &str = "SELECT (SELECT count(*) FROM creditor), (SELECT count(*) FROM debtor), \
    (SELECT count(*) FROM item), (SELECT count(*) FROM score)";

/// A database of some cluster.
pub struct Site {
    cluster: Cluster,
    name: String,
    _dropped_with_it: Option<Database>,
}

impl Site {
    /// A new one.
    pub fn create(cluster: &Cluster) -> Self {
        let database = cluster.database();
        Self {
            cluster: cluster.clone(),
            name: database.name().to_owned(),
            _dropped_with_it: Some(database),
        }
    }

    /// One that is there, as on a standby.
    pub fn existing(cluster: &Cluster, name: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            name: name.to_owned(),
            _dropped_with_it: None,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }

    /// A number from the database.
    pub fn number(&self, sql: &str) -> i64 {
        self.sql(sql).parse().expect("a number")
    }
}

/// A service that keeps its address while it comes and goes.
pub struct Service {
    program: Program,
    process: Option<Process>,
    pub url: String,
}

impl Service {
    async fn start(program: Program) -> Self {
        let process = program.start().await;
        Self {
            program,
            url: process.url.clone(),
            process: Some(process),
        }
    }

    /// Stops as on SIGTERM.
    pub async fn stop(&mut self) {
        let process = self.process.take().expect("it is running");
        process.terminate().await;
        process.stopped().await;
    }

    /// Stops as on SIGKILL.
    pub async fn kill(&mut self) {
        self.process.take().expect("it is running").kill().await;
    }

    /// Starts what was stopped.
    pub async fn start_again(&mut self) {
        self.process = Some(self.program.start_again(&self.url).await);
    }

    pub fn log(&self) -> Log {
        self.process.as_ref().expect("it is running").log()
    }
}

/// Both services.
pub struct Stage {
    pub registry: Service,
    pub scoring: Service,
    pub registry_site: Site,
    pub scoring_site: Site,
    /// The creditor's business date.
    pub today: Date,
    /// Number of the next posting, which is how many there are.
    pub next: usize,
    /// Added to every amount, so that a history that is played again can differ.
    pub salt: i64,
    /// How often a reader was told that a token is of another history while scoring had yet to learn of it.
    early_verdicts: Cell<usize>,
}

impl Stage {
    /// Starts both services on new databases of these clusters, with a creditor, its debtors, and postings.
    pub async fn open(registry: &Cluster, scoring: &Cluster) -> Self {
        let registry_site = Site::create(registry);
        let scoring_site = Site::create(scoring);
        let registry =
            Service::start(Program::new(suite::Service::Registry, &registry_site.url())).await;
        let scoring = Program::new(suite::Service::Scoring, &scoring_site.url());
        let scoring =
            Service::start(scoring.knowing(suite::Service::Registry, &registry.url)).await;
        let mut stage = Self {
            registry,
            scoring,
            registry_site,
            scoring_site,
            today: TODAY,
            next: 0,
            salt: 0,
            early_verdicts: Cell::new(0),
        };
        let mut clients = stage.clients();
        clients.open_creditor(CREDITOR).await;
        for debtor in 0..DEBTORS {
            clients.add_debtor(CREDITOR, &format!("d{debtor}")).await;
        }
        let token = stage.post(2 * DEBTORS).await;
        let compared = stage.agree("at the beginning", &token).await;
        assert_eq!(
            (compared.debtors, compared.invoices, compared.entries),
            (DEBTORS, 2 * DEBTORS, 2 * DEBTORS)
        );
        stage
    }

    /// Clients on new connections.
    pub fn clients(&self) -> Clients {
        Clients::new(&channel(&self.registry.url), &channel(&self.scoring.url))
    }

    /// Starts the registry, which is stopped, on another database; its address stays.
    pub async fn move_registry(&mut self, to: Site) {
        self.registry.program = Program::new(suite::Service::Registry, &to.url());
        self.registry_site = to;
        self.registry.start_again().await;
    }

    /// Starts scoring, which is stopped, on another database; its address stays.
    pub async fn move_scoring(&mut self, to: Site) {
        let program = Program::new(suite::Service::Scoring, &to.url());
        self.scoring.program = program.knowing(suite::Service::Registry, &self.registry.url);
        self.scoring_site = to;
        self.scoring.start_again().await;
    }

    /// Posts so many invoices with a payment each, over all debtors. Answers the last consistency token.
    pub async fn post(&mut self, count: usize) -> String {
        let mut clients = self.clients();
        let mut token = String::new();
        for number in self.next..self.next + count {
            token = self.post_one(&mut clients, number).await;
        }
        self.next += count;
        token
    }

    async fn post_one(&self, clients: &mut Clients, number: usize) -> String {
        let debtor = format!("d{}", number % DEBTORS);
        let (bill, paid) = (format!("i{number}"), format!("p{number}"));
        let number = i64::try_from(number).expect("a small number");
        let cents = 1_000 + 10 * number + self.salt;
        clients
            .add_invoice(invoice(CREDITOR, &debtor, &bill, cents))
            .await;
        let mut payment = payment(CREDITOR, &debtor, &paid, cents);
        let paid_on = i32::try_from(1 + 7 * number % 28).expect("a day");
        payment.value_date = Some(day(2024, 12, paid_on));
        let settled = if number % 3 == 0 { cents / 2 } else { cents };
        clients.add_payment(payment, &[(&bill, settled)]).await
    }

    /// Waits until scoring contains the write for everybody, compares every amount, every score and every stored row,
    /// and prints what was compared.
    pub async fn agree(&self, when: &str, token: &str) -> Compared {
        let began = Instant::now();
        let mut clients = self.clients();
        self.arrive(token).await;
        let waited = began.elapsed();
        let compared = oracle::compare(&mut clients, CREDITOR, self.today, token).await;
        assert_eq!(
            self.scoring_site.sql(STORED),
            self.registry_site.sql(THERE),
            "creditors, debtors, invoices and scores {when}"
        );
        println!(
            "{when}: compared {} debtors, {} items, {} entries after {} ms; {} early verdicts",
            compared.debtors,
            compared.items,
            compared.entries,
            waited.as_millis(),
            self.early_verdicts.take(),
        );
        assert!(compared.debtors > 0 && compared.invoices > 0 && compared.entries > 0);
        compared
    }

    /// Posts once more for every debtor, and compares again.
    pub async fn go_on(&mut self) {
        let token = self.post(DEBTORS).await;
        self.agree("after further payments", &token).await;
    }

    /// Waits until scoring contains the write for everybody, and nobody is parked.
    pub async fn arrive(&self, token: &str) {
        let request = BatchGetScoresRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_ids: (0..DEBTORS).map(|debtor| format!("d{debtor}")).collect(),
            at_least: token.to_owned(),
            language: String::new(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut scores = self.clients().scores;
            match scores.batch_get_scores(request.clone()).await {
                Ok(answer) => {
                    assert_eq!(answer.get_ref().parked, [""; 0]);
                    return;
                }
                Err(status) if Instant::now() < deadline => self.note(&status),
                Err(status) => panic!("still not: {status:?}"),
            }
        }
    }

    fn note(&self, status: &Status) {
        if reason(status) == "TOKEN_EXPIRED" {
            self.early_verdicts.set(self.early_verdicts.get() + 1);
        } else {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        }
    }

    /// What scoring answers about a debtor of a creditor.
    pub async fn score_of(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        at_least: &str,
    ) -> Result<Score, Status> {
        let request = GetScoreRequest {
            creditor_id: creditor_id.to_owned(),
            debtor_id: debtor_id.to_owned(),
            at_least: at_least.to_owned(),
            language: String::new(),
        };
        let answer = self.clients().scores.get_score(request).await?;
        Ok(answer.into_inner().score.expect("a score"))
    }

    /// Refuses with this reason.
    pub async fn refuses(&self, debtor_id: &str, at_least: &str, expected: &str) {
        let refused = self.score_of(CREDITOR, debtor_id, at_least).await;
        let status = refused.expect_err("a refusal");
        assert_eq!(reason(&status), expected, "{status:?}");
    }

    /// Waits until the registry answers again.
    pub async fn registry_answers(&self) {
        let clients = self.clients();
        patiently(async || {
            let request = GetCreditorRequest {
                creditor_id: CREDITOR.to_owned(),
                ..GetCreditorRequest::default()
            };
            clients.creditors.clone().get_creditor(request).await
        })
        .await;
    }

    /// `mahnwerk feed reset` on the registry.
    pub async fn reset_feed(&self) {
        let request = ResetFeedRequest {
            request_id: "after-restore".to_owned(),
        };
        let reset = self.clients().registry_admin.reset_feed(request).await;
        assert!(!reset.expect("a reset").into_inner().incarnation.is_empty());
    }
}
