-- What scoring knows of the registry's facts. `generation` says with which snapshot a row came. No names, no addresses.
CREATE TABLE creditor (
    creditor_id TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    reporting_currency TEXT NOT NULL,
    business_date BIGINT
);

CREATE TABLE fx_rate (
    creditor_id TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    rate_date BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    numerator BIGINT NOT NULL,
    denominator BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, base, quote, rate_date)
);

-- retention: as long as the registry keeps the debtor.
CREATE TABLE debtor (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    prospect BIGINT NOT NULL,
    customer_since BIGINT,
    insolvent_since BIGINT,
    credit_hold BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
);
CREATE INDEX debtor_part ON debtor (creditor_id, part, debtor_id);

-- Invoices with what settled them, encoded: they are only ever read whole, debtor by debtor.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE item (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    facts @blob@ NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, item_id)
);
CREATE INDEX item_part ON item (part, generation);

-- The current score of every debtor. Until `stale_on` it cannot change without a new fact.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE score (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    version BIGINT NOT NULL,
    score BIGINT NOT NULL,
    pd_ppm BIGINT NOT NULL,
    class TEXT NOT NULL,
    kind TEXT NOT NULL,
    revision BIGINT NOT NULL,
    observation_date BIGINT NOT NULL,
    settled_items BIGINT NOT NULL,
    reasons TEXT NOT NULL,
    features TEXT NOT NULL,
    stale_on BIGINT NOT NULL,
    scored_at BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
) @fill@;
CREATE INDEX score_part ON score (part, creditor_id, debtor_id);
CREATE INDEX score_creditor ON score (creditor_id, part, debtor_id);

-- Every score whose points, class or scorecard differed from the one before.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE score_history (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    score BIGINT NOT NULL,
    pd_ppm BIGINT NOT NULL,
    class TEXT NOT NULL,
    kind TEXT NOT NULL,
    revision BIGINT NOT NULL,
    observation_date BIGINT NOT NULL,
    settled_items BIGINT NOT NULL,
    reasons TEXT NOT NULL,
    scored_at BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, version)
);

-- Decisions with all they rested on.
-- retention: as long as the creditor must be able to explain a decision.
CREATE TABLE credit_decision (
    creditor_id TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    decision TEXT NOT NULL,
    inputs TEXT NOT NULL,
    PRIMARY KEY (creditor_id, decision_id)
);
CREATE INDEX credit_decision_debtor ON credit_decision (debtor_id, creditor_id, decided_at, decision_id);
