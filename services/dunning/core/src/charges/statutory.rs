//! What the shipped law packs grant, in the words of a notice.

use chrono::NaiveDate;

use super::{Charge, ChargeError, Charges, Claim};
use crate::input::{DebtorFacts, DebtorKind, PrincipalPoint};
use crate::law::{self, Country, LawError, LawPacks, PrincipalChange};

impl Charges for LawPacks {
    fn interest(&self, claim: &Claim<'_>, until: NaiveDate) -> Result<Vec<Charge>, ChargeError> {
        let found = match self.interest(&lawful(claim)?, until) {
            Ok(found) => found,
            // The law leaves it to the parties, and nothing is agreed.
            Err(LawError::OnlyByAgreement { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(refusal(&error)),
        };
        let charge = |line: &law::Line<'_>| Charge {
            minor: line.amount_minor,
            basis: format!(
                "{}: {} % p. a., {} – {}, {} d",
                line.rate.legal_basis.text,
                percent(line.rate.ppm),
                line.from,
                line.to,
                line.days
            ),
        };
        let lines = found.lines.iter().map(charge);
        Ok(lines.filter(|charge| charge.minor > 0).collect())
    }

    fn flat_sum(&self, claim: &Claim<'_>, on: NaiveDate) -> Result<Option<Charge>, ChargeError> {
        let fee = self
            .flat_fee(&lawful(claim)?, on)
            .map_err(|error| refusal(&error))?;
        // A sum in another currency than the claim's cannot stand on the same notice.
        let same = fee.filter(|fee| fee.currency == claim.currency);
        Ok(same.map(|fee| Charge {
            minor: fee.minor_units,
            basis: fee.legal_basis.text.to_owned(),
        }))
    }

    fn collection_costs(
        &self,
        debtor: &DebtorFacts,
        currency: &str,
        due_date: NaiveDate,
        principal: i64,
    ) -> Result<i64, ChargeError> {
        let costs = self
            .collection_costs(country(debtor)?, due_date, principal)
            .map_err(|error| refusal(&error))?;
        costs
            .filter(|costs| costs.currency == currency)
            .map(|costs| costs.minor_units)
            .ok_or_else(|| ChargeError::NoCollectionCosts {
                country: debtor.country.clone(),
                currency: currency.to_owned(),
            })
    }
}

fn country(debtor: &DebtorFacts) -> Result<Country, ChargeError> {
    Country::parse(&debtor.country).ok_or_else(|| ChargeError::NoPack {
        country: debtor.country.clone(),
    })
}

/// The claim as the law sees it: without a contract date, the document's stands for it.
fn lawful(claim: &Claim<'_>) -> Result<law::Claim, ChargeError> {
    Ok(law::Claim {
        country: country(claim.debtor)?,
        debtor: match claim.debtor.kind {
            DebtorKind::Organisation => law::DebtorKind::Business,
            DebtorKind::Person => law::DebtorKind::Consumer,
        },
        arose_on: claim.document_date,
        default_on: claim.due_date,
        agreed_ppm: None,
        principal: changes(&claim.principal),
    })
}

fn changes(points: &[PrincipalPoint]) -> Vec<PrincipalChange> {
    let before = std::iter::once(0).chain(points.iter().map(|point| point.open));
    points
        .iter()
        .zip(before)
        .map(|(point, before)| PrincipalChange {
            on: point.on,
            minor_units: point.open - before,
        })
        .filter(|change| change.minor_units != 0)
        .collect()
}

fn refusal(error: &LawError) -> ChargeError {
    match error {
        LawError::RateNotPublished {
            country, half_year, ..
        } => ChargeError::RateNotPublished {
            country: country.to_string(),
            period: half_year.to_string(),
        },
        LawError::NoPack(country)
        | LawError::NoRule { country, .. }
        | LawError::OnlyByAgreement { country, .. } => ChargeError::NoPack {
            country: country.to_string(),
        },
        LawError::Invalid(_) | LawError::Overflow => ChargeError::OutOfRange,
    }
}

/// Parts per million as a percentage, without needless zeros: `11.27`.
fn percent(ppm: i64) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn debtor(kind: DebtorKind, country: &str) -> DebtorFacts {
        DebtorFacts {
            kind,
            country: country.to_owned(),
            language: "de".to_owned(),
            segment: String::new(),
            insolvent_since: None,
            deceased: false,
            restricted: false,
            manual_until: None,
            preferred_channel: None,
            waive_fees: false,
            waive_interest: false,
        }
    }

