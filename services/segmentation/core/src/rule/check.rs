//! The meaning of a rule: a walk over its syntax tree.
//!
//! Presence is followed along the evaluation: for every expression the walk knows which fields must be present where it
//! is true and where it is false. `has(debtor.x)` says so of `x` where it is true; `!` swaps the two; the right side of
//! `&&` is read only where the left is true, that of `||` only where it is false, and so on.
//!
//! CEL lets `false && error` and `error && false` both be false. The walk goes by the left side alone: a guard stands
//! before what it guards. So after an error of arithmetic on the left, the right may still read an absent field; that
//! is another error, never a result.

use cel::Program;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::parser::Expression;

use super::error::shown;
use super::evaluate::DEBTOR;
use super::{Position, Problem, RuleError};
use crate::facts::{Field, FieldSet, FieldType};

const TEXT_FUNCTIONS: [&str; 3] = ["startsWith", "endsWith", "contains"];

/// What the walk found out about a rule without errors.
pub(super) struct Verdict {
    /// The fields it names.
    pub fields: FieldSet,
    /// The fields that must be present where it is false.
    pub present_when_false: FieldSet,
}

/// Walks over a rule where some fields are known to be present.
pub(super) fn check(
    source: &str,
    program: &Program,
    present: FieldSet,
) -> Result<Verdict, Vec<RuleError>> {
    let mut checker = Checker {
        source,
        program,
        fields: FieldSet::EMPTY,
        errors: Vec::new(),
    };
    let root = program.expression();
    let checked = checker.bool_operand(root, present, || "a rule".to_owned());
    if !checker.errors.is_empty() {
        checker.errors.sort_by_key(|error| error.position);
        return Err(checker.errors);
    }
    Ok(Verdict {
        fields: checker.fields,
        present_when_false: checked.when_false,
    })
}

/// The type of an expression; none after an error, so that one mistake is reported once.
type Type = Option<FieldType>;

/// What is known of an expression.
#[derive(Clone, Copy)]
struct Checked {
    of_type: Type,
    /// Fields that must be present where it is true, beyond those known before.
    when_true: FieldSet,
    /// The same where it is false.
    when_false: FieldSet,
}

impl Checked {
    fn plain(of_type: Type) -> Self {
        Self {
            of_type,
            when_true: FieldSet::EMPTY,
            when_false: FieldSet::EMPTY,
        }
    }

    const BOOL: Self = Self {
        of_type: Some(FieldType::Bool),
        when_true: FieldSet::EMPTY,
        when_false: FieldSet::EMPTY,
    };
}

struct Checker<'a> {
    source: &'a str,
    program: &'a Program,
    fields: FieldSet,
    errors: Vec<RuleError>,
}

