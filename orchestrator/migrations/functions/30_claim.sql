-- Claiming: the right to run a step now, in database order.

-- Steps that could be claimed, best first: priority, then the tenant with the least running, then
-- models in memory (unless something else has waited for ten seconds), then the oldest job.
CREATE OR REPLACE FUNCTION medley_candidates(p_lanes text[], p_tools text[], p_held text[])
RETURNS TABLE (job text, id text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE pairs AS (
        (SELECT s.lane, s.tenant FROM steps s WHERE s.status = 'ready' ORDER BY s.lane, s.tenant LIMIT 1)
        UNION ALL
        SELECT n.lane, n.tenant FROM pairs p, LATERAL (
            SELECT s.lane, s.tenant FROM steps s
            WHERE s.status = 'ready' AND (s.lane, s.tenant) > (p.lane, p.tenant)
            ORDER BY s.lane, s.tenant LIMIT 1) n)
    SELECT c.job, c.id
    FROM pairs p, LATERAL (
        SELECT s.job, s.id, s.tenant, s.priority, s.model, s.ready_at FROM steps s
        WHERE s.status = 'ready' AND s.lane = p.lane AND s.tenant = p.tenant
            AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
            AND s.tool || '@' || s.tool_version = ANY (p_tools)
        ORDER BY s.priority DESC, s.job, s.id LIMIT 16) c
    WHERE p.lane = ANY (p_lanes)
    ORDER BY c.priority DESC,
        CASE WHEN (SELECT count(*) FROM (SELECT FROM pairs LIMIT 2) two) > 1 THEN
            (SELECT count(*) FROM steps r WHERE r.tenant = c.tenant AND r.status = 'running') END,
        (c.model = ANY (p_held) OR c.ready_at < clock_timestamp() - interval '10 s') DESC NULLS LAST,
        c.job, c.id
    LIMIT 16;
END $$;

-- Makes one step of a locked job running, if it still is ready. Returns the lease, or NULL.
CREATE OR REPLACE FUNCTION medley_begin(j jobs, p_step text, p_worker text, p_ttl float8) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    s steps;
    v_now timestamptz := clock_timestamp();
BEGIN
    UPDATE steps SET status = 'running', token = token + 1, attempt = attempt + 1, worker = p_worker,
        lease_until = v_now + p_ttl * interval '1 s', started_at = v_now, wake_at = NULL, not_before = NULL,
        progress = NULL
    WHERE job = j.id AND id = p_step AND status = 'ready' RETURNING * INTO s;
    IF s.id IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE jobs SET event_seq = event_seq + 1, status = 'running', started_at = coalesce(started_at, v_now),
        phase = CASE s.kind WHEN 'plan' THEN 'planning' WHEN 'answer' THEN 'finalizing' ELSE 'executing' END
    WHERE id = j.id;
    INSERT INTO events (job, seq, type, step, data, at) VALUES (j.id, j.event_seq + 1, 'step.started', s.id,
        jsonb_build_object('tool', s.tool, 'model', s.model, 'attempt', s.attempt), v_now);
    RETURN jsonb_build_object(
        'job', s.job, 'step', s.id, 'token', s.token, 'attempt', s.attempt, 'crashes', s.crash_count,
        'max_attempts', s.max_attempts, 'tenant', s.tenant, 'kind', s.kind, 'tool', s.tool,
        'tool_version', s.tool_version, 'model', s.model, 'lane', s.lane, 'round', s.round,
        'params', s.params, 'seed', s.seed, 'inputs', s.inputs, 'sources', (
            SELECT jsonb_object_agg(p.id, p.outputs) FROM edges e
            JOIN steps p ON p.job = e.job AND p.id = e.src WHERE e.job = s.job AND e.dst = s.id));
END $$;

-- Claims the best step and, up to the tool's batch size, further ready ones of the same tool and model.
-- Never waits for a job's lock unless `p_wait`, and then only while it holds none itself.
CREATE OR REPLACE FUNCTION medley_claim(p_worker text, p_claim jsonb, p_wait boolean) RETURNS jsonb
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_lanes text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'lanes'));
    v_tools text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'tools'));
    v_held text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'held'));
    v_ttl float8 := (p_claim->>'ttl')::float8;
    v_most integer := 1;
    c record;
    j jobs;
    v_lease jsonb;
    v_leases jsonb := '[]';
    v_first jsonb;
    v_seen boolean := false;
BEGIN
    FOR c IN SELECT * FROM medley_candidates(v_lanes, v_tools, v_held) LOOP
        v_seen := true;
        SELECT * INTO j FROM jobs WHERE id = c.job FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN j.id IS NULL;
        v_first := medley_begin(j, c.id, p_worker, v_ttl);
        EXIT WHEN v_first IS NOT NULL;
    END LOOP;
    IF v_first IS NULL AND v_seen AND p_wait THEN
        FOR c IN SELECT * FROM medley_candidates(v_lanes, v_tools, v_held) LIMIT 1 LOOP
            SELECT * INTO j FROM jobs WHERE id = c.job FOR NO KEY UPDATE;
            v_first := medley_begin(j, c.id, p_worker, v_ttl);
        END LOOP;
    END IF;
    IF v_first IS NULL THEN
        RETURN jsonb_build_object('leases', v_leases, 'busy', v_seen);
    END IF;
    v_leases := jsonb_build_array(v_first);
    v_most := coalesce((p_claim #>> ARRAY['batch', v_first->>'tool'])::int, 1);
    IF v_most > 1 THEN
        FOR c IN SELECT s.job, s.id FROM steps s
            WHERE s.status = 'ready' AND s.lane = v_first->>'lane' AND s.tool = v_first->>'tool'
                AND s.tool_version = (v_first->>'tool_version')::int
                AND s.model IS NOT DISTINCT FROM v_first->>'model'
                AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
            ORDER BY s.lane, s.tenant, s.priority DESC, s.job, s.id LIMIT v_most - 1
        LOOP
            SELECT * INTO j FROM jobs WHERE id = c.job FOR NO KEY UPDATE SKIP LOCKED;
            CONTINUE WHEN j.id IS NULL;
            v_lease := medley_begin(j, c.id, p_worker, v_ttl);
            IF v_lease IS NOT NULL THEN
                v_leases := v_leases || v_lease;
            END IF;
        END LOOP;
    END IF;
    RETURN jsonb_build_object('leases', v_leases, 'busy', false);
END $$;
