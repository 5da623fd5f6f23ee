//! Why something happens to a debtor, or why not.

use dunning_core::Plan;
use tokio::time::Instant;

use mahnwerk_runtime::error::Result;

use super::{
    App,
    inputs::{self, Configuration, Subject},
    not_ready,
};
use crate::storage::{
    facts,
    notice::{self, Held, NoticeRow},
};

/// A debtor as a run of today would see it, and what the run would decide.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What is known.
    pub subject: Subject,
    /// What would be decided.
    pub plan: Plan,
    /// Notices that are released and not sent yet, and those sent whose pay-by date is not over.
    pub current: Vec<NoticeRow>,
}

impl App {
    /// Evaluates a debtor as of the business date, without storing anything.
    ///
    /// # Errors
    /// `NotFound`, `DEBTOR_PARKED`, `NO_BUSINESS_DAY`, `PROJECTION_NOT_READY`, or those of the freshness wait.
    pub async fn explain(
        &self,
        creditor_id: &str,
        debtor_id: &str,
        at_least: &str,
        deadline: Option<Instant>,
    ) -> Result<Explained> {
        self.freshness
            .debtor(at_least, creditor_id, debtor_id, deadline)
            .await?;
        // One state for everything that is explained together.
        let on = &self.publisher.db().begin_read().await?;
        let creditor = self.creditor(on, creditor_id).await?;
        let mut subject = self.subject(on, &creditor, debtor_id).await?;
        // A debtor without a segment may only be one whose segment has not arrived yet.
        if !facts::ready(on, super::FEEDS).await? {
            return Err(not_ready());
        }
        let configuration = Configuration::load(on, &self.law, &creditor).await?;
        // As a run of today would, which begins when nothing is proposed any more.
        let one = std::slice::from_mut(&mut subject);
        inputs::add_under_way(on, creditor_id, one, Held::ByReleased).await?;
        let plan = configuration.evaluate(&subject.input)?;
        let today = subject.input.business_date;
        let current = notice::current(on, creditor_id, debtor_id, today).await?;
        Ok(Explained {
            subject,
            plan,
            current,
        })
    }
}
