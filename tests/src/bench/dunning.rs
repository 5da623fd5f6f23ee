//! Dunning runs of three sizes, proposed and released, against one `INSERT … SELECT` of the same candidates.
//!
//! The smallest and the middle portfolio come by the import and the feeds; the largest is written into dunning's tables,
//! because only the run is measured. Nothing is sent: dispatch is off.

use mahnwerk_proto::dunning::v1::{
    CreateProcedureRevisionRequest, DunningSettings, ListRunsRequest, Procedure, ProposeRunRequest,
    ReleaseRunRequest, RunState, SetDunningSettingsRequest, WhenStale,
};
use mahnwerk_runtime::db::Db;
use tokio::time::Instant;

use super::{
    Line, Report, import,
    memory::{forget_peak, resident},
    million,
    portfolio::{CREDITOR, INVOICES_EACH, debtors},
    services::{Services, until},
    statements, tell, tryton,
};
use crate::suite::{DunningClients, Service};

/// The creditor of the smallest portfolio: a tenth of the debtors.
const SMALL: &str = "small";
/// MiB that the service may take in a run, however large.
const MEMORY_BUDGET: u64 = 512;

/// The levels of Tryton's measurement. Every starter procedure is revised, so that the ladder is the same for whatever
/// segment a debtor is in.
const LADDER: &str = r#"
name = "Bench"
grace_days = 0
contact_interval_days = 0
credits = "NET"
escalation = "BY_AGE"
entry = "FIRST_LEVEL"
grouping = "DEBTOR"
level_mode = "ITEM"
fee_posting = "NOTICE_ONLY"
in_flight = "MAP"

[[steps]]
level = 1
trigger = { past_due = 5 }
channels = ["email", "post"]
tone = "friendly"
template = "reminder"
pay_by_days = 14
statutory = ["BE_FREE_REMINDER", "NL_FOURTEEN_DAY_LETTER"]

[[steps]]
level = 2
trigger = { past_due = 20 }
channels = ["email", "post"]
tone = "firm"
template = "notice"
pay_by_days = 10

[[steps]]
level = 3
trigger = { past_due = 40 }
channels = ["email", "post"]
tone = "final"
template = "final-notice"
pay_by_days = 10
"#;

/// What a run took.
pub struct Run {
    /// Open items looked at.
    items: usize,
    /// Of them on a notice.
    dunned: u64,
    /// Seconds until it was proposed.
    propose: f64,
    /// Seconds from its release until everything was rendered.
    release: f64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.items as f64 / (self.propose + self.release)
    }
}

pub async fn measure(
    services: &Services,
    million: bool,
    tryton: Option<tryton::Measured>,
    report: &mut Report,
) {
    fill_small(services).await;
    let small = debtors() / 10 * INVOICES_EACH;
    configure(&services.dunning(), SMALL).await;
    let mut runs = vec![run(services, SMALL, small, report).await];
    configure(&services.dunning(), CREDITOR).await;
    runs.push(run(services, CREDITOR, small * 10, report).await);
    if million {
        million::fill(services).await;
        runs.push(run(services, million::CREDITOR, small * 100, report).await);
    }
    if let Some(tryton) = tryton {
        compare(&runs[1], &tryton, report);
    }
    let micros = |run: &Run| 1_000_000.0 / run.rate();
    let flat: Vec<_> = runs
        .iter()
        .map(|run| format!("{} µs of {}", micros(run).round(), run.items))
        .collect();
    let (first, last) = (&runs[0], &runs[runs.len() - 1]);
    report.notes.push(format!(
        "dunning run, time per open item: {} (×{:.2})",
        flat.join(", "),
        micros(last) / micros(first)
    ));
}

