//! Facts, inputs, explanations, pauses and procedures on SQLite.

mod common;

use common::Database;
use mahnwerk_dunning::conformance::{explain, facts, inputs, pauses, procedures};

macro_rules! on_sqlite {
    ($($suite:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = Database::create().await;
                $suite::$name(&database.db).await.unwrap();
                database.close().await;
            }
        )+
    };
}

on_sqlite! {
    facts::every_entity_is_kept_changed_and_forgotten,
    facts::what_is_settled_goes_and_what_is_reopened_comes_back,
    facts::a_snapshot_replaces_what_was_known,
    facts::old_news_change_nothing,
    facts::a_creditor_begins_with_the_starter_procedures,
    facts::an_unknown_calendar_cannot_be_applied,
    facts::reminders_are_forgotten_after_90_days,
    inputs::a_hand_made_world_is_frozen_exactly,
    inputs::without_a_treatment_the_standard_applies,
    inputs::a_broken_plan_begins_a_new_cycle,
    inputs::a_sent_notice_is_a_contact_at_once,
    inputs::candidates_are_paged_and_the_parked_left_out,
    inputs::a_feed_that_lags_makes_the_ledger_stale,
    inputs::what_cannot_be_evaluated_says_why,
    explain::the_notice_of_today_is_told_line_by_line,
    explain::what_stops_an_item_is_the_reason,
    explain::what_a_step_waits_for_is_the_reason,
    explain::what_needs_a_person_is_a_task,
    explain::a_stale_ledger_withholds_or_marks,
    explain::manual_mode_comes_before_everything_but_insolvency,
    explain::what_cannot_be_explained_is_refused,
    pauses::a_pause_silences_what_it_covers,
    pauses::a_pause_is_ended_and_remembers_its_ends,
    pauses::pauses_are_listed_by_whom_they_concern,
    pauses::wrong_pauses_are_refused,
    pauses::a_debtor_is_handed_over_to_a_person,
    procedures::a_procedure_is_revised_and_the_latest_applies,
    procedures::a_wrong_procedure_is_refused_with_every_reason,
    procedures::procedures_are_listed_and_read,
    procedures::settings_are_set_and_read,
    procedures::settings_change_where_they_are_named_and_read,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_follows_from_the_last_states() {
    for seed in 1..=12 {
        let database = Database::create().await;
        facts::what_is_stored_follows_from_the_last_states(&database.db, seed)
            .await
            .unwrap();
        database.close().await;
    }
}
