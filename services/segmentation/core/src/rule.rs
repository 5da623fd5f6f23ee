//! Rules: conditions in CEL over `debtor`.
//!
//! CEL (the Common Expression Language) is parsed and evaluated by the `cel` crate, which has no type checker, no limit
//! on nesting that protects the stack, and no limit on cost. So a rule passes three gates before it may run:
//!
//! 1. Size: at most [`MAX_RULE_BYTES`] bytes and [`MAX_OPERATORS`] operator characters, looked at before the parser.
//! 2. Syntax, by the parser.
//! 3. Meaning, by our own walk over the syntax tree: fields exist, types fit, fields that may be absent are guarded,
//!    only listed functions are called, the result is a bool. All errors are reported, each with its position.
//!
//! What a rule may use: `debtor.field`, `has(debtor.field)`, literals of bool, int and string, `! && || ?:`, `== !=`,
//! `< <= > >=` and `+ - * / %` on int, `in` with a list of literals, `startsWith`, `endsWith` and `contains` on string,
//! brackets and `//` comments. There are no comprehensions, since no field is a list. As each value is one word or one
//! code, and nothing loops, the cost of a rule is bounded by its length.
//!
//! What can go wrong in a rule that passed is arithmetic: division by zero and overflow. Both are errors, see
//! [`EvaluationError`], never a wrong result and never a panic.

mod check;
mod error;
mod evaluate;

use cel::Program;
use cel::parser::Expression;

use crate::facts::{DebtorFacts, FieldSet};

pub use error::{EvaluationError, Position, Problem, RuleError};

/// Longest source of a rule, in bytes.
pub const MAX_RULE_BYTES: usize = 4096;

/// Most characters of a rule that are operators or brackets, wherever they stand. Every level of the syntax tree takes
/// at least one of them (or the word `in`), so this bounds the depth of recursion, here and in the parser.
pub const MAX_OPERATORS: usize = 512;

/// Deepest nesting of brackets, well below what the parser refuses on its own.
pub const MAX_NESTING: usize = 32;

/// A condition that passed all checks.
#[derive(Debug, Clone)]
pub struct Rule {
    expression: Expression,
    fields: FieldSet,
    present_when_false: FieldSet,
}

impl Rule {
    /// Checks and compiles a condition that stands alone.
    ///
    /// # Errors
    /// Everything that is wrong with it, by position; of the three gates the first that finds something.
    pub fn compile(source: &str) -> Result<Self, Vec<RuleError>> {
        Self::compile_knowing(source, FieldSet::EMPTY)
    }

    /// As [`Rule::compile`], where some fields are known to be present.
    pub(crate) fn compile_knowing(source: &str, present: FieldSet) -> Result<Self, Vec<RuleError>> {
        check_size(source).map_err(|error| vec![error])?;
        let program = Program::compile(source).map_err(|errors| error::syntax(&errors))?;
        let verdict = check::check(source, &program, present)?;
        Ok(Self {
            expression: evaluate::lowered(program.expression()),
            fields: verdict.fields,
            present_when_false: verdict.present_when_false,
        })
    }

    /// The fields it names.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        self.fields
    }

    /// The fields that must be present where it is false.
    pub(crate) fn present_when_false(&self) -> FieldSet {
        self.present_when_false
    }

    /// Whether it is the literal `true` or `false`, and which.
    pub(crate) fn constant(&self) -> Option<bool> {
        evaluate::constant(&self.expression)
    }

    /// Whether both say the same in the same words, whatever their spaces, brackets and comments.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.expression == other.expression
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// See [`EvaluationError`].
    pub fn evaluate(&self, facts: &DebtorFacts) -> Result<bool, EvaluationError> {
        evaluate::evaluate(&self.expression, facts)
    }
}

/// Counts without regard to strings and comments: being strict there costs little, being fooled could cost the stack.
fn check_size(source: &str) -> Result<(), RuleError> {
    if source.len() > MAX_RULE_BYTES {
        return Err(RuleError::new(Position::START, Problem::TooLong));
    }
    let mut operators = 0;
    let mut nesting = 0_usize;
    for (offset, character) in source.char_indices() {
        operators += usize::from("!&|?:=<>+-*/%.,()[]{}".contains(character));
        match character {
            '(' | '[' | '{' => nesting += 1,
            ')' | ']' | '}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        let problem = if operators > MAX_OPERATORS {
            Problem::TooManyOperators
        } else if nesting > MAX_NESTING {
            Problem::TooDeep
        } else {
            continue;
        };
        return Err(RuleError::new(Position::at(source, offset), problem));
    }
    Ok(())
}
