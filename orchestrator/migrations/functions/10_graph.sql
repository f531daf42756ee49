-- The graph of a job: adding steps, skipping what can no longer run, and what follows when steps are final.
-- `orchestrator.advance` says the same in Python; a property test holds the two together.
-- Callers hold the lock of the job's row; lock order everywhere is job first, then its steps.

-- Adds steps and their edges. `needs` of a step lists the steps it waits for; a step with a `status` is
-- a kept copy of a finished one. Returns how many were added that are not final.
CREATE OR REPLACE FUNCTION medley_add_steps(j jobs, p_steps jsonb, p_fresh boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_done text[];
    v_open integer;
    v_last integer := 0;
BEGIN
    SELECT array_agg(e->>'id') INTO v_done FROM jsonb_array_elements(p_steps) e WHERE e ? 'status';
    IF NOT p_fresh THEN
        SELECT coalesce(v_done, '{}') || coalesce(array_agg(id), '{}') INTO v_done
        FROM steps WHERE job = j.id AND status IN ('succeeded', 'cached');
        SELECT coalesce(max(position), 0) INTO v_last FROM steps WHERE job = j.id;
    END IF;
    v_done := coalesce(v_done, '{}');
    INSERT INTO edges (job, src, dst)
    SELECT DISTINCT j.id, n, e->>'id'
    FROM jsonb_array_elements(p_steps) e, jsonb_array_elements_text(e->'needs') n
    UNION SELECT j.id, e->>'id', e->>'feeds' FROM jsonb_array_elements(p_steps) e WHERE e ? 'feeds';
    INSERT INTO steps (
        job, id, tenant, kind, tool, tool_version, model, lane, status, priority, round, position,
        inputs, params, seed, map, deps_left, max_attempts, outputs, kept_from, cache_key,
        created_at, ready_at, wake_at, finished_at, worker, not_before)
    SELECT j.id, e->>'id', j.tenant, e->>'kind', e->>'tool', (e->>'tool_version')::int, e->>'model', e->>'lane',
        CASE WHEN e ? 'status' THEN e->>'status'
             WHEN e->>'kind' = 'answer' OR left_ > 0 OR (j.held AND e->>'kind' = 'work') THEN 'blocked'
             ELSE 'ready' END,
        j.priority, coalesce((e->>'round')::int, j.round), v_last + place,
        e->'inputs', e->'params', (e->>'seed')::bigint, nullif(e->'map', 'null'), left_,
        (e->>'max_attempts')::int, e->'outputs', e->>'kept_from', e->>'cache_key',
        v_now, CASE WHEN left_ = 0 THEN v_now END, CASE WHEN left_ = 0 THEN v_now END,
        CASE WHEN e ? 'status' THEN v_now END,
        -- Set aside for a worker: long enough for whatever it runs now.
        e->>'worker', CASE WHEN e ? 'worker' THEN v_now + interval '1 day' END
    FROM jsonb_array_elements(p_steps) WITH ORDINALITY AS given(e, place),
        LATERAL (SELECT count(DISTINCT n) AS left_ FROM jsonb_array_elements_text(e->'needs') n
                 WHERE n <> ALL (v_done)) AS waiting;
    IF NOT p_fresh AND EXISTS (SELECT FROM edges e WHERE e.job = j.id
            AND NOT EXISTS (SELECT FROM steps s WHERE s.job = j.id AND s.id = e.src)) THEN
        RAISE EXCEPTION 'a step needs one that does not exist' USING ERRCODE = 'MD002';
    END IF;
    SELECT count(*) INTO v_open FROM jsonb_array_elements(p_steps) e
    WHERE e->>'kind' <> 'answer' AND NOT e ? 'status';
    RETURN v_open;
END $$;

-- Skips every blocked step that needs, directly or not, a step that ended without outputs.
CREATE OR REPLACE FUNCTION medley_skip(j jobs, p_step text) RETURNS jobs
LANGUAGE plpgsql AS $$
DECLARE
    v_id text;
BEGIN
    FOR v_id IN
        WITH RECURSIVE lost AS (
            SELECT dst FROM edges WHERE job = j.id AND src = p_step
            UNION SELECT e.dst FROM lost l JOIN edges e ON e.job = j.id AND e.src = l.dst)
        UPDATE steps SET status = 'skipped', finished_at = clock_timestamp(), wake_at = NULL
        WHERE job = j.id AND status = 'blocked' AND id IN (SELECT dst FROM lost)
        RETURNING id
    LOOP
        j.event_seq := j.event_seq + 1;
        j.steps_left := j.steps_left - 1;
        INSERT INTO events (job, seq, type, step, data)
        VALUES (j.id, j.event_seq, 'step.skipped', v_id, jsonb_build_object('because', p_step));
    END LOOP;
    RETURN j;
END $$;

-- What a finished job shows: the answer, else what its plan names, else the outputs of its leaves.
CREATE OR REPLACE FUNCTION medley_outputs(j jobs) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_outputs jsonb;
    v_show jsonb := j.plan #> '{reply,show}';
BEGIN
    SELECT outputs INTO v_outputs FROM steps
    WHERE job = j.id AND kind = 'answer' AND status IN ('succeeded', 'cached');
    IF v_outputs IS NOT NULL THEN
        RETURN v_outputs;
    END IF;
    IF jsonb_typeof(v_show) = 'array' AND jsonb_array_length(v_show) > 0 THEN
        SELECT jsonb_object_agg(name, s.outputs->split_part(name, '.', 2)) INTO v_outputs
        FROM jsonb_array_elements_text(v_show) AS shown(name)
        JOIN steps s ON s.job = j.id AND s.id = split_part(name, '.', 1)
        WHERE s.outputs ? split_part(name, '.', 2);
        RETURN coalesce(v_outputs, '{}');
    END IF;
    SELECT jsonb_object_agg(s.id || '.' || o.key, o.value) INTO v_outputs
    FROM steps s, jsonb_each(s.outputs) o
    WHERE s.job = j.id AND s.kind = 'work' AND s.status IN ('succeeded', 'cached')
        AND NOT EXISTS (SELECT FROM edges e WHERE e.job = j.id AND e.src = s.id);
    RETURN coalesce(v_outputs, '{}');
END $$;

-- The job ends: decides how, from its steps.
CREATE OR REPLACE FUNCTION medley_finish(j jobs) RETURNS jobs
LANGUAGE plpgsql AS $$
DECLARE
    v record;
    v_error jsonb;
BEGIN
    IF j.cancel_reason IN ('canceled', 'expired') THEN
        j.status := j.cancel_reason;
    ELSIF j.cancel_reason IS NOT NULL THEN
        j.status := 'failed';
        v_error := jsonb_build_object('code', j.cancel_reason, 'retryable', false, 'message',
            CASE j.cancel_reason WHEN 'deadline_exceeded' THEN 'The deadline of the job has passed.'
                 ELSE 'The budget of the job is used up.' END);
    ELSE
        SELECT count(*) FILTER (WHERE kind = 'work') AS work,
            count(*) FILTER (WHERE kind = 'work' AND NOT done) AS broken,
            count(*) FILTER (WHERE kind = 'work' AND done AND NOT EXISTS
                (SELECT FROM edges e WHERE e.job = j.id AND e.src = s.id)) AS leaves,
            count(*) FILTER (WHERE kind = 'work' AND done) AS worked,
            count(*) FILTER (WHERE kind = 'plan' AND NOT done) AS unplanned,
            count(*) FILTER (WHERE kind = 'answer') AS answers,
            count(*) FILTER (WHERE kind = 'answer' AND done) AS answered
        INTO v FROM (SELECT *, status IN ('succeeded', 'cached') AS done FROM steps WHERE job = j.id) s;
        IF (v.unplanned = 0 OR v.worked > 0) AND (CASE WHEN v.answers = 0 THEN v.broken = 0
                ELSE v.answered > 0 AND (v.work = 0 OR v.leaves > 0) END) THEN
            j.status := 'succeeded';
        ELSE
            j.status := 'failed';
            SELECT coalesce(error, '{}') || jsonb_build_object('step', id) INTO v_error FROM steps
            WHERE job = j.id AND status IN ('failed', 'dead')
            ORDER BY kind = 'answer', finished_at, id LIMIT 1;
        END IF;
    END IF;
    j.outputs := medley_outputs(j);
    j.error := v_error;
    j.phase := NULL;
    j.held := false;
    j.finished_at := clock_timestamp();
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, data) VALUES (j.id, j.event_seq, 'job.' || j.status,
        CASE WHEN v_error IS NULL THEN jsonb_build_object('outputs', j.outputs)
             ELSE jsonb_build_object('outputs', j.outputs, 'error', v_error) END);
    RETURN j;
