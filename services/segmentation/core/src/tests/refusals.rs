//! What a rule must not say, each kind with its place.

use super::errors;

#[track_caller]
fn refused(source: &str, expected: &[&str]) {
    assert_eq!(errors(source), expected, "{source}");
}

#[test]
fn names_and_fields_must_exist() {
    refused(
        "customer.kind == 'person'",
        &["1:1: unknown name `customer`: a rule sees `debtor` only"],
    );
    refused("x", &["1:1: unknown name `x`: a rule sees `debtor` only"]);
    refused(
        ".debtor.insolvent",
        &["1:2: unknown name `.debtor`: a rule sees `debtor` only"],
    );
    refused(
        "debtor.colour == 'red'",
        &["1:1: `debtor` has no field `colour`"],
    );
    refused(
        "has(debtor.date_of_birth)",
        &["1:4: `debtor` has no field `date_of_birth`"],
    );
    refused("debtor.sex == 'f'", &["1:1: `debtor` has no field `sex`"]);
    refused(
        "debtor == debtor",
        &[
            "1:1: expected `debtor.field`",
            "1:11: expected `debtor.field`",
        ],
    );
    refused("debtor.kind.x == 'a'", &["1:1: expected `debtor.field`"]);
    refused(
        "debtor['kind'] == 'person'",
        &["1:7: expected `debtor.field`"],
    );
}

#[test]
fn types_must_fit() {
    refused(
        "debtor.open_disputes",
        &["1:1: a rule must be bool, not int"],
    );
    refused("'a'", &["1:1: a rule must be bool, not string"]);
    refused(
        "debtor.open_disputes == '1'",
        &["1:22: both sides of `==` must be of one type, not int and string"],
    );
    refused(
        "debtor.language > 'a'",
        &[
            "1:1: an operand of `>` must be int, not string",
            "1:19: an operand of `>` must be int, not string",
        ],
    );
    refused(
        "!debtor.open_disputes",
        &["1:2: an operand of `!` must be bool, not int"],
    );
    refused(
        "debtor.insolvent && 1",
        &["1:21: an operand of `&&` must be bool, not int"],
    );
    refused(
        "debtor.insolvent + 1 > 1",
        &["1:1: an operand of `+` must be int, not bool"],
    );
    refused(
        "-debtor.insolvent == 1",
        &["1:2: an operand of `-` must be int, not bool"],
    );
    refused(
        "1 ? true : false",
        &["1:1: a condition must be bool, not int"],
    );
    refused(
        "debtor.insolvent ? true : 1",
        &["1:18: both sides of `?:` must be of one type, not bool and int"],
    );
    refused(
        "debtor.open_disputes.startsWith('a')",
        &["1:1: what `startsWith` looks at must be string, not int"],
    );
    refused(
        "debtor.open_disputes in [1, '2']",
        &["1:29: both sides of `in` must be of one type, not int and string"],
    );
}

#[test]
fn a_text_that_the_field_never_holds_is_found() {
    refused(
        "debtor.kind == 'organization'",
        &["1:16: `organization` is never the value, which is one of organisation, person"],
    );
    refused(
        "'F' == debtor.risk_class || debtor.risk_class in ['A', 'a']",
        &[
            "1:1: `F` is never the value, which is one of A, B, C, D, E, X",
            "1:56: `a` is never the value, which is one of A, B, C, D, E, X",
        ],
    );
    refused("debtor.language == 'tlh'", &[]);
}

#[test]
fn only_listed_functions_and_no_comprehensions() {
    let unknown = |name: &str, column: u32| {
        format!(
            "1:{column}: unknown function `{name}`: a rule may call `has`, `startsWith`, `endsWith` and `contains`"
        )
    };
    refused("size(debtor.language) == 2", &[&unknown("size", 5)]);
    refused("debtor.language.matches('d.')", &[&unknown("matches", 24)]);
    refused("timestamp('2026-01-01') == 1", &[&unknown("timestamp", 10)]);
    refused(
        "startsWith(debtor.language, 'd')",
        &[&unknown("startsWith", 11)],
    );
    refused(
        "debtor.language.startsWith()",
        &["1:27: `startsWith` takes one argument"],
    );
    refused(
        "debtor.language.contains('d', 'e')",
        &["1:25: `contains` takes one argument"],
    );
    refused("has()", &["1:4: `has` takes one argument"]);
    refused(
        "has(debtor)",
        &["1:5: syntax error: invalid argument to has() macro"],
    );
    let comprehension = "`all`, `exists`, `map` and `filter` are not allowed in a rule";
    for (source, column) in [
        ("[1, 2].all(x, x > 0)", 11),
        ("[1, 2].exists(x, x > 1)", 14),
        ("[1].map(x, x) == [1]", 8),
        ("[[1].filter(x, true)] == [[1]]", 1),
    ] {
        let errors = errors(source);
        let is_refused = errors.iter().any(|error| {
            *error == format!("1:{column}: {comprehension}") || error.contains("a list other than")
        });
        assert!(is_refused, "{source}: {errors:?}");
    }
}

