-- What dunning knows of other services' facts. `generation` says with which snapshot a row came.
CREATE TABLE creditor (
    creditor_id TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    calendar TEXT NOT NULL,
    business_date BIGINT,
    last_bank_import BIGINT
);

-- Facts of debtors, encoded: they are only ever read whole, debtor by debtor. `entity` and `entity_id` are those of the
-- feed. Of items there are open invoices (`owed` = 1) and credits that are not allocated; of disputes, promises and plans
-- those that still say something. After `expires_on` nobody asks for a row; it goes with the debtor's next contact. `owed`
-- is in its own index so that SQLite need not look at the rows.
-- Personal data.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE fact (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    feed TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    owed BIGINT NOT NULL,
    expires_on BIGINT,
    facts @blob@ NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, entity, entity_id)
);
CREATE INDEX fact_part ON fact (feed, part, generation);
CREATE INDEX fact_owed ON fact (creditor_id, part, debtor_id, owed) WHERE owed = 1;

-- How far invoices have been dunned. Rows stay when an invoice is paid, because a reversal brings it back.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE item_state (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, item_id)
) @fill@;

-- Contacts that notices made: they count before the registry tells of them.
-- retention: until the debtor's next contact 90 days later.
CREATE TABLE sent_contact (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    sent_on BIGINT NOT NULL,
    channel TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, notice_id)
);

-- Revisions never change.
CREATE TABLE procedure_revision (
    creditor_id TEXT NOT NULL,
    procedure_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    definition TEXT NOT NULL,
    principal TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, procedure_id, revision)
);

CREATE TABLE dunning_settings (
    creditor_id TEXT PRIMARY KEY,
    max_bank_import_age_days BIGINT,
    when_stale TEXT NOT NULL,
    sender TEXT NOT NULL,
    payment_details TEXT NOT NULL,
    email_from TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- Empty ids are those that the scope does not name.
-- retention: as long as the creditor.
CREATE TABLE pause (
    creditor_id TEXT NOT NULL,
    pause_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_day BIGINT NOT NULL,
    until_day BIGINT,
    reason TEXT NOT NULL,
    principal TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, pause_id)
);
CREATE INDEX pause_debtor ON pause (debtor_id, creditor_id, pause_id);

-- Every end that a pause ever had.
CREATE TABLE pause_history (
    creditor_id TEXT NOT NULL,
    pause_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    until_day BIGINT,
    principal TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, pause_id, version)
);

-- Debtors that a person handles by hand.
CREATE TABLE manual_mode (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    until_day BIGINT,
    principal TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
);
