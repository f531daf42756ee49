-- Claiming: the right to run a step now, in database order.

-- A ready step may be set aside for one worker: until `not_before` nobody else claims it. An unload
-- is set aside for the worker that holds the model, and what a busy worker prepares for itself is for a moment.

-- Whether a worker is heard of and runs nothing.
CREATE OR REPLACE FUNCTION medley_idle(p_worker text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM workers w
            WHERE w.id = p_worker AND w.beat_at > clock_timestamp() - interval '15 s')
        AND NOT EXISTS (SELECT FROM steps r WHERE r.worker = p_worker AND r.status = 'running');
$$;

-- Whether a step is left to another worker for now: for 0.4 s to an idle one that holds its model, so that
-- models are not swapped for nothing. NULL as `p_worker`: somebody who only looks.
CREATE OR REPLACE FUNCTION medley_left(
    p_worker text, p_held text[], p_lane text, p_model text, p_ready_at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT p_worker IS NOT NULL AND p_model IS NOT NULL AND p_model <> ALL (p_held)
        AND p_ready_at > clock_timestamp() - interval '0.4 s'
        AND EXISTS (SELECT FROM models m JOIN workers w ON w.id = m.worker
            WHERE m.id = p_model AND m.state = 'loaded' AND m.worker <> p_worker
                AND w.lanes ? p_lane AND medley_idle(m.worker));
$$;

-- Steps that this worker could claim, best first: priority, then the tenant with the least running, then
-- models in memory (unless something else has waited for ten seconds), then the oldest job.
-- `p_models`: the models that the worker can load; NULL: any. `left_over`: it is left to another worker.
CREATE OR REPLACE FUNCTION medley_offered(
    p_worker text, p_lanes text[], p_tools text[], p_models text[], p_held text[])
RETURNS TABLE (job text, id text, lane text, left_over boolean) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_lane text;
    v_low text;
    v_high text;
    v_tenant text;
    v_only boolean := true;
    v_busy text[] := '{}';
BEGIN
    FOREACH v_lane IN ARRAY p_lanes LOOP
        SELECT s.tenant INTO v_low FROM steps s
        WHERE s.status = 'ready' AND s.lane = v_lane ORDER BY s.tenant LIMIT 1;
        IF v_low IS NOT NULL THEN
            SELECT s.tenant INTO v_high FROM steps s
            WHERE s.status = 'ready' AND s.lane = v_lane ORDER BY s.tenant DESC LIMIT 1;
            v_only := v_only AND v_low = v_high AND v_low = coalesce(v_tenant, v_low);
            v_tenant := v_low;
            v_busy := v_busy || v_lane;
        END IF;
    END LOOP;
    IF v_only AND cardinality(v_busy) = 1 THEN
        RETURN QUERY SELECT c.job, c.id, c.lane, c.worker IS DISTINCT FROM p_worker
            AND medley_left(p_worker, p_held, c.lane, c.model, c.ready_at)
        FROM (
            SELECT s.job, s.id, s.lane, s.priority, s.model, s.ready_at, s.worker FROM steps s
            WHERE s.status = 'ready' AND s.lane = v_busy[1] AND s.tenant = v_tenant
                AND (s.not_before IS NULL OR s.not_before <= clock_timestamp() OR s.worker = p_worker)
                AND s.tool || '@' || s.tool_version = ANY (p_tools)
                AND (p_models IS NULL OR s.model IS NULL OR s.model = ANY (p_models))
            ORDER BY s.priority DESC, s.job, s.id LIMIT 16) c
        ORDER BY c.priority DESC,
            (c.model = ANY (p_held) OR c.ready_at < clock_timestamp() - interval '10 s') DESC NULLS LAST,
            c.job, c.id;
    ELSIF v_busy <> '{}' THEN
        RETURN QUERY SELECT * FROM medley_fair_offered(p_worker, v_busy, p_tools, p_models, p_held);
    END IF;
END $$;

-- The same over several tenants or lanes: the oldest few steps of each tenant and lane are compared.
CREATE OR REPLACE FUNCTION medley_fair_offered(
    p_worker text, p_lanes text[], p_tools text[], p_models text[], p_held text[])
RETURNS TABLE (job text, id text, lane text, left_over boolean) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE pairs AS (
        (SELECT s.lane, s.tenant FROM steps s WHERE s.status = 'ready' ORDER BY s.lane, s.tenant LIMIT 1)
        UNION ALL
        SELECT n.lane, n.tenant FROM pairs p, LATERAL (
            SELECT s.lane, s.tenant FROM steps s
            WHERE s.status = 'ready' AND (s.lane, s.tenant) > (p.lane, p.tenant)
            ORDER BY s.lane, s.tenant LIMIT 1) n)
    SELECT c.job, c.id, c.lane, c.worker IS DISTINCT FROM p_worker
            AND medley_left(p_worker, p_held, c.lane, c.model, c.ready_at)
    FROM pairs p, LATERAL (
        SELECT s.job, s.id, s.lane, s.tenant, s.priority, s.model, s.ready_at, s.worker
        FROM steps s
        WHERE s.status = 'ready' AND s.lane = p.lane AND s.tenant = p.tenant
            AND (s.not_before IS NULL OR s.not_before <= clock_timestamp() OR s.worker = p_worker)
            AND s.tool || '@' || s.tool_version = ANY (p_tools)
            AND (p_models IS NULL OR s.model IS NULL OR s.model = ANY (p_models))
        ORDER BY s.priority DESC, s.job, s.id LIMIT 16) c
    WHERE p.lane = ANY (p_lanes)
    ORDER BY c.priority DESC,
        (SELECT count(*) FROM steps r WHERE r.tenant = c.tenant AND r.status = 'running'),
        (c.model = ANY (p_held) OR c.ready_at < clock_timestamp() - interval '10 s') DESC NULLS LAST,
        c.job, c.id
    LIMIT 16;
END $$;

-- As somebody asks who only looks.
CREATE OR REPLACE FUNCTION medley_choices(p_lanes text[], p_tools text[], p_models text[], p_held text[])
RETURNS TABLE (job text, id text) LANGUAGE sql STABLE AS $$
    SELECT job, id FROM medley_offered(NULL, p_lanes, p_tools, p_models, p_held);
$$;
DROP FUNCTION IF EXISTS medley_fair_choices(text[], text[], text[], text[]);

-- As watchdogs of the release before ask.
CREATE OR REPLACE FUNCTION medley_candidates(p_lanes text[], p_tools text[], p_held text[])
RETURNS TABLE (job text, id text) LANGUAGE sql STABLE AS $$
    SELECT * FROM medley_choices(p_lanes, p_tools, NULL, p_held);
$$;

-- What a worker has to know of a step to run it.
CREATE OR REPLACE FUNCTION medley_lease(s steps) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'job', s.job, 'step', s.id, 'token', s.token, 'attempt', s.attempt, 'crashes', s.crash_count,
        'max_attempts', s.max_attempts, 'tenant', s.tenant, 'kind', s.kind, 'tool', s.tool,
        'tool_version', s.tool_version, 'model', s.model, 'lane', s.lane, 'round', s.round,
        'params', s.params, 'seed', s.seed, 'inputs', s.inputs, 'sources', (
            SELECT jsonb_object_agg(p.id, p.outputs) FROM edges e
            JOIN steps p ON p.job = e.job AND p.id = e.src WHERE e.job = s.job AND e.dst = s.id));
