//! What is wrong with a rule, and where.

use std::fmt;

use cel::ParseErrors;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MAX_NESTING, MAX_OPERATORS, MAX_RULE_BYTES};

/// Longest piece of a rule that a message repeats, in characters.
const MAX_SHOWN: usize = 64;

/// A place in the source of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte.
    pub(super) fn at(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: bounded(before.matches('\n').count() + 1),
            column: bounded(before[line_start..].chars().count() + 1),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

fn bounded(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{position}: {problem}")]
pub struct RuleError {
    /// Where.
    pub position: Position,
    /// What.
    pub problem: Problem,
}

impl RuleError {
    pub(super) fn new(position: Position, problem: Problem) -> Self {
        Self { position, problem }
    }
}

/// What may be wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Over [`MAX_RULE_BYTES`].
    #[error("a rule has at most {MAX_RULE_BYTES} bytes")]
    TooLong,
    /// Over [`MAX_OPERATORS`].
    #[error("a rule has at most {MAX_OPERATORS} operators and brackets")]
    TooManyOperators,
    /// Over [`MAX_NESTING`].
    #[error("brackets are nested at most {MAX_NESTING} deep")]
    TooDeep,
    /// Not an expression of the language.
    #[error("syntax error: {0}")]
    Syntax(String),
    /// A name other than `debtor`.
    #[error("unknown name `{0}`: a rule sees `debtor` only")]
    UnknownName(String),
    /// A field that is not in the table.
    #[error("`debtor` has no field `{0}`")]
    UnknownField(String),
    /// `debtor` without a field, or a field of a field.
    #[error("expected `debtor.field`")]
    FieldExpected,
    /// A field that may be absent is read without a guard.
    #[error("`debtor.{0}` may be absent: ask `has(debtor.{0})` first")]
    MayBeAbsent(&'static str),
    /// An operand, an argument or the result is of another type.
    #[error("{place} must be {expected}, not {found}")]
    WrongType {
        /// Whose type it is, for example "an operand of `>`".
        place: String,
        /// `bool`, `int` or `string`.
        expected: &'static str,
        /// The same.
        found: &'static str,
    },
    /// The two sides are of different types.
    #[error("both sides of {operator} must be of one type, not {left} and {right}")]
    TypesDiffer {
        /// The operator.
        operator: String,
        /// `bool`, `int` or `string`.
        left: &'static str,
        /// The same.
        right: &'static str,
    },
    /// A field is compared with a text that it never holds.
    #[error("{value} is never the value, which is one of {choices}")]
    NoSuchChoice {
        /// The text, quoted.
        value: String,
        /// What it may be.
        choices: String,
    },
    /// Not among the functions that rules may call.
    #[error(
        "unknown function `{0}`: a rule may call `has`, `startsWith`, `endsWith` and `contains`"
    )]
    UnknownFunction(String),
    /// Called with too few or too many arguments.
    #[error("`{0}` takes one argument")]
    ArgumentCount(String),
    /// `in` without a list of literals.
    #[error("`in` needs a list of literals that is not empty")]
    ListExpected,
    /// Part of the language, not of rules.
    #[error("{0} not allowed in a rule")]
    NotAllowed(&'static str),
    /// Divided by the literal zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// A piece of the rule for a message.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The errors of the parser.
pub(super) fn syntax(errors: &ParseErrors) -> Vec<RuleError> {
    let number = |number: isize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
    let convert = |error: &cel::ParseError| {
        let text = error.msg.trim_start_matches("Syntax error: ");
        // The parser goes on with every token that would fit, which nobody reads.
        let text = text.split(" expecting ").next().unwrap_or(text);
        let position = Position {
            line: number(error.pos.0),
            column: number(error.pos.1),
        };
        RuleError::new(position, Problem::Syntax(shown(text)))
    };
    errors.errors.iter().map(convert).collect()
}

/// Why a rule has no result for a debtor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationError {
    /// A divisor was zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number did not fit into 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// An absent field was read behind one of the other errors: where the left side of `&&` or `||` has no result, CEL
    /// asks the right side, which the left was to guard.
    #[error("an absent field was read")]
    AbsentField,
    /// Anything else. The checks leave no way to get here.
    #[error("the rule could not be evaluated")]
    Other,
}