#[test]
fn lists_stand_after_in_and_hold_literals() {
    let expected = "`in` needs a list of literals that is not empty";
    refused("debtor.language in []", &[&format!("1:20: {expected}")]);
    refused("debtor.language in 'de'", &[&format!("1:20: {expected}")]);
    refused(
        "debtor.language in [debtor.language]",
        &[&format!("1:20: {expected}")],
    );
    refused(
        "[1] == [1]",
        &[
            "1:1: a list other than after `in` is not allowed in a rule",
            "1:8: a list other than after `in` is not allowed in a rule",
        ],
    );
    refused("debtor.open_disputes in [-1, 0, 2]", &[]);
}

#[test]
fn numbers_are_whole_and_nothing_is_null() {
    refused(
        "debtor.open_disputes > 1.5",
        &["1:24: decimal numbers are not allowed in a rule"],
    );
    refused(
        "debtor.open_disputes > 1u",
        &["1:24: numbers without sign are not allowed in a rule"],
    );
    refused(
        "debtor.language == b'de'",
        &["1:20: bytes are not allowed in a rule"],
    );
    refused(
        "has(debtor.score) && debtor.score != null",
        &["1:38: `null` is not allowed in a rule"],
    );
    refused("{'a': 1}", &["1:1: curly braces are not allowed in a rule"]);
    refused(
        "debtor{a: 1}",
        &["1:7: curly braces are not allowed in a rule"],
    );
    refused(
        "9223372036854775808 > 1",
        &["1:1: syntax error: invalid int literal"],
    );
    refused(
        "10 / 0 > 1 || 10 % 0 > 1",
        &["1:4: division by zero", "1:18: division by zero"],
    );
}

#[test]
fn syntax_errors_have_their_place() {
    refused("", &["1:1: syntax error: mismatched input '<EOF>'"]);
    refused(
        "debtor.kind ==",
        &["1:15: syntax error: mismatched input '<EOF>'"],
    );
    refused(
        "true &&\n  && false",
        &["2:3: syntax error: extraneous input '&&'"],
    );
    refused(
        "debtor.insolvent true",
        &["1:18: syntax error: extraneous input 'true'"],
    );
    refused(
        "debtor.?score",
        &["1:7: syntax error: unsupported syntax '.?'"],
    );
}

#[test]
fn all_errors_are_reported_in_order_with_line_and_column_in_characters() {
    let source = "// Größe: 😀\ndebtor.sise > 1 ||\n  'ä' == debtor.language && debtor.score > 1.5\n  || foo";
    refused(
        source,
        &[
            "2:1: `debtor` has no field `sise`",
            "3:29: `debtor.score` may be absent: ask `has(debtor.score)` first",
            "3:44: decimal numbers are not allowed in a rule",
            "4:6: unknown name `foo`: a rule sees `debtor` only",
        ],
    );
}

#[test]
fn long_deep_and_many_are_refused_before_the_parser_sees_them() {
    let too_long = "1:1: a rule has at most 4096 bytes";
    refused(&"x".repeat(1 << 20), &[too_long]);
    refused(&"(".repeat(1 << 20), &[too_long]);
    refused(&format!("true {}", " ".repeat(4092)), &[too_long]);
    refused(&format!("true{}", " ".repeat(4092)), &[]);
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("f(", ")")] {
        let source = format!("{}1{}", open.repeat(33), close.repeat(33));
        let expected = format!("1:{}: brackets are nested at most 32 deep", 33 * open.len());
        refused(&source, &[&expected]);
    }
    let brackets = format!("{}true{}", "(".repeat(32), ")".repeat(32));
    refused(&brackets, &[]);
    let sum = |terms: usize| format!("{} > 1", vec!["1"; terms].join("+"));
    refused(&sum(512), &[]);
    refused(
        &sum(513),
        &["1:1027: a rule has at most 512 operators and brackets"],
    );
    refused(
        &"!".repeat(4000),
        &["1:513: a rule has at most 512 operators and brackets"],
    );
}
