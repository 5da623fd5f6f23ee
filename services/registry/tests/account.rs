//! The suites of account and import on SQLite.

mod common;

use common::Service;
use mahnwerk_registry::conformance::{account, import};

macro_rules! over_grpc {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let service = Service::start().await;
                $suite::$name(service.channel.clone()).await.unwrap();
                service.stop().await;
            }
        )+
    };
}

over_grpc! {
    account::payments_in_parts_settle_an_invoice,
    account::a_prepayment_waits_for_its_invoice,
    account::a_discount_settles_the_rest,
    account::a_credit_note_settles_without_discount,
    account::a_write_off_gives_up_what_is_open,
    account::one_payment_settles_three_hundred_invoices,
    account::the_first_invoice_makes_a_prospect_a_customer,
    account::a_reversed_payment_reopens_three_invoices,
    account::a_discount_is_undone_with_its_payment,
    account::an_entry_is_undone_as_if_it_had_never_been,
    account::only_an_invoice_without_allocations_is_reversed,
    account::ageing_counts_days_after_the_due_date,
    account::balances_can_be_had_as_of_and_as_known_at_any_date,
    account::the_portfolio_is_the_sum_of_its_debtors_at_every_date,
    account::items_are_read_with_what_settled_them,
    account::items_are_listed_page_by_page,
    account::stream_and_snapshot_tell_what_is_read,
    account::unknown_things_are_not_found,
    account::keys_are_unique_per_creditor_and_kind,
    account::a_number_that_two_debtors_want_at_once_is_given_once,
    account::items_must_match,
    account::nothing_is_posted_without_a_business_day,
    account::a_repeated_posting_has_one_effect,
    account::every_wrong_field_of_a_posting_is_named,
    import::a_chunk_may_create_a_debtor_its_invoice_and_the_payment,
    import::rows_are_applied_in_their_order,
    import::every_refused_row_says_why,
    import::rows_taken_before_are_skipped_unless_they_differ,
    import::a_broken_stream_is_resumed_without_doubling,
    import::history_states_when_it_became_known,
    import::wrong_messages_end_the_stream,
    import::five_thousand_rows_are_accounted_for,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suites_run_side_by_side_on_one_database() {
    let service = Service::start().await;
    let (account, import) = tokio::join!(
        account::suite(service.channel.clone()),
        import::suite(service.channel.clone())
    );
    account.unwrap();
    import.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_ends_after_the_current_chunk_when_the_service_drains() {
    let service = Service::start().await;
    import::ends_when_draining(service.channel.clone(), || service.shutdown.begin())
        .await
        .unwrap();
    service.stop().await;
}
