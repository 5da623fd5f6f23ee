//! Which columns of the databases hold personal data. Every column with text is in one of these lists: a new one has to
//! be put there before it is stored.

use e2e::service::Service;
use mahnwerk_runtime::db::{Db, Sql as _, column};

/// A kind of needle, and where it is read from.
#[derive(Clone, Copy, Debug)]
pub struct Personal {
    pub service: Service,
    pub table: &'static str,
    pub column: &'static str,
    /// Whether it is a text of many lines, most of which are the same in every letter.
    pub is_letter: bool,
}

const fn words(service: Service, table: &'static str, column: &'static str) -> Personal {
    Personal {
        service,
        table,
        column,
        is_letter: false,
    }
}

const fn letter(table: &'static str, column: &'static str) -> Personal {
    Personal {
        service: Service::Dunning,
        table,
        column,
        is_letter: true,
    }
}

/// Names, addresses, whatever somebody wrote about somebody, and letters.
pub const PERSONAL: [Personal; 22] = [
    words(Service::Registry, "creditor", "display_name"),
    words(Service::Registry, "debtor", "display_name"),
    words(Service::Registry, "debtor", "credit_hold_reason"),
    words(Service::Registry, "contact_point", "address"),
    words(Service::Registry, "contact", "text"),
    words(Service::Registry, "contact", "reference"),
    words(Service::Registry, "dispute", "owner"),
    words(Service::Registry, "dispute", "note"),
    words(Service::Registry, "item", "reference"),
    words(Service::Registry, "approval", "reason"),
    words(Service::Registry, "approval", "note"),
    words(Service::Segmentation, "pin", "reason"),
    words(Service::Dunning, "creditor", "display_name"),
    words(Service::Dunning, "dunning_settings", "sender"),
    words(Service::Dunning, "dunning_settings", "payment_details"),
    words(Service::Dunning, "dunning_settings", "email_from"),
    words(Service::Dunning, "pause", "reason"),
    words(Service::Dunning, "dispatch", "reason"),
    words(Service::Dunning, "task", "note"),
    letter("notice_text", "subject"),
    letter("notice_text", "text"),
    letter("notice_text", "html"),
];

/// Columns of these names hold codes and keys, whatever the table; so do all whose name ends with `_id`.
const CODES: [&str; 54] = [
    "action",
    "at_debtor",
    "base",
    "base_currency",
    "billing_method",
    "business_day_mode",
    "calendar",
    "causes",
    "channel",
    "claimed_by",
    "class",
    "country",
    "credit_kind",
    "currency",
    "decided_by",
    "decision",
    "digest",
    "engine",
    "entity",
    "feed",
    "findings",
    "incarnation",
    "item_ids",
    "kind",
    "language",
    "method",
    "next_debtor",
    "origin",
    "outcome",
    "portfolio",
    "preferred_channel",
    "principal",
    "purpose",
    "quote",
    "quote_currency",
    "reached",
    "record_type",
    "relationship",
    "released_by",
    "reporting_currency",
    "requested_by",
    "reverses",
    "sector",
    "slot",
    "source",
    "state",
    "system_identifier",
    "time_zone",
    "timeline",
    "traceparent",
    "version",
    "waits_for",
    "when_stale",
    "opening",
];

/// Columns of these names hold what was computed or configured, or copies of what is in [`PERSONAL`].
const COPIES: [&str; 18] = [
    "before",
    "content",
    "definition",
    "error",
    "errors",
    "facts",
    "features",
    "input",
    "inputs",
    "instalments",
    "invoices",
    "payload",
    "placed",
    "plan",
    "reasons",
    "response",
    "standing",
    "tried",
];

/// Columns that are codes, though others of their name are not.
const CODES_HERE: [(&str, &str); 8] = [
    ("attempt", "reason"),
    ("dispute", "reason"),
    ("feed_lease", "owner"),
    ("feed_member", "owner"),
    ("notice", "reason"),
    ("run_debtor", "reviewed"),
    ("run_reason", "reason"),
    ("task", "reference"),
];

/// The columns with text that nobody has said anything about.
pub async fn unknown(service: Service, db: &Db) -> Vec<String> {
    let sql = if db.is_postgres() {
        "SELECT table_name::text AS in_table, column_name::text AS named FROM information_schema.columns \
         WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'json', 'jsonb')"
    } else {
        "SELECT m.name AS in_table, p.name AS named FROM sqlite_master AS m \
         JOIN pragma_table_info(m.name) AS p \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND p.type = 'TEXT'"
    };
    let rows = db.query(sql, vec![]).await.expect("the columns");
    assert!(rows.len() > 20, "{} columns of text", rows.len());
    let mut unknown = Vec::new();
    for row in rows {
        let in_table: String = column(&row, "in_table").expect("a table");
        let named: String = column(&row, "named").expect("a column");
        let is_personal = PERSONAL
            .iter()
            .any(|it| it.service == service && it.table == in_table && it.column == named);
        let is_known = is_personal
            || named.ends_with("_id")
            || CODES.contains(&named.as_str())
            || COPIES.contains(&named.as_str())
            || CODES_HERE.contains(&(in_table.as_str(), named.as_str()));
        if !is_known {
            unknown.push(format!("{}: {in_table}.{named}", service.name()));
        }
    }
    unknown
}

/// What a column holds.
pub async fn values(db: &Db, personal: &Personal) -> Vec<String> {
    let Personal {
        table,
        column: named,
        ..
    } = personal;
    let sql = format!("SELECT DISTINCT \"{named}\" AS held FROM {table} WHERE \"{named}\" <> ''");
    let rows = db.query(&sql, vec![]).await.expect("its values");
    rows.iter()
        .map(|row| column(row, "held").expect("a text"))
        .collect()
}
