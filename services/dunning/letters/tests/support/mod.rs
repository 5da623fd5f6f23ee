//! Letters to render.

use chrono::NaiveDate;
use dunning_core::plan::LineKind;
use dunning_core::procedure::{Statutory, Tone};
use dunning_letters::{Language, Letter, LetterItem, LetterLine, template_keys};

pub const LANGUAGES: [Language; 3] = Language::ALL;
pub const TONES: [Tone; 3] = [Tone::Friendly, Tone::Firm, Tone::Final];

pub fn tone_name(tone: Tone) -> &'static str {
    match tone {
        Tone::Friendly => "friendly",
        Tone::Firm => "firm",
        Tone::Final => "final",
    }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// An item wholly claimed.
pub fn item(number: &str, due: NaiveDate, days_overdue: i64, minor: i64) -> LetterItem {
    LetterItem {
        item_id: number.to_owned(),
        document_date: due - chrono::Days::new(30),
        due_date: due,
        days_overdue,
        open_minor: minor,
        dunned_minor: minor,
    }
}

/// A line of a letter.
pub fn line(kind: LineKind, number: &str, minor: i64, basis: &str) -> LetterLine {
    LetterLine {
        kind,
        item_id: (!number.is_empty()).then(|| number.to_owned()),
        minor,
        basis: basis.to_owned(),
    }
}

/// The letter about these items and nothing else.
pub fn with_items(mut letter: Letter, items: Vec<LetterItem>) -> Letter {
    let principal = |it: &LetterItem| {
        let minor = it.dunned_minor;
        (minor > 0).then(|| line(LineKind::Principal, &it.item_id, minor, "open amount"))
    };
    letter.lines = items.iter().filter_map(principal).collect();
    letter.total_minor = letter.lines.iter().map(|line| line.minor).sum();
    letter.items = items;
    letter
}

/// The letter with further lines.
pub fn with_lines(mut letter: Letter, lines: Vec<LetterLine>) -> Letter {
    letter.lines.extend(lines);
    letter.total_minor = letter.lines.iter().map(|line| line.minor).sum();
    letter
}

/// A friendly reminder of one invoice to a person.
pub fn plain(language: Language) -> Letter {
    let (creditor, debtor, reference, sender) = match language {
        Language::En => (
            "Harbour & Sons Ltd",
            "Robin O'Neil",
            "Reference",
            "Accounts Receivable\nTelephone +44 20 7946 0000\naccounts@harbour.example",
        ),
        Language::De => (
            "Bäckerei Süß GmbH & Co. KG",
            "Jörg Grünwälder",
            "Verwendungszweck",
            "Buchhaltung\nTelefon +49 30 1234567\nbuchhaltung@suess.example",
        ),
        Language::Nl => (
            "Bloemen & Zonen B.V.",
            "Daniël van den Berg",
            "Kenmerk",
            "Debiteurenbeheer\nTelefoon +31 20 794 0000\ndebiteuren@bloemen.example",
        ),
    };
    let letter = Letter {
        language,
        template: "reminder".to_owned(),
        tone: Tone::Friendly,
        sender: sender.to_owned(),
        payment_details: format!(
            "{creditor}\nIBAN DE02 1203 0000 0000 2020 51\n{reference} R-1001"
        ),
        creditor_name: creditor.to_owned(),
        creditor_number: None,
        debtor_name: debtor.to_owned(),
        debtor_is_person: true,
        reminded: false,
        notice_id: "N-2026-4711".to_owned(),
        notice_date: day(2026, 11, 23),
        pay_by: day(2026, 12, 7),
        currency: "EUR".to_owned(),
        items: Vec::new(),
        lines: Vec::new(),
        total_minor: 0,
        statute: None,
        costs_after_period_minor: None,
    };
    with_items(letter, vec![item("R-1001", day(2026, 11, 16), 7, 8_990)])
}

