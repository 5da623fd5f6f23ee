//! Evaluation of a checked rule.
//!
//! The syntax tree is prepared once: `debtor.field` becomes a variable whose name is the place of the field in the
//! table, `has(debtor.field)` one with `?` before it. So nothing of a debtor is copied into a map for the evaluator,
//! and only what a rule reads is read.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, LiteralValue};
use cel::common::types::{CelBool, CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::parser::Expression;
use cel::{Context, Env, ExecutionError, Value};

use super::EvaluationError;
use crate::facts::{DebtorFacts, Field, FieldValue};

/// Name of the variable that rules see.
pub(super) const DEBTOR: &str = "debtor";

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A copy with fields as variables and without the numbers of the nodes, so that equal rules are equal.
pub(super) fn lowered(expression: &Expression) -> Expression {
    let mut expression = expression.clone();
    lower(&mut expression);
    expression
}

fn lower(expression: &mut Expression) {
    expression.id = 0;
    match &mut expression.expr {
        Expr::Select(select) => {
            if let Some(field) = Field::by_name(&select.field) {
                let test = if select.test { "?" } else { "" };
                expression.expr = Expr::Ident(format!("{test}{}", field.place()));
            }
        }
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| lower(target));
            call.args.iter_mut().for_each(lower);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(lower),
        _ => {}
    }
}

/// The value of an expression that is a literal bool.
pub(super) fn constant(expression: &Expression) -> Option<bool> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(value)) => Some(*value.inner()),
        _ => None,
    }
}

/// Whether a lowered expression holds.
pub(super) fn evaluate(
    expression: &Expression,
    facts: &DebtorFacts,
) -> Result<bool, EvaluationError> {
    let variables = Variables(facts);
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.set_variable_resolver(&variables);
    let result = Value::resolve_val(expression, &context).map_err(|error| reason(&error))?;
    let result = result.downcast_ref::<CelBool>();
    result
        .map(|result| *result.inner())
        .ok_or(EvaluationError::Other)
}

/// The values in the errors of the evaluator stay there: they may be amounts of a debtor.
fn reason(error: &ExecutionError) -> EvaluationError {
    match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            EvaluationError::DivisionByZero
        }
        ExecutionError::Overflow(..) => EvaluationError::Overflow,
        ExecutionError::UndeclaredReference(_) => EvaluationError::AbsentField,
        _ => EvaluationError::Other,
    }
}

struct Variables<'a>(&'a DebtorFacts);

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (is_test, place) = match variable.strip_prefix('?') {
            Some(place) => (true, place),
            None => (false, variable),
        };
        let value = Field::at(place.parse().ok()?)?.value(self.0);
        if is_test {
            return Some(CowVal::owned(CelBool::from(value.is_some())));
        }
        Some(match value? {
            FieldValue::Bool(value) => CowVal::owned(CelBool::from(value)),
            FieldValue::Int(value) => CowVal::owned(CelInt::from(value)),
            FieldValue::Text(value) => CowVal::owned(CelString::from(value)),
        })
    }
}
