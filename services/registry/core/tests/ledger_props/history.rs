//! Random histories of postings.

use crate::naive::Part;
use proptest::prelude::*;

/// The business day on which every history begins.
pub const FIRST_DAY: i64 = 40;

/// The last business day of any history.
pub const LAST_DAY: i64 = 120;

/// A step of a history. Items are named by position among those posted so far, days relative to the business day.
#[derive(Clone, Debug)]
pub enum Step {
    NextDay(i64),
    /// Stores what has changed and loads everything again.
    Reload,
    Invoice {
        debtor: u8,
        currency: u8,
        amount: i64,
        day: i64,
        term: i64,
    },
    Credit {
        payment: bool,
        debtor: u8,
        currency: u8,
        amount: i64,
        day: i64,
        parts: Vec<Part>,
    },
    Allocate {
        credit: usize,
        parts: Vec<Part>,
    },
    ReverseItem {
        item: usize,
        day: Option<i64>,
    },
    ReverseEntry {
        entry: usize,
        day: Option<i64>,
    },
    WriteOff {
        invoice: usize,
        amount: Option<i64>,
    },
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let discount = prop_oneof![3 => Just(None), 1 => (0_i64..6).prop_map(Some)];
    let part = (0_usize..40, 1_i64..60, discount);
    prop::collection::vec(
        part.prop_map(|(invoice, amount, discount)| Part {
            invoice,
            amount,
            discount,
        }),
        0..4,
    )
}

fn step() -> impl Strategy<Value = Step> {
    let debtor = || prop_oneof![5 => Just(0_u8), 1 => Just(1)];
    let currency = || prop_oneof![7 => Just(0_u8), 1 => Just(1)];
    let reversal_day = || prop::option::of(-30_i64..12);
    prop_oneof![
        3 => (1_i64..6).prop_map(Step::NextDay),
        1 => Just(Step::Reload),
        5 => (debtor(), currency(), 0_i64..100, -25_i64..8, -4_i64..60)
            .prop_map(|(debtor, currency, amount, day, term)| Step::Invoice { debtor, currency, amount, day, term }),
        5 => (any::<bool>(), debtor(), currency(), 1_i64..120, -25_i64..8, parts()).prop_map(
            |(payment, debtor, currency, amount, day, parts)| {
                Step::Credit { payment, debtor, currency, amount, day, parts }
            }
        ),
        4 => (0_usize..40, parts()).prop_map(|(credit, parts)| Step::Allocate { credit, parts }),
        2 => (0_usize..60, reversal_day()).prop_map(|(item, day)| Step::ReverseItem { item, day }),
        3 => (0_usize..60, reversal_day()).prop_map(|(entry, day)| Step::ReverseEntry { entry, day }),
        1 => (0_usize..40, prop::option::of(1_i64..40)).prop_map(|(invoice, amount)| Step::WriteOff { invoice, amount }),
    ]
}

/// Steps, each with how many days ago a history import says it was recorded.
pub fn history(with_stated_dates: bool) -> impl Strategy<Value = Vec<(Step, Option<i64>)>> {
    let stated = if with_stated_dates {
        prop::option::weighted(0.3, 0_i64..35).boxed()
    } else {
        Just(None).boxed()
    };
    prop::collection::vec((step(), stated), 1..60)
}
