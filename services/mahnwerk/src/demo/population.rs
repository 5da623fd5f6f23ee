//! Who the debtors are. Names are put together from invented words and stand for nobody.

use chrono::NaiveDate;
use mahnwerk_proto::registry::v1::{BillingMethod, Channel, DebtorKind};

use super::{
    calendar::{Period, on_or_after, plus},
    dice::Dice,
};

/// A debtor of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Debtor {
    /// Customer number.
    pub(crate) id: String,
    pub(crate) kind: DebtorKind,
    /// Never invoiced.
    pub(crate) prospect: bool,
    pub(crate) name: String,
    pub(crate) language: &'static str,
    pub(crate) country: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) channel: Channel,
    pub(crate) billing: BillingMethod,
    /// NACE code; empty for persons.
    pub(crate) sector: &'static str,
    pub(crate) customer_since: Option<NaiveDate>,
    /// The business day on which the debtor is registered.
    pub(crate) joins_on: NaiveDate,
    pub(crate) email: String,
    /// Whether that address does not exist.
    pub(crate) email_bounces: bool,
    pub(crate) address: String,
}

#[derive(Clone, Copy)]
struct Country {
    code: &'static str,
    currency: &'static str,
    /// With weights.
    languages: &'static [(i64, &'static str)],
    towns: &'static [&'static str],
    legal_forms: &'static [&'static str],
}

const GERMANY: Country = Country {
    code: "DE",
    currency: "EUR",
    languages: &[(1, "de")],
    towns: &[
        "10115 Berlin",
        "20095 Hamburg",
        "50667 Köln",
        "80331 München",
        "04109 Leipzig",
    ],
    legal_forms: &["GmbH", "GmbH & Co. KG", "AG", "e. K."],
};
const AUSTRIA: Country = Country {
    code: "AT",
    currency: "EUR",
    languages: &[(1, "de")],
    towns: &["1010 Wien", "4020 Linz", "5020 Salzburg", "8010 Graz"],
    legal_forms: &["GmbH", "KG", "OG"],
};
const NETHERLANDS: Country = Country {
    code: "NL",
    currency: "EUR",
    languages: &[(1, "nl")],
    towns: &[
        "1012 AB Amsterdam",
        "3011 AA Rotterdam",
        "3511 AA Utrecht",
        "5611 AA Eindhoven",
    ],
    legal_forms: &["B.V.", "V.O.F.", "N.V."],
};
const BELGIUM: Country = Country {
    code: "BE",
    currency: "EUR",
    languages: &[(6, "nl"), (4, "fr")],
    towns: &["1000 Brussel", "2000 Antwerpen", "9000 Gent", "4000 Liège"],
    legal_forms: &["BV", "NV", "SRL"],
};
const SWITZERLAND: Country = Country {
    code: "CH",
    currency: "CHF",
    languages: &[(8, "de"), (2, "fr")],
    towns: &["8001 Zürich", "3011 Bern", "4051 Basel"],
    legal_forms: &["AG", "GmbH"],
};
const UNITED_STATES: Country = Country {
    code: "US",
    currency: "USD",
    languages: &[(1, "en")],
    towns: &["Boston, MA 02108", "Chicago, IL 60601", "Denver, CO 80202"],
    legal_forms: &["Inc.", "LLC"],
};
const COUNTRIES: [(i64, Country); 6] = [
    (45, GERMANY),
    (18, AUSTRIA),
    (18, NETHERLANDS),
    (13, BELGIUM),
    (4, SWITZERLAND),
    (2, UNITED_STATES),
];

const ROOTS: [&str; 24] = [
    "Nordwall",
    "Birkental",
    "Veldhoek",
    "Sternfurt",
    "Marenga",
    "Lindorf",
    "Kastrell",
    "Ostrava",
    "Wiesenau",
    "Talberg",
    "Duinrand",
    "Rivella",
    "Arkona",
    "Mühlbach",
    "Zandvoer",
    "Hellgrund",
    "Solvara",
    "Eikenstam",
    "Grafenau",
    "Quendel",
    "Tormund",
    "Alvesta",
    "Brombach",
    "Fjellmar",
];
const TRADES: [(&str, &str); 14] = [
    ("Logistik", "49.41"),
    ("Bau", "41.20"),
    ("Elektro", "43.21"),
    ("Textil", "13.92"),
    ("Medien", "58.14"),
    ("Bio", "01.13"),
    ("Metall", "25.62"),
    ("Hotel", "55.10"),
    ("Pharma", "46.46"),
    ("Design", "74.10"),
    ("Consult", "70.22"),
    ("Software", "62.01"),
    ("Handel", "47.91"),
    ("Druck", "18.12"),
];
const FIRST_NAMES: [&str; 20] = [
    "Anja", "Bram", "Carla", "Dirk", "Elin", "Frieda", "Gerrit", "Hanna", "Ivo", "Jule", "Koen",
    "Lotte", "Marek", "Nele", "Otto", "Petra", "Quirin", "Rosa", "Sven", "Tilda",
];
const LAST_NAMES: [&str; 20] = [
    "Ahrendal",
    "Bolkwitz",
    "Craneveld",
    "Dornseif",
    "Elkering",
    "Fuhrbeck",
    "Grootveen",
    "Hagelund",
    "Imfels",
    "Jorgau",
    "Kaltwasen",
    "Lohmark",
    "Moorstein",
    "Nettelau",
    "Oosterlo",
    "Pfahlert",
    "Rietmoor",
    "Salwinkel",
    "Tannrode",
    "Uhlhorst",
];
const STREETS: [&str; 8] = [
    "Am Anger",
    "Birkenweg",
    "Dorpsstraat",
    "Gartenstraße",
    "Kerklaan",
    "Lindenallee",
    "Marktplatz",
    "Ringstraße",
];

