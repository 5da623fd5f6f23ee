//! Letters as they leave the house.

use std::path::Path;
use std::{env, fs};

use dunning_core::plan::LineKind;
use dunning_core::procedure::{Statutory, Tone};
use dunning_letters::{Language, Letter, MAX_ITEMS, RenderError, Rendered, render};
use proptest::prelude::*;

mod support;
use support::{LANGUAGES, TONES, charged, every_letter, item, plain, special_letters, statutory};

/// Compares with `tests/golden`; writes it instead if `UPDATE_GOLDEN` is set.
#[track_caller]
fn golden(name: &str, rendered: &Rendered) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
    for (extension, found) in [("txt", &text), ("html", &rendered.html)] {
        let path = directory.join(format!("{name}.{extension}"));
        if env::var_os("UPDATE_GOLDEN").is_some() {
            let written = fs::write(&path, found);
            assert!(written.is_ok(), "{}", path.display());
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(*found == expected, "{name}.{extension} is now:\n{found}");
    }
}

/// The HTML of a text that came from data.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('/', "&#x2f;")
}

/// What every letter keeps to.
fn assert_sound(name: &str, rendered: &Rendered) {
    for text in [&rendered.subject, &rendered.text, &rendered.html] {
        assert!(
            !text.contains("undefined") && !text.contains("none"),
            "{name}: {text}"
        );
    }
    assert!(!rendered.subject.is_empty(), "{name}");
    assert!(!rendered.subject.contains(char::is_control), "{name}");
    for line in rendered.text.lines() {
        assert_eq!(line.trim_end(), line, "{name}");
        let breaks = line.trim_start().matches(' ').count();
        assert!(line.chars().count() <= 72 || breaks == 0, "{name}: {line}");
    }
    assert!(!rendered.text.contains("\n\n\n"), "{name}");
    assert!(rendered.text.ends_with('\n'), "{name}");
    assert!(rendered.html.starts_with("<!DOCTYPE html>"), "{name}");
    for forbidden in ["http", "src=", "<script", "url("] {
        assert!(!rendered.html.contains(forbidden), "{name}: {forbidden}");
    }
}

#[test]
fn every_language_and_tone_reads_as_its_golden_letter() {
    for language in LANGUAGES {
        for tone in TONES {
            let mut reminder = plain(language);
            reminder.tone = tone;
            let tone_name = support::tone_name(tone);
            let name = |kind: &str| format!("{}-{kind}-{tone_name}", language.code());
            golden(&name("reminder"), &render(&reminder).unwrap());
            golden(&name("charged"), &render(&charged(language, tone)).unwrap());
        }
    }
}

#[test]
fn statutory_hostile_and_long_letters_read_as_their_golden_letters() {
    for (name, letter) in special_letters() {
        golden(&name, &render(&letter).unwrap());
    }
}

#[test]
fn every_letter_is_sound_and_the_same_every_time() {
    for (name, letter) in every_letter().into_iter().chain(special_letters()) {
        let rendered = render(&letter).unwrap();
        if !name.ends_with("hostile") {
            for text in [&rendered.subject, &rendered.text, &rendered.html] {
                assert!(
                    !text.contains("{{") && !text.contains("{%"),
                    "{name}: {text}"
                );
            }
        }
        assert_sound(&name, &rendered);
        assert_eq!(rendered, render(&letter).unwrap(), "{name}");
    }
}

#[test]
fn both_texts_say_the_same_words() {
    for (name, letter) in every_letter() {
        let rendered = render(&letter).unwrap();
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let html = words(&rendered.html.replace('<', " <").replace('>', "> ")).join(" ");
        let last = rendered.text.split("\n\n").collect::<Vec<_>>();
        for paragraph in last
            .iter()
            .skip(2)
            .filter(|it| !it.contains("--") && !it.contains("  "))
        {
            for line in paragraph.lines().filter(|line| !line.ends_with(':')) {
                let line = escaped(&words(line).join(" "));
                assert!(html.contains(&line), "{name}: {line}");
            }
        }
    }
}

#[test]
fn what_comes_from_data_is_text_and_never_markup() {
    for language in LANGUAGES {
        let letter = support::hostile(language);
        let rendered = render(&letter).unwrap();
        let name = "<b>O'Neil & Söhne</b> {{ total }} Bcc: x";
        assert!(rendered.text.contains(name));
        assert!(rendered.html.contains(&escaped(name)));
        for markup in ["<b>", "<script", "<i>", "<u>", "R-<", "<9>", "N-<"] {
            assert!(!rendered.html.contains(markup), "{markup}");
        }
        assert!(!rendered.text.contains('\r'));
        assert!(!rendered.text.lines().any(|line| line.starts_with("Bcc")));
    }
}