$$;

-- Makes one step of a locked job running, if it still is ready. The caller stores the job's row.
CREATE OR REPLACE FUNCTION medley_begin(
    INOUT j jobs, p_step text, p_worker text, p_ttl float8, OUT lease jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    s steps;
    v_now timestamptz := clock_timestamp();
BEGIN
    UPDATE steps SET status = 'running', token = token + 1, attempt = attempt + 1, worker = p_worker,
        lease_until = v_now + p_ttl * interval '1 s', started_at = v_now, wake_at = NULL,
        not_before = NULL, progress = NULL
    WHERE job = j.id AND id = p_step AND status = 'ready' RETURNING * INTO s;
    IF s.id IS NULL THEN
        RETURN;
    END IF;
    j.event_seq := j.event_seq + 1;
    j.status := 'running';
    j.started_at := coalesce(j.started_at, v_now);
    j.phase := CASE s.kind WHEN 'plan' THEN 'planning' WHEN 'answer' THEN 'finalizing' ELSE 'executing' END;
    INSERT INTO events (job, seq, type, step, data, at) VALUES (j.id, j.event_seq, 'step.started', s.id,
        jsonb_build_object('tool', s.tool, 'model', s.model, 'attempt', s.attempt), v_now);
    lease := medley_lease(s);
END $$;

-- The same for a job that is not locked yet. NULL: somebody else has it, or was faster.
CREATE OR REPLACE FUNCTION medley_take(p_job text, p_step text, p_worker text, p_ttl float8, p_wait boolean)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    b record;
BEGIN
    IF p_wait THEN
        SELECT * INTO j FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO j FROM jobs WHERE id = p_job FOR NO KEY UPDATE SKIP LOCKED;
    END IF;
    IF j.id IS NULL THEN
        RETURN NULL;
    END IF;
    b := medley_begin(j, p_step, p_worker, p_ttl);
    IF b.lease IS NOT NULL THEN
        PERFORM medley_store(b.j);
    END IF;
    RETURN b.lease;
END $$;

-- Claims the best step and, up to the tool's batch size, further ready ones of the same tool and model.
-- Never waits for a job's lock unless `p_wait`, and then only while it holds none itself.
-- `elsewhere`: nothing is here for this worker; in that lane something is left to an idle one.
CREATE OR REPLACE FUNCTION medley_claim(p_worker text, p_claim jsonb, p_wait boolean) RETURNS jsonb
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_lanes text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'lanes'));
    v_tools text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'tools'));
    v_models text[] := CASE WHEN p_claim ? 'models'
        THEN ARRAY(SELECT jsonb_array_elements_text(p_claim->'models')) END;
    v_held text[] := ARRAY(SELECT jsonb_array_elements_text(p_claim->'held'));
    v_ttl float8 := (p_claim->>'ttl')::float8;
    c record;
    v_first jsonb;
    v_seen boolean := false;
    v_elsewhere text;