END $$;

-- Another round: a plan step like the first one. Expects that every other step is final.
CREATE OR REPLACE FUNCTION medley_plan_again(j jobs) RETURNS jobs
LANGUAGE plpgsql AS $$
BEGIN
    j.round := j.round + 1;
    j.steps_total := j.steps_total + 1;
    j.steps_left := medley_add_steps(j, (SELECT jsonb_build_array(jsonb_build_object(
        'id', 'plan' || j.round, 'kind', 'plan', 'tool', tool, 'tool_version', tool_version,
        'model', model, 'lane', lane, 'inputs', inputs, 'params', params, 'seed', seed + 1,
        'max_attempts', max_attempts, 'needs', '[]'::jsonb))
        FROM steps WHERE job = j.id AND kind = 'plan' ORDER BY round LIMIT 1), false);
    j.phase := 'planning';
    RETURN j;
END $$;

-- What follows when all steps but the answer are final: another round, the answer, or the end.
CREATE OR REPLACE FUNCTION medley_settle(j jobs) RETURNS jobs
LANGUAGE plpgsql AS $$
DECLARE
    v_answer steps;
    v_now timestamptz := clock_timestamp();
BEGIN
    IF j.finished_at IS NOT NULL OR j.steps_left > 0 OR j.held THEN
        RETURN j;
    END IF;
    SELECT * INTO v_answer FROM steps WHERE job = j.id AND kind = 'answer';
    IF v_answer.status IN ('ready', 'running') THEN
        RETURN j;
    END IF;
    IF v_answer.status = 'blocked' AND j.cancel_requested_at IS NULL THEN
        IF j.round < j.max_rounds AND EXISTS (SELECT FROM steps WHERE job = j.id AND kind = 'work'
                AND round = j.round AND status IN ('failed', 'dead')) THEN
            j := medley_plan_again(j);
        ELSE
            UPDATE steps SET status = 'ready', ready_at = v_now, wake_at = v_now
            WHERE job = j.id AND id = v_answer.id;
            j.phase := 'finalizing';
        END IF;
        RETURN j;
    END IF;
    RETURN medley_finish(j);
END $$;

-- Writes back what the functions above changed in the row that they were handed.
CREATE OR REPLACE FUNCTION medley_store(j jobs) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs SET status = j.status, phase = j.phase, plan = j.plan, plan_revision = j.plan_revision,
        held = j.held, question = j.question, outputs = j.outputs, error = j.error, cancel_requested_at = j.cancel_requested_at,
        cancel_reason = j.cancel_reason, round = j.round, max_rounds = j.max_rounds, gpu_seconds = j.gpu_seconds, tokens = j.tokens,
        steps_total = j.steps_total, steps_left = j.steps_left, event_seq = j.event_seq,
        started_at = j.started_at, finished_at = j.finished_at
    WHERE id = j.id;
END $$;
