-- An index beside a primary key begins with what look-ups by that key do not name. Otherwise PostgreSQL may take it for
-- them, and read the whole creditor for each row: while a table is empty, and for a creditor its statistics do not know.

-- retention: ledger, 10 years from the end of the year; references may hold personal data
-- Invoices, credit notes and payments. `open` is the amount less what its entries use up. Dates are day numbers.
CREATE TABLE item (
    creditor_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note', 'payment')),
    item_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    open BIGINT NOT NULL,
    document_date BIGINT NOT NULL,
    due_date BIGINT,
    value_date BIGINT NOT NULL,
    discount_date BIGINT,
    discount_bps BIGINT NOT NULL,
    reference TEXT NOT NULL,
    recorded_date BIGINT NOT NULL,
    reversed BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, kind, item_id),
    CHECK (open >= 0 AND open <= amount)
) @fill@;
CREATE INDEX item_debtor ON item (debtor_id, creditor_id);
CREATE INDEX item_snapshot ON item (part, creditor_id, kind, item_id);

-- retention: ledger, 10 years from the end of the year
-- What settles items, and what undoes that. Append-only. `debit_id` is an invoice; the credit is a payment or a credit
-- note. `number` grows from entry to entry of an item.
CREATE TABLE entry (
    creditor_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    debit_id TEXT,
    credit_kind TEXT,
    credit_id TEXT,
    value_date BIGINT NOT NULL,
    recorded_date BIGINT NOT NULL,
    reverses TEXT,
    number BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, entry_id)
);
CREATE INDEX entry_debit ON entry (debit_id, creditor_id);
CREATE INDEX entry_credit ON entry (credit_id, credit_kind, creditor_id);

-- Counts of an import.
CREATE TABLE import (
    creditor_id TEXT NOT NULL,
    import_id TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    last_row_number BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, import_id)
) @fill@;

-- What became of every row of an import. `digest` tells whether a row sent again is the same row; `errors` is JSON.
CREATE TABLE import_row (
    creditor_id TEXT NOT NULL,
    import_id TEXT NOT NULL,
    row_number BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'refused')),
    record_type TEXT NOT NULL,
    record_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    errors TEXT,
    PRIMARY KEY (creditor_id, import_id, row_number)
);
