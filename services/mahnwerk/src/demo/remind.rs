//! The dunning of the demo: once a week a run is proposed, released and sent, and the calls that are due are made.

use std::{collections::BTreeSet, time::Duration};

use chrono::{Datelike as _, NaiveDate};
use mahnwerk_proto::{
    dunning::v1::{
        CompleteTaskRequest, DeliveryOutcome, DunningSettings, GetRunRequest, ListNoticesRequest,
        ListProceduresRequest, ListTasksRequest, Notice, NoticeChannel, NoticeState,
        ProposeRunRequest, ReasonCount, ReleaseRunRequest, ReportDeliveryRequest, Run, RunState,
        SetDispatchRequest, SetDunningSettingsRequest, Task, TaskKind, TaskOutcome, WhenStale,
    },
    registry::v1::{GetDebtorRequest, SetCreditHoldRequest},
};
use tonic::Status;

use super::{
    CREDITOR,
    ledger::{Reminder, World},
};
use crate::{
    client::{Clients, Failure, Result, call, once_arrived},
    output::calendar_date,
};

/// Rows asked for at once.
const PAGE: i32 = 1_000;
/// How often a run is looked at while it works.
const LOOK: Duration = Duration::from_millis(10);
/// After so many looks a run has failed.
const PATIENCE: usize = 30_000;

/// What the dunning did.
#[derive(Debug, Default)]
pub(crate) struct Dunned {
    /// Every notice of every run, in order.
    pub(crate) notices: Vec<Notice>,
    /// Calls made.
    pub(crate) calls: u64,
    /// Open items by reason, in the last run.
    pub(crate) reasons: Vec<ReasonCount>,
    /// Runs.
    pub(crate) runs: u64,
    /// Business date of the week's run.
    pub(super) last_week: Option<(i32, u32)>,
    /// Procedures with their revision, and the levels at which they ask for a credit hold.
    pub(super) holds: BTreeSet<(String, i32)>,
}

impl Dunned {
    /// Lets notices be sent.
    ///
    /// # Errors
    /// If dunning refuses, or does not know the creditor in time.
    pub(crate) async fn begin(clients: &Clients, token: &str) -> Result<Self> {
        all_arrived(clients, token).await?;
        let request = SetDispatchRequest {
            request_id: "dispatch".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            enabled: true,
            reason: String::new(),
        };
        clients.work().set_dispatch(call(request)).await?;
        let settings = DunningSettings {
            creditor_id: CREDITOR.to_owned(),
            when_stale: WhenStale::Withhold.into(),
            sender: "Demo GmbH\nHafenstraße 1\n20457 Hamburg".to_owned(),
            payment_details: "IBAN DE02 1203 0000 0000 2020 51".to_owned(),
            email_from: "buchhaltung@creditor.example".to_owned(),
            ..DunningSettings::default()
        };
        let request = SetDunningSettingsRequest {
            request_id: "settings".to_owned(),
            settings: Some(settings),
            update_mask: ["when_stale", "sender", "payment_details", "email_from"]
                .map(str::to_owned)
                .to_vec(),
            etag: String::new(),
        };
        clients
            .procedures()
            .set_dunning_settings(call(request))
            .await?;
        Ok(Self {
            holds: holds(clients).await?,
            ..Self::default()
        })
    }

    /// On the first business day of a week from Tuesday on, what is due is sent, and the debtors learn of it. Answers the
    /// token of what dunning had the registry do that decides on the day; `None` if there was nothing.
    ///
    /// # Errors
    /// If dunning refuses or a run does not come to its end.
    pub(crate) async fn day(
        &mut self,
        clients: &Clients,
        world: &mut World,
        day: NaiveDate,
    ) -> Result<Option<String>> {
        let week = (day.iso_week().year(), day.iso_week().week());
        if self.last_week == Some(week) || day.weekday() == chrono::Weekday::Mon {
            return Ok(None);
        }
        self.last_week = Some(week);
        self.call_debtors(clients, world, day).await?;
        let run = self.run(clients, day).await?;
        let sent = settled_notices(clients, &run.run_id).await?;
        let (mut bounced, mut held) = (false, BTreeSet::new());
        for notice in sent.iter().filter(|it| it.state() == NoticeState::Sent) {
            if self
                .holds
                .contains(&(notice.procedure.clone(), notice.level))
            {
                held.insert(notice.debtor_id.as_str());
            }
            if notice.channel() == NoticeChannel::Email && world.mail_bounces(&notice.debtor_id) {
                report_bounce(clients, notice).await?;
                bounced = true;
                continue;
            }
            // A call reaches the debtor when it is made.
            if notice.channel() != NoticeChannel::Phone {
                world.remind(&notice.debtor_id, day, &reminder(notice));
            }
        }
        let mut token = None;
        for debtor_id in held {
            token = Some(on_hold(clients, debtor_id, day).await?);
        }
        if bounced {
            // They have gone another way.
            settled_notices(clients, &run.run_id).await?;
        }
        self.reasons = run.reasons;
        self.runs += 1;
        self.notices.extend(sent);
        Ok(token)
    }

