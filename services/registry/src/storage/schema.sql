CREATE TABLE creditor (
    creditor_id TEXT NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    calendar TEXT NOT NULL,
    reporting_currency TEXT NOT NULL,
    business_day_mode TEXT NOT NULL,
    business_date BIGINT,
    version BIGINT NOT NULL
) @fill@;

CREATE TABLE fx_rate (
    creditor_id TEXT NOT NULL,
    base_currency TEXT NOT NULL,
    quote_currency TEXT NOT NULL,
    rate_date BIGINT NOT NULL,
    numerator BIGINT NOT NULL CHECK (numerator > 0),
    denominator BIGINT NOT NULL CHECK (denominator > 0),
    source TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, base_currency, quote_currency, rate_date)
);

-- retention: master data; kept until the debtor is erased.
CREATE TABLE debtor (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    kind TEXT NOT NULL,
    relationship TEXT NOT NULL,
    display_name TEXT NOT NULL,
    language TEXT NOT NULL,
    country TEXT NOT NULL,
    preferred_channel TEXT,
    billing_method TEXT NOT NULL,
    sector TEXT NOT NULL,
    customer_since BIGINT,
    credit_hold BIGINT NOT NULL,
    credit_hold_reason TEXT NOT NULL,
    insolvent_since BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id)
) @fill@;
CREATE INDEX debtor_part ON debtor (part, creditor_id, debtor_id);

-- retention: master data; kept until the debtor is erased. A deleted row keeps its key and version, so that a contact
-- point created again under the same id goes on counting, but not its address.
CREATE TABLE contact_point (
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    contact_point_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    deleted BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, debtor_id, contact_point_id)
) @fill@;
CREATE INDEX contact_point_part ON contact_point (part, creditor_id, debtor_id, contact_point_id);
