-- Who changed by review what a run sends. With four eyes they may not release it. Kept with the run; edits from before this
-- step do not tell.
CREATE TABLE run_editor (
    creditor_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (creditor_id, run_id, principal)
);