/// Imports the smallest portfolio and waits until dunning has all of it.
async fn fill_small(services: &Services) {
    tell("importing the smallest portfolio");
    let mut clients = services.clients();
    clients.open_creditor(SMALL).await;
    import::import_debtors(&mut clients, SMALL, debtors() / 10).await;
    import::import_invoices(&mut clients, SMALL, debtors() / 10).await;
    let token = services.open_day(SMALL).await;
    services.contain(SMALL, &token).await;
}

/// Gives a creditor the ladder and what is printed on notices.
pub async fn configure(dunning: &DunningClients, creditor_id: &str) {
    let mut procedures = dunning.procedures.clone();
    for procedure_id in ["courteous", "standard", "strict", "new_customer"] {
        procedures
            .create_procedure_revision(CreateProcedureRevisionRequest {
                request_id: format!("{creditor_id}-{procedure_id}"),
                procedure: Some(Procedure {
                    creditor_id: creditor_id.to_owned(),
                    procedure_id: procedure_id.to_owned(),
                    revision: 0,
                    definition: LADDER.to_owned(),
                }),
                validate_only: false,
            })
            .await
            .expect("a procedure");
    }
    procedures
        .set_dunning_settings(SetDunningSettingsRequest {
            request_id: format!("{creditor_id}-settings"),
            settings: Some(DunningSettings {
                creditor_id: creditor_id.to_owned(),
                when_stale: WhenStale::Withhold.into(),
                sender: "Nordlicht Handel GmbH\nBuchhaltung".to_owned(),
                payment_details: "IBAN DE02 1203 0000 0000 2020 51".to_owned(),
                email_from: "buchhaltung@example.org".to_owned(),
                ..DunningSettings::default()
            }),
            update_mask: ["when_stale", "sender", "payment_details", "email_from"]
                .map(str::to_owned)
                .to_vec(),
            etag: String::new(),
        })
        .await
        .expect("settings");
}

/// Proposes a run, releases it and waits until it is rendered.
async fn run(services: &Services, creditor_id: &str, items: usize, report: &mut Report) -> Run {
    tell(&format!("dunning run over {items} items"));
    let dunning = services.process(Service::Dunning);
    forget_peak(dunning);
    let mut runs = services.dunning().runs;
    let began = Instant::now();
    let proposed = runs
        .propose_run(ProposeRunRequest {
            request_id: format!("propose-{creditor_id}"),
            creditor_id: creditor_id.to_owned(),
            business_date: None,
        })
        .await;
    let run_id = proposed.expect("a run").into_inner().run.expect("a run");
    let run_id = run_id.run_id;
    reached(&services.dunning(), creditor_id, RunState::Proposed).await;
    let propose = began.elapsed().as_secs_f64();
    statements::report(&format!("proposing {items} items"));
    let began = Instant::now();
    runs.release_run(ReleaseRunRequest {
        request_id: format!("release-{creditor_id}"),
        creditor_id: creditor_id.to_owned(),
        run_id: run_id.clone(),
        etag: String::new(),
    })
    .await
    .expect("a release");
    reached(&services.dunning(), creditor_id, RunState::Dispatching).await;
    let release = began.elapsed().as_secs_f64();
    statements::report(&format!("releasing {items} items"));

    let (now, peak) = resident(dunning);
    let missed = if peak > MEMORY_BUDGET { "  MISSED" } else { "" };
    let db = services.db(Service::Dunning).await;
    let (dunned, floor) = copy_candidates(&db, creditor_id).await;
    let (rows, all) = copy_everything(&db, creditor_id, &run_id).await;
    let run = Run {
        items,
        dunned,
        propose,
        release,
    };
    report.lines.push(Line {
        what: format!("dunning run over {items}, against INSERT … SELECT"),
        unit: "items",
        floor: Some(items as f64 / floor),
        rate: run.rate(),
        budget: Some(0.1),
        latency: None,
    });
    report.lines.push(Line {
        what: format!("dunning run over {items}, against copying all it wrote"),
        unit: "items",
        floor: Some(items as f64 / all),
        rate: run.rate(),
        budget: None,
        latency: None,
    });
    report.notes.push(format!(
        "dunning run over {items} items: proposed in {propose:.1} s, released in {release:.1} s; {dunned} items dunned, \
         {rows} rows written; memory {now} MiB, {peak} MiB at its peak, budget {MEMORY_BUDGET} MiB{missed}"
    ));
    run
}

