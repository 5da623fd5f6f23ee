//! Facts of debtors as they are stored: what evaluation and sending need of other services' entities, encoded.

use std::collections::BTreeMap;

use mahnwerk_feed::PARTITIONS;
use mahnwerk_runtime::{
    db::{Rows, Sql, column, now_micros},
    error::{Error, Result},
};
use prost::Message;
use sea_orm::ConnectionTrait as _;

/// Entity of debtors on the registry's feed.
pub const DEBTOR: &str = "debtor";
/// Entity of contact points on the registry's feed.
pub const CONTACT_POINT: &str = "contact_point";
/// Entity of invoices, payments and credit notes on the registry's feed.
pub const ITEM: &str = "item";
/// Entity of disputes on the registry's feed.
pub const DISPUTE: &str = "dispute";
/// Entity of promises on the registry's feed.
pub const PROMISE: &str = "promise";
/// Entity of instalment plans on the registry's feed.
pub const INSTALMENT_PLAN: &str = "instalment_plan";
/// Entity of contacts on the registry's feed.
pub const CONTACT: &str = "contact";
/// Entity of scores on scoring's feed.
pub const SCORE: &str = "score";
/// Entity of memberships on segmentation's feed.
pub const MEMBERSHIP: &str = "membership";

/// How the key of an invoice on the feed begins; the rest is its id.
pub const INVOICE: &str = "invoice/";

/// Contacts count for so many days.
pub const CONTACT_DAYS: i64 = 90;

/// A debtor.
#[derive(Clone, PartialEq, Message)]
pub struct StoredDebtor {
    /// Whether it is a natural person.
    #[prost(bool, tag = "1")]
    pub person: bool,
    /// Name.
    #[prost(string, tag = "2")]
    pub display_name: String,
    /// ISO 639-1.
    #[prost(string, tag = "3")]
    pub language: String,
    /// ISO 3166-1 alpha-2; empty if unknown.
    #[prost(string, tag = "4")]
    pub country: String,
    /// `registry.v1.Channel`; 0 for none.
    #[prost(int32, tag = "5")]
    pub preferred_channel: i32,
    /// Day number.
    #[prost(sint64, optional, tag = "6")]
    pub insolvent_since: Option<i64>,
    /// Day number.
    #[prost(sint64, optional, tag = "7")]
    pub deceased_since: Option<i64>,
}

/// A contact point.
#[derive(Clone, PartialEq, Message)]
pub struct StoredContactPoint {
    /// Its key within the debtor.
    #[prost(string, tag = "1")]
    pub id: String,
    /// `registry.v1.Channel`.
    #[prost(int32, tag = "2")]
    pub channel: i32,
    /// Address, number or handle.
    #[prost(string, tag = "3")]
    pub address: String,
    /// `registry.v1.ContactState`.
    #[prost(int32, tag = "4")]
    pub state: i32,
}

/// An invoice of which something is open.
#[derive(Clone, PartialEq, Message)]
pub struct StoredInvoice {
    /// ISO 4217.
    #[prost(string, tag = "1")]
    pub currency: String,
    /// Minor units.
    #[prost(int64, tag = "2")]
    pub open: i64,
    /// Day number.
    #[prost(sint64, tag = "3")]
    pub document_date: i64,
    /// Day number.
    #[prost(sint64, tag = "4")]
    pub due_date: i64,
    /// What was open from each day on which that changed, rising; empty if it never did.
    #[prost(message, repeated, tag = "5")]
    pub history: Vec<StoredPrincipal>,
}

/// What was open of an invoice from a day on.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct StoredPrincipal {
    /// Day number.
    #[prost(sint64, tag = "1")]
    pub on: i64,
    /// Minor units.
    #[prost(int64, tag = "2")]
    pub open: i64,
}

/// A payment or credit note that is not allocated in full.
#[derive(Clone, PartialEq, Message)]
pub struct StoredCredit {
    /// ISO 4217.
    #[prost(string, tag = "1")]
    pub currency: String,
    /// Minor units, above 0.
    #[prost(int64, tag = "2")]
    pub open: i64,
}

/// An open dispute or promise, or an active or broken plan.
#[derive(Clone, PartialEq, Message)]
pub struct StoredArrangement {
    /// The invoices concerned.
    #[prost(message, repeated, tag = "1")]
    pub covered: Vec<StoredCover>,
    /// Day number, of a broken plan; nothing is covered any more then.
    #[prost(sint64, optional, tag = "2")]
    pub broken_on: Option<i64>,
}

/// An invoice that an arrangement concerns.
#[derive(Clone, PartialEq, Message)]
pub struct StoredCover {
    /// The invoice.
    #[prost(string, tag = "1")]
    pub item_id: String,
    /// Minor units of its currency; absent for all that is open.
    #[prost(int64, optional, tag = "2")]
    pub minor: Option<i64>,
}

