//! The law of one country as data.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Deserialize;

use super::claim::DebtorKind;
use super::convention::Conventions;
use super::error::LawError;
use super::half_year::HalfYear;

/// Parts per million in a basis point.
const PPM_PER_BP: i64 = 100;

/// Countries whose law a pack can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Country {
    /// Germany.
    De,
    /// Austria.
    At,
    /// Netherlands.
    Nl,
    /// Belgium.
    Be,
    /// Switzerland.
    Ch,
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::De, Self::At, Self::Nl, Self::Be, Self::Ch];

    /// The code of ISO 3166-1: two upper-case letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::De => "DE",
            Self::At => "AT",
            Self::Nl => "NL",
            Self::Be => "BE",
            Self::Ch => "CH",
        }
    }

    /// The country of a code of ISO 3166-1. `None` for countries without a pack.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|country| country.code() == code)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// A statute, decree or gazette, as a pack names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'p> {
    /// Its key, stable within the pack: `bgb-288-2`.
    pub key: &'p str,
    /// The citation, fit for a notice in any language: `§ 288 Abs. 2 BGB`.
    pub text: &'p str,
}

/// A yearly rate with all it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate<'p> {
    /// Parts per million a year: 105,200 is 10.52 %.
    pub ppm: i64,
    /// What makes it the rate: the rule that adds a surcharge to the base rate or sets it, or the one on agreed rates.
    pub legal_basis: Source<'p>,
    /// The base or reference rate it contains and where that is published; none in fixed and agreed rates.
    pub base: Option<BaseRate<'p>>,
}

/// A published base or reference rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseRate<'p> {
    /// Parts per million a year; may be below zero.
    pub ppm: i64,
    /// Where it is published.
    pub source: Source<'p>,
}

/// What a table of base or reference rates says of a half-year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRate<'p> {
    /// Whose pack.
    pub country: Country,
    /// The table: `base_rate`.
    pub table: &'p str,
    /// The rate; `None` if the pack does not hold it.
    pub rate: Option<BaseRate<'p>>,
    /// What is missing, if our sources do not confirm it.
    pub unconfirmed: Option<&'p str>,
}

/// An entry that our sources do not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed<'p> {
    /// Whose pack.
    pub country: Country,
    /// Its path in the pack: `tables.base_rate.2023-H2`.
    pub entry: String,
    /// What is missing.
    pub reason: &'p str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pack {
    pub(super) country: Country,
    pub(super) sources: BTreeMap<String, String>,
    pub(super) conventions: ConventionsEntry,
    pub(super) interest: Vec<InterestRule>,
    pub(super) flat_fee: Option<FlatFee>,
    pub(super) collection_costs: Option<CollectionCosts>,
    #[serde(default)]
    pub(super) tables: BTreeMap<String, RateTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConventionsEntry {
    pub(super) settings: Conventions,
    pub(super) source: String,
    pub(super) unconfirmed: Option<String>,
}

