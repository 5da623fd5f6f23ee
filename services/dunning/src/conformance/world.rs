//! A creditor with debtors, told by forged feeds of registry, scoring and segmentation.

mod follow;

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use dunning_core::law::LawPacks;
use mahnwerk_feed::{Change, Freshness, PARTITIONS, Projection, Publisher, partition};
use mahnwerk_proto::{
    common::v1::Money,
    registry::v1::{
        Channel, Contact, ContactPoint, ContactPurpose, ContactState, Creditor, Debtor, DebtorKind,
        Dispute, DisputeState, Entry, EntryKind, InstalmentPlan, InstalmentPlanState, Item,
        ItemKind, Promise, PromiseState, Relationship,
    },
    scoring::v1::{RiskClass, Score, ScoreState},
    segmentation::v1::{Handling, Membership, Policy, ReminderFees},
};
use mahnwerk_runtime::{
    clock::{ManualClock, SharedClock},
    db::{Db, Rows, Sql, now_micros},
    error::{Error, Result},
    ids::{SharedIds, SystemIds},
    validate::from_date,
};
use prost::Message;
use prost_types::Any;
use tokio::sync::watch;

use crate::{
    SERVICE,
    app::App,
    feed::{ENTITIES, Registry, Scoring, Segmentation},
    storage::facts,
};

/// A date from its text; the first day there is if it is none.
#[must_use]
pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap_or_default()
}

/// An amount in euro.
#[must_use]
pub fn euro(minor_units: i64) -> Money {
    Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    }
}

/// Which service tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feed {
    /// The registry.
    Registry,
    /// Scoring.
    Scoring,
    /// Segmentation.
    Segmentation,
}

impl Feed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Registry, Self::Scoring, Self::Segmentation];

    /// What is made of it here.
    #[must_use]
    pub fn projection(self) -> &'static dyn Projection {
        match self {
            Self::Registry => &Registry,
            Self::Scoring => &Scoring,
            Self::Segmentation => &Segmentation,
        }
    }
}

/// A creditor with what it is told. Facts are gathered and applied by [`World::flush`].
pub struct World {
    /// The use cases, on the database.
    pub app: App,
    /// The creditor.
    pub creditor_id: String,
    /// Its business date.
    pub today: NaiveDate,
    creditor: Creditor,
    /// Invoices as last told, by id.
    invoices: BTreeMap<String, Item>,
    /// The last change of every entity.
    told: BTreeMap<(Feed, String, String), Change>,
    pending: Vec<(Feed, Change)>,
    generation: i64,
}

