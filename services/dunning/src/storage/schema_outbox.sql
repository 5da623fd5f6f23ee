-- Commands that have ended, by when they did: that is their `next_at` from then on. Those that ended before this step have
-- there when others might have taken them up, half a minute later.
-- retention: 30 days after they ended.
CREATE INDEX command_ended ON command (next_at) WHERE state <> 'OPEN';