    async fn run(&self, clients: &Clients, day: NaiveDate) -> Result<Run> {
        let request = ProposeRunRequest {
            request_id: format!("propose-{day}"),
            creditor_id: CREDITOR.to_owned(),
            business_date: None,
        };
        let proposed = clients.runs().propose_run(call(request)).await?;
        let run = proposed.into_inner().run.unwrap_or_default();
        reaches(clients, &run.run_id, RunState::Proposed).await?;
        let request = ReleaseRunRequest {
            request_id: format!("release-{day}"),
            creditor_id: CREDITOR.to_owned(),
            run_id: run.run_id.clone(),
            etag: String::new(),
        };
        clients.runs().release_run(call(request)).await?;
        reaches(clients, &run.run_id, RunState::Done).await
    }

    /// Somebody works off the calls that are due.
    async fn call_debtors(
        &mut self,
        clients: &Clients,
        world: &mut World,
        day: NaiveDate,
    ) -> Result<()> {
        for task in tasks(clients).await? {
            let due = calendar_date(task.due_date.as_ref()).is_some_and(|due| due <= day);
            if task.kind() != TaskKind::Call || !due {
                continue;
            }
            let reminder = Reminder {
                level: 2,
                by_phone: true,
                invoices: task.item_ids.clone(),
            };
            world.remind(&task.debtor_id, day, &reminder);
            let request = CompleteTaskRequest {
                request_id: format!("call-{}", task.task_id),
                creditor_id: CREDITOR.to_owned(),
                task_id: task.task_id,
                outcome: TaskOutcome::Reached.into(),
                note: String::new(),
            };
            clients.work().complete_task(call(request)).await?;
            self.calls += 1;
        }
        Ok(())
    }
}

fn reminder(notice: &Notice) -> Reminder {
    Reminder {
        level: notice.level,
        by_phone: false,
        invoices: notice.items.iter().map(|it| it.item_id.clone()).collect(),
    }
}

async fn report_bounce(clients: &Clients, notice: &Notice) -> Result<()> {
    let request = ReportDeliveryRequest {
        request_id: format!("bounce-{}", notice.notice_id),
        creditor_id: CREDITOR.to_owned(),
        notice_id: notice.notice_id.clone(),
        outcome: DeliveryOutcome::Bounced.into(),
    };
    clients.work().report_delivery(call(request)).await?;
    Ok(())
}

/// The levels at which the procedures in force ask for a credit hold.
async fn holds(clients: &Clients) -> Result<BTreeSet<(String, i32)>> {
    let request = ListProceduresRequest {
        creditor_id: CREDITOR.to_owned(),
        page_size: 100,
        ..ListProceduresRequest::default()
    };
    let answer = clients.procedures().list_procedures(call(request)).await?;
    let mut holds = BTreeSet::new();
    for procedure in answer.into_inner().procedures {
        let definition: Definition = toml::from_str(&procedure.definition)
            .map_err(|_| Failure::Unexpected("a procedure cannot be read".to_owned()))?;
        let key = format!("{}@{}", procedure.procedure_id, procedure.revision);
        let asking = definition
            .steps
            .into_iter()
            .filter(|step| step.follow_up == "CREDIT_HOLD");
        holds.extend(asking.map(|step| (key.clone(), step.level)));
    }
    Ok(holds)
}

/// What the demo needs to know of a procedure.
#[derive(serde::Deserialize)]
struct Definition {
    steps: Vec<Step>,
}

#[derive(serde::Deserialize)]
struct Step {
    level: i32,
    #[serde(default)]
    follow_up: String,
}

