//! Statutory default interest, flat fees and costs of collection by country, from packs: data with a source for every
//! figure.
//!
//! A claim runs through its days: each day bears interest on the principal of that day (and, where years are
//! capitalised, on the interest of full years before) at the rate of its half-year. Amounts are exact integers over one
//! fixed denominator ([`Exact`]) until the pack says to round. A rate that a pack does not hold is an error that names
//! the half-year, never a guess.
//!
//! Not here yet: shifting of due dates that fall on weekends and holidays, a pack entry of its own that would move
//! [`Claim::default_on`]. Nothing moves it now: it is the due date as it stands on the document, and where a law shifts
//! it, interest runs from a day or more too early. Payments on interest are not followed either: where years are
//! capitalised, interest of full years bears interest on. What must precede claims on consumers is in
//! [`crate::procedure::Statutory`].

mod claim;
mod convention;
mod error;
mod exact;
mod fee;
mod half_year;
mod interest;
mod pack;
mod validation;

#[cfg(test)]
mod tests;

use chrono::NaiveDate;

pub use claim::{
    Claim, DebtorKind, MAX_AGREED_PPM, MAX_AMOUNT, MAX_CHANGES, MAX_DATE, MIN_DATE, PrincipalChange,
};
pub use convention::{Conventions, DayCount, Rounding};
pub use error::{LawError, PackError, Violation};
pub use exact::Exact;
pub use fee::Fee;
pub use half_year::HalfYear;
pub use interest::{Interest, Line};
pub use pack::{BaseRate, Country, Rate, Source, TableRate, Unconfirmed};

use pack::Pack;

/// The law packs, at most one per country, validated.
#[derive(Debug)]
pub struct LawPacks(Vec<Pack>);

impl LawPacks {
    /// The packs that are part of the program: DE, AT, NL, BE and CH.
    ///
    /// # Errors
    ///
    /// None in a build that passed its tests.
    pub fn shipped() -> Result<Self, PackError> {
        Self::from_toml(&[
            include_str!("../data/law/de.toml"),
            include_str!("../data/law/at.toml"),
            include_str!("../data/law/nl.toml"),
            include_str!("../data/law/be.toml"),
            include_str!("../data/law/ch.toml"),
        ])
    }

    /// Reads and validates packs, one per text: half-years without holes or overlap, rules ascending, rates from 0 to
    /// 100 %, a source for every figure.
    ///
    /// # Errors
    ///
    /// [`PackError`] for the first pack that is refused, with all its faults.
    pub fn from_toml(texts: &[&str]) -> Result<Self, PackError> {
        let mut packs: Vec<Pack> = Vec::with_capacity(texts.len());
        for (position, text) in texts.iter().enumerate() {
            let pack: Pack = toml::from_str(text).map_err(|error| PackError::Unreadable {
                position,
                reason: error.message().to_owned(),
            })?;
            let country = pack.country;
            validation::check(&pack).map_err(|violations| PackError::Invalid {
                country,
                violations,
            })?;
            if packs.iter().any(|other| other.country == country) {
                return Err(PackError::Twice(country));
            }
            packs.push(pack);
        }
        Ok(Self(packs))
    }

    /// Statutory default interest on a claim up to `until`, by the pack's own conventions.
    ///
    /// # Errors
    ///
    /// [`LawError`]; an error is no zero: it says that the amount is not known.
    pub fn interest(&self, claim: &Claim, until: NaiveDate) -> Result<Interest<'_>, LawError> {
        self.interest_by(claim, until, self.conventions(claim.country)?)
    }

    /// As [`Self::interest`], by other conventions: no statute settles them, and courts and parties differ.
    ///
    /// # Errors
    ///
    /// As [`Self::interest`].
    pub fn interest_by(
        &self,
        claim: &Claim,
        until: NaiveDate,
        conventions: Conventions,
    ) -> Result<Interest<'_>, LawError> {
        interest::interest(self.pack(claim.country)?, claim, until, conventions)
    }

    /// The flat fee that a claim carries on a day, to be charged once per claim: none before it is late, for consumers,
    /// and where the law knows none.
    ///
    /// # Errors
    ///
    /// [`LawError::Invalid`] and [`LawError::NoPack`].
    pub fn flat_fee(&self, claim: &Claim, on: NaiveDate) -> Result<Option<Fee<'_>>, LawError> {
        fee::flat_fee(self.pack(claim.country)?, claim, on)
    }

    /// What collecting a principal out of court may cost its debtor, who is in default since the end of a day: exact but
    /// for fractions of a minor unit, which are left out, and without value-added tax. `None` for a principal that is not
    /// above zero, for defaults from before the scale, and where the law knows none.
    ///
    /// # Errors
    ///
    /// [`LawError::NoPack`].
    pub fn collection_costs(
        &self,
        country: Country,
        default_on: NaiveDate,
        principal_minor: i64,
    ) -> Result<Option<Fee<'_>>, LawError> {
        let pack = self.pack(country)?;
        Ok(fee::collection_costs(pack, default_on, principal_minor))
    }

    /// How the pack of a country counts days and rounds.
    ///
    /// # Errors
    ///
    /// [`LawError::NoPack`].
    pub fn conventions(&self, country: Country) -> Result<Conventions, LawError> {
        Ok(self.pack(country)?.conventions.settings)
    }

    /// What the tables of all packs say of a half-year. A country whose rates are fixed has none.
    #[must_use]
    pub fn table_rates(&self, half_year: HalfYear) -> Vec<TableRate<'_>> {
        let packs = self.0.iter();
        packs.flat_map(|pack| pack.table_rates(half_year)).collect()
    }

    /// The entries that our sources do not confirm, by pack; to be reported when a service starts.
    #[must_use]
    pub fn unconfirmed(&self) -> Vec<Unconfirmed<'_>> {
        let mut unconfirmed = Vec::new();
        for pack in &self.0 {
            for entry in pack.entries() {
                if let Some(reason) = entry.unconfirmed {
                    unconfirmed.push(Unconfirmed {
                        country: pack.country,
                        entry: entry.path,
                        reason,
                    });
                }
            }
        }
        unconfirmed
    }

    fn pack(&self, country: Country) -> Result<&Pack, LawError> {
        self.0
            .iter()
            .find(|pack| pack.country == country)
            .ok_or(LawError::NoPack(country))
    }
}
