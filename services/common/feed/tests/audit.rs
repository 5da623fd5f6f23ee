//! The audit trail on both engines: complete, in one order, a bounded piece at a time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, unused_imports, reason = "most of the toy is for the feed")]
mod toy;

#[path = "../../../../tests/src/postgres.rs"]
#[expect(dead_code, reason = "the harness serves other tests too")]
mod postgres;

use std::time::Duration;

use mahnwerk_feed::{Audit, Cause, Locks, WriteTx, expire_events};
use mahnwerk_proto::common::v1::{
    AuditEntry, AuditPayload, ListAuditEntriesRequest, ListAuditEntriesResponse, ResetFeedRequest,
    audit_service_server::AuditService as _, feed_admin_service_client::FeedAdminServiceClient,
};
use mahnwerk_runtime::db::{DatabaseSettings, Db};
use postgres::Cluster;
use tonic::{Code, Request, Status};
use toy::{Upstream, suite::fill};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An upstream and who asks about it.
struct Trail {
    up: Upstream,
    audit: Audit,
}

/// What is asked about a creditor.
fn about(creditor_id: &str) -> ListAuditEntriesRequest {
    ListAuditEntriesRequest {
        creditor_id: creditor_id.to_owned(),
        ..ListAuditEntriesRequest::default()
    }
}

fn time(micros: i64) -> Option<prost_types::Timestamp> {
    Some(mahnwerk_feed::timestamp(micros))
}

impl Trail {
    async fn start(db: &Db) -> Self {
        let up = Upstream::start(db).await.unwrap();
        let audit = Audit::new(up.publisher.clone());
        Self { up, audit }
    }

    async fn page(
        &self,
        request: &ListAuditEntriesRequest,
    ) -> Result<ListAuditEntriesResponse, Status> {
        let answer = self.audit.list_audit_entries(Request::new(request.clone()));
        Ok(answer.await?.into_inner())
    }

