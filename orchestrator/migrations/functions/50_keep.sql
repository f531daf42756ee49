-- Keeping: leases, progress, the relay's batches and the reaper's rounds.

-- Renews the leases that a worker still holds. Missing in the answer: fenced. `stop` says why to stop.
CREATE OR REPLACE FUNCTION medley_renew(p_leases jsonb, p_ttl float8)
RETURNS TABLE (job text, step text, token integer, stop text) LANGUAGE sql AS $$
    UPDATE steps s SET lease_until = clock_timestamp() + p_ttl * interval '1 s'
    FROM jsonb_to_recordset(p_leases) AS l(job text, step text, token integer), jobs j
    WHERE s.job = l.job AND s.id = l.step AND s.token = l.token AND s.status = 'running' AND j.id = s.job
    RETURNING s.job, s.id, s.token, j.cancel_reason
$$;

-- Stores a step's progress as an event. False means fenced.
CREATE OR REPLACE FUNCTION medley_progress(p_job text, p_step text, p_token integer, p_progress jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_seq integer;
BEGIN
    SELECT event_seq + 1 INTO v_seq FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    UPDATE steps SET progress = p_progress
    WHERE job = p_job AND id = p_step AND token = p_token AND status = 'running';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO events (job, seq, type, step, data) VALUES (p_job, v_seq, 'step.progress', p_step, p_progress);
    UPDATE jobs SET event_seq = v_seq WHERE id = p_job;
    RETURN true;
END $$;

-- The lanes of ready steps whose wake-up is due; each due row is put off by its back-off of 2, 4, … 30 s.
CREATE OR REPLACE FUNCTION medley_due_wakes(p_limit integer) RETURNS TABLE (lane text, wakes bigint)
LANGUAGE sql SET enable_seqscan = off AS $$
    WITH due AS (
        SELECT s.job, s.id FROM steps s WHERE s.status = 'ready' AND s.wake_at <= clock_timestamp()
        ORDER BY s.wake_at LIMIT p_limit FOR UPDATE SKIP LOCKED),
    put_off AS (
        UPDATE steps s SET wake_at = clock_timestamp() + s.wake_backoff * interval '1 s',
            wake_backoff = least(s.wake_backoff * 2, 30)
        FROM due WHERE s.job = due.job AND s.id = due.id RETURNING s.lane)
    SELECT put_off.lane, count(*) FROM put_off GROUP BY put_off.lane
$$;

-- Makes steps of expired leases ready again and stops jobs past a deadline. Returns what it did.
CREATE OR REPLACE FUNCTION medley_reap(p_limit integer) RETURNS jsonb
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    r record;
    v_lost integer := 0;
    v_stopped integer := 0;
BEGIN
    FOR r IN SELECT s.job, s.id, s.token, medley_clocked(s) AS usage FROM steps s JOIN jobs j ON j.id = s.job
        WHERE s.status = 'running' AND s.lease_until < clock_timestamp()
        LIMIT p_limit FOR NO KEY UPDATE OF j SKIP LOCKED
    LOOP
        v_lost := v_lost + (medley_lose_step(r.job, r.id, r.token, true, r.usage) <> 'fenced')::int;
    END LOOP;
    FOR r IN SELECT j.id, j.tenant,
            CASE WHEN j.deadline <= clock_timestamp() THEN 'deadline_exceeded' ELSE 'expired' END AS reason
        FROM jobs j WHERE j.finished_at IS NULL AND (j.deadline IS NOT NULL OR j.start_deadline IS NOT NULL)
            AND j.cancel_requested_at IS NULL
            AND (j.deadline <= clock_timestamp()
                 OR (j.start_deadline <= clock_timestamp() AND j.started_at IS NULL))
        LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        PERFORM medley_cancel(r.tenant, r.id, r.reason);
        v_stopped := v_stopped + 1;
    END LOOP;
    -- Workers whose keeper died with them are forgotten after a while.
    DELETE FROM models m USING workers w
    WHERE m.worker = w.id AND w.beat_at < clock_timestamp() - interval '10 min';
    DELETE FROM workers WHERE beat_at < clock_timestamp() - interval '10 min';
    RETURN jsonb_build_object('lost', v_lost, 'stopped', v_stopped);
END $$;

-- Ends everything that a worker which is gone still holds.
CREATE OR REPLACE FUNCTION medley_lose_worker(p_worker text, p_counted boolean) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    r record;
    v_count integer := 0;
BEGIN
    FOR r IN SELECT s.job, s.id, s.token, CASE WHEN p_counted THEN medley_clocked(s) END AS usage FROM steps s
        WHERE s.worker = p_worker AND s.status = 'running' ORDER BY s.job
    LOOP
        v_count := v_count + (medley_lose_step(r.job, r.id, r.token, p_counted, r.usage) <> 'fenced')::int;
    END LOOP;
    RETURN v_count;
END $$;