/// A reminder that was made.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct StoredContact {
    /// Day number.
    #[prost(sint64, tag = "1")]
    pub on: i64,
    /// `registry.v1.Channel`.
    #[prost(int32, tag = "2")]
    pub channel: i32,
}

/// A score of a class that has a probability.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct StoredScore {
    /// Probability of default, in parts per million.
    #[prost(int64, tag = "1")]
    pub pd_ppm: i64,
}

/// How a debtor is treated.
#[derive(Clone, PartialEq, Message)]
pub struct StoredMembership {
    /// The segment of the treatment scheme.
    #[prost(string, tag = "1")]
    pub segment_id: String,
    /// The procedure by which it is reminded.
    #[prost(string, tag = "2")]
    pub procedure_id: String,
    /// Whether reminders cost nothing.
    #[prost(bool, tag = "3")]
    pub waive_fees: bool,
    /// Whether notices leave without review.
    #[prost(bool, tag = "4")]
    pub autopilot: bool,
    /// Whose work list the debtor is on.
    #[prost(string, tag = "5")]
    pub portfolio: String,
}

/// A fact about a debtor.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The debtor itself.
    Debtor(StoredDebtor),
    /// A way to reach it.
    ContactPoint(StoredContactPoint),
    /// What it owes.
    Invoice(StoredInvoice),
    /// What it has paid, or been credited, in advance.
    Credit(StoredCredit),
    /// What it disputes.
    Dispute(StoredArrangement),
    /// What it promised.
    Promise(StoredArrangement),
    /// What it pays in instalments.
    Plan(StoredArrangement),
    /// When it was reminded.
    Contact(StoredContact),
    /// What is expected of it.
    Score(StoredScore),
    /// How it is treated.
    Membership(StoredMembership),
}

impl Fact {
    /// The bytes to be stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Debtor(stored) => stored.encode_to_vec(),
            Self::ContactPoint(stored) => stored.encode_to_vec(),
            Self::Invoice(stored) => stored.encode_to_vec(),
            Self::Credit(stored) => stored.encode_to_vec(),
            Self::Dispute(stored) | Self::Promise(stored) | Self::Plan(stored) => {
                stored.encode_to_vec()
            }
            Self::Contact(stored) => stored.encode_to_vec(),
            Self::Score(stored) => stored.encode_to_vec(),
            Self::Membership(stored) => stored.encode_to_vec(),
        }
    }

    /// The fact that was stored of an entity.
    ///
    /// # Errors
    /// `Internal` if it is none.
    pub fn decode(entity: &str, entity_id: &str, bytes: &[u8]) -> Result<Self> {
        fn read<M: Message + Default>(bytes: &[u8], fact: fn(M) -> Fact) -> Result<Fact> {
            let stored = M::decode(bytes).map_err(|error| Error::Internal(Box::new(error)))?;
            Ok(fact(stored))
        }
        match entity {
            DEBTOR => read(bytes, Self::Debtor),
            CONTACT_POINT => read(bytes, Self::ContactPoint),
            ITEM if entity_id.starts_with(INVOICE) => read(bytes, Self::Invoice),
            ITEM => read(bytes, Self::Credit),
            DISPUTE => read(bytes, Self::Dispute),
            PROMISE => read(bytes, Self::Promise),
            INSTALMENT_PLAN => read(bytes, Self::Plan),
            CONTACT => read(bytes, Self::Contact),
            SCORE => read(bytes, Self::Score),
            MEMBERSHIP => read(bytes, Self::Membership),
            _ => Err(Error::internal("a stored fact of no known entity")),
        }
    }

    /// The last day on which somebody may ask for it, as a day number.
    #[must_use]
    pub fn expires_on(&self) -> Option<i64> {
        match self {
            Self::Contact(contact) => Some(contact.on + CONTACT_DAYS),
            _ => None,
        }
    }
}

/// A fact with its key.
#[derive(Clone, Debug, PartialEq)]
pub struct FactRow {
    /// Key within the creditor, as on the feed.
    pub entity_id: String,
    /// The owner's version.
    pub version: i64,
    /// What is known.
    pub fact: Fact,
}

/// Everything known of debtors: one statement.
///
/// # Errors
/// Those of the database.
pub async fn of_debtors(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<BTreeMap<String, Vec<FactRow>>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                let same = format!("f.creditor_id = ${n} AND f.debtor_id = r.debtor_id");
                format!(
                    "SELECT f.debtor_id, f.entity, f.entity_id, f.version, f.facts FROM {table} AS r {}",
                    on.lookup("fact", "f", &same)
                )
            },
        )
        .await?;
    let mut known: BTreeMap<String, Vec<FactRow>> = BTreeMap::new();
    for row in &rows {
        let (entity, entity_id): (String, String) =
            (column(row, "entity")?, column(row, "entity_id")?);
        let facts: Vec<u8> = column(row, "facts")?;
        let fact = FactRow {
            fact: Fact::decode(&entity, &entity_id, &facts)?,
            version: column(row, "version")?,
            entity_id,
        };
        known
            .entry(column(row, "debtor_id")?)
            .or_default()
            .push(fact);
    }
    Ok(known)
}

