//! Invoices imported, against `COPY` of the same rows into all tables that the import writes.

use mahnwerk_proto::registry::v1::{
    Channel, ContactPoint, ContactState, ImportChunk, ImportLedgerRequest, ImportRow, ImportStart,
    Item, import_ledger_request::Message, import_row::Record,
};
use tokio::time::Instant;

use super::{
    Line,
    portfolio::{CREDITOR, INVOICES_EACH, Portfolio, debtor_id, debtors, due_date},
    tell,
};
use crate::{
    suite::{Clients, Service},
    world::{day, debtor, invoice},
};

const CHUNK: usize = 1_000;
/// What an imported invoice leaves behind, one row in each.
const TABLES: [&str; 3] = ["item", "event", "import_row"];

pub async fn measure(portfolio: &mut Portfolio) -> Line {
    let mut clients = portfolio.clients();
    clients.open_creditor(CREDITOR).await;
    tell("importing debtors");
    import_debtors(&mut clients, CREDITOR, debtors()).await;
    let before = portfolio.cluster.sql(
        &database(portfolio),
        "SELECT coalesce(max(seq), 0) FROM event",
    );
    let count = debtors() * INVOICES_EACH;
    tell(&format!("importing {count} invoices"));
    let (seconds, token) = import_invoices(&mut clients, CREDITOR, debtors()).await;
    portfolio.token = token;
    tell("copying the same rows");
    let floor = copy_seconds(portfolio, &before);
    Line {
        what: "import of invoices, against COPY".to_owned(),
        unit: "rows",
        floor: Some(count as f64 / floor),
        rate: count as f64 / seconds,
        budget: Some(0.3),
        latency: None,
    }
}

/// Imports so many debtors, each with an e-mail address.
pub async fn import_debtors(clients: &mut Clients, creditor_id: &str, count: usize) {
    let debtors = (0..count).map(|number| Record::Debtor(debtor("", &debtor_id(number))));
    import(clients, creditor_id, "debtors", debtors.collect()).await;
    let addresses = (0..count).map(|number| {
        Record::ContactPoint(ContactPoint {
            debtor_id: debtor_id(number),
            contact_point_id: "email".to_owned(),
            channel: Channel::Email.into(),
            address: format!("d{number}@example.org"),
            state: ContactState::Unverified.into(),
            ..ContactPoint::default()
        })
    });
    import(clients, creditor_id, "addresses", addresses.collect()).await;
}

/// Imports the invoices of so many debtors. Answers how long it took, in seconds, and the last token.
pub async fn import_invoices(
    clients: &mut Clients,
    creditor_id: &str,
    debtors: usize,
) -> (f64, String) {
    let invoices = (0..debtors * INVOICES_EACH).map(|number| {
        let id = format!("i{number:07}");
        let cents = 1_000 + number as i64;
        Record::Invoice(Item {
            document_date: Some(day(2024, 9, 2)),
            due_date: Some(due_date(number, debtors)),
            ..invoice("", &debtor_id(number % debtors), &id, cents)
        })
    });
    import(clients, creditor_id, "invoices", invoices.collect()).await
}

fn database(portfolio: &Portfolio) -> String {
    let url = portfolio.databases.url(Service::Registry);
    url.rsplit_once('/').expect("a database").1.to_owned()
}

/// Imports the records over one stream. Answers how long it took, in seconds, and the last token.
async fn import(
    clients: &mut Clients,
    creditor_id: &str,
    import_id: &str,
    records: Vec<Record>,
) -> (f64, String) {
    let start = ImportStart {
        creditor_id: creditor_id.to_owned(),
        import_id: import_id.to_owned(),
    };
    let rows: Vec<ImportRow> = (1..)
        .zip(records)
        .map(|(row_number, record)| ImportRow {
            row_number,
            record: Some(record),
        })
        .collect();
    let chunks = rows.chunks(CHUNK).map(|rows| {
        Message::Chunk(ImportChunk {
            rows: rows.to_vec(),
        })
    });
    let messages: Vec<_> = std::iter::once(Message::Start(start))
        .chain(chunks)
        .map(|message| ImportLedgerRequest {
            message: Some(message),
        })
        .collect();
    let mut token = String::new();
    let began = Instant::now();
    let mut answers = clients
        .imports
        .import_ledger(tokio_stream::iter(messages))
        .await
        .expect("an import")
        .into_inner();
    while let Some(answer) = answers.message().await.expect("an answer") {
        assert!(answer.refused.is_empty(), "{:?}", answer.refused.first());
        token = answer.consistency_token;
    }
    (began.elapsed().as_secs_f64(), token)
}

/// Writes the rows of the import into empty copies of their tables, with all constraints and indexes.
fn copy_seconds(portfolio: &Portfolio, first_seq: &str) -> f64 {
    let cluster = &portfolio.cluster;
    let database = database(portfolio);
    let mut seconds = 0.0;
    for table in TABLES {
        let rows = match table {
            "event" => format!("SELECT * FROM event WHERE seq > {first_seq}"),
            "import_row" => "SELECT * FROM import_row WHERE import_id = 'invoices'".to_owned(),
            _ => format!("SELECT * FROM {table}"),
        };
        let file = cluster.home().join(format!("{table}.copy"));
        let file = file.display();
        let _told = cluster.sql(
            &database,
            &format!("COPY ({rows}) TO '{file}' (FORMAT binary)"),
        );
        let _told = cluster.sql(
            &database,
            &format!("CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)"),
        );
        let began = Instant::now();
        let _told = cluster.sql(
            &database,
            &format!("COPY floor_{table} FROM '{file}' (FORMAT binary)"),
        );
        seconds += began.elapsed().as_secs_f64();
        let _told = cluster.sql(&database, &format!("DROP TABLE floor_{table}"));
    }
    seconds
}
