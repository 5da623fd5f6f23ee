-- A dunning run. `facts` is what all its inputs go by. `working`: whether the background has something to do with it.
-- `waits_for`: the state of the registry that must have come by every path before it begins.
CREATE TABLE run (
    creditor_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    business_date BIGINT NOT NULL,
    state TEXT NOT NULL,
    working BIGINT NOT NULL,
    opened BIGINT NOT NULL,
    waits_for TEXT NOT NULL,
    facts TEXT NOT NULL,
    engine TEXT NOT NULL,
    principal TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, run_id)
);
CREATE UNIQUE INDEX run_unreleased ON run (creditor_id) WHERE state IN ('PROPOSING', 'PROPOSED');
CREATE INDEX run_working ON run (creditor_id, run_id) WHERE working = 1;

-- The pieces of a run, worked on one by one: the partitions from `part` to `last_part`, whose debtors fit into one step,
-- or a single one with more. `at_part` and `at_debtor` are the last debtor done. The lease only keeps workers out of each
-- other's way: what is right rests on that position, which moves only from where a step began.
CREATE TABLE run_chunk (
    creditor_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    last_part BIGINT NOT NULL,
    debtors BIGINT NOT NULL,
    evaluated BIGINT NOT NULL,
    parked BIGINT NOT NULL,
    stale BIGINT NOT NULL,
    at_part BIGINT NOT NULL,
    at_debtor TEXT NOT NULL,
    done BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, run_id, part)
) @fill@;

-- What each debtor's evaluation saw and decided, canonical JSON; `reviewed` is the plan after edits. No names, no addresses.
CREATE TABLE run_debtor (
    creditor_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    input TEXT NOT NULL,
    plan TEXT NOT NULL,
    reviewed TEXT,
    PRIMARY KEY (creditor_id, run_id, debtor_id)
);

-- Items by the reason for or against dunning them; `part` is any of the run's, so that writers do not meet.
CREATE TABLE run_reason (
    creditor_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    reason TEXT NOT NULL,
    items BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, run_id, part, reason)
) @fill@;

-- One communication to a debtor. `content` is the plan's notice as it stands; `before` holds the states of its items before
-- it was sent; `tried` the contact points that did not take it. `lease` is when others may take it up again, `next_at` when
-- it is to be tried again, both by the database's clock. `causes`: trace contexts of what became known of the debtor while it
-- waited to be sent.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE notice (
    creditor_id TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    state TEXT NOT NULL,
    content TEXT NOT NULL,
    procedure_id TEXT NOT NULL,
    procedure_revision BIGINT NOT NULL,
    notice_date BIGINT NOT NULL,
    language TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    findings TEXT NOT NULL,
    before TEXT NOT NULL,
    tried TEXT NOT NULL,
    sent_at BIGINT,
    pay_by BIGINT NOT NULL,
    version BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    causes TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (creditor_id, notice_id)
) @fill@;
CREATE INDEX notice_run ON notice (run_id, creditor_id, notice_id);
CREATE INDEX notice_debtor ON notice (part, creditor_id, debtor_id, notice_id);
CREATE INDEX notice_proposed ON notice (creditor_id, run_id, part) WHERE state = 'PROPOSED';
CREATE INDEX notice_pending ON notice (creditor_id, run_id) WHERE state IN ('RELEASED', 'SENDING');
CREATE INDEX notice_standing ON notice (creditor_id, debtor_id) WHERE state IN ('RELEASED', 'SENDING');
CREATE INDEX notice_released ON notice (creditor_id, next_at) WHERE state = 'RELEASED';
CREATE INDEX notice_sending ON notice (lease) WHERE state = 'SENDING';
CREATE INDEX notice_uncertain ON notice (creditor_id) WHERE state = 'UNCERTAIN';

-- What a notice says, once it is released. Personal data.
-- retention: that of the notice.
CREATE TABLE notice_text (
    creditor_id TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    html TEXT NOT NULL,
    PRIMARY KEY (creditor_id, notice_id)
);

-- Each step of an item belongs to one notice at most: this key is why nothing is sent twice. Rows go when a notice is
-- excluded, withdrawn or failed.
CREATE TABLE notice_step (
    creditor_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    cycle BIGINT NOT NULL,
    level BIGINT NOT NULL,
    notice_id TEXT NOT NULL,
    PRIMARY KEY (creditor_id, item_id, cycle, level)
);
CREATE INDEX notice_step_notice ON notice_step (notice_id, creditor_id);

-- Each try to send a notice. `outcome` is empty while nobody knows.
CREATE TABLE attempt (
    creditor_id TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    channel TEXT NOT NULL,
    contact_point_id TEXT NOT NULL,
    contact_version BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (creditor_id, notice_id, attempt)
);

-- Whether notices of a creditor are being sent; only while the history is the one of `incarnation`.
CREATE TABLE dispatch (
    creditor_id TEXT PRIMARY KEY,
    enabled BIGINT NOT NULL,
    reason TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- Work for people. `slot` names what an open task is there for, so that it is there once. `note` is personal data.
-- retention: as long as the registry keeps the debtor.
CREATE TABLE task (
    creditor_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    kind TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    notice_id TEXT NOT NULL,
    portfolio TEXT NOT NULL,
    due_date BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    item_ids TEXT NOT NULL,
    reference TEXT NOT NULL,
    claimed_by TEXT NOT NULL,
    claimed_until BIGINT,
    outcome TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, task_id)
);
CREATE UNIQUE INDEX task_open_slot ON task (creditor_id, slot) WHERE outcome = '';
CREATE INDEX task_priority ON task (creditor_id, priority DESC, created_at, task_id) WHERE outcome = '';
CREATE INDEX task_any ON task (creditor_id, priority DESC, created_at, task_id);
CREATE INDEX task_debtor ON task (part, creditor_id, debtor_id, task_id);

-- Commands to the registry, carried out at least once under their id, which is the request id there.
CREATE TABLE command (
    creditor_id TEXT NOT NULL,
    command_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (creditor_id, command_id)
);
CREATE INDEX command_open ON command (next_at, created_at) WHERE state = 'OPEN';
