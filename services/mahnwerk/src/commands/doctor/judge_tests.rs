use mahnwerk_proto::common::v1::{ConsumedPartition, Position};

use super::super::show::text;
use super::*;

/// A suite with nothing to say about.
fn well() -> Seen {
    let service = |name: &str| ServiceSeen {
        service: name.to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        health: Health::Serving,
        version: "0.1.0".to_owned(),
        clock_ms: Some(40),
        clock_error_ms: 3,
        ..ServiceSeen::default()
    };
    let feed = |consumer: &str, feed: &str| FeedSeen {
        consumer: consumer.to_owned(),
        feed: feed.to_owned(),
        partitions: 64,
        ready: 64,
        lag_ms: Some(0),
        upstream_known: true,
        ..FeedSeen::default()
    };
    Seen {
        today: "2026-08-03".parse().unwrap(),
        program: "0.1.0".to_owned(),
        services: ["registry", "scoring", "segmentation", "dunning"]
            .map(service)
            .to_vec(),
        feeds: vec![feed("scoring", "registry"), feed("dunning", "scoring")],
        creditors: vec![CreditorSeen {
            creditor_id: "acme".to_owned(),
            automatic: true,
            business_date: "2026-07-31".parse().ok(),
            dispatch: Some(DispatchSeen {
                enabled: true,
                ..DispatchSeen::default()
            }),
        }],
        more_creditors: false,
        rates: vec![RateSeen {
            country: "DE".to_owned(),
            table: "base_rate".to_owned(),
            half_year: "2026-H2".to_owned(),
            published: true,
            unconfirmed: String::new(),
        }],
    }
}