impl World {
    /// A creditor of Monday to Friday whose business day is open. The feeds are followed live.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(db: &Db, creditor_id: &str, today: NaiveDate) -> Result<Self> {
        follow_live(db).await?;
        let mut world = Self {
            app: app(db).await?,
            creditor_id: creditor_id.to_owned(),
            today,
            creditor: Creditor {
                creditor_id: creditor_id.to_owned(),
                display_name: "Sample GmbH".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                calendar: "WEEKDAYS".to_owned(),
                reporting_currency: "EUR".to_owned(),
                ..Creditor::default()
            },
            invoices: BTreeMap::new(),
            told: BTreeMap::new(),
            pending: Vec::new(),
            generation: 1,
        };
        world.open_day(today);
        world.flush().await?;
        Ok(world)
    }

    /// The creditor opens a business day.
    pub fn open_day(&mut self, today: NaiveDate) {
        self.today = today;
        self.change_creditor(|creditor| creditor.business_date = Some(from_date(today)));
    }

    /// The creditor changes.
    pub fn change_creditor(&mut self, change: impl FnOnce(&mut Creditor)) {
        change(&mut self.creditor);
        let (id, state) = (self.creditor_id.clone(), self.creditor.encode_to_vec());
        self.tell(Feed::Registry, "creditor", "", &id, Some(state));
    }

    /// A German organisation that reads German, unless changed.
    pub fn debtor(&mut self, debtor_id: &str, change: impl FnOnce(&mut Debtor)) {
        let mut debtor = Debtor {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            kind: DebtorKind::Organisation.into(),
            relationship: Relationship::Customer.into(),
            display_name: format!("Beispiel {debtor_id} GmbH"),
            language: "de".to_owned(),
            country: "DE".to_owned(),
            ..Debtor::default()
        };
        change(&mut debtor);
        let state = Some(debtor.encode_to_vec());
        self.tell(Feed::Registry, facts::DEBTOR, debtor_id, debtor_id, state);
    }

    /// A verified contact point, unless changed; its key is `id` and its address made of it.
    pub fn contact_point(
        &mut self,
        debtor_id: &str,
        id: &str,
        channel: Channel,
        change: impl FnOnce(&mut ContactPoint),
    ) {
        let mut point = ContactPoint {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            contact_point_id: id.to_owned(),
            channel: channel.into(),
            address: format!("{id}.{debtor_id}@example.org"),
            state: ContactState::Verified.into(),
            version: 0,
        };
        change(&mut point);
        let (entity_id, state) = (format!("{debtor_id}/{id}"), point.encode_to_vec());
        let entity = facts::CONTACT_POINT;
        self.tell(Feed::Registry, entity, debtor_id, &entity_id, Some(state));
    }

    /// An invoice in euro, of which nothing is paid, unless changed. The document is 14 days older than the due date.
    pub fn invoice(
        &mut self,
        debtor_id: &str,
        item_id: &str,
        minor: i64,
        due: NaiveDate,
        change: impl FnOnce(&mut Item),
    ) {
        let document = due - chrono::Days::new(14);
        let mut item = Item {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            kind: ItemKind::Invoice.into(),
            item_id: item_id.to_owned(),
            amount: Some(euro(minor)),
            open_amount: Some(euro(minor)),
            document_date: Some(from_date(document)),
            due_date: Some(from_date(due)),
            recorded_date: Some(from_date(document)),
            ..Item::default()
        };
        change(&mut item);
        self.tell_invoice(item);
    }

    /// Something is paid on an invoice; a negative amount takes it back.
    pub fn pay(&mut self, item_id: &str, minor: i64, value_date: NaiveDate) {
        let Some(mut item) = self.invoices.get(item_id).cloned() else {
            return;
        };
        let amount = |open: &Money, minor_units| {
            Some(Money {
                minor_units,
                ..open.clone()
            })
        };
        let open = item.open_amount.take().unwrap_or_default();
        item.entries.push(Entry {
            entry_id: format!("{item_id}-{}", item.entries.len()),
            kind: EntryKind::Allocation.into(),
            amount: amount(&open, minor),
            credit_kind: ItemKind::Payment.into(),
            value_date: Some(from_date(value_date)),
            recorded_date: Some(from_date(self.today)),
            ..Entry::default()
        });
        item.open_amount = amount(&open, open.minor_units - minor);
        self.tell_invoice(item);
    }

    fn tell_invoice(&mut self, item: Item) {
        let (debtor_id, id) = (item.debtor_id.clone(), format!("invoice/{}", item.item_id));
        let state = Some(item.encode_to_vec());
        self.invoices.insert(item.item_id.clone(), item);
        self.tell(Feed::Registry, facts::ITEM, &debtor_id, &id, state);
    }

    /// A payment of which so much is not allocated.
    pub fn payment(&mut self, debtor_id: &str, item_id: &str, amount: Money) {
        let item = Item {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            kind: ItemKind::Payment.into(),
            item_id: item_id.to_owned(),
            amount: Some(amount.clone()),
            open_amount: Some(amount),
            value_date: Some(from_date(self.today)),
            ..Item::default()
        };
        let (id, state) = (format!("payment/{item_id}"), item.encode_to_vec());
        self.tell(Feed::Registry, facts::ITEM, debtor_id, &id, Some(state));
    }

    /// A dispute of an invoice, of all that is open unless an amount is given.
    pub fn dispute(
        &mut self,
        debtor_id: &str,
        item_id: &str,
        amount: Option<Money>,
        state: DisputeState,
    ) {
        let id = format!("dispute-{item_id}");
        let dispute = Dispute {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            dispute_id: id.clone(),
            invoice_id: item_id.to_owned(),
            amount,
            state: state.into(),
            opened_date: Some(from_date(self.today)),
            ..Dispute::default()
        };
        let state = Some(dispute.encode_to_vec());
        self.tell(Feed::Registry, facts::DISPUTE, debtor_id, &id, state);
    }

    /// A promise that covers so much of invoices.
    pub fn promise(
        &mut self,
        debtor_id: &str,
        promise_id: &str,
        covered: &[(&str, i64)],
        state: PromiseState,
    ) {
        let promise = Promise {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            promise_id: promise_id.to_owned(),
            invoice_ids: covered.iter().map(|(id, _)| (*id).to_owned()).collect(),
            covered_amounts: covered.iter().map(|(_, minor)| euro(*minor)).collect(),
            promised_date: Some(from_date(self.today)),
            closed_date: (state != PromiseState::Open).then(|| from_date(self.today)),
            state: state.into(),
            ..Promise::default()
        };
        let state = Some(promise.encode_to_vec());
        self.tell(Feed::Registry, facts::PROMISE, debtor_id, promise_id, state);
    }

    /// A plan that covers so much of invoices; one that is not active was closed today.
    pub fn plan(
        &mut self,
        debtor_id: &str,
        plan_id: &str,
        covered: &[(&str, i64)],
        state: InstalmentPlanState,
    ) {
        let active = state == InstalmentPlanState::Active;
        let amounts = covered.iter().filter(|_| active);
        let plan = InstalmentPlan {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            plan_id: plan_id.to_owned(),
            invoice_ids: covered.iter().map(|(id, _)| (*id).to_owned()).collect(),
            covered_amounts: amounts.map(|(_, minor)| euro(*minor)).collect(),
            closed_date: (!active).then(|| from_date(self.today)),
            state: state.into(),
            ..InstalmentPlan::default()
        };
        let entity = facts::INSTALMENT_PLAN;
        let state = Some(plan.encode_to_vec());
        self.tell(Feed::Registry, entity, debtor_id, plan_id, state);
    }

    /// A contact that was made.
    pub fn contact(
        &mut self,
        debtor_id: &str,
        contact_id: &str,
        (channel, purpose): (Channel, ContactPurpose),
        on: NaiveDate,
    ) {
        let contact = Contact {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            contact_id: contact_id.to_owned(),
            channel: channel.into(),
            purpose: purpose.into(),
            contact_date: Some(from_date(on)),
            ..Contact::default()
        };
        let state = Some(contact.encode_to_vec());
        self.tell(Feed::Registry, facts::CONTACT, debtor_id, contact_id, state);
    }

    /// A score with a probability of default in parts per million.
    pub fn score(&mut self, debtor_id: &str, class: RiskClass, pd_ppm: i32) {
        let state = ScoreState {
            score: Some(Score {
                creditor_id: self.creditor_id.clone(),
                debtor_id: debtor_id.to_owned(),
                risk_class: class.into(),
                pd_ppm,
                ..Score::default()
            }),
            ..ScoreState::default()
        };
        let state = Some(state.encode_to_vec());
        self.tell(Feed::Scoring, facts::SCORE, debtor_id, debtor_id, state);
    }

    /// A treatment by a procedure: fees by it, handled by persons, unless changed.
    pub fn treat(
        &mut self,
        debtor_id: &str,
        segment_id: &str,
        procedure_id: &str,
        change: impl FnOnce(&mut Policy),
    ) {
        let mut policy = Policy {
            reminder_fees: ReminderFees::ByProcedure.into(),
            handling: Handling::Personal.into(),
            procedure_id: procedure_id.to_owned(),
            ..Policy::default()
        };
        change(&mut policy);
        self.member(debtor_id, "treatment", segment_id, Some(policy));
    }

    /// A membership in a scheme.
    pub fn member(
        &mut self,
        debtor_id: &str,
        scheme_id: &str,
        segment_id: &str,
        policy: Option<Policy>,
    ) {
        let membership = Membership {
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            scheme_id: scheme_id.to_owned(),
            segment_id: segment_id.to_owned(),
            policy,
            ..Membership::default()
        };
        let id = format!("{debtor_id}/{scheme_id}");
        let state = Some(membership.encode_to_vec());
        self.tell(Feed::Segmentation, facts::MEMBERSHIP, debtor_id, &id, state);
    }

    /// An organisation with a verified e-mail address `mail` and invoices: id, minor units, due date.
    pub fn owing(&mut self, debtor_id: &str, invoices: &[(&str, i64, &str)]) {
        self.debtor(debtor_id, |_| {});
        self.contact_point(debtor_id, "mail", Channel::Email, |_| {});
        for (item_id, minor, due) in invoices {
            self.invoice(debtor_id, item_id, *minor, date(due), |_| {});
        }
    }

    /// An entity changes, or goes.
    pub fn tell(
        &mut self,
        feed: Feed,
        entity: &str,
        debtor_id: &str,
        entity_id: &str,
        state: Option<Vec<u8>>,
    ) {
        let key = (feed, entity.to_owned(), entity_id.to_owned());
        let before = self.told.get(&key).map_or(0, |change| change.version);
        let change = Change {
            partition: i32::try_from(partition(&self.creditor_id, debtor_id)).unwrap_or(-1),
            creditor_id: self.creditor_id.clone(),
            debtor_id: debtor_id.to_owned(),
            entity: entity.to_owned(),
            entity_id: entity_id.to_owned(),
            version: before + 1,
            state: state.map(|value| Any {
                type_url: String::new(),
                value,
            }),
            ..Change::default()
        };
        self.told.insert(key, change.clone());
        self.pending.push((feed, change));
    }
}