    /// All entries, and how many pages they came on.
    async fn all(&self, mut request: ListAuditEntriesRequest) -> (Vec<AuditEntry>, usize) {
        let (mut entries, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.page(&request).await.unwrap();
            pages += 1;
            entries.extend(page.entries);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return (entries, pages);
            }
        }
    }

    /// As [`Trail::all`], once there are so many: an open writer elsewhere in the cluster holds the horizon back.
    async fn once_there_are(
        &self,
        number: usize,
        request: ListAuditEntriesRequest,
    ) -> Vec<AuditEntry> {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let mut entries = Vec::new();
        for _ in 0..600 {
            looks.tick().await;
            (entries, _) = self.all(request.clone()).await;
            if entries.len() >= number {
                break;
            }
        }
        assert_eq!(entries.len(), number, "{entries:#?}");
        entries
    }

    /// Sets a number in the name of somebody.
    async fn put_by(&self, debtor: &str, principal: &str, request_id: &str, trace_id: &str) {
        let cause = Cause {
            principal: principal.to_owned(),
            request_id: request_id.to_owned(),
            traceparent: format!("00-{trace_id}-00f067aa0ba902b7-01"),
        };
        let locks = Locks::debtor("a", debtor);
        let tx = WriteTx::begin(&self.up.publisher, locks, cause).await;
        let mut tx = tx.unwrap();
        toy::put(&mut tx, "a", debtor, "t", Some(1)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn reset(&self) {
        let mut admin = FeedAdminServiceClient::new(self.up.channel());
        let request = ResetFeedRequest {
            request_id: "restored".to_owned(),
        };
        admin.reset_feed(request).await.unwrap();
    }
}

fn seqs(entries: &[AuditEntry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// Pages of every size hold the same entries in the same order, with or without a debtor, and nobody else's.
async fn pages_hold_every_entry_once(db: &Db) {
    let trail = Trail::start(db).await;
    fill(&trail.up, "a", 5).await;
    fill(&trail.up, "b", 2).await;
    trail.up.set_rate("a", 3).await.unwrap();
    trail.up.put("a", "d1", "t1", None).await.unwrap();
    let whole = trail.once_there_are(17, about("a")).await;
    assert!(whole.is_sorted_by_key(|entry| entry.seq));
    assert!(whole.iter().all(|entry| entry.creditor_id == "a"));
    let of_debtor = ListAuditEntriesRequest {
        debtor_id: "d1".to_owned(),
        ..about("a")
    };
    let (debtors, _) = trail.all(of_debtor.clone()).await;
    let expected: Vec<_> = whole
        .iter()
        .filter(|entry| entry.debtor_id == "d1")
        .cloned()
        .collect();
    assert_eq!((debtors.len(), &debtors), (4, &expected));
    for page_size in [1, 2, 16, 17, 1_000] {
        let paged = |request| ListAuditEntriesRequest {
            page_size,
            ..request
        };
        assert_eq!(trail.all(paged(about("a"))).await.0, whole, "{page_size}");
        assert_eq!(trail.all(paged(of_debtor.clone())).await.0, debtors);
    }
    let rate = whole.iter().find(|entry| entry.entity == "rate").unwrap();
    assert_eq!((&*rate.debtor_id, &*rate.action), ("", "set"));
    let deleted = whole.last().unwrap();
    assert_eq!((&*deleted.entity_id, deleted.version), ("d1/t1", 2));
    assert_eq!(deleted.payload(), AuditPayload::None);
    assert_eq!(rate.payload(), AuditPayload::Kept);
    assert!(trail.all(about("c")).await.0.is_empty());
}

/// Everything that can be asked for, alone and together.
async fn entries_meet_all_that_is_asked_for(db: &Db) {
    let trail = Trail::start(db).await;
    let other_trace = "0".repeat(31) + "1";
    trail.put_by("d1", "anna", "r1", TRACE_ID).await;
    trail.put_by("d2", "anna", "r2", &other_trace).await;
    trail.put_by("d1", "bert", "r1", &other_trace).await;
    trail.up.set_rate("a", 2).await.unwrap();
    let all = trail.once_there_are(4, about("a")).await;
    let first = &all[0];
    assert_eq!(
        (&*first.principal, &*first.request_id, &*first.trace_id),
        ("anna", "r1", TRACE_ID)
    );
    assert_eq!((first.version, &*first.entity_id), (1, "d1/t"));
    assert_eq!((&*all[3].principal, &*all[3].trace_id), ("", ""));
    let debtor = |mut it: ListAuditEntriesRequest| {
        it.debtor_id = "d1".to_owned();
        it
    };
    let asked = |ask: fn(&mut ListAuditEntriesRequest)| {
        let mut request = about("a");
        ask(&mut request);
        request
    };
    for (request, found) in [
        (debtor(about("a")), vec![0, 2]),
        (asked(|it| it.principal = "anna".to_owned()), vec![0, 1]),
        (
            asked(|it| it.cause_request_id = "r1".to_owned()),
            vec![0, 2],
        ),
        (asked(|it| it.trace_id = TRACE_ID.to_owned()), vec![0]),
        (asked(|it| it.entity = "rate".to_owned()), vec![3]),
        (asked(|it| it.entity_id = "d2/t".to_owned()), vec![1]),
        (
            debtor(asked(|it| it.principal = "bert".to_owned())),
            vec![2],
        ),
        (debtor(asked(|it| it.entity_id = "d2/t".to_owned())), vec![]),
    ] {
        let expected: Vec<i64> = found.iter().map(|at: &usize| all[*at].seq).collect();
        let (entries, _) = trail.all(request.clone()).await;
        assert_eq!(seqs(&entries), expected, "{request:?}");
    }
}

/// A payload goes, the entry stays and says so.
async fn what_lost_its_payload_is_listed_still(db: &Db) {
    let trail = Trail::start(db).await;
    fill(&trail.up, "a", 1).await;
    let before = trail.once_there_are(3, about("a")).await;
    let far = trail.up.publisher.clock().now() + 1;
    let expired = expire_events(&trail.up.publisher, far, 0, 1_000).await;
    assert_eq!(expired.unwrap().emptied, 3);
    let after = trail.once_there_are(3, about("a")).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.payload(), AuditPayload::Kept);
        assert_eq!(after.payload(), AuditPayload::Removed);
        let as_before = AuditEntry {
            payload: before.payload,
            ..after.clone()
        };
        assert_eq!(&as_before, before);
    }
}

/// A token leads on in its own list, and nowhere else.
async fn tokens_are_for_one_list(db: &Db) {
    let trail = Trail::start(db).await;
    fill(&trail.up, "a", 2).await;
    trail.once_there_are(6, about("a")).await;
    let page = ListAuditEntriesRequest {
        page_size: 1,
        ..about("a")
    };
    let token = trail.page(&page).await.unwrap().next_page_token;
    let with = |token: &str, request| ListAuditEntriesRequest {
        page_token: token.to_owned(),
        ..request
    };
    let (rest, _) = trail.all(with(&token, about("a"))).await;
    assert_eq!(rest.len(), 5);
    let of_debtor = |debtor_id: &str| ListAuditEntriesRequest {
        debtor_id: debtor_id.to_owned(),
        ..about("a")
    };
    let by_anna = ListAuditEntriesRequest {
        principal: "anna".to_owned(),
        ..about("a")
    };
    let early = ListAuditEntriesRequest {
        end_time: time(1),
        ..about("a")
    };
    for wrong in [
        with(&token, about("b")),
        with(&token, of_debtor("d1")),
        with(&token, by_anna),
        with(&token, early),
        with("%%%", about("a")),
        with("AAAA", about("a")),
        with(&"A".repeat(100_000), about("a")),
    ] {
        let refused = trail.page(&wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
    }
    let page = ListAuditEntriesRequest {
        page_size: 1,
        ..of_debtor("d1")
    };
    let of_debtor_token = trail.page(&page).await.unwrap().next_page_token;
    let (rest, _) = trail.all(with(&of_debtor_token, of_debtor("d1"))).await;
    assert_eq!(rest.len(), 2);
    trail.reset().await;
    for stale in [
        with(&token, about("a")),
        with(&of_debtor_token, of_debtor("d1")),
    ] {
        let refused = trail.page(&stale).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

/// Of a restored database the earlier histories come first, however their transactions compare to those of this one.
async fn earlier_histories_come_first(db: &Db) {
    let trail = Trail::start(db).await;
    fill(&trail.up, "a", 2).await;
    let ahead = "UPDATE event SET tx = tx + 1000000000 - 2 * seq";
    assert_eq!(db.execute(ahead, vec![]).await.unwrap(), 6);
    trail.reset().await;
    let among = "UPDATE event SET tx = (SELECT tx FROM feed_incarnation) + 1 WHERE seq = 3";
    assert_eq!(db.execute(among, vec![]).await.unwrap(), 1);
    fill(&trail.up, "a", 2).await;
    let paged = ListAuditEntriesRequest {
        page_size: 4,
        ..about("a")
    };
    let entries = trail.once_there_are(12, paged).await;
    assert_eq!(seqs(&entries), (1..=12).collect::<Vec<_>>());
}

/// More events than a page looks at, of another creditor, one a minute; answers when the last one was.
async fn fill_up(db: &Db, number: i64, ended: i64) {
    let sql = "INSERT INTO event (tx, part, creditor_id, debtor_id, entity, entity_id, version, action, principal, \
        request_id, traceparent, recorded_at, deleted) \
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1) \
        SELECT (SELECT max(tx) FROM event), 0, 'crowd', 'd' || (n % 2), 'item', 'i', n, 'created', 'p', 'r', '', \
        $2 - ($1 - n) * 60000000, 0 FROM number";
    let written = db.execute(sql, vec![number.into(), ended.into()]).await;
    assert_eq!(written.unwrap(), number.cast_unsigned());
}

/// A page looks at so many events and no more: it may be empty and lead on.
async fn a_page_looks_at_so_many_entries(db: &Db) {
    let trail = Trail::start(db).await;
    trail.up.put("a", "d", "t", Some(1)).await.unwrap();
    let now = trail.up.publisher.clock().now();
    fill_up(db, 120_000, now).await;
    trail.up.put("a", "d", "t", Some(2)).await.unwrap();
    let entries = trail.once_there_are(2, about("a")).await;
    assert_eq!((entries[0].version, entries[1].version), (1, 2));
    let (_, pages) = trail.all(about("a")).await;
    assert_eq!(pages, 3, "120,002 events");
    let first = trail.page(&about("a")).await.unwrap();
    assert_eq!(first.entries.len(), 1);
    // One debtor's entries are bounded as well, by those of that debtor.
    let of_debtor = ListAuditEntriesRequest {
        debtor_id: "d1".to_owned(),
        principal: "nobody".to_owned(),
        ..about("crowd")
    };
    let page = trail.page(&of_debtor).await.unwrap();
    assert!(page.entries.is_empty() && !page.next_page_token.is_empty());
    let (none, pages) = trail.all(of_debtor).await;
    assert_eq!((none.len(), pages), (0, 2), "60,000 entries");
    let (mine, pages) = trail
        .all(ListAuditEntriesRequest {
            debtor_id: "d".to_owned(),
            ..about("a")
        })
        .await;
    assert_eq!((mine.len(), pages), (2, 1), "the crowd does not matter");
}

/// A range of time is found without looking at what is older or younger.
async fn a_range_of_time_is_found_at_once(db: &Db) {
    let trail = Trail::start(db).await;
    trail.up.put("a", "d", "t", Some(1)).await.unwrap();
    let aged = "UPDATE event SET recorded_at = recorded_at - $1";
    db.execute(aged, vec![(200 * DAY).into()]).await.unwrap();
    let now = trail.up.publisher.clock().now();
    // 120,000 minutes, 83 days; the write afterwards lets the horizon pass.
    fill_up(db, 120_000, now).await;
    trail.up.put("a", "d", "t", Some(2)).await.unwrap();
    trail.once_there_are(2, about("a")).await;
    let between = |from: i64, until: i64| ListAuditEntriesRequest {
        start_time: time(now - from),
        end_time: time(now - until),
        page_size: 1_000,
        ..about("crowd")
    };
    for (from, until, number) in [
        (10 * MINUTE, 5 * MINUTE, 5),
        (60 * DAY, 60 * DAY - 7 * MINUTE, 7),
        (120_000 * MINUTE, 119_997 * MINUTE, 2),
        (300 * DAY, 100 * DAY, 0),
    ] {
        let (entries, pages) = trail.all(between(from, until)).await;
        assert_eq!((entries.len(), pages), (number, 1), "{from} to {until}");
        for entry in entries {
            let at = entry.record_time.unwrap();
            let at = at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000;
            assert!((now - from..now - until).contains(&at));
        }
    }
    let since = ListAuditEntriesRequest {
        start_time: time(now - DAY),
        ..about("a")
    };
    let (entries, pages) = trail.all(since).await;
    assert_eq!((entries.len(), entries[0].version, pages), (1, 2, 1));
}

async fn sqlite() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let settings = DatabaseSettings {
        url: format!(
            "sqlite://{}?mode=rwc",
            folder.path().join("up.db").display()
        ),
        ..DatabaseSettings::default()
    };
    let db = Db::connect(&settings).await.unwrap();
    (folder, db)
}

async fn connect(database: &postgres::Database) -> Db {
    let settings = DatabaseSettings {
        url: database.url(),
        max_connections: 8,
        ..DatabaseSettings::default()
    };
    Db::connect(&settings).await.unwrap()
}

macro_rules! on_both_engines {
    ($($name:ident: $on_sqlite:ident, $on_postgres:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $on_sqlite() {
            let (_folder, db) = sqlite().await;
            $name(&db).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $on_postgres() {
            let database = Cluster::shared().database();
            $name(&connect(&database).await).await;
        }
    )*};
}

on_both_engines! {
    pages_hold_every_entry_once: every_entry_once_on_sqlite, every_entry_once_on_postgres;
    entries_meet_all_that_is_asked_for: all_that_is_asked_for_on_sqlite, all_that_is_asked_for_on_postgres;
    what_lost_its_payload_is_listed_still: without_payload_on_sqlite, without_payload_on_postgres;
    tokens_are_for_one_list: tokens_on_sqlite, tokens_on_postgres;
    earlier_histories_come_first: earlier_histories_on_sqlite, earlier_histories_on_postgres;
    a_page_looks_at_so_many_entries: bounded_pages_on_sqlite, bounded_pages_on_postgres;
    a_range_of_time_is_found_at_once: range_of_time_on_sqlite, range_of_time_on_postgres;
}

/// Writers that commit late: what is behind the oldest of them waits for it, so that no token leads past an entry. One
/// debtor's list waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_leads_past_an_entry_that_commits_late() {
    let cluster = Cluster::start();
    let database = cluster.database();
    let db = connect(&database).await;
    let trail = Trail::start(&db).await;
    trail.up.put("a", "d1", "t", Some(1)).await.unwrap();
    let before = trail.once_there_are(1, about("a")).await;
    let mut late = trail.up.begin("a", "d2").await.unwrap();
    toy::put(&mut late, "a", "d2", "t", Some(1)).await.unwrap();
    trail.up.put("a", "d1", "t", Some(2)).await.unwrap();
    let paged = ListAuditEntriesRequest {
        page_size: 1,
        ..about("a")
    };
    let page = trail.page(&paged).await.unwrap();
    assert_eq!(page.entries, before);
    let after = ListAuditEntriesRequest {
        page_token: page.next_page_token,
        ..about("a")
    };
    assert!(trail.page(&after).await.unwrap().entries.is_empty());
    let of_debtor = ListAuditEntriesRequest {
        debtor_id: "d1".to_owned(),
        ..about("a")
    };
    assert_eq!(trail.all(of_debtor).await.0.len(), 2);
    late.commit().await.unwrap();
    let rest = trail.once_there_are(2, after).await;
    // In the order in which they began, not in that in which they were written.
    assert_eq!((&*rest[0].debtor_id, &*rest[1].debtor_id), ("d2", "d1"));
    assert!(rest[0].seq > rest[1].seq);
}