/// A notice of three invoices to an organisation, with interest, flat sum and fees, of one of which a part is disputed.
pub fn charged(language: Language, tone: Tone) -> Letter {
    let mut letter = plain(language);
    letter.template = match tone {
        Tone::Friendly => "notice",
        Tone::Firm => "second-notice",
        Tone::Final => "final-notice",
    }
    .to_owned();
    letter.tone = tone;
    letter.debtor_is_person = false;
    letter.reminded = true;
    letter.debtor_name = match language {
        Language::En => "Northwind Trading plc",
        Language::De => "Möbelhaus Köhler GmbH",
        Language::Nl => "Fietsenfabriek Zuid B.V.",
    }
    .to_owned();
    letter.creditor_number = Some("0123.456.749".to_owned());
    let mut disputed = item("R-1003", day(2026, 10, 1), 53, 250_000);
    disputed.dunned_minor = 200_000;
    let letter = with_items(
        letter,
        vec![
            item("R-1001", day(2026, 9, 1), 83, 123_456),
            item("R-1002", day(2026, 9, 15), 69, 9_900),
            disputed,
        ],
    );
    let basis = "§ 288(2) BGB: 10.52 % p. a., 2026-09-01 – 2026-11-22, 82 d";
    with_lines(
        letter,
        vec![
            line(LineKind::Interest, "R-1001", 2_918, basis),
            line(LineKind::FlatSum, "R-1001", 4_000, "§ 288(5) BGB"),
            line(LineKind::EarlierFees, "", 250, "fees of earlier notices"),
            line(LineKind::Fee, "", 500, "procedure standard@1 step 3"),
        ],
    )
}

/// The notice that a statute demands of a consumer.
pub fn statutory(language: Language, statute: Statutory) -> Letter {
    let mut letter = plain(language);
    letter.tone = Tone::Firm;
    letter.statute = Some(statute);
    letter.creditor_number = Some("0123.456.749".to_owned());
    letter.costs_after_period_minor = Some(4_000);
    with_items(
        letter,
        vec![
            item("R-1001", day(2026, 11, 2), 21, 8_990),
            item("R-1002", day(2026, 11, 9), 14, 12_345),
        ],
    )
}

/// Names and texts that a careless template would trip over.
pub fn hostile(language: Language) -> Letter {
    let mut letter = plain(language);
    letter.debtor_name = "<b>O'Neil & Söhne</b> {{ total }}\r\nBcc: x".to_owned();
    letter.creditor_name = "\"Ätsch\" <script>alert(1)</script>".to_owned();
    letter.sender = "<i>Ann</i>\n\n & co".to_owned();
    letter.payment_details = "IBAN <u>1</u>\n{% if %}".to_owned();
    letter.notice_id = "N-<1>".to_owned();
    letter.creditor_number = Some("<9>".to_owned());
    with_items(letter, vec![item("R-<&>", day(2026, 11, 16), 1, 100)])
}

/// Forty invoices with long numbers, from a creditor and to a debtor with long names.
pub fn long(language: Language) -> Letter {
    let mut letter = plain(language);
    letter.tone = Tone::Firm;
    letter.debtor_is_person = false;
    letter.debtor_name = format!(
        "Verein zur Förderung {}e. V.",
        "übergroßer Namen ".repeat(8)
    );
    letter.creditor_name = format!("Donau{}gesellschaft mbH", "dampfschifffahrts".repeat(6));
    let items = (1..=40_u32).map(|index| {
        let due = day(2026, 9, 1) + chrono::Days::new(u64::from(index));
        let number = format!("RECHNUNG-2026-{index:010}-ABTEILUNG-SÜD");
        item(
            &number,
            due,
            83 - i64::from(index),
            1_234_567 * i64::from(index),
        )
    });
    with_items(letter, items.collect())
}

/// Every template in every language and tone.
pub fn every_letter() -> Vec<(String, Letter)> {
    let mut letters = Vec::new();
    for language in LANGUAGES {
        for tone in TONES {
            for key in template_keys() {
                let mut letter = match *key {
                    "reminder" | "courtesy-call" | "welcome-reminder" | "welcome-call" => {
                        plain(language)
                    }
                    _ => charged(language, tone),
                };
                letter.template = (*key).to_owned();
                letter.tone = tone;
                letters.push((
                    format!("{}-{key}-{}", language.code(), tone_name(tone)),
                    letter,
                ));
            }
        }
    }
    letters
}

/// Letters that are special in some way.
pub fn special_letters() -> Vec<(String, Letter)> {
    let mut letters = Vec::new();
    for language in LANGUAGES {
        let code = language.code();
        let statutes = [
            ("statutory-be", Statutory::BeFreeReminder),
            ("statutory-nl", Statutory::NlFourteenDayLetter),
        ];
        for (name, statute) in statutes {
            letters.push((format!("{code}-{name}"), statutory(language, statute)));
        }
        letters.push((format!("{code}-hostile"), hostile(language)));
        letters.push((format!("{code}-long"), long(language)));
    }
    letters
}