impl Checker<'_> {
    fn expression(&mut self, expression: &Expression, present: FieldSet) -> Checked {
        let problem = match &expression.expr {
            Expr::Literal(literal) => return self.literal(expression, literal),
            Expr::Select(select) => return self.select(expression, select, present),
            Expr::Call(call) => return self.call(expression, call, present),
            Expr::Ident(name) if name == DEBTOR => Problem::FieldExpected,
            Expr::Ident(name) => Problem::UnknownName(shown(name)),
            Expr::List(_) => Problem::NotAllowed("a list other than after `in` is"),
            Expr::Comprehension(_) => {
                Problem::NotAllowed("`all`, `exists`, `map` and `filter` are")
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Problem::NotAllowed("curly braces are")
            }
        };
        self.refuse(expression, problem)
    }

    fn literal(&mut self, expression: &Expression, literal: &LiteralValue) -> Checked {
        let problem = match literal {
            LiteralValue::Boolean(value) => {
                // Where `true` is false nothing is evaluated, so anything may be claimed there.
                let (when_true, when_false) = if *value.inner() {
                    (FieldSet::EMPTY, FieldSet::ALL)
                } else {
                    (FieldSet::ALL, FieldSet::EMPTY)
                };
                return Checked {
                    when_true,
                    when_false,
                    ..Checked::BOOL
                };
            }
            LiteralValue::Int(_) => return Checked::plain(Some(FieldType::Int)),
            LiteralValue::String(_) => return Checked::plain(Some(FieldType::Text)),
            LiteralValue::Double(_) => "decimal numbers are",
            LiteralValue::UInt(_) => "numbers without sign are",
            LiteralValue::Bytes(_) => "bytes are",
            LiteralValue::Null => "`null` is",
        };
        self.refuse(expression, Problem::NotAllowed(problem))
    }

    fn select(
        &mut self,
        expression: &Expression,
        select: &SelectExpr,
        present: FieldSet,
    ) -> Checked {
        match &select.operand.expr {
            Expr::Ident(name) if name == DEBTOR => {}
            Expr::Ident(name) => {
                return self.refuse(expression, Problem::UnknownName(shown(name)));
            }
            _ => return self.refuse(expression, Problem::FieldExpected),
        }
        let Some(field) = Field::by_name(&select.field) else {
            return self.refuse(expression, Problem::UnknownField(shown(&select.field)));
        };
        self.fields = self.fields.union(FieldSet::of(field));
        if select.test {
            return Checked {
                when_true: FieldSet::of(field),
                ..Checked::BOOL
            };
        }
        let info = field.info();
        if info.optional && !present.contains(field) {
            self.report(expression, Problem::MayBeAbsent(info.name));
        }
        Checked::plain(Some(info.field_type))
    }

    fn call(&mut self, expression: &Expression, call: &CallExpr, present: FieldSet) -> Checked {
        match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
            (operators::LOGICAL_NOT, None, [operand]) => {
                let operand = self.bool_operand(operand, present, || operand_of(call));
                Checked {
                    when_true: operand.when_false,
                    when_false: operand.when_true,
                    ..Checked::BOOL
                }
            }
            (operators::LOGICAL_AND, None, [left, right]) => self.and(call, left, right, present),
            (operators::LOGICAL_OR, None, [left, right]) => self.or(call, left, right, present),
            (operators::CONDITIONAL, None, [condition, then, otherwise]) => {
                self.conditional(expression, condition, [then, otherwise], present)
            }
            (operators::EQUALS | operators::NOT_EQUALS, None, [left, right]) => {
                self.equality(expression, call, [left, right], present)
            }
            (
                operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS,
                None,
                operands,
            ) => {
                self.int_operands(call, operands, present);
                Checked::BOOL
            }
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE,
                None,
                operands,
            ) => {
                self.int_operands(call, operands, present);
                self.zero_divisor(expression, call);
                Checked::plain(Some(FieldType::Int))
            }
            (operators::IN, None, [value, list]) => self.membership(value, list, present),
            (name, Some(target), arguments) if TEXT_FUNCTIONS.contains(&name) => {
                self.text_function(expression, name, target, arguments, present)
            }
            (operators::HAS, ..) => {
                self.refuse(expression, Problem::ArgumentCount(call.func_name.clone()))
            }
            (operators::INDEX, ..) => self.refuse(expression, Problem::FieldExpected),
            (name, ..) => self.refuse(expression, Problem::UnknownFunction(shown(name))),
        }
    }

    fn and(
        &mut self,
        call: &CallExpr,
        left: &Expression,
        right: &Expression,
        present: FieldSet,
    ) -> Checked {
        let left = self.bool_operand(left, present, || operand_of(call));
        let right = self.bool_operand(right, present.union(left.when_true), || operand_of(call));
        let both = left.when_true.union(right.when_true);
        let right_false = left.when_true.union(right.when_false);
        Checked {
            when_true: both,
            when_false: left.when_false.intersection(right_false),
            ..Checked::BOOL
        }
    }

    fn or(
        &mut self,
        call: &CallExpr,
        left: &Expression,
        right: &Expression,
        present: FieldSet,
    ) -> Checked {
        let left = self.bool_operand(left, present, || operand_of(call));
        let right = self.bool_operand(right, present.union(left.when_false), || operand_of(call));
        let right_true = left.when_false.union(right.when_true);
        Checked {
            when_true: left.when_true.intersection(right_true),
            when_false: left.when_false.union(right.when_false),
            ..Checked::BOOL
        }
    }

    fn conditional(
        &mut self,
        expression: &Expression,
        condition: &Expression,
        branches: [&Expression; 2],
        present: FieldSet,
    ) -> Checked {
        let condition = self.bool_operand(condition, present, || "a condition".to_owned());
        let after = [condition.when_true, condition.when_false];
        let [then, otherwise] =
            [0, 1].map(|it| self.expression(branches[it], present.union(after[it])));
        let of_type = self.one_type(expression, "?:", [then.of_type, otherwise.of_type]);
        Checked {
            of_type,
            when_true: (after[0].union(then.when_true))
                .intersection(after[1].union(otherwise.when_true)),
            when_false: (after[0].union(then.when_false))
                .intersection(after[1].union(otherwise.when_false)),
        }
    }

    fn equality(
        &mut self,
        expression: &Expression,
        call: &CallExpr,
        operands: [&Expression; 2],
        present: FieldSet,
    ) -> Checked {
        let types = operands.map(|operand| self.expression(operand, present).of_type);
        self.one_type(expression, symbol(&call.func_name), types);
        self.choice(types[0], operands[1]);
        self.choice(types[1], operands[0]);
        Checked::BOOL
    }

    fn membership(&mut self, value: &Expression, list: &Expression, present: FieldSet) -> Checked {
        let value = self.expression(value, present).of_type;
        let elements = match &list.expr {
            Expr::List(list) => list.elements.as_slice(),
            _ => &[],
        };
        let is_literal = |element: &Expression| matches!(element.expr, Expr::Literal(_));
        if elements.is_empty() || !elements.iter().all(is_literal) {
            self.report(list, Problem::ListExpected);
            return Checked::BOOL;
        }
        for element in elements {
            let of_type = self.expression(element, present).of_type;
            self.one_type(element, "in", [value, of_type]);
            self.choice(value, element);
        }
        Checked::BOOL
    }

    fn text_function(
        &mut self,
        expression: &Expression,
        name: &str,
        target: &Expression,
        arguments: &[Expression],
        present: FieldSet,
    ) -> Checked {
        if arguments.len() != 1 {
            self.report(expression, Problem::ArgumentCount(name.to_owned()));
        }
        for operand in std::iter::once(target).chain(arguments) {
            let of_type = self.expression(operand, present).of_type;
            self.require(operand, of_type, FieldType::Text, || {
                format!("what `{name}` looks at")
            });
        }
        Checked::BOOL
    }

    fn bool_operand(
        &mut self,
        operand: &Expression,
        present: FieldSet,
        place: impl Fn() -> String,
    ) -> Checked {
        let checked = self.expression(operand, present);
        self.require(operand, checked.of_type, FieldType::Bool, place);
        checked
    }

    fn int_operands(&mut self, call: &CallExpr, operands: &[Expression], present: FieldSet) {
        for operand in operands {
            let of_type = self.expression(operand, present).of_type;
            self.require(operand, of_type, FieldType::Int, || operand_of(call));
        }
    }

    fn zero_divisor(&mut self, expression: &Expression, call: &CallExpr) {
        let divides = matches!(
            call.func_name.as_str(),
            operators::DIVIDE | operators::MODULO
        );
        let is_zero = |divisor: &Expression| match &divisor.expr {
            Expr::Literal(LiteralValue::Int(divisor)) => *divisor.inner() == 0,
            _ => false,
        };
        if divides && call.args.last().is_some_and(is_zero) {
            self.report(expression, Problem::DivisionByZero);
        }
    }

    /// A literal beside a value of few choices must be one of them: this finds the typing errors of rules.
    fn choice(&mut self, of_type: Type, literal: &Expression) {
        if let (Some(FieldType::Choice(choices)), Expr::Literal(LiteralValue::String(text))) =
            (of_type, &literal.expr)
            && !choices.contains(&text.inner())
        {
            let problem = Problem::NoSuchChoice {
                value: format!("`{}`", shown(text.inner())),
                choices: choices.join(", "),
            };
            self.report(literal, problem);
        }
    }

    fn one_type(&mut self, expression: &Expression, operator: &str, types: [Type; 2]) -> Type {
        let [left, right] = types;
        let (left, right) = (left?, right?);
        if type_name(left) != type_name(right) {
            let problem = Problem::TypesDiffer {
                operator: format!("`{operator}`"),
                left: type_name(left),
                right: type_name(right),
            };
            self.report(expression, problem);
            return None;
        }
        Some(if left == right { left } else { FieldType::Text })
    }

    fn require(
        &mut self,
        expression: &Expression,
        found: Type,
        expected: FieldType,
        place: impl Fn() -> String,
    ) {
        if let Some(found) = found
            && type_name(found) != type_name(expected)
        {
            let problem = Problem::WrongType {
                place: place(),
                expected: type_name(expected),
                found: type_name(found),
            };
            self.report(expression, problem);
        }
    }

    fn refuse(&mut self, expression: &Expression, problem: Problem) -> Checked {
        self.report(expression, problem);
        Checked::plain(None)
    }

    fn report(&mut self, expression: &Expression, problem: Problem) {
        // The parser places a field at its dot; people look for the word before it.
        let mut place = expression;
        while let Expr::Select(select) = &place.expr
            && !select.test
        {
            place = &select.operand;
        }
        let offset = self.program.source_info().offset_for(place.id);
        let offset = offset.map_or(0, |(start, _)| start as usize);
        let position = Position::at(self.source, offset);
        self.errors.push(RuleError::new(position, problem));
    }
}

fn type_name(of_type: FieldType) -> &'static str {
    match of_type {
        FieldType::Bool => "bool",
        FieldType::Int => "int",
        FieldType::Text | FieldType::Choice(_) => "string",
    }
}

fn operand_of(call: &CallExpr) -> String {
    format!("an operand of `{}`", symbol(&call.func_name))
}

/// The operator as it is written: the parser calls `>` `_>_`.
fn symbol(function: &str) -> &str {
    function.trim_matches('_')
}
