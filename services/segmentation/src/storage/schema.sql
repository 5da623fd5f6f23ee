-- What segmentation knows of the facts of registry and scoring. `generation` says with which snapshot a row came. No
-- names, no addresses.
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

-- What the registry tells of a debtor, encoded: it is only ever read whole.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE debtor (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
);
CREATE INDEX debtor_part ON debtor (creditor_id, part, debtor_id);

-- What scoring tells of a debtor, encoded. `currency` is that of its amounts: empty if there are none, `*` if they are
-- several.
-- retention: as long as scoring keeps the debtor.
CREATE TABLE score (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    currency TEXT NOT NULL,
    state @blob@ NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
) @fill@;
CREATE INDEX score_part ON score (part, creditor_id, debtor_id);

-- Revisions of schemes. They never change but for their state.
CREATE TABLE scheme (
    creditor_id TEXT NOT NULL,
    scheme_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'active', 'retired')),
    created_at BIGINT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (creditor_id, scheme_id, revision)
);
CREATE UNIQUE INDEX scheme_active ON scheme (creditor_id, scheme_id) WHERE state = 'active';

-- Where every debtor is, per scheme. `placed` says how it came there, `opening` where it was when the business date of
-- its latest move began, `standing` what holds it there and how it is treated.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE membership (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    scheme_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    segment_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    source TEXT NOT NULL,
    held_by_error BIGINT NOT NULL,
    version BIGINT NOT NULL,
    placed TEXT NOT NULL,
    opening TEXT,
    standing TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, scheme_id)
) @fill@;
CREATE INDEX membership_segment ON membership (scheme_id, creditor_id, segment_id, debtor_id);
CREATE INDEX membership_part ON membership (part, creditor_id, debtor_id, scheme_id);
CREATE INDEX membership_held ON membership (creditor_id, scheme_id, segment_id) WHERE held_by_error = 1;

-- Debtors that have been placed in all schemes. Before `due_on` nothing changes without a new fact.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE placement (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    due_on BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
) @fill@;
CREATE INDEX placement_part ON placement (creditor_id, part, debtor_id);

-- Every stay in a segment, by the version of the membership with which it began; the open one has no `valid_to`. One
-- that began and ended on the same date was told, and counts for nothing.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE membership_history (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    scheme_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    segment_id TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    source TEXT NOT NULL,
    placed TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, scheme_id, version)
);

-- What people decided, the latest of each debtor and scheme, in force or not.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE pin (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    scheme_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    until BIGINT,
    reason TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, scheme_id)
);

-- The latest activation of each scheme. `reached` is the last debtor visited in this state.
CREATE TABLE activation (
    creditor_id TEXT NOT NULL,
    scheme_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('checking', 'moving', 'done', 'refused')),
    reached TEXT NOT NULL,
    visited BIGINT NOT NULL,
    total BIGINT NOT NULL,
    moved BIGINT NOT NULL,
    evaluated BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    max_error_ppm BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (creditor_id, scheme_id)
);
CREATE INDEX activation_running ON activation (started_at) WHERE ended_at IS NULL;
