//! `ArrangementService`, and what business days and postings do to promises and plans.

mod agreements;
mod days;
mod disputes;
mod plans;
mod promises;
mod refusals;
mod told;

use tonic::transport::Channel;

use super::Outcome;

pub use days::{
    a_day_settles_hundreds_of_debtors_before_it_answers, what_a_process_left_behind_is_settled,
};
pub use disputes::{
    a_dispute_is_opened_closed_and_listed, an_invoice_has_one_open_dispute_at_a_time,
};
pub use plans::{
    a_plan_breaks_with_a_late_instalment_and_frees_its_invoices, a_plan_is_kept_with_its_last_cent,
};
pub use promises::{
    a_return_takes_back_what_had_come_unless_the_promise_is_closed, every_posting_is_counted,
    the_day_after_decides_what_a_promise_was_worth,
};
pub use refusals::{
    an_invoice_is_covered_once_at_a_time, every_wrong_field_of_an_arrangement_is_named,
    only_open_arrangements_are_cancelled, what_does_not_fit_the_books_is_refused,
};
pub use told::stream_snapshot_and_lists_agree;

/// Everything about disputes and arrangements over gRPC, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    a_dispute_is_opened_closed_and_listed(channel.clone()).await?;
    an_invoice_has_one_open_dispute_at_a_time(channel.clone()).await?;
    every_posting_is_counted(channel.clone()).await?;
    a_return_takes_back_what_had_come_unless_the_promise_is_closed(channel.clone()).await?;
    the_day_after_decides_what_a_promise_was_worth(channel.clone()).await?;
    a_plan_is_kept_with_its_last_cent(channel.clone()).await?;
    a_plan_breaks_with_a_late_instalment_and_frees_its_invoices(channel.clone()).await?;
    an_invoice_is_covered_once_at_a_time(channel.clone()).await?;
    only_open_arrangements_are_cancelled(channel.clone()).await?;
    what_does_not_fit_the_books_is_refused(channel.clone()).await?;
    every_wrong_field_of_an_arrangement_is_named(channel.clone()).await?;
    stream_snapshot_and_lists_agree(channel.clone()).await?;
    a_day_settles_hundreds_of_debtors_before_it_answers(channel).await
}
