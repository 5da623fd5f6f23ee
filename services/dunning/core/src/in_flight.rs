//! What becomes of items in mid-ladder when the debtor's procedure changes.

use crate::input::DunningState;
use crate::procedure::{InFlight, Procedure};

/// Where an item stands in the procedure that now applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has not been dunned in this cycle.
    New {
        /// The cycle its next notice belongs to, from 1.
        cycle: u32,
    },
    /// It goes on above the level.
    Going {
        /// The cycle, from 1.
        cycle: u32,
        /// Level sent in it.
        level: u8,
        /// Whether the next notice is the one that fits its age, even if that skips levels.
        mapped: bool,
    },
    /// A person must decide.
    Manual,
}

impl Standing {
    /// Where the item stands. A new revision of the same procedure changes nothing.
    #[must_use]
    pub fn of(state: &DunningState, procedure: &Procedure) -> Self {
        let cycle = state.cycle.max(1);
        if state.level == 0 {
            return Self::New { cycle };
        }
        let going = |mapped| Self::Going {
            cycle,
            level: state.level,
            mapped,
        };
        if state.procedure == procedure.id {
            return going(false);
        }
        match procedure.in_flight {
            InFlight::Keep => going(false),
            InFlight::Map => going(true),
            InFlight::Restart => Self::New {
                cycle: cycle.saturating_add(1),
            },
            InFlight::Manual => Self::Manual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::starter_procedures;

    fn standing(from: &str, in_flight: InFlight) -> Standing {
        let mut procedure = starter_procedures().unwrap().remove(1);
        procedure.in_flight = in_flight;
        let state = DunningState {
            procedure: from.to_owned(),
            cycle: 2,
            level: 3,
            ..DunningState::default()
        };
        Standing::of(&state, &procedure)
    }

    #[test]
    fn within_a_procedure_nothing_is_mapped() {
        let going = Standing::Going {
            cycle: 2,
            level: 3,
            mapped: false,
        };
        for in_flight in [
            InFlight::Keep,
            InFlight::Map,
            InFlight::Restart,
            InFlight::Manual,
        ] {
            assert_eq!(standing("standard", in_flight), going);
        }
    }

    #[test]
    fn a_change_keeps_maps_restarts_or_asks() {
        let going = |mapped| Standing::Going {
            cycle: 2,
            level: 3,
            mapped,
        };
        assert_eq!(standing("strict", InFlight::Keep), going(false));
        assert_eq!(standing("strict", InFlight::Map), going(true));
        assert_eq!(
            standing("strict", InFlight::Restart),
            Standing::New { cycle: 3 }
        );
        assert_eq!(standing("strict", InFlight::Manual), Standing::Manual);
    }
}
