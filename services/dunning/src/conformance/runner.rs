//! Runs played by hand: the background's steps, a way out that counts, and a registry that remembers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use dunning_channel::{Channel, Message, SendError};
use mahnwerk_proto::dunning::v1::{
    CancelRunRequest, GetNoticeRequest, GetRunRequest, ListNoticesRequest, ListTasksRequest,
    Notice, ProposeRunRequest, ReleaseRunRequest, Run, SetDispatchRequest, Task,
    run_service_server::RunService, work_service_server::WorkService,
};
use mahnwerk_runtime::{db::Db, error::Result};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::world::{World, date};
use crate::{
    app::{
        dispatch::Dispatcher,
        outbox::{Command, Failure, Registry},
    },
    grpc::Api,
    worker::{Found, dispatch, outbox, propose},
};

/// How long work is kept from others, in microseconds: longer than any suite takes.
pub const LEASE: i64 = 600_000_000;

/// The due date of invoices that are 14 days old.
pub const DUE: &str = "2026-02-16";

/// A creditor with its service, played step by step.
pub struct Runner {
    /// What the other services tell.
    pub world: World,
    /// The wire.
    pub api: Api,
    /// Where e-mails go.
    pub mailbox: Arc<Mailbox>,
    requests: u32,
}

/// Remembers messages by address; addresses may refuse, lose or postpone them.
#[derive(Default)]
pub struct Mailbox {
    /// Messages taken.
    pub taken: Mutex<Vec<Message>>,
    /// What becomes of messages to an address instead.
    pub troubles: Mutex<BTreeMap<String, SendError>>,
}

impl Mailbox {
    /// How many messages were taken, by the notice in their id.
    pub fn by_notice(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for message in lock(&self.taken).iter() {
            let notice_id = message.message_id.split('.').next().unwrap_or_default();
            *counts.entry(notice_id.to_owned()).or_default() += 1;
        }
        counts
    }

    /// From now on messages to an address come to this; `None` ends it.
    pub fn trouble(&self, address: &str, error: Option<SendError>) {
        let mut troubles = lock(&self.troubles);
        troubles.remove(address);
        troubles.extend(error.map(|error| (address.to_owned(), error)));
    }
}

/// What a lock protects, whatever became of who held it.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl Channel for Mailbox {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        // Others get their turn while it is on its way.
        tokio::task::yield_now().await;
        if let Some(error) = lock(&self.troubles).get(&message.to) {
            return Err(error.clone());
        }
        lock(&self.taken).push(message.clone());
        Ok(())
    }
}

/// Remembers commands; some may be refused or put off.
#[derive(Default)]
pub struct Book {
    /// Commands carried out.
    pub done: Mutex<Vec<Command>>,
    /// What becomes of the next commands, last one first.
    pub failures: Mutex<Vec<Failure>>,
}

#[async_trait::async_trait]
impl Registry for Book {
    async fn carry_out(&self, command: &Command) -> Result<(), Failure> {
        if let Some(failure) = lock(&self.failures).pop() {
            return Err(failure);
        }
        lock(&self.done).push(command.clone());
        Ok(())
    }
}