/// Waits until the creditor's latest run has reached a state. Lists runs because that counts nothing.
pub async fn reached(dunning: &DunningClients, creditor_id: &str, state: RunState) {
    let runs = &dunning.runs;
    let request = ListRunsRequest {
        creditor_id: creditor_id.to_owned(),
        page_size: 1,
        page_token: String::new(),
        at_least: String::new(),
    };
    until(async || {
        let listed = runs.clone().list_runs(request.clone()).await;
        let listed = listed.expect("runs").into_inner().runs;
        (listed.first()?.state() == state).then_some(())
    })
    .await;
}

/// Selects the open items of a creditor with the step decided for them and inserts the steps, as one statement. Answers
/// how many, and in how many seconds.
async fn copy_candidates(db: &Db, creditor_id: &str) -> (u64, f64) {
    copy(
        db,
        "notice_step",
        "SELECT s.* FROM fact f JOIN notice_step s ON s.creditor_id = f.creditor_id \
         AND s.item_id = substr(f.entity_id, length('invoice/') + 1) WHERE f.creditor_id = $1 AND f.owed = 1",
        &[creditor_id],
    )
    .await
}

/// Copies everything that a run wrote. Answers how many rows, and in how many seconds.
async fn copy_everything(db: &Db, creditor_id: &str, run_id: &str) -> (u64, f64) {
    let of_run = "SELECT * FROM {} WHERE creditor_id = $1 AND run_id = $2";
    let of_notices = "SELECT t.* FROM {} t JOIN notice n ON n.creditor_id = t.creditor_id \
        AND n.notice_id = t.notice_id WHERE n.creditor_id = $1 AND n.run_id = $2";
    let (mut rows, mut seconds) = (0, 0.0);
    for (table, select) in [
        ("run_debtor", of_run),
        ("notice", of_run),
        ("notice_step", of_notices),
        ("notice_text", of_notices),
    ] {
        let select = select.replace("{}", table);
        let (copied, took) = copy(db, table, &select, &[creditor_id, run_id]).await;
        rows += copied;
        seconds += took;
    }
    (rows, seconds)
}

/// Inserts what is selected into an empty copy of a table, with all constraints and indexes.
async fn copy(db: &Db, table: &str, select: &str, values: &[&str]) -> (u64, f64) {
    let execute = async |sql: String, values: &[&str]| {
        let values = values.iter().map(|value| (*value).into()).collect();
        db.execute(&sql, values).await.expect("a copy")
    };
    let create = format!("CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)");
    execute(create, &[]).await;
    let began = Instant::now();
    let copied = execute(format!("INSERT INTO floor_{table} {select}"), values).await;
    let seconds = began.elapsed().as_secs_f64();
    execute(format!("DROP TABLE floor_{table}"), &[]).await;
    (copied, seconds)
}

/// The middle run beside Tryton's: the same items on the same day by the same levels. Tryton's release renders nothing.
fn compare(run: &Run, tryton: &tryton::Measured, report: &mut Report) {
    assert_eq!(
        run.dunned, tryton.dunned,
        "Tryton duns as many items as we do"
    );
    let items = run.items as f64;
    let steps = [
        (
            "run",
            run.propose + run.release,
            tryton.generate + tryton.process,
        ),
        ("proposal", run.propose, tryton.generate),
        ("release", run.release, tryton.process),
    ];
    report.lines.extend(steps.map(|(step, own, theirs)| Line {
        what: format!("dunning {step} over {}, against Tryton", run.items),
        unit: "items",
        floor: Some(items / theirs),
        rate: items / own,
        budget: None,
        latency: None,
    }));
}
