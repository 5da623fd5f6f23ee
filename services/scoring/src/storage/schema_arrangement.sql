-- Disputes, promises to pay and instalment plans, `kind` as on the feed. Of promises and plans only the broken ones say
-- something; the others are kept to know their version.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE arrangement (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    arrangement_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    item_id TEXT NOT NULL,
    amount BIGINT,
    opened BIGINT NOT NULL,
    closed BIGINT,
    upheld BIGINT NOT NULL,
    broken BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, kind, arrangement_id)
);
CREATE INDEX arrangement_part ON arrangement (part, generation);

ALTER TABLE debtor ADD COLUMN deceased_since BIGINT;