BEGIN
    FOR c IN SELECT * FROM medley_offered(p_worker, v_lanes, v_tools, v_models, v_held) LOOP
        IF c.left_over THEN
            v_elsewhere := c.lane;
            CONTINUE;
        END IF;
        v_seen := true;
        v_first := medley_take(c.job, c.id, p_worker, v_ttl, false);
        EXIT WHEN v_first IS NOT NULL;
    END LOOP;
    IF v_first IS NULL AND v_seen AND p_wait THEN
        FOR c IN SELECT * FROM medley_offered(p_worker, v_lanes, v_tools, v_models, v_held) o
            WHERE NOT o.left_over LIMIT 1
        LOOP
            v_first := medley_take(c.job, c.id, p_worker, v_ttl, true);
        END LOOP;
    END IF;
    IF v_first IS NULL THEN
        IF v_elsewhere IS NULL THEN
            SELECT s.lane INTO v_elsewhere FROM steps s
            WHERE s.status = 'ready' AND s.lane = ANY (v_lanes) AND s.worker <> p_worker
                AND s.not_before > clock_timestamp() AND medley_idle(s.worker) LIMIT 1;
        END IF;
        RETURN jsonb_build_object('leases', '[]'::jsonb, 'busy', v_seen, 'elsewhere', v_elsewhere);
    END IF;
    RETURN jsonb_build_object('leases', medley_join(p_worker, p_claim, v_first), 'busy', false);
END $$;

-- A lease and, up to its tool's batch size, leases of ready steps of the same tool and model.
CREATE OR REPLACE FUNCTION medley_join(p_worker text, p_claim jsonb, p_first jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    v_most integer := coalesce((p_claim #>> ARRAY['batch', p_first->>'tool'])::int, 1);
    v_leases jsonb := jsonb_build_array(p_first);
    v_lease jsonb;
    c record;
BEGIN
    IF v_most > 1 THEN
        FOR c IN SELECT s.job, s.id FROM steps s
            WHERE s.status = 'ready' AND s.lane = p_first->>'lane' AND s.tool = p_first->>'tool'
                AND s.tool_version = (p_first->>'tool_version')::int
                AND s.model IS NOT DISTINCT FROM p_first->>'model'
                AND (s.not_before IS NULL OR s.not_before <= clock_timestamp() OR s.worker = p_worker)
            ORDER BY s.lane, s.tenant, s.priority DESC, s.job, s.id LIMIT v_most - 1
        LOOP
            v_lease := medley_take(c.job, c.id, p_worker, (p_claim->>'ttl')::float8, false);
            IF v_lease IS NOT NULL THEN
                v_leases := v_leases || v_lease;
            END IF;
        END LOOP;
    END IF;
    RETURN v_leases;
END $$;

-- Sets ready steps like a running one aside for the worker that runs it, `p_seconds` long, and says what it
-- needs to prepare them. Only what no idle worker took at once. Nothing has begun: who claims them later
-- counts the attempt, and if nobody does, they are anybody's again.
CREATE OR REPLACE FUNCTION medley_set_aside(p_worker text, p_like jsonb, p_most integer, p_seconds float8)
RETURNS jsonb LANGUAGE sql SET enable_seqscan = off AS $$
    WITH free AS (
        SELECT s.job, s.id FROM steps s
        WHERE s.status = 'ready' AND s.lane = p_like->>'lane' AND s.tool = p_like->>'tool'
            AND s.tool_version = (p_like->>'tool_version')::int
            AND s.model IS NOT DISTINCT FROM p_like->>'model'
            AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
            AND s.ready_at < clock_timestamp() - interval '0.03 s'
        ORDER BY s.lane, s.tenant, s.priority DESC, s.job, s.id LIMIT p_most
        FOR NO KEY UPDATE SKIP LOCKED),
    aside AS (
        UPDATE steps s SET worker = p_worker, not_before = clock_timestamp() + p_seconds * interval '1 s',
            wake_at = clock_timestamp() + p_seconds * interval '1 s'
        FROM free WHERE s.job = free.job AND s.id = free.id RETURNING s.*)
    SELECT coalesce(jsonb_agg(medley_lease(ROW(aside.*)::steps)), '[]') FROM aside;
$$;
