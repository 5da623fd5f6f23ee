//! `debtor`: what a rule can read, in one table.
//!
//! The table below is the only place where a field is defined. The struct that holds the values, the checks of a rule,
//! its evaluation and [`documentation`] all come from it. Rules that hold for every field:
//!
//! - Facts are as of a business date; a field says what counts on that day.
//! - Numbers are integers with the unit in the name: `_days`, `_months`, `_bps` (hundredths of a percent), `_ppm`,
//!   `_milli` (thousandths), `_minor` (minor units of the creditor's reporting currency).
//! - A missing value is an absent field, never a zero: a rule asks `has(debtor.x)` before it reads one that may be
//!   absent. An amount is absent when the rate for one of its currencies is missing.
//! - Date of birth and sex are not in the table, nor is anything they could be derived from.

pub mod build;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use value::{
    BillingMethod, Channel, DebtorKind, FieldType, FieldValue, Relationship, RiskClass,
    ScorecardKind, Value,
};

use value::Typed;

/// Where a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldSource {
    /// A fact that the registry states or sums up.
    Registry,
    /// A feature of payment behaviour, as scoring defines it under the same name.
    Behaviour,
    /// The result of scoring.
    Score,
}

/// One row of the table.
pub struct FieldInfo {
    /// The name after `debtor.`.
    pub name: &'static str,
    /// The type of its values.
    pub field_type: FieldType,
    /// Whether it may be absent.
    pub optional: bool,
    /// `count`, `days`, `months`, `bps`, `ppm`, `milli`, `minor units`, `points`, `revision`; empty where there is
    /// none.
    pub unit: &'static str,
    /// Where it comes from.
    pub source: FieldSource,
    description: &'static str,
    read: fn(&DebtorFacts) -> Option<FieldValue<'_>>,
}

impl FieldInfo {
    /// One sentence or two.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description.trim()
    }
}

/// Defines the struct and the table at once, so that they cannot differ.
macro_rules! debtor_fields {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty, $unit:literal, $source:ident;)+) => {
        /// Everything that rules may read of one debtor, as of a business date.
        ///
        /// Serialised fields are in the order of the table, absent ones are left out.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct DebtorFacts {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "value::is_absent")]
                pub $name: $type,
            )+
        }

        /// The table.
        static FIELDS: &[FieldInfo] = &[
            $(FieldInfo {
                name: stringify!($name),
                field_type: <$type as Typed>::TYPE,
                optional: <$type as Typed>::OPTIONAL,
                unit: $unit,
                source: FieldSource::$source,
                description: concat!($($doc),+),
                read: |facts| Typed::value(&facts.$name),
            },)+
        ];
    };
}

