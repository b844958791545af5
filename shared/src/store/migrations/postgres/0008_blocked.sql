-- Those whose resources no search shows: few, and read whole by each.
CREATE INDEX users_blocked ON users (user_id) WHERE blocked_at IS NOT NULL;
