-- How many of a publisher's resources wait for a reviewer.
CREATE INDEX resources_pending ON resources (publisher_id) WHERE state = 'pending' AND deleted_at IS NULL;

-- The link that was approved before another one: its buyers open it while the other waits or is rejected. It counts no
-- more when the other is approved.
ALTER TABLE resources ADD COLUMN former_link_id TEXT;
CREATE INDEX resources_by_former_link ON resources (former_link_id) WHERE former_link_id IS NOT NULL;

-- When the drive said what the link holds; unknown of what was checked before this.
ALTER TABLE resources ADD COLUMN listed_at BIGINT;

-- What somebody reported is decided also when its publisher has deleted it.
CREATE OR REPLACE FUNCTION resources_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reviews WHERE resource_id = NEW.resource_id AND kind = 'resource' AND state = 'pending';
    DELETE FROM checks WHERE resource_id = NEW.resource_id;
    RETURN NULL;
END
$$;

-- Whose checks are under way.
CREATE INDEX checks_leased ON checks (drive, lease_expires_at) WHERE lease_owner IS NOT NULL;

-- A key is of one refund.
CREATE INDEX orders_by_refund_key ON orders (buyer_id, refund_key) WHERE refund_key IS NOT NULL;
