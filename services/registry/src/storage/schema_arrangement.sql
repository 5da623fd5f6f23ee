ALTER TABLE creditor ADD COLUMN last_bank_import BIGINT;
ALTER TABLE debtor ADD COLUMN deceased_since BIGINT;
-- The version with which the address came that is stored: what is reported of an earlier one says nothing of it.
ALTER TABLE contact_point ADD COLUMN address_version BIGINT NOT NULL DEFAULT 1;
UPDATE contact_point SET address_version = version;

-- retention: correspondence, 6 years from the end of the year; the text is personal data
-- Contacts with debtors. They never change.
CREATE TABLE contact (
    creditor_id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    channel TEXT,
    purpose TEXT NOT NULL,
    contact_date BIGINT NOT NULL,
    text TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (creditor_id, contact_id)
);
CREATE INDEX contact_debtor ON contact (debtor_id, creditor_id, contact_date, contact_id);
CREATE INDEX contact_part ON contact (part, creditor_id, contact_id);

-- retention: ledger, 10 years from the end of the year; the note is personal data
-- Complaints about invoices. Without an amount, all that is open is disputed.
CREATE TABLE dispute (
    creditor_id TEXT NOT NULL,
    dispute_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    invoice_id TEXT NOT NULL,
    amount BIGINT,
    currency TEXT,
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_date BIGINT NOT NULL,
    closed_date BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, dispute_id)
) @fill@;
CREATE INDEX dispute_debtor ON dispute (debtor_id, creditor_id, dispute_id);
CREATE INDEX dispute_invoice ON dispute (invoice_id, creditor_id);
CREATE INDEX dispute_part ON dispute (part, creditor_id, dispute_id);

-- retention: ledger, 10 years from the end of the year
-- Promises and instalment plans. `invoices` and `instalments` are JSON. `next_due` is the last day of the first instalment
-- for which not enough has come; null once it is closed.
CREATE TABLE arrangement (
    creditor_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('promise', 'instalment_plan')),
    arrangement_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    currency TEXT NOT NULL,
    invoices TEXT NOT NULL,
    instalments TEXT NOT NULL,
    tolerance_days BIGINT NOT NULL,
    state TEXT NOT NULL,
    paid BIGINT NOT NULL,
    next_due BIGINT,
    created_date BIGINT NOT NULL,
    closed_date BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, kind, arrangement_id)
) @fill@;
CREATE INDEX arrangement_debtor ON arrangement (debtor_id, creditor_id, kind, arrangement_id);
CREATE INDEX arrangement_due ON arrangement (creditor_id, next_due) WHERE next_due IS NOT NULL;
CREATE INDEX arrangement_part ON arrangement (kind, part, creditor_id, arrangement_id);

-- The open promise or plan of an invoice; the key keeps it to one.
CREATE TABLE covered_invoice (
    creditor_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    arrangement_id TEXT NOT NULL,
    PRIMARY KEY (creditor_id, invoice_id)
);