/// Applies from `arose_from` until the next rule for the same debtors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterestRule {
    pub(super) debtor: DebtorKind,
    pub(super) arose_from: Option<NaiveDate>,
    /// Absent: the surcharge is the whole rate.
    pub(super) table: Option<String>,
    pub(super) surcharge_bp: i64,
    pub(super) round_up_to_bp: Option<i64>,
    pub(super) compounding: Option<Compounding>,
    pub(super) source: String,
    pub(super) agreed: AgreedRate,
    pub(super) unconfirmed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Compounding {
    /// Each full year's interest is added to the amount that bears interest.
    Yearly,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreedRate {
    pub(super) effect: AgreedEffect,
    pub(super) source: String,
    pub(super) unconfirmed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgreedEffect {
    /// The higher of both.
    IfHigher,
    /// The agreed one.
    Replaces,
    /// The agreed one, at most the statutory one; without agreement none.
    WithinLimit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlatFee {
    pub(super) arose_from: NaiveDate,
    pub(super) currency: String,
    pub(super) minor_units: i64,
    pub(super) source: String,
    pub(super) unconfirmed: Option<String>,
}

/// What collecting a claim out of court may cost its debtor; amounts in minor units.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectionCosts {
    pub(super) default_from: NaiveDate,
    pub(super) currency: String,
    /// Ascending from 0; each reaches up to the next.
    pub(super) slices: Vec<CostSlice>,
    pub(super) minimum: i64,
    pub(super) maximum: i64,
    pub(super) source: String,
    pub(super) unconfirmed: Option<String>,
}

/// So many basis points of the principal beyond `from`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CostSlice {
    pub(super) from: i64,
    pub(super) bp: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateTable {
    /// One per half-year, ascending, without holes.
    pub(super) rows: Vec<RateRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateRow {
    pub(super) half_year: HalfYear,
    pub(super) bp: i64,
    pub(super) source: String,
    pub(super) unconfirmed: Option<String>,
}

impl RateTable {
    fn row(&self, half_year: HalfYear) -> Option<&RateRow> {
        let first = self.rows.first()?.half_year;
        let index = usize::try_from(half_year.distance(first)).ok()?;
        self.rows.get(index)
    }
}

impl InterestRule {
    /// Basis points a year over a base rate of so many.
    pub(super) fn rate_bp(&self, base_bp: i64) -> i64 {
        let rate = base_bp + self.surcharge_bp;
        self.round_up_to_bp
            .map_or(rate, |step| -(-rate).div_euclid(step) * step)
    }
}

impl Pack {
    /// The rule for a claim.
    pub(super) fn rule(
        &self,
        debtor: DebtorKind,
        arose_on: NaiveDate,
    ) -> Result<&InterestRule, LawError> {
        let in_force = |rule: &&InterestRule| {
            rule.debtor == debtor && rule.arose_from.is_none_or(|from| from <= arose_on)
        };
        let no_rule = LawError::NoRule {
            country: self.country,
            debtor,
            arose_on,
        };
        self.interest.iter().rfind(in_force).ok_or(no_rule)
    }

    /// The rate of a rule in a half-year.
    pub(super) fn rate<'p>(
        &'p self,
        rule: &'p InterestRule,
        agreed_ppm: Option<i64>,
        half_year: HalfYear,
    ) -> Result<Rate<'p>, LawError> {
        let agreed = agreed_ppm.map(|ppm| Rate {
            ppm,
            legal_basis: self.source(&rule.agreed.source),
            base: None,
        });
        match (agreed, rule.agreed.effect) {
            (Some(agreed), AgreedEffect::Replaces) => Ok(agreed),
            (Some(agreed), AgreedEffect::IfHigher) => {
                let statutory = self.statutory_rate(rule, half_year)?;
                let agreed_is_higher = agreed.ppm > statutory.ppm;
                Ok(if agreed_is_higher { agreed } else { statutory })
            }
            (Some(agreed), AgreedEffect::WithinLimit) => {
                let limit = self.statutory_rate(rule, half_year)?;
                let within = agreed.ppm <= limit.ppm;
                Ok(if within { agreed } else { limit })
            }
            (None, AgreedEffect::WithinLimit) => Err(LawError::OnlyByAgreement {
                country: self.country,
                debtor: rule.debtor,
            }),
            (None, _) => self.statutory_rate(rule, half_year),
        }
    }

    fn statutory_rate<'p>(
        &'p self,
        rule: &'p InterestRule,
        half_year: HalfYear,
    ) -> Result<Rate<'p>, LawError> {
        let row = match &rule.table {
            None => None,
            Some(name) => {
                let row = self.tables.get(name).and_then(|table| table.row(half_year));
                let not_published = || LawError::RateNotPublished {
                    country: self.country,
                    table: name.clone(),
                    half_year,
                };
                Some(row.ok_or_else(not_published)?)
            }
        };
        Ok(Rate {
            ppm: rule.rate_bp(row.map_or(0, |row| row.bp)) * PPM_PER_BP,
            legal_basis: self.source(&rule.source),
            base: row.map(|row| self.base_rate(row)),
        })
    }

    /// What each table says of a half-year.
    pub(super) fn table_rates(&self, half_year: HalfYear) -> impl Iterator<Item = TableRate<'_>> {
        self.tables.iter().map(move |(name, table)| {
            let row = table.row(half_year);
            TableRate {
                country: self.country,
                table: name,
                rate: row.map(|row| self.base_rate(row)),
                unconfirmed: row.and_then(|row| row.unconfirmed.as_deref()),
            }
        })
    }

    fn base_rate<'p>(&'p self, row: &'p RateRow) -> BaseRate<'p> {
        BaseRate {
            ppm: row.bp * PPM_PER_BP,
            source: self.source(&row.source),
        }
    }

    /// The source of a key; every key of a pack has one, as loading it checks.
    pub(super) fn source<'p>(&'p self, key: &'p str) -> Source<'p> {
        Source {
            key,
            text: self.sources.get(key).map_or("", String::as_str),
        }
    }

    /// Every entry that rests on a source.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let conventions = &self.conventions;
        let mut entries = vec![Entry::new(
            "conventions".to_owned(),
            &conventions.source,
            conventions.unconfirmed.as_deref(),
        )];
        for (index, rule) in self.interest.iter().enumerate() {
            let path = format!("interest[{index}]");
            let agreed = &rule.agreed;
            let agreed_path = format!("{path}.agreed");
            entries.push(Entry::new(path, &rule.source, rule.unconfirmed.as_deref()));
            entries.push(Entry::new(
                agreed_path,
                &agreed.source,
                agreed.unconfirmed.as_deref(),
            ));
        }
        if let Some(fee) = &self.flat_fee {
            let path = "flat_fee".to_owned();
            entries.push(Entry::new(path, &fee.source, fee.unconfirmed.as_deref()));
        }
        if let Some(costs) = &self.collection_costs {
            let path = "collection_costs".to_owned();
            let unconfirmed = costs.unconfirmed.as_deref();
            entries.push(Entry::new(path, &costs.source, unconfirmed));
        }
        for (name, table) in &self.tables {
            entries.extend(table.rows.iter().map(|row| {
                let path = format!("tables.{name}.{}", row.half_year);
                Entry::new(path, &row.source, row.unconfirmed.as_deref())
            }));
        }
        entries
    }
}

/// An entry of a pack that rests on a source.
pub(super) struct Entry<'p> {
    pub(super) path: String,
    /// Key of the source.
    pub(super) source: &'p str,
    /// What is missing, if our sources do not confirm the entry.
    pub(super) unconfirmed: Option<&'p str>,
}

impl<'p> Entry<'p> {
    fn new(path: String, source: &'p str, unconfirmed: Option<&'p str>) -> Self {
        Self {
            path,
            source,
            unconfirmed,
        }
    }
}
