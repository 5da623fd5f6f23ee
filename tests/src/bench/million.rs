//! The largest portfolio, written into dunning's tables: ten times what dunning knows of the portfolio's creditor.

use super::{portfolio::CREDITOR as SOURCE, services::Services, tell};
use crate::suite::Service;

/// Its creditor.
pub const CREDITOR: &str = "million";

/// Partitions are those of `mahnwerk_feed::partition`: the first eight bytes of SHA-256 over creditor, zero byte and
/// debtor, modulo 64.
const FACTS: &str = "INSERT INTO fact (creditor_id, debtor_id, entity, entity_id, feed, part, generation, version, owed, \
    expires_on, facts) \
    SELECT $1, copy.debtor_id, f.entity, \
    CASE WHEN f.entity = 'item' \
    THEN split_part(f.entity_id, '/', 1) || '/' || number || '-' || split_part(f.entity_id, '/', 2) \
    ELSE number || '-' || f.entity_id END, f.feed, \
    get_byte(sha256(convert_to($1, 'UTF8') || decode('00', 'hex') || convert_to(copy.debtor_id, 'UTF8')), 7) & 63, \
    f.generation, f.version, f.owed, f.expires_on, f.facts \
    FROM fact f CROSS JOIN generate_series(0, 9) AS number \
    CROSS JOIN LATERAL (SELECT number || '-' || f.debtor_id AS debtor_id) AS copy WHERE f.creditor_id = $2";

/// Writes it.
pub async fn fill(services: &Services) {
    tell("writing the largest portfolio into dunning's tables");
    let db = services.db(Service::Dunning).await;
    let creditor = "INSERT INTO creditor SELECT $1, generation, version, display_name, calendar, business_date, \
        last_bank_import FROM creditor WHERE creditor_id = $2";
    let procedures = "INSERT INTO procedure_revision SELECT $1, procedure_id, revision, definition, principal, created_at \
        FROM procedure_revision WHERE creditor_id = $2";
    let settings = "INSERT INTO dunning_settings SELECT $1, max_bank_import_age_days, when_stale, sender, payment_details, \
        email_from, version FROM dunning_settings WHERE creditor_id = $2";
    for statement in [creditor, procedures, settings, FACTS] {
        let values = vec![CREDITOR.into(), SOURCE.into()];
        db.execute(statement, values).await.expect("its rows");
    }
    // As autovacuum does sooner or later.
    db.execute("ANALYZE fact", vec![])
        .await
        .expect("statistics");
}
