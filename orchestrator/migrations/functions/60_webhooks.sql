-- Webhooks: messages are written in the transaction of their event, and sent afterwards until they are taken.

-- A fresh id of a message, which sorts by time (UUIDv7; older servers have no function for it).
CREATE OR REPLACE FUNCTION medley_message_id() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT 'wd_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14)
$$;

-- Writes one message. The body that is sent is made of `payload` alone.
CREATE OR REPLACE FUNCTION medley_message(e webhook_endpoints, p_job text, p_type text, p_at timestamptz, p_data jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_id text := medley_message_id();
BEGIN
    INSERT INTO webhook_deliveries (id, endpoint, tenant, job, type, payload) VALUES (v_id, e.id, e.tenant, p_job, p_type,
        jsonb_build_object('id', v_id, 'object', 'event', 'type', p_type,
            'created_at', floor(extract(epoch FROM p_at))::bigint,
            'timestamp', to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', p_data));
END $$;

-- Whether an endpoint wants to hear of this.
CREATE OR REPLACE FUNCTION medley_wants(p_events jsonb, p_type text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_events ?| ARRAY[p_type, split_part(p_type, '.', 1) || '.*', '*']
$$;

-- What the end of a job is called in OpenAI's words: that of the response which any job may be seen as, and that of a
-- film for jobs that were asked for as one.
CREATE OR REPLACE FUNCTION medley_openai_ends(p_type text, p_film boolean) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_type WHEN 'job.succeeded' THEN '{response.completed}' WHEN 'job.failed' THEN '{response.failed}'
            WHEN 'job.canceled' THEN '{response.cancelled}' ELSE '{}' END::text[]
        || CASE WHEN NOT p_film THEN '{}' WHEN p_type = 'job.succeeded' THEN '{video.completed}'
            WHEN p_type IN ('job.failed', 'job.canceled', 'job.expired') THEN '{video.failed}' ELSE '{}' END::text[]
$$;

-- After each event. Where no endpoint exists at all this is one look into an empty index.
-- Progress is told at most every five seconds; an event of more than 16 kB without its details.
-- Who asked in OpenAI's words is told in them, with the id that the thing has there.
CREATE OR REPLACE FUNCTION medley_hook() RETURNS trigger
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    j record;
    e webhook_endpoints;
    v_ends text[];
    v_end text;
    v_data jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints WHERE enabled) THEN
        RETURN NULL;
    END IF;
    SELECT tenant, metadata, options INTO j FROM jobs WHERE id = NEW.job;
    IF j.tenant IS NULL OR j.options ? 'dry_run' THEN
        RETURN NULL;
    END IF;
    v_ends := medley_openai_ends(NEW.type, coalesce(j.metadata->>'openai' = 'videos', false));
    FOR e IN SELECT * FROM webhook_endpoints w
        WHERE w.enabled AND w.tenant = j.tenant AND (w.job IS NULL OR w.job = NEW.job)
            AND (medley_wants(w.events, NEW.type) OR w.events ?| v_ends)
        -- One that is being deleted is waited for and left out: its message would break the job's transaction.
        ORDER BY w.id FOR KEY SHARE
    LOOP
        CONTINUE WHEN NEW.type = 'step.progress' AND EXISTS (SELECT FROM webhook_deliveries d
            WHERE d.job = NEW.job AND d.endpoint = e.id AND d.type = 'step.progress'
                AND d.created_at > clock_timestamp() - interval '5 s');
        IF medley_wants(e.events, NEW.type) THEN
            v_data := jsonb_build_object('job', NEW.job, 'seq', NEW.seq, 'step', NEW.step,
                'metadata', j.metadata, 'url', '/v1/jobs/' || NEW.job);
            PERFORM medley_message(e, NEW.job, NEW.type, NEW.at, v_data
                || CASE WHEN octet_length(NEW.data::text) > 16384 THEN '{"detail": {}, "cut": true}'
                        ELSE jsonb_build_object('detail', NEW.data, 'cut', false) END);
        END IF;
        FOREACH v_end IN ARRAY v_ends LOOP
            CONTINUE WHEN NOT e.events ? v_end;
            PERFORM medley_message(e, NEW.job, v_end, NEW.at, jsonb_build_object('id',
                regexp_replace(NEW.job, '^job_', CASE WHEN v_end LIKE 'video.%' THEN 'video_' ELSE 'resp_' END)));
        END LOOP;
    END LOOP;
    RETURN NULL;
END $$;

-- After a batch has ended: it is told in OpenAI's words, by its id alone.
CREATE OR REPLACE FUNCTION medley_batch_hook() RETURNS trigger
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    e webhook_endpoints;
BEGIN
    FOR e IN SELECT * FROM webhook_endpoints w WHERE w.enabled AND w.tenant = NEW.tenant AND w.job IS NULL
            AND medley_wants(w.events, 'batch.' || NEW.status)
        ORDER BY w.id FOR KEY SHARE
    LOOP
        PERFORM medley_message(e, NULL, 'batch.' || NEW.status, clock_timestamp(), jsonb_build_object('id', NEW.id));
    END LOOP;
    RETURN NULL;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'events_hook' AND tgrelid = 'events'::regclass) THEN
        CREATE TRIGGER events_hook AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION medley_hook();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'batches_hook' AND tgrelid = 'batches'::regclass) THEN
        CREATE TRIGGER batches_hook AFTER UPDATE OF status ON batches FOR EACH ROW
            WHEN (OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed', 'cancelled', 'expired'))
            EXECUTE FUNCTION medley_batch_hook();
    END IF;
END $$;

-- Messages that are due, at most `p_each` of one endpoint on their way at a time, one of an endpoint that failed
-- last, and 16 of one tenant, whose jobs may each name an endpoint of their own. Who dies while it sends loses them after `p_lease` seconds: then they are due again.
CREATE OR REPLACE FUNCTION medley_messages(p_limit integer, p_each integer, p_lease float8)
RETURNS TABLE (id text, token integer, attempt integer, type text, payload jsonb,
    url text, secret text, old_secret text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    e webhook_endpoints;
    v_endpoint text;
    v_now timestamptz := clock_timestamp();
    v_until timestamptz := v_now + p_lease * interval '1 s';
    v_room integer := p_limit;
    v_busy integer;
    v_left integer;
    v_taken integer;
BEGIN
    FOR v_endpoint IN
        WITH RECURSIVE named AS (
            (SELECT d.endpoint FROM webhook_deliveries d WHERE d.status = 'pending' ORDER BY d.endpoint LIMIT 1)
            UNION ALL
            SELECT n.endpoint FROM named p, LATERAL (
                SELECT d.endpoint FROM webhook_deliveries d
                WHERE d.status = 'pending' AND d.endpoint > p.endpoint ORDER BY d.endpoint LIMIT 1) n)
        SELECT named.endpoint FROM named, LATERAL (
            SELECT d.due_at FROM webhook_deliveries d
            WHERE d.endpoint = named.endpoint AND d.status = 'pending' AND d.due_at <= v_now
            ORDER BY d.due_at LIMIT 1) first ORDER BY first.due_at
    LOOP
        EXIT WHEN v_room <= 0;
        SELECT * INTO e FROM webhook_endpoints w WHERE w.id = v_endpoint AND w.enabled
            AND (w.quiet_until IS NULL OR w.quiet_until <= v_now) FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT 16 - count(*) INTO v_left FROM webhook_deliveries d
        WHERE d.tenant = e.tenant AND d.status = 'pending' AND d.leased_until > v_now AND d.due_at > v_now;
        CONTINUE WHEN v_left <= 0;
        SELECT count(*) INTO v_busy FROM webhook_deliveries d
        WHERE d.endpoint = e.id AND d.status = 'pending' AND d.due_at > v_now AND d.leased_until > v_now;
        RETURN QUERY
            UPDATE webhook_deliveries d SET due_at = v_until, leased_until = v_until,
                token = d.token + 1, attempt = d.attempt + 1
            WHERE d.id IN (SELECT c.id FROM webhook_deliveries c
                WHERE c.endpoint = e.id AND c.status = 'pending' AND c.due_at <= v_now ORDER BY c.due_at
                LIMIT greatest(least(v_room, v_left, CASE WHEN e.failures > 0 THEN 1 ELSE p_each END - v_busy), 0))
            RETURNING d.id, d.token, d.attempt, d.type, d.payload, e.url, e.secret,
                CASE WHEN e.old_until > v_now THEN e.old_secret END;
        GET DIAGNOSTICS v_taken = ROW_COUNT;
        v_room := v_room - v_taken;
    END LOOP;
END $$;

-- An endpoint gets no more messages; the caller's other endpoints that want to know are told.
CREATE OR REPLACE FUNCTION medley_mute(e webhook_endpoints, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    o webhook_endpoints;
BEGIN
    UPDATE webhook_endpoints SET enabled = false, reason = p_reason, updated_at = clock_timestamp() WHERE id = e.id;
    FOR o IN SELECT * FROM webhook_endpoints w WHERE w.tenant = e.tenant AND w.enabled AND w.job IS NULL
        AND w.id <> e.id AND medley_wants(w.events, 'webhook_endpoint.disabled')
    LOOP
        PERFORM medley_message(o, NULL, 'webhook_endpoint.disabled', clock_timestamp(),
            jsonb_build_object('id', e.id, 'name', e.name, 'url', e.url, 'reason', p_reason));
    END LOOP;
END $$;

-- Writes down an attempt: 'delivered', 'failed' (again in `p_delay` seconds, or never if that is NULL), or
-- 'gone', which ends the endpoint. 'fenced': somebody else has the message by now.
-- An endpoint that fails is left alone for longer and longer, and muted when it has failed for a day.
CREATE OR REPLACE FUNCTION medley_sent(p_id text, p_token integer, p_outcome text, p_attempt jsonb, p_delay float8)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d webhook_deliveries;
    e webhook_endpoints;
    v_now timestamptz := clock_timestamp();
BEGIN
    -- The endpoint first, as whoever claims does.
    SELECT * INTO e FROM webhook_endpoints w
    WHERE w.id = (SELECT endpoint FROM webhook_deliveries WHERE id = p_id) FOR NO KEY UPDATE;
    SELECT * INTO d FROM webhook_deliveries WHERE id = p_id FOR NO KEY UPDATE;
    IF d.id IS NULL OR d.token <> p_token OR d.status <> 'pending' THEN
        RETURN 'fenced';
    END IF;
    UPDATE webhook_deliveries SET leased_until = NULL,
        attempts = CASE WHEN jsonb_array_length(attempts) >= 30 THEN attempts - 0 ELSE attempts END
            || jsonb_build_array(p_attempt),
        status = CASE WHEN p_outcome = 'delivered' THEN 'delivered'
            WHEN p_outcome = 'gone' OR p_delay IS NULL THEN 'failed' ELSE 'pending' END,
        due_at = v_now + coalesce(p_delay, 0) * interval '1 s',
        finished_at = CASE WHEN p_outcome = 'failed' AND p_delay IS NOT NULL THEN NULL ELSE v_now END
    WHERE id = p_id;
    IF p_outcome = 'delivered' THEN
        UPDATE webhook_endpoints SET failures = 0, failing_since = NULL, quiet_until = NULL
        WHERE id = e.id AND failures > 0;
        RETURN p_outcome;
    END IF;
    e.failures := e.failures + 1;
    e.failing_since := coalesce(e.failing_since, v_now);
    UPDATE webhook_endpoints SET failures = e.failures, failing_since = e.failing_since,
        quiet_until = CASE WHEN e.failures >= 3
            THEN v_now + least(5 * power(2, least(e.failures - 3, 8)), 300) * interval '1 s' END
    WHERE id = e.id;
    IF e.enabled AND p_outcome = 'gone' THEN
        PERFORM medley_mute(e, 'gone');
    ELSIF e.enabled AND e.failing_since <= v_now - interval '1 day' THEN
        PERFORM medley_mute(e, 'failing');
    END IF;
    RETURN p_outcome;
END $$;
