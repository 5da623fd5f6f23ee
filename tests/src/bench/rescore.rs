//! A business day that ages everybody, against reading the facts and writing the results with two SQL statements.

use mahnwerk_proto::registry::v1::OpenBusinessDayRequest;
use mahnwerk_runtime::db::Sql as _;
use tokio::time::Instant;

use super::{
    Line,
    portfolio::{CREDITOR, Portfolio, debtors},
    tell,
};
use crate::{suite::Service, world::day};

pub async fn measure(portfolio: &Portfolio) -> Line {
    tell("re-scoring the whole portfolio");
    let began = Instant::now();
    let opened = portfolio
        .clients()
        .creditors
        .open_business_day(OpenBusinessDayRequest {
            request_id: "later".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(day(2025, 3, 3)),
        })
        .await
        .expect("a business day")
        .into_inner();
    portfolio.wait_until_scored(&opened.consistency_token).await;
    let seconds = began.elapsed().as_secs_f64();
    Line {
        what: "re-scoring, against two SQL statements".to_owned(),
        unit: "debtors",
        floor: Some(debtors() as f64 / floor_seconds(portfolio).await),
        rate: debtors() as f64 / seconds,
        budget: Some(0.2),
        latency: None,
    }
}

async fn floor_seconds(portfolio: &Portfolio) -> f64 {
    let db = portfolio.scoring_db().await;
    let database = portfolio
        .databases
        .url(Service::Scoring)
        .rsplit_once('/')
        .expect("a database")
        .1;
    let _told = portfolio.cluster.sql(
        database,
        "CREATE TABLE floor_score (LIKE score INCLUDING ALL)",
    );
    let began = Instant::now();
    let facts = db
        .query("SELECT * FROM item ORDER BY creditor_id, debtor_id", vec![])
        .await;
    assert!(facts.expect("the facts").len() >= debtors());
    let written = db
        .execute("INSERT INTO floor_score SELECT * FROM score", vec![])
        .await;
    assert_eq!(written.expect("the results"), debtors() as u64);
    began.elapsed().as_secs_f64()
}