#[test]
fn a_person_is_greeted_by_name_and_an_organisation_is_not() {
    let first = |letter: &Letter| {
        let text = render(letter).unwrap().text;
        text.split("\n\n").nth(2).map(str::to_owned).unwrap()
    };
    let greeting = |language, tone, person| {
        let mut letter = plain(language);
        (letter.tone, letter.debtor_is_person) = (tone, person);
        first(&letter)
    };
    assert_eq!(
        greeting(Language::De, Tone::Friendly, true),
        "Guten Tag Jörg Grünwälder,"
    );
    assert_eq!(
        greeting(Language::De, Tone::Firm, false),
        "Sehr geehrte Damen und Herren,"
    );
    assert_eq!(
        greeting(Language::Nl, Tone::Friendly, true),
        "Beste Daniël van den Berg,"
    );
    assert_eq!(
        greeting(Language::Nl, Tone::Final, true),
        "Geachte Daniël van den Berg,"
    );
    assert_eq!(
        greeting(Language::En, Tone::Firm, true),
        "Dear Robin O'Neil,"
    );
    assert_eq!(
        greeting(Language::En, Tone::Final, false),
        "Dear Sir or Madam,"
    );
}

#[test]
fn the_dutch_letter_names_its_costs_and_is_refused_without_them() {
    let statute = Statutory::NlFourteenDayLetter;
    for language in LANGUAGES {
        for tone in TONES {
            let mut letter = statutory(language, statute);
            letter.tone = tone;
            let text = render(&letter).unwrap().text.replace('\u{a0}', " ");
            assert!(text.contains("6:96"), "{text}");
            assert!(text.contains("40"), "{text}");
            letter.costs_after_period_minor = None;
            let field = "costs_after_period_minor";
            assert_eq!(
                render(&letter),
                Err(RenderError::Missing { statute, field })
            );
        }
    }
}

#[test]
fn every_letter_but_the_handover_says_what_the_statute_wants() {
    let cases = [
        (Statutory::NlFourteenDayLetter, "6:96"),
        (Statutory::BeFreeReminder, "XIX.4"),
    ];
    for (statute, words) in cases {
        for key in dunning_letters::template_keys() {
            for (language, tone) in LANGUAGES.into_iter().zip(TONES) {
                let mut letter = statutory(language, statute);
                (letter.template, letter.tone) = ((*key).to_owned(), tone);
                match render(&letter) {
                    Ok(rendered) => assert!(rendered.text.contains(words), "{key}"),
                    Err(error) => {
                        assert_eq!((*key, error), ("handover", RenderError::StatutoryHandover));
                    }
                }
            }
        }
    }
}

#[test]
fn the_belgian_reminder_is_free_and_says_what_may_follow() {
    for language in LANGUAGES {
        let mut letter = statutory(language, Statutory::BeFreeReminder);
        let named = render(&letter).unwrap();
        assert!(named.text.contains("XIX.4") && named.text.contains("0123.456.749"));
        letter.costs_after_period_minor = None;
        let open = render(&letter).unwrap();
        assert!(open.text.contains("XIX.4"));
        assert_ne!(open, named);
        let fee = support::line(LineKind::Fee, "", 500, "");
        let charged = support::with_lines(letter, vec![fee]);
        assert!(matches!(render(&charged), Err(RenderError::Amounts(_))));
    }
}

#[test]
fn a_letter_speaks_of_earlier_ones_only_if_there_were_some() {
    let earlier = [
        "once more",
        "before",
        "our reminder",
        "earlier",
        "although",
        "noch einmal",
        "schon geschrieben",
        "unsere Erinnerung",
        "bisherigen",
        "obwohl",
        "nog een keer",
        "al geschreven",
        "onze herinnering",
        "eerdere brieven",
        "hoewel",
    ];
    for language in LANGUAGES {
        for tone in TONES {
            for key in ["notice", "second-notice", "final-notice", "handover"] {
                let mut letter = charged(language, tone);
                letter.template = key.to_owned();
                let opening = |letter: &Letter| {
                    let text = render(letter).unwrap().text;
                    text.split("\n\n")
                        .nth(3)
                        .map(|it| it.replace('\n', " "))
                        .unwrap()
                };
                let speaks = |opening: &str| earlier.iter().any(|it| opening.contains(it));
                let sorry = key == "handover" && tone == Tone::Friendly;
                assert!(sorry || speaks(&opening(&letter)), "{}", opening(&letter));
                letter.reminded = false;
                assert!(!speaks(&opening(&letter)), "{}", opening(&letter));
            }
        }
    }
}

#[test]
fn what_is_not_claimed_has_a_column_of_its_own() {
    let letter = charged(Language::En, Tone::Firm);
    let text = render(&letter).unwrap().text;
    assert!(text.contains("Claimed here"));
    assert!(text.contains("€2,500.00") && text.contains("€2,000.00"));
    assert!(
        !render(&plain(Language::En))
            .unwrap()
            .text
            .contains("Claimed here")
    );
}

