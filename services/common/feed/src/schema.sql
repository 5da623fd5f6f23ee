-- Change log, audit trail and source of the timeline. Append-only; retention empties `state`, never the rest.
-- All integers are BIGINT, so that both engines decode them alike.
CREATE TABLE event (
    seq @serial@,
    tx BIGINT NOT NULL,
    part BIGINT NOT NULL,
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    action TEXT NOT NULL,
    principal TEXT NOT NULL,
    request_id TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    business_date BIGINT,
    deleted BIGINT NOT NULL,
    state @blob@
);
CREATE UNIQUE INDEX event_tx_seq ON event (tx, seq);
CREATE INDEX event_debtor ON event (creditor_id, debtor_id, seq);

-- The identity of this database's history. `tx` is the transaction that wrote the row: a row that was loaded from a
-- dump carries another one.
CREATE TABLE feed_incarnation (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    incarnation TEXT NOT NULL,
    tx BIGINT NOT NULL,
    system_identifier TEXT NOT NULL,
    database_oid BIGINT NOT NULL,
    timeline TEXT NOT NULL
);

-- From where the feed can be read: events with tx >= retained_from and seq > floor_seq.
CREATE TABLE feed_retention (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    retained_from BIGINT NOT NULL,
    floor_seq BIGINT NOT NULL
);

-- SQLite only: the last transaction. PostgreSQL has transaction ids of its own.
CREATE TABLE feed_counter (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    tx BIGINT NOT NULL
);
INSERT INTO feed_counter (one, tx) VALUES (1, 0);

-- How far each partition of a consumed feed has been applied. Everything below `tx` is contained. `row_tx` is the
-- transaction that moved it. `compared_at`: when it was last held against the upstream's snapshot. Rows of the projection carry the generation of the snapshot they came with.
CREATE TABLE feed_cursor (
    feed TEXT NOT NULL,
    part BIGINT NOT NULL,
    incarnation TEXT NOT NULL,
    tx BIGINT NOT NULL,
    row_tx BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    projection_version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('empty', 'snapshot', 'live')),
    ready BIGINT NOT NULL,
    compared_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (feed, part)
) @fill@;

-- Which replica works on which partition. Only for efficiency: correctness rests on the cursor check. Everything that was
-- recorded upstream up to `current_at`, microseconds since 1970, is applied.
CREATE TABLE feed_lease (
    feed TEXT NOT NULL,
    part BIGINT NOT NULL,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL,
    current_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (feed, part)
) @fill@;
CREATE TABLE feed_member (
    feed TEXT NOT NULL,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (feed, owner)
) @fill@;

-- What a consumed feed states to contain of the feeds that it consumes itself. One row per partition and origin from the
-- start, with an empty incarnation until something is stated. `row_tx` as above.
CREATE TABLE feed_contained (
    feed TEXT NOT NULL,
    part BIGINT NOT NULL,
    origin TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    tx BIGINT NOT NULL,
    row_tx BIGINT NOT NULL,
    PRIMARY KEY (feed, part, origin)
) @fill@;

-- Creditor-level facts that have not reached every debtor of a partition yet. `next_debtor` is the last one done, empty
-- if the sweep has not begun; a fact that arrives before it has begun only raises `latest_tx`.
CREATE TABLE feed_sweep (
    feed TEXT NOT NULL,
    part BIGINT NOT NULL,
    creditor_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    cause_tx BIGINT NOT NULL,
    latest_tx BIGINT NOT NULL,
    next_debtor TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    PRIMARY KEY (feed, part, creditor_id, kind, cause_tx)
);

-- Debtors (or, with an empty debtor id, creditors) with a change that could not be applied, and what queued up.
CREATE TABLE feed_parked (
    feed TEXT NOT NULL,
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    error TEXT NOT NULL,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    parked_at BIGINT NOT NULL,
    PRIMARY KEY (feed, creditor_id, debtor_id)
);
CREATE TABLE feed_parked_change (
    feed TEXT NOT NULL,
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    part BIGINT NOT NULL,
    change @blob@ NOT NULL,
    PRIMARY KEY (feed, creditor_id, debtor_id, number)
);