debtor_fields! {
    /// What the debtor is in law.
    kind: DebtorKind, "", Registry;
    /// Whether there has been business already.
    relationship: Relationship, "", Registry;
    /// ISO 639-1 language of correspondence, lower case.
    language: String, "", Registry;
    /// ISO 3166-1 alpha-2 country, upper case. Absent if unknown.
    country: Option<String>, "", Registry;
    /// NACE Rev. 2 code, for example `47.91` or `F`. Absent if unknown, always for persons.
    sector: Option<String>, "", Registry;
    /// How invoices are delivered.
    billing_method: BillingMethod, "", Registry;
    /// Preferred channel. Absent if there is no preference.
    preferred_channel: Option<Channel>, "", Registry;
    /// Days since the day given as the first as a customer. Absent if none is given or it is yet to come.
    days_as_customer: Option<i64>, "days", Registry;
    /// Whether insolvency proceedings have been opened.
    insolvent: bool, "", Registry;
    /// Whether the debtor is known to have died; never for organisations.
    deceased: bool, "", Registry;
    /// Whether the creditor gives no more credit.
    credit_hold: bool, "", Registry;
    /// Everything that is open.
    open_amount_minor: Option<i64>, "minor units", Registry;
    /// The part of it whose due date has passed.
    overdue_amount_minor: Option<i64>, "minor units", Registry;
    /// The part of it that is disputed.
    disputed_amount_minor: Option<i64>, "minor units", Registry;
    /// Disputes without an outcome.
    open_disputes: i64, "count", Registry;
    /// Share of the items of the last 12 months that were disputed. Absent without an item in that time.
    dispute_share_12m_bps: Option<i64>, "bps", Registry;
    /// Promises to pay that were broken in the last 12 months.
    broken_promises_12m: i64, "count", Registry;
    /// Instalment plans that were broken in the last 12 months.
    broken_plans_12m: i64, "count", Registry;

    /// Items paid in full, over all time.
    settled_items: i64, "count", Behaviour;
    /// Average days beyond terms of the items paid in the last 12 months, negative when early. Absent without such an
    /// item.
    avg_dbt_12m_days: Option<i64>, "days", Behaviour;
    /// The same, weighted by amount. Absent without such an item.
    weighted_dbt_12m_days: Option<i64>, "days", Behaviour;
    /// Average days from document date to settlement of the items paid in the last 12 months. Absent without such an
    /// item.
    avg_days_to_pay_12m_days: Option<i64>, "days", Behaviour;
    /// Share of the items paid in the last 12 months that were paid late. Absent without such an item.
    share_late_12m_bps: Option<i64>, "bps", Behaviour;
    /// Share of the items paid in the last 12 months that were more than 30 days late. Absent without such an item.
    share_late_over_30_12m_bps: Option<i64>, "bps", Behaviour;
    /// Most days beyond terms of an item paid in the last 24 months. Absent without such an item.
    worst_dbt_24m_days: Option<i64>, "days", Behaviour;
    /// Average days beyond terms of the last 3 months less that of the 9 before: above zero is getting slower. Absent
    /// unless both have an item.
    dbt_trend_days: Option<i64>, "days", Behaviour;
    /// Share of the items paid in the last 12 months that took two or more payments. Absent without such an item.
    partial_payment_share_12m_bps: Option<i64>, "bps", Behaviour;
    /// Items written off in whole or in part in the last 24 months.
    written_off_items_24m: i64, "count", Behaviour;
    /// Open items whose due date has passed.
    overdue_items: i64, "count", Behaviour;
    /// Overdue part of the open amount, of the currency in which it is highest. Absent if nothing is open.
    overdue_share_bps: Option<i64>, "bps", Behaviour;
    /// Days since the due date of the oldest overdue item, at least 1. Absent if nothing is overdue.
    oldest_overdue_days: Option<i64>, "days", Behaviour;
    /// Months since the earliest document date. Absent without items.
    months_since_first_item: Option<i64>, "months", Behaviour;
    /// Months since the latest document date. Absent without items.
    months_since_last_item: Option<i64>, "months", Behaviour;
    /// Items per month over the last 12 months. Absent without items at all.
    items_per_month_12m_milli: Option<i64>, "milli", Behaviour;
    /// Months since the day given as the first as a customer. Absent if none is given or it is yet to come.
    months_as_customer: Option<i64>, "months", Behaviour;
    /// Amounts of the items of the last 12 months, less credit notes and cancellations.
    turnover_12m_minor: Option<i64>, "minor units", Behaviour;

    /// Points; higher is better. Absent in class X.
    score: Option<i64>, "points", Score;
    /// Probability of default. Absent in class X.
    pd_ppm: Option<i64>, "ppm", Score;
    /// Risk class, from A (lowest) to E; X is not scored, or not scored yet.
    risk_class: RiskClass, "", Score;
    /// The kind of scorecard that gave the score. Absent in class X.
    scorecard_kind: Option<ScorecardKind>, "", Score;
    /// Its revision. Absent in class X.
    scorecard_revision: Option<i64>, "revision", Score;
}

/// A [`FieldSet`] has a bit for each.
const _: () = assert!(FIELDS.len() <= 64);

/// A row of the table, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u8);

impl Field {
    /// All fields in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(FIELDS.len()).map(Self)
    }

    /// The field of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|field| field.info().name == name)
    }

    /// The field at a place of the table.
    pub(crate) fn at(place: u8) -> Option<Self> {
        (usize::from(place) < FIELDS.len()).then_some(Self(place))
    }

    /// Its place in the table, from 0.
    pub(crate) fn place(self) -> u8 {
        self.0
    }

    /// Its row.
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        &FIELDS[usize::from(self.0)]
    }

    /// Its value; `None` where it is absent.
    #[must_use]
    pub fn value(self, facts: &DebtorFacts) -> Option<FieldValue<'_>> {
        (self.info().read)(facts)
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u64);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);
    /// Every field, and room for more.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// A set of one.
    pub(crate) fn of(field: Field) -> Self {
        Self(1 << field.0)
    }

    /// The fields of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the field is in it.
    #[must_use]
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field.0) != 0
    }

    /// Its fields in the order of the table.
    pub fn fields(self) -> impl Iterator<Item = Field> {
        Field::all().filter(move |field| self.contains(*field))
    }

    /// The values of its fields by name, without those that are absent.
    #[must_use]
    pub fn values(self, facts: &DebtorFacts) -> BTreeMap<&'static str, Value> {
        self.fields()
            .filter_map(|field| Some((field.info().name, field.value(facts)?.into())))
            .collect()
    }
}

/// The table as Markdown, for people.
#[must_use]
pub fn documentation() -> String {
    let mut text =
        String::from("| field | type | unit | absent | source | |\n|---|---|---|---|---|---|\n");
    for field in Field::all() {
        let info = field.info();
        let cells = [
            format!("`debtor.{}`", info.name),
            info.field_type.to_string(),
            info.unit.to_owned(),
            if info.optional { "maybe" } else { "never" }.to_owned(),
            format!("{:?}", info.source).to_lowercase(),
            info.description().to_owned(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}