/// 70 of 100 are organisations, 20 persons, 10 prospects of either kind.
#[derive(Clone, Copy)]
enum Share {
    Organisation,
    Person,
    Prospect,
}

/// The number of the debtor with this id, from 0.
pub(crate) fn index_of(debtor_id: &str) -> Option<usize> {
    let number: usize = debtor_id.strip_prefix("D-")?.parse().ok()?;
    number.checked_sub(1)
}

/// The debtor with this number, from 0; the dice are its own.
pub(crate) fn debtor(index: usize, dice: &mut Dice, period: &Period) -> Debtor {
    let shares = [
        (70, Share::Organisation),
        (20, Share::Person),
        (10, Share::Prospect),
    ];
    let share = dice.weighted(&shares, Share::Organisation);
    let country = dice.weighted(&COUNTRIES, GERMANY);
    let kind = match share {
        Share::Organisation => DebtorKind::Organisation,
        Share::Person => DebtorKind::Person,
        Share::Prospect if dice.chance(750) => DebtorKind::Organisation,
        Share::Prospect => DebtorKind::Person,
    };
    let prospect = matches!(share, Share::Prospect);
    let (name, sector) = name(kind, country, dice);
    let joins_on = joins_on(prospect, dice, period);
    let known_before = if joins_on == period.first() {
        dice.between(30, 3_650)
    } else {
        0
    };
    Debtor {
        id: format!("D-{:05}", index + 1),
        kind,
        prospect,
        language: dice.weighted(country.languages, "en"),
        country: country.code,
        currency: country.currency,
        channel: dice.weighted(
            &[
                (5, Channel::Unspecified),
                (4, Channel::Email),
                (1, Channel::Phone),
                (1, Channel::Post),
            ],
            Channel::Unspecified,
        ),
        billing: billing(kind, dice),
        sector,
        customer_since: (!prospect).then(|| plus(joins_on, -known_before)),
        joins_on,
        email_bounces: index % 67 == 66,
        email: format!("rechnung-{}@debtor.example", index + 1),
        address: format!(
            "{name}\n{} {}\n{}",
            dice.pick(&STREETS, "Marktplatz"),
            dice.between(1, 120),
            dice.pick(country.towns, "")
        ),
        name,
    }
}

fn name(kind: DebtorKind, country: Country, dice: &mut Dice) -> (String, &'static str) {
    if kind == DebtorKind::Person {
        let (first, last) = (
            dice.pick(&FIRST_NAMES, "Anja"),
            dice.pick(&LAST_NAMES, "Lohmark"),
        );
        return (format!("{first} {last}"), "");
    }
    let (trade, sector) = dice.pick(&TRADES, ("Handel", "47.91"));
    let (root, form) = (
        dice.pick(&ROOTS, "Nordwall"),
        dice.pick(country.legal_forms, "GmbH"),
    );
    (format!("{root} {trade} {form}"), sector)
}

fn billing(kind: DebtorKind, dice: &mut Dice) -> BillingMethod {
    let weights = if kind == DebtorKind::Person {
        [3, 7, 0]
    } else {
        [2, 6, 4]
    };
    let [paper, pdf, e_invoice] = weights;
    dice.weighted(
        &[
            (paper, BillingMethod::Paper),
            (pdf, BillingMethod::EmailPdf),
            (e_invoice, BillingMethod::EInvoice),
        ],
        BillingMethod::EmailPdf,
    )
}

/// Most are there from the first day, the others come evenly over the period; prospects all come late.
fn joins_on(prospect: bool, dice: &mut Dice, period: &Period) -> NaiveDate {
    if !prospect && dice.chance(850) {
        return period.first();
    }
    let length = (period.last() - period.first()).num_days();
    let latest = if prospect { length } else { length * 2 / 3 };
    on_or_after(plus(period.first(), dice.between(0, latest.max(7) - 7)))
}