    fn claim(debtor: &DebtorFacts) -> Claim<'_> {
        Claim {
            debtor,
            item_id: "i1",
            currency: "EUR",
            document_date: date("2026-01-02"),
            due_date: date("2026-01-31"),
            principal: vec![
                PrincipalPoint {
                    on: date("2026-01-02"),
                    open: 100_000,
                },
                PrincipalPoint {
                    on: date("2026-03-02"),
                    open: 40_000,
                },
            ],
        }
    }

    #[test]
    fn interest_follows_the_part_payment_and_says_where_it_comes_from() {
        let packs = LawPacks::shipped().unwrap();
        let business = debtor(DebtorKind::Organisation, "DE");
        let charges = Charges::interest(&packs, &claim(&business), date("2026-03-31")).unwrap();
        let total: i64 = charges.iter().map(|charge| charge.minor).sum();
        // 10.27 % a year: 30 days on 1,000 euro, the day of the payment included, and then 29 days on 400.
        let exact = 100_000.0 * 0.1027 * 30.0 / 365.0 + 40_000.0 * 0.1027 * 29.0 / 365.0;
        assert!(
            (total as f64 - exact).abs() <= 1.0,
            "{total} {exact} {charges:?}"
        );
        assert_eq!(charges.len(), 2);
        assert!(charges[0].basis.contains("288"), "{}", charges[0].basis);
        assert!(charges[0].basis.contains("10.27 %"), "{}", charges[0].basis);
    }

    #[test]
    fn the_flat_sum_is_for_businesses_and_in_euro_only() {
        let packs = LawPacks::shipped().unwrap();
        let on = date("2026-03-01");
        let business = debtor(DebtorKind::Organisation, "DE");
        let flat = packs.flat_sum(&claim(&business), on).unwrap().unwrap();
        assert_eq!(flat.minor, 4_000);
        let francs = Claim {
            currency: "CHF",
            ..claim(&business)
        };
        assert_eq!(packs.flat_sum(&francs, on).unwrap(), None);
        let consumer = debtor(DebtorKind::Person, "DE");
        assert_eq!(packs.flat_sum(&claim(&consumer), on).unwrap(), None);
    }

    #[test]
    fn dutch_costs_are_in_euro_for_principal_in_default_since_the_decree() {
        let packs = LawPacks::shipped().unwrap();
        let dutch = debtor(DebtorKind::Person, "NL");
        let costs = |currency, due, principal| {
            Charges::collection_costs(&packs, &dutch, currency, date(due), principal)
                .map_err(|error| error.code())
        };
        assert_eq!(costs("EUR", "2026-01-31", 48_000), Ok(7_200));
        assert_eq!(costs("EUR", "2012-07-01", 100), Ok(4_000));
        let in_euro = Err("NO_COLLECTION_COSTS NL EUR".to_owned());
        assert_eq!(costs("EUR", "2012-06-30", 48_000), in_euro);
        assert_eq!(costs("EUR", "2026-01-31", 0), in_euro);
        let in_dollars = Err("NO_COLLECTION_COSTS NL USD".to_owned());
        assert_eq!(costs("USD", "2026-01-31", 48_000), in_dollars);
    }

    #[test]
    fn what_is_not_known_is_an_error_and_what_is_not_granted_is_nothing() {
        let packs = LawPacks::shipped().unwrap();
        let nowhere = debtor(DebtorKind::Organisation, "XX");
        let refused = Charges::interest(&packs, &claim(&nowhere), date("2026-03-31"));
        assert_eq!(refused.unwrap_err().code(), "NO_PACK XX");
        let business = debtor(DebtorKind::Organisation, "DE");
        let refused = Charges::interest(&packs, &claim(&business), date("2027-03-31"));
        assert_eq!(refused.unwrap_err().code(), "RATE_NOT_PUBLISHED DE 2027-H1");
        let belgian = debtor(DebtorKind::Person, "BE");
        let granted = Charges::interest(&packs, &claim(&belgian), date("2026-03-31"));
        assert_eq!(granted, Ok(Vec::new()));
    }
}
