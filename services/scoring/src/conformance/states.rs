//! What is told of one debtor, step by step: score, features and amounts, and what is decided on its orders.

use mahnwerk_feed::{Change, Freshness, PARTITIONS, SnapshotSource, partition};
use mahnwerk_proto::{
    common::v1::{Date, Money},
    registry::v1::{
        Creditor, Debtor, DebtorKind, Dispute, DisputeState, Entry, EntryKind, InstalmentPlan,
        InstalmentPlanState, Item, ItemKind, Promise, PromiseState,
    },
    scoring::v1::{AccountTotals, Features, ScoreState},
};
use mahnwerk_runtime::{
    context::Call,
    db::{Db, Sql, column},
    error::{Error, Result},
};
use prost::Message;
use prost_types::Any;
use scoring_core::decision::{CreditOutcome, DecisionReason};

use super::{date, facts::Dice, money, projection::Follower};
use crate::{
    app::{App, credit::Order},
    feed::{SCORE, Snapshot},
    storage::score as stored,
};

const CREDITOR: &str = "c1";
const DEBTOR: &str = "d1";

/// A person with an invoice that is overdue and one that is not due yet.
struct Stage {
    follower: Follower,
    dice: Dice,
    app: App,
    /// Of the next change, whatever it is about.
    version: i64,
}

impl Stage {
    async fn open(db: &Db) -> Result<Self> {
        let follower = Follower::open(db).await?;
        let app = App {
            freshness: Freshness::own(follower.publisher.clone()),
            publisher: follower.publisher.clone(),
            rules: follower.rules.clone(),
        };
        let mut stage = Self {
            follower,
            dice: Dice(1),
            app,
            version: 1,
        };
        stage.open_day(date(2026, 3, 2)).await?;
        stage.debtor(None).await?;
        for (id, amount, document, due) in [
            ("late", 20_000, date(2026, 1, 5), date(2026, 2, 4)),
            ("new", 10_000, date(2026, 2, 27), date(2026, 3, 31)),
        ] {
            stage.invoice(id, amount, document, due, &[]).await?;
        }
        Ok(stage)
    }

    async fn tell(
        &mut self,
        debtor_id: &str,
        entity: &str,
        entity_id: &str,
        state: Option<Vec<u8>>,
    ) -> Result<Change> {
        let change = Change {
            partition: i32::try_from(partition(CREDITOR, debtor_id)).unwrap_or(-1),
            creditor_id: CREDITOR.to_owned(),
            debtor_id: debtor_id.to_owned(),
            entity: entity.to_owned(),
            entity_id: entity_id.to_owned(),
            version: self.version,
            state: state.map(|value| Any {
                type_url: String::new(),
                value,
            }),
            ..Change::default()
        };
        self.version += 1;
        self.repeat(&change).await?;
        Ok(change)
    }

    /// Tells a change again.
    async fn repeat(&mut self, change: &Change) -> Result<()> {
        let changes = std::slice::from_ref(change);
        self.follower.follow(&mut self.dice, changes).await?;
        while self.follower.sweep_one().await? {}
        Ok(())
    }

