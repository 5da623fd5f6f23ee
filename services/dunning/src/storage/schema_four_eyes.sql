-- Whether another must release what one proposed.
ALTER TABLE dunning_settings ADD COLUMN four_eyes_release BIGINT NOT NULL DEFAULT 0;
-- Who released a run; empty before, and for runs released before this was kept.
ALTER TABLE run ADD COLUMN released_by TEXT NOT NULL DEFAULT '';