/// A debtor who owes something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owing {
    /// Its partition.
    pub part: i64,
    /// The debtor.
    pub debtor_id: String,
    /// Its open invoices.
    pub items: i64,
}

/// Debtors with an open invoice in the partitions up to `last_part`, by partition and id, after `(part, debtor)`, at most
/// `limit`.
///
/// # Errors
/// Those of the database.
pub async fn owing(
    on: &impl Sql,
    creditor_id: &str,
    last_part: i64,
    after: (i64, &str),
    limit: u64,
) -> Result<Vec<Owing>> {
    let rows = on
        .query(
            "SELECT part, debtor_id, CAST(count(*) AS BIGINT) AS items FROM fact WHERE creditor_id = $1 AND owed = 1 \
             AND part <= $2 AND (part, debtor_id) > ($3, $4) GROUP BY part, debtor_id ORDER BY part, debtor_id LIMIT $5",
            vec![
                creditor_id.into(),
                last_part.into(),
                after.0.into(),
                after.1.into(),
                limit.cast_signed().into(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Owing {
                part: column(row, "part")?,
                debtor_id: column(row, "debtor_id")?,
                items: column(row, "items")?,
            })
        })
        .collect()
}

/// Those of the debtors of whom, or of whose creditor, a change could not be applied.
///
/// # Errors
/// Those of the database.
pub async fn parked(
    on: &impl Sql,
    creditor_id: &str,
    debtor_ids: &[String],
) -> Result<Vec<String>> {
    let rows = on
        .query_rows(
            Rows::new().text("debtor_id", debtor_ids.iter().map(String::as_str)),
            vec![creditor_id.into()],
            |table, n| {
                format!(
                    "SELECT r.debtor_id FROM {table} AS r WHERE EXISTS (SELECT 1 FROM feed_parked p \
                     WHERE p.creditor_id = ${n} AND (p.debtor_id = r.debtor_id OR p.debtor_id = ''))"
                )
            },
        )
        .await?;
    rows.iter()
        .map(|row| Ok(column(row, "debtor_id")?))
        .collect()
}

/// A creditor as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditorRow {
    /// Name.
    pub display_name: String,
    /// Name of its business calendar.
    pub calendar: String,
    /// Day number.
    pub business_date: Option<i64>,
    /// Day number.
    pub last_bank_import: Option<i64>,
}

/// Reads a creditor.
///
/// # Errors
/// Those of the database.
pub async fn creditor(on: &impl Sql, creditor_id: &str) -> Result<Option<CreditorRow>> {
    let row = on
        .query_one(
            "SELECT display_name, calendar, business_date, last_bank_import FROM creditor WHERE creditor_id = $1",
            vec![creditor_id.into()],
        )
        .await?;
    row.map(|row| {
        Ok(CreditorRow {
            display_name: column(&row, "display_name")?,
            calendar: column(&row, "calendar")?,
            business_date: column(&row, "business_date")?,
            last_bank_import: column(&row, "last_bank_import")?,
        })
    })
    .transpose()
}

/// How old what is known of a feed may be, in microseconds.
const LONGEST_LAG: i64 = 60_000_000;

/// Whether partitions of a feed are not, or no longer, followed live, or lag: what is known may be old, or half of it.
///
/// # Errors
/// Those of the database.
pub async fn behind(on: &impl Sql, feed: &str) -> Result<bool> {
    let now = now_micros(on.on().get_database_backend());
    let row = on
        .query_one(
            &format!(
                "SELECT CAST(count(*) AS BIGINT) AS current FROM feed_cursor AS c JOIN feed_lease AS l \
                 ON l.feed = c.feed AND l.part = c.part WHERE c.feed = $1 AND c.ready = 1 AND c.state = 'live' \
                 AND l.current_at >= {now} - $2"
            ),
            vec![feed.into(), LONGEST_LAG.into()],
        )
        .await?;
    let current: i64 = row.map_or(Ok(0), |row| column(&row, "current"))?;
    Ok(current < PARTITIONS)
}

/// Whether the first snapshots of so many feeds, all that are consumed, are worked through.
///
/// # Errors
/// Those of the database.
pub async fn ready(on: &impl Sql, feeds: i64) -> Result<bool> {
    let sql = "SELECT CAST(count(*) AS BIGINT) AS ready FROM feed_cursor WHERE ready = 1";
    let row = on.query_one(sql, vec![]).await?;
    let ready: i64 = row.map_or(Ok(0), |row| column(&row, "ready"))?;
    Ok(ready >= feeds * PARTITIONS)
}