/// The use cases on a database that nothing runs on.
///
/// # Errors
/// Those of the database.
pub async fn app(db: &Db) -> Result<App> {
    let clock: SharedClock = Arc::new(ManualClock::at(1_700_000_000_000_000));
    let ids: SharedIds = Arc::new(SystemIds(clock.clone()));
    let publisher = Publisher::open(db.clone(), SERVICE, ENTITIES, clock, ids).await?;
    let (_, progress) = watch::channel(0);
    // Nothing states positions here.
    let feeds = Feed::ALL.map(|feed| (feed.projection().feed(), &[][..]));
    let law = LawPacks::shipped().map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(App {
        freshness: Freshness::new(publisher.clone(), &feeds, progress),
        publisher,
        law: Arc::new(law),
        emails: true,
        wake: Arc::default(),
    })
}

/// All partitions of all feeds are as after their first snapshots.
async fn follow_live(db: &Db) -> Result<()> {
    let feeds = Feed::ALL.map(|feed| feed.projection().feed());
    let each = || {
        feeds
            .iter()
            .flat_map(|feed| (0..PARTITIONS).map(move |part| (*feed, part)))
    };
    let rows = Rows::new()
        .text("feed", each().map(|(feed, _)| feed))
        .int("part", each().map(|(_, part)| part));
    let txn = db.begin_write().await?;
    txn.execute_rows(rows, vec![], |table, _| {
        format!(
            "INSERT INTO feed_cursor (feed, part, incarnation, tx, row_tx, generation, projection_version, state, ready) \
             SELECT r.feed, r.part, 'forged', 1, 0, 1, 1, 'live', 1 FROM {table} AS r WHERE true ON CONFLICT DO NOTHING"
        )
    })
    .await?;
    let leases = format!(
        "INSERT INTO feed_lease (feed, part, owner, until, current_at) SELECT feed, part, '', 0, {} FROM feed_cursor \
         WHERE true ON CONFLICT DO NOTHING",
        now_micros(db.backend())
    );
    txn.execute_sql(&leases, vec![]).await?;
    txn.commit().await
}
