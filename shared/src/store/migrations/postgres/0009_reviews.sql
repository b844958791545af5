-- Another text of what waits for its first decision is another review, so that nobody approves what he has not seen;
-- its link, which is being checked, stays.
CREATE OR REPLACE FUNCTION resources_publish_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reviews WHERE resource_id = NEW.resource_id AND kind = 'resource' AND state = 'pending';
    INSERT INTO reviews (review_id, kind, resource_id, state, created_at)
        VALUES (NEW.review_id, 'resource', NEW.resource_id, 'pending', NEW.updated_at);
    IF NEW.link_id <> OLD.link_id OR OLD.state = 'rejected' THEN
        DELETE FROM checks WHERE resource_id = NEW.resource_id;
        INSERT INTO checks (resource_id, drive, run_at, created_at)
            VALUES (NEW.resource_id, NEW.drive, NEW.updated_at, NEW.updated_at);
    END IF;
    RETURN NULL;
END
$$;

-- What is approved although its link was not found to be good is checked once more, now that it is for sale.
CREATE OR REPLACE FUNCTION reviews_decide_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE resources SET updated_at = NEW.decided_at,
        state = CASE NEW.state WHEN 'approved' THEN 'ok' ELSE 'rejected' END,
        reason = CASE NEW.state WHEN 'approved' THEN NULL ELSE NEW.decision_reason END,
        published_at = CASE NEW.state WHEN 'approved' THEN coalesce(published_at, NEW.decided_at) ELSE published_at END
        WHERE resource_id = NEW.resource_id AND state = 'pending';
    INSERT INTO checks (resource_id, drive, run_at, created_at)
        SELECT resource_id, drive, NEW.decided_at, NEW.decided_at FROM resources
        WHERE resource_id = NEW.resource_id AND state = 'ok' AND NEW.state = 'approved' AND coalesce(verdict, '') <> 'ok'
        ON CONFLICT (resource_id) DO NOTHING;
    INSERT INTO mails (mail_id, kind, user_id, data, state, run_at, created_at)
        SELECT 'rejected:' || NEW.review_id, 'resource_rejected', publisher_id,
            json_build_object('title', title, 'reason', NEW.decision_reason)::TEXT, 'pending', NEW.decided_at, NEW.decided_at
        FROM resources WHERE resource_id = NEW.resource_id AND state = 'rejected' AND NEW.state = 'rejected';
    RETURN NULL;
END
$$;
