//! What dunning reads for its metrics.

use mahnwerk_feed::{Measure, Publisher};
use mahnwerk_proto::dunning::v1::{NoticeState, RunState, TaskKind};
use mahnwerk_runtime::{
    error::Result,
    telemetry::{self, Figure, KeyValue, names},
};
use sea_orm::DatabaseTransaction;

use crate::{
    app::dispatch::OUTCOMES,
    storage::{measure, notice, run, task},
};

/// The states of runs that are not over. Of cancelled ones only those count whose notices are not all taken off yet.
const UNFINISHED: [RunState; 5] = [
    RunState::Proposing,
    RunState::Proposed,
    RunState::Released,
    RunState::Dispatching,
    RunState::Cancelled,
];

/// How far runs, notices, commands and tasks are.
pub struct Measures;

#[async_trait::async_trait]
impl Measure for Measures {
    async fn figures(
        &self,
        publisher: &Publisher,
        on: &DatabaseTransaction,
    ) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let runs = measure::runs(on).await?;
        for state in UNFINISHED {
            let label = || vec![KeyValue::new(names::STATE, run::state_name(state))];
            let found = runs.iter().find(|it| it.state == state);
            let number = found.map_or(0, |it| it.number);
            figures.push(Figure::number(names::RUNS, label(), number));
            let age = found.map(|it| it.age);
            figures.push(Figure::age(names::RUN_AGE, label(), age));
        }
        for (state, done, whole) in measure::progress(on).await? {
            let label = vec![KeyValue::new(names::STATE, run::state_name(state))];
            figures.push(Figure::share(names::RUN_PROGRESS, label, done, whole));
        }
        for (state, number) in measure::notices(on).await? {
            let label = vec![KeyValue::new(names::STATE, notice::state_name(state))];
            figures.push(Figure::number(names::NOTICES_WAITING, label, number));
        }
        let lag = measure::dispatch_lag(on, &publisher.incarnation_id()).await?;
        figures.push(Figure::age(names::DISPATCH_LAG, vec![], lag));
        let interrupted = measure::interrupted(on, &publisher.incarnation_id()).await?;
        figures.push(Figure::number(
            names::DISPATCH_INTERRUPTED,
            vec![],
            interrupted,
        ));
        let (commands, age) = measure::commands(on).await?;
        figures.push(Figure::number(names::OUTBOX_COMMANDS, vec![], commands));
        figures.push(Figure::age(names::OUTBOX_AGE, vec![], age));
        let tasks = measure::tasks(on).await?;
        for kind in kinds() {
            let label = vec![KeyValue::new(names::KIND, task::kind_name(kind))];
            let found = tasks.iter().find(|(it, _)| *it == kind);
            let number = found.map_or(0, |(_, number)| *number);
            figures.push(Figure::number(names::TASKS, label, number));
        }
        Ok(figures)
    }
}

/// Shows the counters before anything happens.
pub fn announce() {
    telemetry::announce(&names::DISPATCH_OUTCOMES, names::OUTCOME, &OUTCOMES);
    let states: Vec<_> = states().map(notice::state_name).collect();
    telemetry::announce(&names::NOTICES, names::STATE, &states);
}

fn kinds() -> impl Iterator<Item = TaskKind> {
    (1..).map_while(|number| TaskKind::try_from(number).ok())
}

fn states() -> impl Iterator<Item = NoticeState> {
    (1..).map_while(|number| NoticeState::try_from(number).ok())
}
