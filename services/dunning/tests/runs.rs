//! Runs, dispatch and tasks on SQLite.

mod common;

use common::Database;
use mahnwerk_dunning::conformance::{dispatching, four_eyes, measures, runs, setbacks, tasks};

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
