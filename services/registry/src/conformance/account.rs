//! `AccountService`.

mod balances;
mod books;
mod listing;
mod random;
mod refusals;
mod reversing;
mod settling;
mod told;
mod wrong_fields;

use tonic::transport::Channel;

use super::Outcome;

pub use balances::{
    ageing_counts_days_after_the_due_date, balances_can_be_had_as_of_and_as_known_at_any_date,
    the_portfolio_is_the_sum_of_its_debtors_at_every_date,
};
pub(super) use books::{Books, answered, cents, eur, invoice, part, payment};
pub use listing::{items_are_listed_page_by_page, items_are_read_with_what_settled_them};
pub use refusals::{
    a_number_that_two_debtors_want_at_once_is_given_once, a_repeated_posting_has_one_effect,
    items_must_match, keys_are_unique_per_creditor_and_kind,
    nothing_is_posted_without_a_business_day, unknown_things_are_not_found,
};
pub use reversing::{
    a_discount_is_undone_with_its_payment, a_reversed_payment_reopens_three_invoices,
    an_entry_is_undone_as_if_it_had_never_been, only_an_invoice_without_allocations_is_reversed,
};
pub use settling::{
    a_credit_note_settles_without_discount, a_discount_settles_the_rest,
    a_prepayment_waits_for_its_invoice, a_write_off_gives_up_what_is_open,
    one_payment_settles_three_hundred_invoices, payments_in_parts_settle_an_invoice,
    the_first_invoice_makes_a_prospect_a_customer,
};
pub use told::stream_and_snapshot_tell_what_is_read;
pub use wrong_fields::every_wrong_field_of_a_posting_is_named;

/// Everything about the account, one after the other.
///
/// # Errors
/// Those of the service, where it should have answered.
pub async fn suite(channel: Channel) -> Outcome {
    payments_in_parts_settle_an_invoice(channel.clone()).await?;
    a_prepayment_waits_for_its_invoice(channel.clone()).await?;
    a_discount_settles_the_rest(channel.clone()).await?;
    a_credit_note_settles_without_discount(channel.clone()).await?;
    a_write_off_gives_up_what_is_open(channel.clone()).await?;
    one_payment_settles_three_hundred_invoices(channel.clone()).await?;
    the_first_invoice_makes_a_prospect_a_customer(channel.clone()).await?;
    a_reversed_payment_reopens_three_invoices(channel.clone()).await?;
    a_discount_is_undone_with_its_payment(channel.clone()).await?;
    an_entry_is_undone_as_if_it_had_never_been(channel.clone()).await?;
    only_an_invoice_without_allocations_is_reversed(channel.clone()).await?;
    ageing_counts_days_after_the_due_date(channel.clone()).await?;
    balances_can_be_had_as_of_and_as_known_at_any_date(channel.clone()).await?;
    the_portfolio_is_the_sum_of_its_debtors_at_every_date(channel.clone()).await?;
    items_are_read_with_what_settled_them(channel.clone()).await?;
    items_are_listed_page_by_page(channel.clone()).await?;
    stream_and_snapshot_tell_what_is_read(channel.clone()).await?;
    unknown_things_are_not_found(channel.clone()).await?;
    keys_are_unique_per_creditor_and_kind(channel.clone()).await?;
    a_number_that_two_debtors_want_at_once_is_given_once(channel.clone()).await?;
    items_must_match(channel.clone()).await?;
    nothing_is_posted_without_a_business_day(channel.clone()).await?;
    a_repeated_posting_has_one_effect(channel.clone()).await?;
    every_wrong_field_of_a_posting_is_named(channel).await
}