impl Runner {
    /// A creditor on 2026-03-02 that may send e-mails.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(db: &Db) -> Result<Self, Status> {
        let world = World::open(db, "c1", date("2026-03-02")).await?;
        let api = Api {
            app: world.app.clone(),
        };
        let txn = db.begin_write().await?;
        let settings = crate::storage::settings::DunningSettings {
            email_from: "dunning@example.com".to_owned(),
            ..Default::default()
        };
        crate::storage::settings::put(&txn, "c1", &settings).await?;
        txn.commit().await?;
        Ok(Self {
            world,
            api,
            mailbox: Arc::default(),
            requests: 0,
        })
    }

    /// A request id that was not used before.
    pub fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("r{}", self.requests)
    }

    /// Sends e-mails to the mailbox.
    #[must_use]
    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher {
            app: self.api.app.clone(),
            email: Some(self.mailbox.clone()),
            lease: LEASE,
        }
    }

    /// The background works on runs until nothing is left to do.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn work(&self) -> Result<()> {
        while propose::step(&self.api.app, LEASE).await? == Found::Work {}
        Ok(())
    }

    /// The background sends until nothing is left to do now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send(&self) -> Result<()> {
        let dispatcher = self.dispatcher();
        while dispatch::step(&dispatcher, &CancellationToken::new()).await? == Found::Work {}
        self.work().await
    }

    /// The background carries commands out until nothing is left to do now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn carry_out(&self, book: &Book) -> Result<()> {
        while outbox::step(&self.api.app, book, LEASE).await? == Found::Work {}
        Ok(())
    }

    /// Proposes a run and evaluates everybody; answers its id.
    ///
    /// # Errors
    /// Those of the call and of the database.
    pub async fn propose(&mut self) -> Result<String, Status> {
        self.world.flush().await?;
        let request_id = self.request_id();
        let proposed = self.api.propose_run(Request::new(ProposeRunRequest {
            request_id,
            creditor_id: "c1".to_owned(),
            business_date: None,
        }));
        let run = proposed.await?.into_inner().run.unwrap_or_default();
        self.work().await?;
        Ok(run.run_id)
    }

    /// Releases a run and renders its notices.
    ///
    /// # Errors
    /// Those of the call and of the database.
    pub async fn release(&mut self, run_id: &str) -> Result<(), Status> {
        let request_id = self.request_id();
        let released = self.api.release_run(Request::new(ReleaseRunRequest {
            request_id,
            creditor_id: "c1".to_owned(),
            run_id: run_id.to_owned(),
            etag: String::new(),
        }));
        released.await?;
        Ok(self.work().await?)
    }

    /// Cancels a run and takes its notices off.
    ///
    /// # Errors
    /// Those of the call and of the database.
    pub async fn cancel(&mut self, run_id: &str) -> Result<(), Status> {
        let request_id = self.request_id();
        let cancelled = self.api.cancel_run(Request::new(CancelRunRequest {
            request_id,
            creditor_id: "c1".to_owned(),
            run_id: run_id.to_owned(),
        }));
        cancelled.await?;
        Ok(self.work().await?)
    }

    /// Proposes and releases a run; answers its id.
    ///
    /// # Errors
    /// Those of the calls and of the database.
    pub async fn released(&mut self) -> Result<String, Status> {
        let run_id = self.propose().await?;
        self.release(&run_id).await?;
        Ok(run_id)
    }

    /// Stops or resumes the sending.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn switch(&mut self, enabled: bool) -> Result<(), Status> {
        let request_id = self.request_id();
        let set = self.api.set_dispatch(Request::new(SetDispatchRequest {
            request_id,
            creditor_id: "c1".to_owned(),
            enabled,
            reason: "audit".to_owned(),
        }));
        set.await.map(drop)
    }

    /// A run.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn run(&self, run_id: &str) -> Result<Run, Status> {
        let found = self.api.get_run(Request::new(GetRunRequest {
            creditor_id: "c1".to_owned(),
            run_id: run_id.to_owned(),
            at_least: String::new(),
        }));
        Ok(found.await?.into_inner().run.unwrap_or_default())
    }

    /// The notices of a run, by debtor.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn notices(&self, run_id: &str) -> Result<Vec<Notice>, Status> {
        let listed = self.api.list_notices(Request::new(ListNoticesRequest {
            creditor_id: "c1".to_owned(),
            run_id: run_id.to_owned(),
            page_size: 1_000,
            ..Default::default()
        }));
        let mut notices = listed.await?.into_inner().notices;
        notices.sort_by(|one, other| one.debtor_id.cmp(&other.debtor_id));
        Ok(notices)
    }

    /// A notice, with its text.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn notice(&self, notice_id: &str) -> Result<Notice, Status> {
        let found = self.api.get_notice(Request::new(GetNoticeRequest {
            creditor_id: "c1".to_owned(),
            notice_id: notice_id.to_owned(),
            at_least: String::new(),
        }));
        Ok(found.await?.into_inner().notice.unwrap_or_default())
    }

    /// The open tasks, the most urgent first.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn tasks(&self) -> Result<Vec<Task>, Status> {
        let listed = self.api.list_tasks(Request::new(ListTasksRequest {
            creditor_id: "c1".to_owned(),
            ..Default::default()
        }));
        Ok(listed.await?.into_inner().tasks)
    }
}
