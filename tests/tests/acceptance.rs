//! The IBM accounts-receivable table, imported by the program that people use and looked at through the API.
//!
//! The table is not part of the repository: `tests/acceptance DIRECTORY` names it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use e2e::{
    process::binary,
    suite::{Clients, Engine, Suite, patiently},
    world::day,
};
use futures::stream::{self, StreamExt as _};
use mahnwerk_proto::{
    common::v1::Date,
    registry::v1::{GetPortfolioBalanceRequest, ItemKind, ListDebtorsRequest, ListItemsRequest},
    scoring::v1::{ExplainScoreRequest, ExplainScoreResponse},
};
use serde_json::Value;
use tokio::process::Command;

const CREDITOR: &str = "ibm";
const ROWS: usize = 1_728;
const CUSTOMERS: usize = 100;
/// The last third of the invoices in time.
const LAST_THIRD: usize = 576;
const LEAST_AUC: f64 = 0.80;

/// Features by code.
type Features<'a> = &'a [(&'a str, i64)];

/// A row of the table.
struct Row {
    customer: String,
    invoice: String,
    issued: Date,
    days_late: i64,
}

fn table() -> PathBuf {
    let folder =
        std::env::var("MAHNWERK_ACCEPTANCE_DATA").expect("tests/acceptance names the data");
    PathBuf::from(folder).join("receivables_ibm/invoices.csv")
}

/// The table's own account of itself, read without the code under test.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(table()).expect("the table");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |name: &str| {
        header
            .iter()
            .position(|each| *each == name)
            .expect("a column")
    };
    let (customer, invoice) = (column("customerID"), column("invoiceNumber"));
    let (issued, late) = (column("InvoiceDate"), column("DaysLate"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let date: Vec<i32> = cells[issued]
                .split('/')
                .map(|part| part.parse().expect("a date"))
                .collect();
            Row {
                customer: cells[customer].to_owned(),
                invoice: cells[invoice].to_owned(),
                issued: day(date[2], date[0], date[1]),
                days_late: cells[late].parse().expect("a number"),
            }
        })
        .collect()
}

/// Imports the table and returns the report and the suite.
async fn imported() -> (Suite, Value) {
    let suite = Suite::start(Engine::Sqlite).await;
    let mapping = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../services/mahnwerk/mappings/ibm.toml"
    );
    let output = Command::new(binary("mahnwerk"))
        .args([
            "--registry",
            &suite.urls[0],
            "--scoring",
            &suite.urls[1],
            "--output",
            "json",
        ])
        .args([
            "import",
            "ledger",
            "--creditor",
            CREDITOR,
            "--create",
            "--mapping",
            mapping,
        ])
        .arg(table())
        .output()
        .await
        .expect("the program");
    let problems = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{problems}");
    let report = serde_json::from_slice(&output.stdout).expect("one JSON document");
    (suite, report)
}

async fn explain(
    clients: &Clients,
    debtor: &str,
    as_of: Date,
    at_least: &str,
) -> ExplainScoreResponse {
    patiently(async || {
        clients
            .scores
            .clone()
            .explain_score(ExplainScoreRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: debtor.to_owned(),
                as_of: Some(as_of),
                at_least: at_least.to_owned(),
                language: String::new(),
            })
            .await
    })
    .await
    .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs data that is not part of the repository: run tests/acceptance"]
