//! Whatever the text, there is an answer.

use proptest::prelude::*;

use super::{blank, settled};
use crate::facts::DebtorFacts;
use crate::rule::{EvaluationError, Rule};
use crate::scheme::Scheme;

/// Compiles and, if that goes well, evaluates.
fn try_out(source: &str) -> bool {
    let Ok(rule) = Rule::compile(source) else {
        return false;
    };
    let _ = rule.evaluate(&blank());
    let _ = rule.evaluate(&settled());
    true
}

/// Words of the language in any order, many of them rules.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "debtor.insolvent",
        "debtor.open_disputes",
        "has(debtor.score)",
        "debtor.score",
        "debtor",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "==",
        "!=",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "in",
        "['A']",
        "1",
        "0",
        "-9223372036854775808",
        "9223372036854775807",
        "1.5",
        "2u",
        "'a'",
        "\"",
        "'''",
        "r'",
        "b'x'",
        "null",
        "true",
        "false",
        "//",
        "\n",
        "has",
        ".all(x, x)",
        ".startsWith('a')",
        "`",
        "\\u00e9",
        "ä",
        ",",
        "@",
        "0x",
        "1e9",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

/// Rules that are right: conditions over numbers in brackets.
fn conditions() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| format!("({number})")),
        Just("debtor.settled_items".to_owned()),
        Just("debtor.open_disputes".to_owned()),
        Just("(has(debtor.score) ? debtor.score : 0)".to_owned()),
    ];
    let number = number.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
        (inner.clone(), operator, inner)
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
    });
    let comparison = (
        number.clone(),
        prop::sample::select(vec!["<", ">", "==", "!="]),
        number,
    )
        .prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
    comparison.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["&&", "||", "? debtor.insolvent :"]);
        (inner.clone(), operator, inner)
            .prop_map(|(left, operator, right)| format!("(({left}) {operator} ({right}))"))
    })
}

/// Conditions of any shape over fields that may be absent, read with or without a guard.
fn guarded_conditions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "has(debtor.score)",
        "!has(debtor.score)",
        "has(debtor.pd_ppm)",
        "debtor.score > 500",
        "debtor.score > 500",
        "debtor.pd_ppm < 20000",
        "debtor.insolvent",
        "100 / debtor.open_disputes > 20",
        "true",
        "false",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(4, 12, 3, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                inner.clone().prop_map(|it| format!("!({it})")),
                pair.clone()
                    .prop_map(|(left, right)| format!("({left}) && ({right})")),
                pair.prop_map(|(left, right)| format!("({left}) || ({right})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(condition, then, other)| format!(
                    "({condition}) ? ({then}) : ({other})"
                )),
            ]
        })
}

/// Every combination of absent and present, of dividing by zero and not.
fn combinations() -> Vec<DebtorFacts> {
    let mut combinations = Vec::new();
    for score in [None, Some(400), Some(600)] {
        for pd_ppm in [None, Some(10_000)] {
            for (open_disputes, insolvent) in [(0, false), (0, true), (4, false), (5, true)] {
                combinations.push(DebtorFacts {
                    score,
                    pd_ppm,
                    open_disputes,
                    insolvent,
                    ..blank()
                });
            }
        }
    }
    combinations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_condition_that_was_accepted_reads_an_absent_field_only_behind_another_error(source in guarded_conditions()) {
        if let Ok(rule) = Rule::compile(&source) {
            for facts in combinations() {
                let result = rule.evaluate(&facts);
                let divides_by_zero = facts.open_disputes == 0 && source.contains('/');
                prop_assert!(result.is_ok() || divides_by_zero, "{}: {:?}", source, result);
                prop_assert_ne!(result, Err(EvaluationError::Other), "{}", source);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_the_compiler_panic(source in any::<String>()) {
        try_out(&source);
    }

    #[test]
    fn no_printable_text_makes_the_compiler_panic(source in "[ -~\n]{0,200}") {
        try_out(&source);
    }

    #[test]
    fn no_sequence_of_words_makes_the_compiler_panic(source in words()) {
        try_out(&source);
    }

    #[test]
    fn conditions_over_numbers_compile_and_answer(source in conditions()) {
        let is_within = source.chars().filter(|it| !it.is_alphanumeric() && !it.is_whitespace()).count() <= 400;
        let divides_by_zero = source.contains("/ (0)") || source.contains("% (0)");
        let compiled = try_out(&source);
        prop_assert!(compiled || !is_within || divides_by_zero, "{}: {:?}", source, Rule::compile(&source).err());
    }

    #[test]
    fn no_text_makes_reading_a_scheme_panic(text in any::<String>()) {
        let _ = Scheme::from_toml(&text);
    }
}

#[test]
fn the_longest_chains_that_are_allowed_fit_on_the_stack_of_a_thread() {
    let chains = [
        vec!["1"; 500].join("+") + " > 1",
        vec!["1"; 500].join("/") + " > 1",
        vec!["true"; 250].join("&&"),
        vec!["true"; 250].join("=="),
        vec!["true"; 100].join("?true:"),
        "!".repeat(510) + "true",
        "-".repeat(510) + "1 > 0",
        "debtor".to_owned() + &".a".repeat(500),
        "debtor".to_owned() + &"[1]".repeat(250),
        "1 in ".repeat(800) + "1",
        "(!".repeat(32) + "true" + &")".repeat(32),
        "debtor.language".to_owned() + &".contains('a')".repeat(150),
    ];
    let valid = chains.map(|chain| try_out(&chain));
    assert_eq!(valid.iter().filter(|is_valid| **is_valid).count(), 7);
}
