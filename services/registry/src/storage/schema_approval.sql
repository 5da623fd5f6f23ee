-- How much of an invoice one person may have written off, in minor units of the reporting currency; null: everything.
ALTER TABLE creditor ADD COLUMN write_off_above BIGINT;

-- retention: ledger, 10 years from the end of the year; reason and note are personal data
-- What one asked for and another may grant. An invoice has at most one that is pending; it expires without being touched.
-- Times are microseconds, dates day numbers.
CREATE TABLE approval (
    creditor_id TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('write_off')),
    invoice_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    requested_date BIGINT NOT NULL,
    expire_date BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at BIGINT,
    note TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, approval_id)
) @fill@;
CREATE UNIQUE INDEX approval_pending ON approval (invoice_id, creditor_id) WHERE state = 'pending';
CREATE INDEX approval_debtor ON approval (debtor_id, creditor_id, approval_id);