    async fn open_day(&mut self, day: Date) -> Result<()> {
        let state = Creditor {
            creditor_id: CREDITOR.to_owned(),
            reporting_currency: "EUR".to_owned(),
            business_date: Some(day),
            ..Creditor::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell("", "creditor", CREDITOR, state).await?;
        Ok(())
    }

    async fn debtor(&mut self, deceased_since: Option<Date>) -> Result<()> {
        let state = Debtor {
            kind: DebtorKind::Person.into(),
            deceased_since,
            ..Debtor::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(DEBTOR, "debtor", DEBTOR, state).await?;
        Ok(())
    }

    /// An invoice with the payments that have come.
    async fn invoice(
        &mut self,
        id: &str,
        amount: i64,
        document: Date,
        due: Date,
        payments: &[i64],
    ) -> Result<Change> {
        let entries = payments.iter().map(|amount| Entry {
            kind: EntryKind::Allocation.into(),
            credit_kind: ItemKind::Payment.into(),
            amount: Some(money("EUR", *amount)),
            value_date: Some(date(2026, 3, 2)),
            recorded_date: Some(date(2026, 3, 2)),
            ..Entry::default()
        });
        let state = Item {
            kind: ItemKind::Invoice.into(),
            item_id: id.to_owned(),
            amount: Some(money("EUR", amount)),
            document_date: Some(document),
            due_date: Some(due),
            recorded_date: Some(document),
            entries: entries.collect(),
            ..Item::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(DEBTOR, "item", &format!("invoice/{id}"), state)
            .await
    }

    /// A dispute about the invoice that is not due yet.
    async fn dispute(&mut self, amount: Option<Money>, outcome: DisputeState) -> Result<()> {
        let is_open = outcome == DisputeState::Open;
        let state = Dispute {
            dispute_id: "x1".to_owned(),
            invoice_id: "new".to_owned(),
            amount,
            state: outcome.into(),
            opened_date: Some(date(2026, 3, 2)),
            closed_date: (!is_open).then(|| date(2026, 3, 2)),
            ..Dispute::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(DEBTOR, "dispute", "x1", state).await?;
        Ok(())
    }

    async fn promise(&mut self, id: &str, outcome: PromiseState) -> Result<()> {
        let state = Promise {
            promise_id: id.to_owned(),
            state: outcome.into(),
            created_date: Some(date(2026, 3, 2)),
            closed_date: (outcome != PromiseState::Open).then(|| date(2026, 3, 2)),
            ..Promise::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(DEBTOR, "promise", id, state).await?;
        Ok(())
    }

    async fn plan(&mut self, outcome: InstalmentPlanState) -> Result<()> {
        let state = InstalmentPlan {
            plan_id: "x1".to_owned(),
            state: outcome.into(),
            created_date: Some(date(2026, 3, 2)),
            closed_date: (outcome != InstalmentPlanState::Active).then(|| date(2026, 3, 2)),
            ..InstalmentPlan::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(DEBTOR, "instalment_plan", "x1", state).await?;
        Ok(())
    }

    fn db(&self) -> &Db {
        self.follower.publisher.db()
    }

    /// All that was told of the debtor, oldest first, with the version; `None` when it went.
    async fn told(&self) -> Result<Vec<(i64, Option<ScoreState>)>> {
        let sql = "SELECT version, state FROM event WHERE entity = 'score' ORDER BY seq";
        let rows = self.db().query(sql, vec![]).await?;
        rows.iter()
            .map(|row| {
                let state: Option<Vec<u8>> = column(row, "state")?;
                let state = state.map(|state| decoded(&state)).transpose()?;
                Ok((column(row, "version")?, state))
            })
            .collect()
    }

    /// What was told last, which must be what a snapshot tells.
    async fn last(&self) -> Result<ScoreState> {
        let (version, state) = self.told().await?.pop().unwrap_or_default();
        let parts: Vec<_> = (0..PARTITIONS).collect();
        let page = Snapshot.page(self.db(), SCORE, &parts, None, 10).await?;
        assert_eq!(page.len(), 1);
        for row in page {
            assert_eq!(
                (row.version, Some(decoded(&row.state)?)),
                (version, state.clone())
            );
        }
        state.ok_or_else(|| Error::internal("the last event tells of nothing"))
    }

    async fn features(&self) -> Result<Features> {
        Ok(self.last().await?.features.unwrap_or_default())
    }

    /// Outcome and codes of the reasons of a small order.
    async fn decided(&self, request_id: &str) -> Result<(CreditOutcome, Vec<&'static str>)> {
        let order = Order {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: DEBTOR.to_owned(),
            order_id: request_id.to_owned(),
            amount: 100,
            currency: "EUR".to_owned(),
        };
        let call = Call::internal("test");
        let written = self.app.check_credit(&call, request_id, order, "").await?;
        let decision = written.response.decision;
        let codes = decision.reasons.iter().map(DecisionReason::code).collect();
        Ok((decision.outcome, codes))
    }
}

fn decoded(state: &[u8]) -> Result<ScoreState> {
    ScoreState::decode(state).map_err(|error| Error::Internal(Box::new(error)))
}

fn euro(open: i64, overdue: i64, disputed: i64, turnover: i64) -> Vec<AccountTotals> {
    vec![AccountTotals {
        currency_code: "EUR".to_owned(),
        open_minor: open,
        overdue_minor: overdue,
        disputed_minor: disputed,
        turnover_12m_minor: turnover,
    }]
}

/// Disputes, promises and plans are told as features and amounts when they change one, and not otherwise. The database
/// must be migrated and empty, here and below; no service may run on it.
///
/// # Errors
/// Those of the database.
pub async fn arrangements_are_told_as_features_and_amounts(db: &Db) -> Result<()> {
    let mut stage = Stage::open(db).await?;
    let before = stage.last().await?;
    assert_eq!(before.accounts, euro(30_000, 20_000, 0, 30_000));
    let score = before.score.unwrap_or_default();
    assert_eq!(stage.features().await?.dispute_share_12m_bps, Some(0));

    stage
        .dispute(Some(money("EUR", 4_000)), DisputeState::Open)
        .await?;
    let opened = stage.last().await?;
    assert_eq!(opened.accounts, euro(30_000, 20_000, 4_000, 30_000));
    let features = opened.features.unwrap_or_default();
    assert_eq!(
        (features.open_disputes, features.dispute_share_12m_bps),
        (1, Some(5_000))
    );
    let told = opened.score.unwrap_or_default();
    assert_eq!(
        (told.score, told.pd_ppm, told.version),
        (score.score, score.pd_ppm, score.version + 1)
    );

    stage.dispute(None, DisputeState::Upheld).await?;
    let closed = stage.last().await?;
    assert_eq!(closed.accounts, euro(30_000, 20_000, 0, 30_000));
    let features = closed.features.unwrap_or_default();
    assert_eq!(
        (
            features.open_disputes,
            features.upheld_dispute_share_12m_bps
        ),
        (0, Some(5_000))
    );

    let events = stage.told().await?.len();
    stage.promise("x1", PromiseState::Open).await?;
    stage.promise("x1", PromiseState::PartlyKept).await?;
    stage.promise("x2", PromiseState::Open).await?;
    stage.plan(InstalmentPlanState::Active).await?;
    assert_eq!(stage.told().await?.len(), events, "nothing to tell yet");
    stage.promise("x2", PromiseState::Broken).await?;
    assert_eq!(stage.features().await?.broken_promises_12m, 1);
    stage.plan(InstalmentPlanState::Broken).await?;
    let broken = stage.features().await?;
    assert_eq!(
        (broken.broken_promises_12m, broken.broken_plans_12m),
        (1, 1)
    );
    assert_eq!(stage.told().await?.len(), events + 2);

    stage.tell(DEBTOR, "promise", "x2", None).await?;
    assert_eq!(stage.features().await?.broken_promises_12m, 0);
    stage.open_day(date(2027, 3, 2)).await?;
    assert_eq!(stage.features().await?.broken_plans_12m, 0, "long ago");
    assert_gone(&mut stage).await
}

/// With the debtor all that is its own goes.
async fn assert_gone(stage: &mut Stage) -> Result<()> {
    stage.tell(DEBTOR, "debtor", DEBTOR, None).await?;
    let last = stage.told().await?.pop();
    assert_eq!(last.and_then(|(_, state)| state), None);
    let sql = "SELECT CAST(count(*) AS BIGINT) AS n FROM arrangement";
    let row = stage.db().query_one(sql, vec![]).await?;
    let left = row.map(|row| column::<i64>(&row, "n")).transpose()?;
    assert_eq!(left, Some(0));
    Ok(())
}

/// A payment that leaves the score as it is tells the new amounts all the same, once, and is not in the history of
/// scores.
///
/// # Errors
/// Those of the database.
pub async fn a_payment_that_leaves_the_score_tells_new_amounts(db: &Db) -> Result<()> {
    let mut stage = Stage::open(db).await?;
    stage.tell(DEBTOR, "item", "invoice/late", None).await?;
    let before = stage.last().await?;
    assert_eq!(before.accounts, euro(10_000, 0, 0, 10_000));
    let events = stage.told().await?.len();
    let history = stored::history(db, CREDITOR, DEBTOR, i64::MAX, 100).await?;

    let (document, due) = (date(2026, 2, 27), date(2026, 3, 31));
    let paid = stage
        .invoice("new", 10_000, document, due, &[2_000])
        .await?;
    let after = stage.last().await?;
    assert_eq!(after.accounts, euro(8_000, 0, 0, 10_000));
    assert_eq!(after.features, before.features);
    let (before, after) = (
        before.score.unwrap_or_default(),
        after.score.unwrap_or_default(),
    );
    assert_eq!(after.version, before.version + 1);
    assert_eq!(
        (after.score, after.pd_ppm, after.reasons),
        (before.score, before.pd_ppm, before.reasons)
    );
    let history_after = stored::history(db, CREDITOR, DEBTOR, i64::MAX, 100).await?;
    assert_eq!(history_after, history);

    stage.repeat(&paid).await?;
    stage.open_day(date(2026, 3, 3)).await?;
    assert_eq!(stage.told().await?.len(), events + 1, "told once");
    Ok(())
}

/// A broken plan leaves orders to a person, and nothing is sold to the dead.
///
/// # Errors
/// Those of the services, where they should have answered.
pub async fn a_broken_plan_refers_and_a_death_declines(db: &Db) -> Result<()> {
    let mut stage = Stage::open(db).await?;
    let (document, due) = (date(2026, 1, 5), date(2026, 2, 4));
    stage
        .invoice("late", 20_000, document, due, &[20_000])
        .await?;
    let (document, due) = (date(2026, 2, 27), date(2026, 3, 31));
    for number in 1..=12 {
        let id = format!("early{number}");
        stage.invoice(&id, 90_000, document, due, &[90_000]).await?;
    }
    assert_eq!(
        stage.decided("r1").await?,
        (CreditOutcome::Approve, vec!["WITHIN_LIMIT"])
    );
    stage.plan(InstalmentPlanState::Broken).await?;
    assert_eq!(
        stage.decided("r2").await?,
        (CreditOutcome::Refer, vec!["BROKEN_PLAN", "WITHIN_LIMIT"])
    );
    stage.debtor(Some(date(2026, 3, 1))).await?;
    assert_eq!(
        stage.decided("r3").await?,
        (CreditOutcome::Decline, vec!["DECEASED", "PERSON_REVIEW"])
    );
    stage.debtor(None).await?;
    stage.plan(InstalmentPlanState::Kept).await?;
    assert_eq!(
        stage.decided("r4").await?,
        (CreditOutcome::Approve, vec!["WITHIN_LIMIT"])
    );
    Ok(())
}

/// Features stored by a program that knew fewer of them are read until the debtor is scored again, and are then told.
///
/// # Errors
/// Those of the database.
pub async fn features_of_an_older_shape_are_told_anew(db: &Db) -> Result<()> {
    let mut stage = Stage::open(db).await?;
    // Without invoices the features of today look like those of before, were they read.
    for id in ["invoice/late", "invoice/new"] {
        stage.tell(DEBTOR, "item", id, None).await?;
    }
    let current = stage.last().await?;
    let version = current.score.as_ref().map_or(0, |score| score.version);
    let row = db.query_one("SELECT features FROM score", vec![]).await?;
    let row = row.ok_or_else(|| Error::internal("no score"))?;
    let mut features: serde_json::Value =
        serde_json::from_str(&column::<String>(&row, "features")?)
            .map_err(|error| Error::Internal(Box::new(error)))?;
    if let Some(features) = features.as_object_mut() {
        let len = features.len();
        features.retain(|name, _| !name.contains("dispute") && !name.starts_with("broken"));
        assert_eq!(features.len(), len - 6);
    }
    db.execute_sql(
        "UPDATE score SET features = $1",
        vec![features.to_string().into()],
    )
    .await?;
    assert_eq!(stage.last().await?, current, "read all the same");
    assert_eq!(stage.decided("r1").await?.0, CreditOutcome::Approve);
    stage.debtor(None).await?;
    let anew = stage.last().await?;
    assert_eq!(anew.features, current.features);
    assert_eq!(anew.score.map(|score| score.version), Some(version + 1));
    Ok(())
}
