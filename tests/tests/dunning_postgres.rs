//! The suites of dunning on PostgreSQL, each on a database of its own. On SQLite the service runs them itself.

use e2e::{postgres::Cluster, suite::connect};
use mahnwerk_dunning::conformance::{
    dispatching, explain, facts, four_eyes, inputs, measures, pauses, procedures, runs, setbacks,
    tasks,
};
use mahnwerk_runtime::db::Db;

async fn on_a_database<T: std::fmt::Debug>(suite: impl AsyncFn(&Db) -> Result<(), T>) {
    let database = Cluster::shared().database();
    let db = connect(&database.url()).await;
    mahnwerk_dunning::migrations().apply(&db).await.unwrap();
    suite(&db).await.unwrap();
    db.pool().clone().close().await.unwrap();
}

macro_rules! on_postgres {
    ($($suite:ident::$name:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            on_a_database(async |db| $suite::$name(db).await).await;
        }
    )+};
}

on_postgres! {
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
    runs::a_run_gives_every_item_a_reason,
    runs::a_small_run_is_one_piece,
    runs::a_worker_that_was_overtaken_changes_nothing,
    runs::a_step_that_waits_is_not_proposed_again,
    runs::a_step_that_a_notice_holds_is_not_made_again,
    runs::a_cancelled_run_gives_its_steps_free,
    runs::a_reviewer_edits_what_is_proposed,
    runs::a_replay_names_exactly_what_differs,
    four_eyes::a_run_is_released_by_another_than_who_proposed_it,
    four_eyes::the_release_goes_by_the_settings_of_the_moment,
    four_eyes::what_nobody_proposed_anybody_releases,
    four_eyes::what_was_edited_since_is_not_released_unread,
    four_eyes::who_edited_a_run_does_not_release_it,
    setbacks::a_release_renders_what_can_be_rendered,
    setbacks::what_is_not_known_now_is_not_withdrawn,
    setbacks::what_came_back_for_good_was_never_sent,
    setbacks::a_run_outlives_the_registry_s_history,
    dispatching::nothing_leaves_unless_it_is_switched_on,
    dispatching::two_dispatchers_send_nothing_twice,
    dispatching::nobody_takes_more_than_asked_for,
    dispatching::a_crash_while_sending_is_uncertain_and_not_repeated,
    dispatching::what_was_not_sent_after_all_is_sent_again,
    dispatching::what_arrived_since_the_release_withdraws,
    dispatching::a_bounce_takes_the_next_channel_at_the_same_level,
    dispatching::a_refused_address_takes_the_next_channel,
    dispatching::what_cannot_be_sent_now_waits,
    measures::what_waits_is_told_until_it_is_done,
    tasks::a_call_lets_the_ladder_go_on,
    tasks::a_letter_is_brought_by_hand_or_taken_back,
    tasks::a_broken_promise_is_a_task_once,
    tasks::a_claimed_task_is_nobody_elses,
    tasks::commands_are_carried_out_once_or_become_tasks,
    tasks::ended_commands_are_forgotten_after_30_days,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_follows_from_the_last_states() {
    for seed in 1..=4 {
        on_a_database(async |db| {
            facts::what_is_stored_follows_from_the_last_states(db, seed).await
        })
        .await;
    }
}
