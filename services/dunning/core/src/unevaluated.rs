//! What is decided where an input cannot be evaluated: nothing is sent, and every item says why.

use crate::evaluate::tasks;
use crate::input::{Input, Item};
use crate::plan::{Amounts, Deciding, Finding, Plan, Reason};

/// Why an input cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no procedure of the key that the input names.
    ProcedureUnknown,
    /// The input breaks a limit; the first field that does.
    InputInvalid {
        /// Path of the field.
        field: String,
    },
}

/// The plan of an input that cannot be evaluated, so that its debtor holds nobody up and is not forgotten either.
#[must_use]
pub fn unevaluated(input: &Input, obstacle: &Obstacle) -> Plan {
    let (reason, reference) = match obstacle {
        Obstacle::ProcedureUnknown => (Reason::ProcedureUnknown, &input.procedure.id),
        Obstacle::InputInvalid { field } => (Reason::InputInvalid, field),
    };
    let finding = |item: &Item| Finding {
        item_id: item.id.clone(),
        currency: item.currency.clone(),
        reason,
        values: Deciding {
            amounts: Amounts {
                open: item.open,
                ..Amounts::default()
            },
            reference: Some(reference.clone()),
            ..Deciding::default()
        },
    };
    let mut findings: Vec<Finding> = input.items.iter().map(finding).collect();
    findings.sort_unstable_by(|left, right| left.item_id.cmp(&right.item_id));
    Plan {
        business_date: input.business_date,
        procedure: input.procedure.clone(),
        stale_ledger: false,
        notices: Vec::new(),
        tasks: tasks(&findings),
        findings,
        next_evaluation: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{
        DebtorFacts, DebtorKind, DunningState, ItemKind, LedgerState, ProcedureRef, WhenStale,
    };
    use crate::plan::TaskKind;

    fn input() -> Input {
        let day = "2026-03-02".parse().unwrap();
        let item = |id: &str| Item {
            id: id.to_owned(),
            kind: ItemKind::Invoice,
            currency: "EUR".to_owned(),
            document_date: day,
            due_date: day,
            open: 100,
            disputed: 0,
            promised: 0,
            planned: 0,
            collection_pending: false,
            history: Vec::new(),
            state: DunningState::default(),
            taken: None,
        };
        Input {
            business_date: day,
            calendar: "WEEKDAYS".to_owned(),
            procedure: ProcedureRef {
                id: "gone".to_owned(),
                revision: 0,
            },
            ledger: LedgerState {
                feed_behind: false,
                last_bank_import: None,
                max_age_days: None,
                when_stale: WhenStale::Withhold,
            },
            debtor: DebtorFacts {
                kind: DebtorKind::Organisation,
                country: "DE".to_owned(),
                language: "de".to_owned(),
                segment: String::new(),
                insolvent_since: None,
                deceased: false,
                restricted: false,
                manual_until: None,
                preferred_channel: None,
                waive_fees: false,
                waive_interest: false,
            },
            contact_points: Vec::new(),
            items: vec![item("b"), item("a")],
            credits: Vec::new(),
            pauses: Vec::new(),
            recent_contacts: Vec::new(),
        }
    }

    #[test]
    fn an_unknown_procedure_is_the_reason_of_every_item_and_a_task() {
        let plan = unevaluated(&input(), &Obstacle::ProcedureUnknown);
        let said: Vec<_> = plan
            .findings
            .iter()
            .map(|it| {
                (
                    it.item_id.as_str(),
                    it.reason,
                    it.values.reference.as_deref(),
                )
            })
            .collect();
        let unknown = Reason::ProcedureUnknown;
        assert_eq!(
            said,
            [("a", unknown, Some("gone")), ("b", unknown, Some("gone"))]
        );
        assert_eq!(plan.tasks.len(), 1);
        assert_eq!(plan.tasks[0].kind, TaskKind::DecideProcedureChange);
        assert!(plan.notices.is_empty());
    }

    #[test]
    fn an_input_beyond_the_limits_says_where() {
        let field = "items[3].history".to_owned();
        let plan = unevaluated(&input(), &Obstacle::InputInvalid { field });
        let said = plan.finding("a").unwrap();
        assert_eq!(said.reason, Reason::InputInvalid);
        assert_eq!(said.values.reference.as_deref(), Some("items[3].history"));
        assert!(plan.tasks.is_empty());
    }
}