async fn every_row_of_the_table_is_accounted_for() {
    let (suite, report) = imported().await;
    println!("{}", serde_json::to_string_pretty(&report).expect("text"));
    assert_eq!(report["rows"], ROWS);
    assert_eq!(report["accepted"], ROWS);
    assert_eq!(
        (&report["refused"], &report["accepted_in_part"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["debtors"], CUSTOMERS);
    // A debtor, an invoice and a payment of it.
    assert_eq!(report["records_posted"], 2 * ROWS + CUSTOMERS);
    let notes = report["notes"].as_array().expect("notes");
    let about_country = |note: &&Value| {
        note["note"]
            .as_str()
            .is_some_and(|text| text.contains("country"))
    };
    let note = notes
        .iter()
        .find(about_country)
        .expect("a note that the countries are left unset");
    assert_eq!(note["rows"], ROWS);

    let mut clients = suite.clients();
    let debtors = clients
        .debtors
        .list_debtors(ListDebtorsRequest {
            creditor_id: CREDITOR.to_owned(),
            page_size: 1_000,
            ..ListDebtorsRequest::default()
        })
        .await
        .expect("the debtors")
        .into_inner()
        .debtors;
    assert_eq!(debtors.len(), CUSTOMERS);
    assert!(debtors.iter().all(|debtor| debtor.country.is_empty()));
    let invoices = invoice_ids(&mut clients).await;
    let expected: BTreeSet<String> = rows().into_iter().map(|row| row.invoice).collect();
    assert_eq!(invoices, expected);
    let balance = GetPortfolioBalanceRequest {
        creditor_id: CREDITOR.to_owned(),
        ..GetPortfolioBalanceRequest::default()
    };
    let balances = clients
        .accounts
        .get_portfolio_balance(balance)
        .await
        .expect("a balance");
    for balance in balances.into_inner().balances {
        assert_eq!(balance.open_items, 0, "everything in the table is settled");
        assert_eq!(balance.unallocated.map_or(0, |money| money.minor_units), 0);
    }
    suite.stop().await;
}

async fn invoice_ids(clients: &mut Clients) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let page = clients
            .accounts
            .list_items(ListItemsRequest {
                creditor_id: CREDITOR.to_owned(),
                kind: ItemKind::Invoice.into(),
                page_size: 500,
                page_token,
                ..ListItemsRequest::default()
            })
            .await
            .expect("a page")
            .into_inner();
        ids.extend(page.items.into_iter().map(|item| item.item_id));
        if page.next_page_token.is_empty() {
            return ids;
        }
        page_token = page.next_page_token;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs data that is not part of the repository: run tests/acceptance"]
async fn payment_behaviour_of_three_customers_is_what_a_person_works_out() {
    let (suite, report) = imported().await;
    let clients = suite.clients();
    let token = report["consistency_token"].as_str().expect("a token");
    // Eight invoices, all paid in time. In the year before: days beyond terms -15, -14, -18, 0, -6 (sum -53, of
    // 803, 1023, 1548, 4649, 733 cents), days to pay 15, 16, 12, 30, 24 (sum 97).
    let never_late = [
        ("settled_items", 8),
        ("avg_dbt_12m_days", -11),
        ("weighted_dbt_12m_days", -7),
        ("avg_days_to_pay_12m_days", 19),
        ("share_late_12m_bps", 0),
        ("worst_dbt_24m_days", 0),
    ];
    // Ten invoices. In the year before: days beyond terms 4, 2, 4, 5, 6, -5 (sum 16; 166,892 cent-days of 50,848
    // cents), days to pay 34, 32, 34, 35, 36, 25 (sum 196), five of six late; earlier one came 19 days late.
    let mostly_late = [
        ("settled_items", 10),
        ("avg_dbt_12m_days", 2),
        ("weighted_dbt_12m_days", 3),
        ("avg_days_to_pay_12m_days", 32),
        ("share_late_12m_bps", 8_333),
        ("share_late_over_30_12m_bps", 0),
        ("worst_dbt_24m_days", 19),
    ];
    // As of the end of 2012, nine of ten invoices: days beyond terms -9, -14, -7, -12, -13, -11, -13, -17, -21 (sum
    // -117), days to pay 21, 16, 23, 18, 17, 19, 17, 13, 9 (sum 153).
    let early = [
        ("settled_items", 9),
        ("avg_dbt_12m_days", -13),
        ("avg_days_to_pay_12m_days", 17),
        ("share_late_12m_bps", 0),
        ("worst_dbt_24m_days", -7),
        ("overdue_items", 0),
    ];
    let customers: [(&str, Date, Features<'_>); 3] = [
        ("6391-GBFQJ", day(2013, 6, 26), &never_late),
        ("9322-YCTQO", day(2013, 6, 26), &mostly_late),
        ("2026-XLBER", day(2012, 12, 31), &early),
    ];
    for (customer, as_of, expected) in customers {
        let answer = explain(&clients, customer, as_of, token).await;
        for (code, value) in expected {
            let found = answer
                .features
                .iter()
                .find(|feature| feature.characteristic == *code);
            let found = found.unwrap_or_else(|| panic!("no feature {code}"));
            assert_eq!(found.value, Some(*value), "{customer}: {code}");
        }
        println!(
            "{customer}: {} features as worked out by hand",
            expected.len()
        );
    }
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs data that is not part of the repository: run tests/acceptance"]
async fn the_score_known_at_issue_ranks_lateness_of_the_last_third() {
    let (suite, report) = imported().await;
    let clients = suite.clients();
    let token = report["consistency_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let mut rows = rows();
    rows.sort_by_key(|row| {
        (
            row.issued.year,
            row.issued.month,
            row.issued.day,
            row.invoice.clone(),
        )
    });
    let last = rows.split_off(rows.len() - LAST_THIRD);
    let scored: Vec<(i32, bool)> = stream::iter(last)
        .map(|row| {
            let (clients, token) = (clients.clone(), token.clone());
            async move {
                let answer = explain(&clients, &row.customer, row.issued, &token).await;
                (answer.score.expect("a score").score, row.days_late > 0)
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let late = scored.iter().filter(|(_, late)| *late).count();
    let auc = auc(&scored);
    println!("{LAST_THIRD} invoices, {late} paid late, AUC {auc:.3}");
    assert!(auc >= LEAST_AUC, "AUC {auc:.3}");
    suite.stop().await;
}

/// The probability that an invoice paid late has a lower score than one paid in time; equal scores count half.
fn auc(scored: &[(i32, bool)]) -> f64 {
    let (late, in_time): (Vec<_>, Vec<_>) = scored.iter().partition(|(_, late)| *late);
    let mut wins = 0.0;
    for (late, _) in &late {
        for (in_time, _) in &in_time {
            wins += match late.cmp(in_time) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            };
        }
    }
    wins / (late.len() * in_time.len()) as f64
}
