//! What the metrics tell of what waits.

use dunning_channel::SendError;
use mahnwerk_feed::{Measure as _, begin_measuring};
use mahnwerk_proto::dunning::v1::{
    DeliveryOutcome, ProposeRunRequest, run_service_server::RunService as _,
};
use mahnwerk_runtime::{
    db::Db,
    telemetry::{
        Figure,
        names::{self, Metric},
    },
};
use tonic::{Request, Status};

use super::{
    Outcome,
    dispatching::{only_notice, report},
    runner::{Book, DUE, LEASE, Runner},
};
use crate::worker::{Found, measure::Measures, propose};

/// The figures as they are now.
struct Told(Vec<Figure>);

impl Told {
    async fn by(runner: &Runner) -> Result<Self, Status> {
        let publisher = &runner.api.app.publisher;
        let txn = begin_measuring(publisher.db()).await?;
        Ok(Self(Measures.figures(publisher, &txn).await?))
    }

    fn find(&self, metric: &Metric, label: &str) -> Option<&Figure> {
        self.0.iter().find(|it| {
            let labels = it.labels.iter();
            let mut values = labels.map(|label| label.value.to_string());
            it.metric == *metric && values.next().unwrap_or_default() == label
        })
    }

    /// The numbers that are not 0, ages left out.
    fn numbers(&self) -> Vec<(&'static str, String, i64)> {
        let counted = self.0.iter().filter(|it| it.metric.unit.starts_with('{'));
        let numbers = counted.map(|it| {
            let labels = it.labels.iter().map(|label| label.value.to_string());
            #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
            let number = it.value as i64;
            (it.metric.name, labels.collect(), number)
        });
        numbers.filter(|(_, _, number)| *number != 0).collect()
    }

    /// Whether something waits, and so gets older.
    fn waits(&self, metric: &Metric, label: &str) -> bool {
        self.find(metric, label).is_some_and(|it| it.ages)
    }
}

fn number(metric: &Metric, label: &str, number: i64) -> (&'static str, String, i64) {
    (metric.name, label.to_owned(), number)
}

/// Runs, notices, commands and tasks are told for as long as they wait, and not longer.
///
/// # Errors
/// Those of the calls.
pub async fn what_waits_is_told_until_it_is_done(db: &Db) -> Outcome {
    let mut runner = Runner::open(db).await?;
    let told = Told::by(&runner).await?;
    assert_eq!(told.numbers(), []);
    assert!(told.0.iter().all(|it| !it.ages), "{:?}", told.0);
    assert!(told.find(&names::RUNS, "DISPATCHING").is_some());
    assert!(told.find(&names::TASKS, "SEND_BY_HAND").is_some());

    runner.world.owing("d1", &[("R1", 10_000, DUE)]);
    runner.world.flush().await?;
    let request_id = runner.request_id();
    let proposed = runner.api.propose_run(Request::new(ProposeRunRequest {
        request_id,
        creditor_id: "c1".to_owned(),
        business_date: None,
    }));
    let run_id = proposed.await?.into_inner().run.unwrap_or_default().run_id;
    assert_eq!(propose::step(&runner.api.app, LEASE).await?, Found::Work);
    let told = Told::by(&runner).await?;
    assert_eq!(told.numbers(), [number(&names::RUNS, "PROPOSING", 1)]);
    assert!(told.waits(&names::RUN_AGE, "PROPOSING"));
    let progress = told.find(&names::RUN_PROGRESS, "PROPOSING");
    assert!(
        progress.is_some_and(|it| it.value.abs() < 0.1),
        "{progress:?}"
    );

    runner.work().await?;
    let told = Told::by(&runner).await?;
    let waiting = &names::NOTICES_WAITING;
    let proposed = [
        number(&names::RUNS, "PROPOSED", 1),
        number(waiting, "PROPOSED", 1),
    ];
    assert_eq!(told.numbers(), proposed);
    assert!(told.0.iter().all(|it| it.metric != names::RUN_PROGRESS));

    runner.release(&run_id).await?;
    let told = Told::by(&runner).await?;
    let released = [
        number(&names::RUNS, "DISPATCHING", 1),
        number(waiting, "RELEASED", 1),
    ];
    assert_eq!(told.numbers(), released);
    assert!(!told.waits(&names::DISPATCH_LAG, ""), "dispatch is off");
    runner.switch(true).await?;
    assert!(Told::by(&runner).await?.waits(&names::DISPATCH_LAG, ""));

    let lost = SendError::Uncertain("connection lost".to_owned());
    runner.mailbox.trouble("mail.d1@example.org", Some(lost));
    runner.send().await?;
    let told = Told::by(&runner).await?;
    let uncertain = [
        number(waiting, "UNCERTAIN", 1),
        number(&names::TASKS, "UNCERTAIN_DELIVERY", 1),
    ];
    assert_eq!(told.numbers(), uncertain);
    assert!(!told.waits(&names::DISPATCH_LAG, ""));

    let notice_id = only_notice(&runner, &run_id).await?.notice_id;
    report(&mut runner, &notice_id, DeliveryOutcome::WasSent).await?;
    let told = Told::by(&runner).await?;
    assert_eq!(told.numbers(), [number(&names::OUTBOX_COMMANDS, "", 1)]);
    assert!(told.waits(&names::OUTBOX_AGE, ""));
    runner.carry_out(&Book::default()).await?;
    let told = Told::by(&runner).await?;
    assert_eq!(told.numbers(), []);
    assert!(told.0.iter().all(|it| !it.ages), "{:?}", told.0);
    Ok(())
}
