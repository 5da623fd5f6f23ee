//! What two runs of the same portfolio saw and decided.

use e2e::suite::{Databases, Service, connect};
use mahnwerk_runtime::db::{Sql as _, column};

/// Debtors that differ, with what each run saw and decided.
const DIFFERING: &str = "SELECT coalesce(a.debtor_id, b.debtor_id) AS debtor_id, \
    coalesce(a.input || ' -> ' || a.plan, '') AS one, coalesce(b.input || ' -> ' || b.plan, '') AS other \
    FROM (SELECT * FROM run_debtor WHERE run_id = $1) AS a \
    FULL JOIN (SELECT * FROM run_debtor WHERE run_id = $2) AS b ON b.debtor_id = a.debtor_id \
    WHERE a.input IS DISTINCT FROM b.input OR a.plan IS DISTINCT FROM b.plan ORDER BY 1";

/// Holds the inputs and plans of two runs against each other, byte by byte.
pub async fn agree(databases: &Databases, one: &str, other: &str) {
    let db = connect(databases.url(Service::Dunning)).await;
    let values = vec![one.into(), other.into()];
    let rows = db.query(DIFFERING, values).await.expect(DIFFERING);
    let first = rows.first().map(|row| {
        let text = |name| column::<String>(row, name).expect(name);
        format!("{}:\n{}\n{}", text("debtor_id"), text("one"), text("other"))
    });
    let first = first.unwrap_or_default();
    assert!(
        rows.is_empty(),
        "{} debtors differ, first {first}",
        rows.len()
    );
}