#[test]
fn the_procedure_behind_a_fee_is_not_the_debtors_business() {
    for language in LANGUAGES {
        let rendered = render(&charged(language, Tone::Firm)).unwrap();
        for text in [&rendered.text, &rendered.html] {
            assert!(!text.contains("procedure") && !text.contains("open amount"));
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains("§ 288(5) BGB"), "{text}");
        }
    }
}

#[test]
fn other_currencies_have_their_own_decimals() {
    for (currency, expected) in [
        ("CHF", "89,90 CHF"),
        ("JPY", "8.990 JPY"),
        ("KWD", "8,990 KWD"),
    ] {
        let mut letter = plain(Language::De);
        letter.currency = currency.to_owned();
        let text = render(&letter).unwrap().text.replace('\u{a0}', " ");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused = |change: fn(&mut Letter)| {
        let mut letter = plain(Language::En);
        change(&mut letter);
        render(&letter).unwrap_err()
    };
    let template = refused(|it| it.template = "layout".into());
    assert_eq!(template, RenderError::UnknownTemplate("layout".into()));
    let currency = refused(|it| it.currency = "XAU".into());
    assert_eq!(currency, RenderError::UnknownCurrency("XAU".into()));
    let amounts: [fn(&mut Letter); 5] = [
        |it| it.total_minor += 1,
        |it| it.items[0].dunned_minor -= 1,
        |it| it.items[0].open_minor = 1,
        |it| it.lines[0].minor = 0,
        |it| (it.lines[0].minor, it.items[0].dunned_minor) = (-1, -1),
    ];
    for change in amounts {
        assert!(matches!(refused(change), RenderError::Amounts(_)));
    }
    assert!(matches!(
        refused(|it| it.items.clear()),
        RenderError::Count { count: 0, .. }
    ));
}

#[test]
fn a_thousand_items_fit_and_one_more_does_not() {
    let one = plain(Language::De).items.remove(0);
    let letter = support::with_items(plain(Language::De), vec![one.clone(); MAX_ITEMS]);
    let rendered = render(&letter).unwrap();
    assert_eq!(rendered.text.matches("R-1001").count(), MAX_ITEMS + 1);
    let letter = support::with_items(letter, vec![one; MAX_ITEMS + 1]);
    let error = render(&letter).unwrap_err();
    assert_eq!(
        error.to_string(),
        "letter has 1001 items, allowed are 1 to 1000"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_amount_is_on_both_texts_and_no_data_becomes_markup(
        language in prop::sample::select(LANGUAGES.to_vec()),
        tone in prop::sample::select(TONES.to_vec()),
        key in prop::sample::select(dunning_letters::template_keys()),
        name in "[^\u{a0}]{0,80}",
        number in "\\PC{1,60}",
        amounts in prop::collection::vec((0_i64..100_000_000_000, 0_i64..1_000_000, 0_i64..4_000), 1..12),
        fee in 1_i64..1_000_000,
    ) {
        let mut letter = plain(language);
        (letter.tone, letter.template) = (tone, (*key).to_owned());
        (letter.debtor_name, letter.creditor_name) = (name.clone(), name.clone());
        (letter.sender, letter.payment_details) = (name.clone(), name.clone());
        let due = letter.notice_date;
        let items = amounts.iter().map(|(dunned, rest, days)| {
            let mut it = item(&number, due, *days, *dunned);
            it.open_minor += rest;
            it
        });
        let letter = support::with_items(letter, items.collect());
        let letter = support::with_lines(letter, vec![support::line(LineKind::Fee, "", fee, "")]);
        let rendered = render(&letter).unwrap();
        let mut minors: Vec<i64> = vec![letter.total_minor, fee];
        minors.extend(letter.items.iter().map(|it| it.open_minor));
        for minor in minors {
            // Digits are what the languages agree on.
            let digits: String = format!("{minor:03}");
            let bare = |text: &str| text.replace(['.', ','], "");
            prop_assert!(bare(&rendered.text).contains(&digits));
            prop_assert!(bare(&rendered.html).contains(&digits));
        }
        prop_assert!(!rendered.subject.contains(char::is_control));
        prop_assert!(rendered.text.lines().all(|line| line.trim_end() == line));
        // The tags are those of the same letter with harmless names.
        let mut harmless = letter.clone();
        for field in [&mut harmless.debtor_name, &mut harmless.creditor_name, &mut harmless.sender, &mut harmless.payment_details] {
            *field = "x".to_owned();
        }
        let tags = |html: &str| {
            let parts = html.split('<').skip(1);
            let names = parts.map(|part| part.split(['>', ' ']).next().unwrap_or_default().to_owned());
            names.filter(|tag| tag != "br").collect::<Vec<String>>()
        };
        prop_assert_eq!(tags(&rendered.html), tags(&render(&harmless).unwrap().html));
    }
}