/// The one finding of a suite in which one thing is different.
#[track_caller]
fn only(change: impl FnOnce(&mut Seen)) -> Finding {
    let mut seen = well();
    change(&mut seen);
    let mut findings = judge(&seen);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

/// Asserts that one thing that is different is one finding, and says so.
#[track_caller]
fn finds(change: impl FnOnce(&mut Seen), severity: Severity, about: &str, says: &str) {
    let found = only(change);
    assert_eq!((found.severity, found.about.as_str()), (severity, about));
    let shown = text(&found);
    assert!(shown.contains(says), "{says} in\n{shown}");
    assert!(!found.meaning.is_empty() && !found.next.is_empty());
    assert!(!shown.contains("\n\n"), "{shown}");
}

fn dispatch(seen: &mut Seen) -> &mut DispatchSeen {
    seen.creditors[0].dispatch.as_mut().unwrap()
}

#[test]
fn a_suite_that_is_well_has_no_findings() {
    assert_eq!(judge(&well()), []);
}

#[test]
fn services_that_do_not_work_are_errors() {
    use Severity::{Error, Warning};
    let down = |seen: &mut Seen| seen.services[1].health = Health::Unreachable;
    finds(
        down,
        Error,
        "scoring",
        "start it, or say with --scoring where it is",
    );
    let not_ready = |seen: &mut Seen| seen.services[0].health = Health::NotServing;
    finds(not_ready, Error, "registry", "/readyz");
    let refused = |seen: &mut Seen| {
        let trouble = "feed status: UNAVAILABLE/DATABASE_UNAVAILABLE";
        seen.services[3].troubles.push(trouble.to_owned());
    };
    finds(refused, Error, "dunning", "DATABASE_UNAVAILABLE");
    let parked = |seen: &mut Seen| seen.services[2].parked = 2;
    finds(
        parked,
        Error,
        "segmentation",
        "mahnwerk feed parked list --service segmentation",
    );
    let held = |seen: &mut Seen| seen.services[0].oldest_writer_ms = 61_250;
    finds(held, Warning, "registry", "61.2 s");
}

#[test]
fn certificates_are_told_when_their_renewal_was_missed() {
    let with = |days: i64| {
        let mut seen = well();
        seen.services[1].certificate_left_s = Some(days * 86_400 - 1);
        judge(&seen)
    };
    assert_eq!(with(8), []);
    let [ticket, page] = [7, 1].map(|days| with(days).remove(0));
    assert_eq!(
        (ticket.severity, ticket.about.as_str()),
        (Severity::Warning, "scoring")
    );
    assert_eq!(ticket.what, "its certificate expires in 167 hours");
    assert_eq!(page.severity, Severity::Error);
}

#[test]
fn a_clock_is_wrong_only_by_more_than_the_call_took() {
    let at = |ahead, error| {
        let mut seen = well();
        seen.services[0].clock_ms = Some(ahead);
        seen.services[0].clock_error_ms = error;
        judge(&seen)
    };
    assert_eq!(at(2_400, 500), []);
    assert_eq!(at(-2_000, 0), []);
    let behind = at(-2_600, 500);
    assert_eq!(behind.len(), 1);
    assert_eq!(behind[0].what, "its clock is 2.6 s behind this machine's");
}

#[test]
fn an_upgrade_that_has_not_ended_is_told() {
    let half = |seen: &mut Seen| seen.services[0].version = "0.2.0".to_owned();
    finds(
        half,
        Severity::Warning,
        "versions",
        "registry 0.2.0, scoring 0.1.0",
    );
    let other = |seen: &mut Seen| seen.program = "0.2.0".to_owned();
    finds(other, Severity::Note, "versions", "this program is 0.2.0");
    // One that does not say is not known to be another.
    let mut seen = well();
    seen.services[0].version.clear();
    assert_eq!(judge(&seen), []);
}

#[test]
fn feeds_that_are_behind_are_told_once() {
    use Severity::{Error, Warning};
    let about = "scoring from registry";
    let late = |seen: &mut Seen| seen.feeds[0].lag_ms = None;
    finds(late, Warning, about, "has not caught up");
    let sweeping = |seen: &mut Seen| {
        seen.feeds[0].lag_ms = None;
        seen.feeds[0].open_sweeps = 3;
    };
    finds(sweeping, Warning, about, "3 facts of creditors");
    let unowned = |seen: &mut Seen| {
        seen.feeds[0].lag_ms = None;
        seen.feeds[0].unowned = 32;
    };
    finds(
        unowned,
        Warning,
        about,
        "nobody works on 32 of 64 partitions",
    );
    let restored = |seen: &mut Seen| {
        seen.feeds[0].lag_ms = None;
        seen.feeds[0].other_history = 64;
    };
    finds(restored, Warning, about, "a new snapshot is due");
    let fresh = |seen: &mut Seen| seen.feeds[0].ready = 10;
    finds(
        fresh,
        Error,
        about,
        "54 of 64 partitions have no complete snapshot",
    );
    // The upstream is what is wrong then.
    let mut seen = well();
    seen.feeds[0].lag_ms = None;
    seen.feeds[0].upstream_known = false;
    assert_eq!(judge(&seen), []);
}

#[test]
fn creditors_that_stand_still_or_send_nothing_are_told() {
    use Severity::{Note, Warning};
    let about = "creditor acme";
    let old = |seen: &mut Seen| seen.creditors[0].business_date = "2026-07-28".parse().ok();
    finds(
        old,
        Warning,
        about,
        "its business day is of 2026-07-28, 6 days ago",
    );
    let by_hand = |seen: &mut Seen| {
        old(seen);
        seen.creditors[0].automatic = false;
    };
    finds(by_hand, Warning, about, "OpenBusinessDay");
    let fresh = |seen: &mut Seen| seen.creditors[0].business_date = None;
    finds(fresh, Note, about, "has no business day yet");
    finds(
        |seen| dispatch(seen).enabled = false,
        Note,
        about,
        "dispatch is off",
    );
    let held = |seen: &mut Seen| {
        dispatch(seen).enabled = false;
        dispatch(seen).waiting_notices = 1_200;
    };
    finds(held, Warning, about, "mahnwerk dispatch resume acme");
    let stuck = |seen: &mut Seen| dispatch(seen).reason = "NO_SENDER".to_owned();
    finds(stuck, Warning, about, "e-mails have no way out");
    let uncertain = |seen: &mut Seen| dispatch(seen).uncertain_notices = 1;
    finds(
        uncertain,
        Warning,
        about,
        "task list acme --kind uncertain-delivery",
    );
    finds(
        |seen| dispatch(seen).waiting_commands = 1_000,
        Note,
        about,
        "1,000 commands",
    );
    finds(
        |seen| dispatch(seen).waiting_commands = 1_001,
        Warning,
        about,
        "1,001 commands",
    );
    let more = |seen: &mut Seen| seen.more_creditors = true;
    finds(more, Note, "creditors", "only the first 1 were looked at");
}

#[test]
fn rates_that_are_missing_need_attention_and_unconfirmed_ones_do_not() {
    let missing = |seen: &mut Seen| seen.rates[0].published = false;
    finds(
        missing,
        Severity::Warning,
        "law of DE",
        "base_rate has no rate for 2026-H2",
    );
    let unread = |seen: &mut Seen| seen.rates[0].unconfirmed = "notice not read".to_owned();
    finds(unread, Severity::Note, "law of DE", "notice not read");
}

#[test]
fn the_worst_comes_first() {
    let mut seen = well();
    seen.rates[0].unconfirmed = "notice not read".to_owned();
    seen.services[0].oldest_writer_ms = 20_000;
    seen.services[3].health = Health::Unreachable;
    let severities: Vec<_> = judge(&seen).iter().map(|it| it.severity).collect();
    assert_eq!(
        severities,
        [Severity::Error, Severity::Warning, Severity::Note]
    );
}

#[test]
fn a_feed_is_caught_up_when_every_partition_is() {
    let position = |incarnation: &str, tx| Position {
        incarnation: incarnation.to_owned(),
        tx,
    };
    let horizon = position("now", 100);
    let row = |partition, tx| ConsumedPartition {
        feed: "registry".to_owned(),
        partition,
        applied: Some(position("now", tx)),
        ready: true,
        owner: "replica".to_owned(),
        open_sweeps: 0,
    };
    let rows = vec![row(0, 100), row(1, 140)];
    let contains = |change: fn(&mut ConsumedPartition)| {
        let mut rows = rows.clone();
        change(&mut rows[0]);
        let seen = FeedSeen::of("scoring", "registry", &rows, Some(&horizon));
        (seen.contains(&rows, &horizon), seen)
    };
    let (there, seen) = contains(|_| {});
    assert!(there);
    assert_eq!((seen.partitions, seen.ready, seen.unowned), (2, 2, 0));
    assert!(!contains(|row| row.applied.as_mut().unwrap().tx = 99).0);
    assert!(!contains(|row| row.ready = false).0);
    assert!(!contains(|row| row.open_sweeps = 1).0);
    let (there, seen) =
        contains(|row| row.applied.as_mut().unwrap().incarnation = "then".to_owned());
    assert_eq!((there, seen.other_history), (false, 1));
    let none = FeedSeen::of("scoring", "segmentation", &rows, Some(&horizon));
    assert!(!none.contains(&rows, &horizon));
}