/// Waits until dunning has had the registry put a debtor on hold; answers a token that contains it.
async fn on_hold(clients: &Clients, debtor_id: &str, day: NaiveDate) -> Result<String> {
    let mut look = tokio::time::interval(LOOK);
    for _ in 0..PATIENCE {
        look.tick().await;
        let request = GetDebtorRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: debtor_id.to_owned(),
            at_least: String::new(),
        };
        let answer = clients.debtors().get_debtor(call(request)).await?;
        let debtor = answer.into_inner().debtor.unwrap_or_default();
        if debtor.credit_hold {
            // It changes nothing, and says as of when that holds.
            let request = SetCreditHoldRequest {
                request_id: format!("held-{debtor_id}-{day}"),
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor_id.to_owned(),
                credit_hold: true,
                reason: debtor.credit_hold_reason,
            };
            let answer = clients.debtors().set_credit_hold(call(request)).await?;
            return Ok(answer.into_inner().consistency_token);
        }
    }
    Err(Failure::Unexpected(format!(
        "{debtor_id} was not put on hold"
    )))
}

/// Open tasks, the most urgent first, containing everything that dunning knows.
///
/// # Errors
/// If dunning refuses.
pub(crate) async fn tasks(clients: &Clients) -> Result<Vec<Task>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTasksRequest {
            creditor_id: CREDITOR.to_owned(),
            page_size: PAGE,
            page_token,
            ..ListTasksRequest::default()
        };
        let page = clients.work().list_tasks(call(request)).await?.into_inner();
        all.extend(page.tasks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            // The service orders equals by ids that differ from run to run.
            all.sort_by_cached_key(rank);
            return Ok(all);
        }
    }
}

fn rank(task: &Task) -> impl Ord + use<> {
    let due = calendar_date(task.due_date.as_ref());
    let (debtor_id, items) = (task.debtor_id.clone(), task.item_ids.clone());
    (
        std::cmp::Reverse(task.priority),
        due,
        debtor_id,
        task.kind,
        items,
    )
}

/// The notices of a run when none of them is on its way any more.
async fn settled_notices(clients: &Clients, run_id: &str) -> Result<Vec<Notice>> {
    let mut look = tokio::time::interval(LOOK);
    for _ in 0..PATIENCE {
        look.tick().await;
        let notices = notices(clients, run_id).await?;
        let leaving = [NoticeState::Released, NoticeState::Sending];
        if notices.iter().all(|it| !leaving.contains(&it.state())) {
            return Ok(notices);
        }
    }
    Err(Failure::Unexpected("notices were not sent".to_owned()))
}

async fn notices(clients: &Clients, run_id: &str) -> Result<Vec<Notice>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListNoticesRequest {
            creditor_id: CREDITOR.to_owned(),
            run_id: run_id.to_owned(),
            page_size: PAGE,
            page_token,
            ..ListNoticesRequest::default()
        };
        let page = clients
            .runs()
            .list_notices(call(request))
            .await?
            .into_inner();
        all.extend(page.notices);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            // Their ids are made by the service and differ from run to run.
            all.sort_by(|one, other| key(one).cmp(&key(other)));
            return Ok(all);
        }
    }
}

fn key(notice: &Notice) -> (&str, &str, i32) {
    let first = notice.items.first().map_or("", |it| it.item_id.as_str());
    (&notice.debtor_id, first, notice.level)
}

/// Waits until dunning contains the write by every path, and so does everything before it.
///
/// # Errors
/// If it does not arrive.
pub(crate) async fn all_arrived(clients: &Clients, token: &str) -> Result<()> {
    let request = ListTasksRequest {
        creditor_id: CREDITOR.to_owned(),
        page_size: 1,
        at_least: token.to_owned(),
        ..ListTasksRequest::default()
    };
    once_arrived(async || clients.work().list_tasks(call(request.clone())).await).await?;
    Ok(())
}

async fn reaches(clients: &Clients, run_id: &str, wanted: RunState) -> Result<Run> {
    let mut look = tokio::time::interval(LOOK);
    for _ in 0..PATIENCE {
        look.tick().await;
        let request = GetRunRequest {
            creditor_id: CREDITOR.to_owned(),
            run_id: run_id.to_owned(),
            at_least: String::new(),
        };
        let answer: Result<_, Status> = clients.runs().get_run(call(request)).await;
        let run = answer?.into_inner().run.unwrap_or_default();
        if run.state() == wanted {
            return Ok(run);
        }
    }
    Err(Failure::Unexpected(format!(
        "the run did not become {wanted:?}"
    )))
}
