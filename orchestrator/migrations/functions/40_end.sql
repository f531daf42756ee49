-- How attempts end: committed, failed, lost, released. Each is guarded by the token; zero rows means fenced.

-- A running step gives up its lease and gets another status; writes the attempt's history.
-- `s.usage` is what this attempt used.
CREATE OR REPLACE FUNCTION medley_end_attempt(s steps, p_outcome text, p_error jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO step_attempts (job, step, token, attempt, worker, outcome, error, usage, started_at)
    VALUES (s.job, s.id, s.token, s.attempt, s.worker, p_outcome, p_error, s.usage, s.started_at);
END $$;

-- Two usages as one: numbers are added, of anything else the later one stays.
CREATE OR REPLACE FUNCTION medley_sum(p_before jsonb, p_more jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_before IS NULL THEN p_more WHEN p_more IS NULL THEN p_before
        ELSE p_before || p_more || (
            SELECT coalesce(jsonb_object_agg(m.key, (p_before->>m.key)::numeric + (m.value #>> '{}')::numeric), '{}')
            FROM jsonb_each(p_more) m
            WHERE jsonb_typeof(m.value) = 'number' AND jsonb_typeof(p_before->m.key) = 'number') END
$$;

-- What an attempt used whose worker does not say: its share of the time since it was claimed, and no
-- more than its lease. `metered` are the models that this worker runs on an accelerator.
CREATE OR REPLACE FUNCTION medley_clocked(s steps) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('seconds', t.seconds) || CASE
        WHEN EXISTS (SELECT FROM workers w WHERE w.id = s.worker AND w.facts->'metered' ? s.model)
        THEN jsonb_build_object('gpu_seconds', t.seconds) ELSE '{}' END
    FROM (SELECT round(greatest(0, extract(epoch FROM least(clock_timestamp(), s.lease_until) - s.started_at))
        / greatest(1, (SELECT count(*) FROM steps b WHERE b.worker = s.worker AND b.status = 'running')), 3)
        AS seconds) t
$$;

-- The job pays for what an attempt used.
CREATE OR REPLACE FUNCTION medley_charge(j jobs, p_usage jsonb) RETURNS jobs LANGUAGE plpgsql AS $$
BEGIN
    j.gpu_seconds := j.gpu_seconds + coalesce((p_usage->>'gpu_seconds')::float8, 0);
    j.tokens := j.tokens + coalesce((p_usage->>'input_tokens')::float8, 0)
        + coalesce((p_usage->>'output_tokens')::float8, 0);
    RETURN j;
END $$;

-- Writes a job's row back; a job that has used more than it may is stopped.
CREATE OR REPLACE FUNCTION medley_store_within_budget(j jobs) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM medley_store(j);
    IF j.max_gpu_seconds < j.gpu_seconds AND j.steps_left > 0 THEN
        PERFORM medley_cancel(j.tenant, j.id, 'budget_exceeded');
    END IF;
END $$;

-- A step becomes final without outputs; what needs it is skipped.
CREATE OR REPLACE FUNCTION medley_close(j jobs, s steps, p_status text, p_error jsonb) RETURNS jobs
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE steps SET status = p_status, error = p_error, usage = medley_sum(usage, s.usage),
        lease_until = NULL, wake_at = NULL, finished_at = clock_timestamp() WHERE job = s.job AND id = s.id;
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, step, data) VALUES (j.id, j.event_seq,
        CASE p_status WHEN 'canceled' THEN 'step.canceled' ELSE 'step.failed' END, s.id,
        CASE WHEN p_error IS NULL THEN '{}' ELSE jsonb_build_object('error', p_error) END);
    IF s.kind <> 'answer' THEN
        j.steps_left := j.steps_left - 1;
        j := medley_skip(j, s.id);
    END IF;
    RETURN medley_settle(j);
END $$;

-- A step becomes ready again, `p_delay` seconds from now.
CREATE OR REPLACE FUNCTION medley_again(j jobs, s steps, p_delay float8, p_event text, p_data jsonb)
RETURNS jobs LANGUAGE plpgsql AS $$
DECLARE
    v_at timestamptz := clock_timestamp() + p_delay * interval '1 s';
BEGIN
    UPDATE steps SET status = 'ready', attempt = s.attempt, crash_count = s.crash_count, worker = NULL,
        usage = medley_sum(usage, s.usage), lease_until = NULL, not_before = v_at, ready_at = v_at, wake_at = v_at, wake_backoff = 2,
        error = p_data->'error' WHERE job = s.job AND id = s.id;
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, step, data) VALUES (j.id, j.event_seq, p_event, s.id, p_data);
    RETURN j;
END $$;

-- Commits one step of a locked job: outputs, assets, what follows. The caller has checked the token.
CREATE OR REPLACE FUNCTION medley_succeed(j jobs, s steps, c jsonb) RETURNS jobs
LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_outputs text := c->>'outputs';
    v_status text := CASE WHEN (c->>'cached')::boolean THEN 'cached' ELSE 'succeeded' END;
    a jsonb;
    v_id text;
    v_more integer;
BEGIN
    IF c ? 'assets' THEN
        FOR a IN SELECT * FROM jsonb_array_elements(c->'assets') LOOP
            INSERT INTO assets (id, tenant, sha256, size, modality, media_type, facts, origin, key)
            VALUES (a->>'id', s.tenant, a->>'sha256', (a->>'size')::bigint, a->>'modality', a->>'media_type',
                a->'facts', a->'origin', j.key)
            ON CONFLICT (tenant, sha256) DO NOTHING;
            IF NOT FOUND THEN
                -- The tenant has these bytes already: everything points at the asset that was there.
                SELECT id INTO v_id FROM assets WHERE tenant = s.tenant AND sha256 = a->>'sha256';
                v_outputs := replace(v_outputs, a->>'id', v_id);
                c := replace(c::text, a->>'id', v_id)::jsonb;
            END IF;
        END LOOP;
    END IF;
    IF c ? 'embeddings' THEN
        INSERT INTO embeddings (asset, space, tenant, modality, vector)
        SELECT e->>'asset', e->>'space', s.tenant, e->>'modality', (e->>'vector')::vector
        FROM jsonb_array_elements(c->'embeddings') e ON CONFLICT (asset, space) DO NOTHING;
    END IF;
    UPDATE steps SET status = v_status, outputs = v_outputs::jsonb, usage = medley_sum(usage, c->'usage'),
        error = NULL, cache_key = c->>'cache_key', lease_until = NULL, finished_at = v_now
    WHERE job = s.job AND id = s.id;
    s.usage := c->'usage';
    PERFORM medley_end_attempt(s, v_status, NULL);
    IF c ? 'cache_key' AND v_status = 'succeeded' THEN
        INSERT INTO step_cache (tenant, key, outputs, job, step)
        VALUES (s.tenant, c->>'cache_key', v_outputs::jsonb, s.job, s.id)
        ON CONFLICT (tenant, key) DO UPDATE SET outputs = excluded.outputs, job = excluded.job,
            step = excluded.step, created_at = excluded.created_at;
    END IF;
    IF c ? 'message' THEN
        INSERT INTO messages (id, tenant, conversation, parent, role, parts, job)
        VALUES (c #>> '{message,id}', s.tenant, c #>> '{message,conversation}', c #>> '{message,parent}',
            c #>> '{message,role}', c #> '{message,parts}', s.job);
    END IF;
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, step, data, at) VALUES (j.id, j.event_seq,
        CASE v_status WHEN 'cached' THEN 'step.cached' ELSE 'step.completed' END, s.id,
        jsonb_build_object('outputs', v_outputs::jsonb,
            'seconds', round(extract(epoch FROM v_now - s.started_at), 3)), v_now);
    j := medley_charge(j, s.usage);
    IF c ? 'plan' THEN
        j.plan := c->'plan';
        j.plan_revision := j.plan_revision + 1;
        j.held := j.approve = 'plan';
        j.event_seq := j.event_seq + 1;
        INSERT INTO events (job, seq, type, data) VALUES (j.id, j.event_seq,
            CASE j.plan_revision WHEN 1 THEN 'plan.ready' ELSE 'plan.revised' END,
            jsonb_build_object('plan', j.plan, 'revision', j.plan_revision));
    END IF;
    IF c ? 'question' THEN
        j.question := c->'question';
        j.held := true;
    END IF;
    IF c ? 'steps' THEN
        -- What is fed by new steps waits for them, too: before this one's end would make it ready.
        UPDATE steps t SET deps_left = t.deps_left + fed.n
        FROM (SELECT e->>'feeds' AS id, count(*) AS n FROM jsonb_array_elements(c->'steps') e
              WHERE e ? 'feeds' GROUP BY 1) fed
        WHERE t.job = j.id AND t.id = fed.id AND t.status = 'blocked';
    END IF;
    IF s.kind <> 'answer' THEN
        UPDATE steps t SET deps_left = t.deps_left - 1,
            status = CASE WHEN t.deps_left = 1 AND NOT j.held THEN 'ready' ELSE t.status END,
            ready_at = CASE WHEN t.deps_left = 1 THEN v_now END,
            -- The committer sends this wake-up itself; a relay does if it does not live to.
            wake_at = CASE WHEN t.deps_left = 1 THEN v_now + interval '1 s' END
        FROM edges e
        WHERE e.job = j.id AND e.src = s.id AND t.job = j.id AND t.id = e.dst AND t.status = 'blocked';
        j.steps_left := j.steps_left - 1;
    END IF;
    IF c ? 'steps' THEN
        v_more := jsonb_array_length(c->'steps');
        IF j.steps_total + v_more > j.max_steps + 2 THEN
            RAISE EXCEPTION 'more than % steps', j.max_steps USING ERRCODE = 'MD001';
        END IF;
        j.steps_total := j.steps_total + v_more;
        j.steps_left := j.steps_left + medley_add_steps(j, c->'steps', false);
        FOR v_id IN SELECT DISTINCT b.id FROM steps b JOIN edges e ON e.job = j.id AND e.src = b.id
            JOIN steps t ON t.job = j.id AND t.id = e.dst AND t.status = 'blocked'
            WHERE b.job = j.id AND b.status IN ('failed', 'dead', 'skipped', 'canceled')
        LOOP
            j := medley_skip(j, v_id);
        END LOOP;
    END IF;
    IF j.held THEN
        j.status := 'waiting';
        j.event_seq := j.event_seq + 1;
        INSERT INTO events (job, seq, type, data)
        VALUES (j.id, j.event_seq, 'job.waiting', CASE WHEN j.question IS NULL THEN '{"for": "approval"}'
            ELSE jsonb_build_object('for', 'input', 'question', j.question) END);
    END IF;
    IF j.max_gpu_seconds < j.gpu_seconds AND j.steps_left > 0 THEN
        PERFORM medley_store(j);
        PERFORM medley_cancel(j.tenant, j.id, 'budget_exceeded');
        SELECT * INTO j FROM jobs WHERE id = j.id;
        RETURN j;
    END IF;
    RETURN medley_settle(j);
END $$;

-- Commits finished steps and, in the same transaction, claims what this worker can run next: with
-- `go_on` first a step of the job just committed, otherwise in database order.
-- Per commit: 'committed', 'repeated' (an earlier COMMIT of ours whose answer was lost), 'canceled' or 'fenced'.
CREATE OR REPLACE FUNCTION medley_commit(p_worker text, p_commits jsonb, p_claim jsonb) RETURNS jsonb
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    c jsonb;
    j jobs;
    s steps;
    b record;
    v_first jsonb;
    v_outcomes text[] := '{}';
    v_next jsonb := '{"leases": [], "busy": false}';
    v_jobs text[] := '{}';
    v_wakes jsonb;
    v_step text;
    v_swift boolean := true;
BEGIN
    FOR c IN SELECT * FROM jsonb_array_elements(p_commits) LOOP
        SELECT * INTO j FROM jobs WHERE id = c->>'job' FOR NO KEY UPDATE;
        SELECT * INTO s FROM steps WHERE job = j.id AND id = c->>'step';
        IF s.id IS NULL OR s.token <> (c->>'token')::int OR s.status <> 'running'
                OR s.worker <> p_worker THEN
            v_outcomes := v_outcomes || CASE WHEN s.token = (c->>'token')::int AND s.worker = p_worker
                AND s.status IN ('succeeded', 'cached') THEN 'repeated' ELSE 'fenced' END;
        ELSIF j.cancel_requested_at IS NOT NULL THEN
            v_outcomes := v_outcomes || 'canceled'::text;
            s.usage := c->'usage';
            PERFORM medley_end_attempt(s, 'canceled', NULL);
            PERFORM medley_store(medley_close(medley_charge(j, s.usage), s, 'canceled', NULL));
        ELSE
            v_outcomes := v_outcomes || 'committed'::text;
            j := medley_succeed(j, s, c);
            v_swift := v_swift AND j.finished_at IS NULL AND NOT j.held
                AND clock_timestamp() - s.started_at < interval '1 s';
            IF j.finished_at IS NULL THEN
                v_jobs := v_jobs || j.id;
                IF (p_claim->>'go_on')::boolean AND v_first IS NULL AND NOT j.held THEN
                    SELECT t.id INTO v_step FROM steps t WHERE t.job = j.id AND t.status = 'ready'
                        AND p_claim->'lanes' ? t.lane AND p_claim->'tools' ? (t.tool || '@' || t.tool_version)
                        AND (t.model IS NULL OR NOT p_claim ? 'models' OR p_claim->'models' ? t.model)
                        AND (t.not_before IS NULL OR t.not_before <= clock_timestamp())
                    ORDER BY t.id LIMIT 1;
                    IF v_step IS NOT NULL THEN
                        b := medley_begin(j, v_step, p_worker, (p_claim->>'ttl')::float8);
                        j := b.j;
                        v_first := b.lease;
                    END IF;
                END IF;
            END IF;
            PERFORM medley_store(j);
        END IF;
    END LOOP;
    IF v_first IS NOT NULL THEN
        v_next := jsonb_build_object('leases', medley_join(p_worker, p_claim, v_first), 'busy', false);
    ELSIF p_claim IS NOT NULL THEN
        v_next := medley_claim(p_worker, p_claim, false);
    END IF;
    IF v_jobs <> '{}' THEN
        SELECT jsonb_object_agg(lane, n) INTO v_wakes
        FROM (SELECT lane, count(*) AS n FROM steps WHERE job = ANY (v_jobs) AND status = 'ready'
              AND wake_backoff = 2 GROUP BY lane) w;
    END IF;
    IF v_swift THEN
        -- Nothing that took a second, and no end of a job, is lost with a server that loses power: the
        -- next commit that waits for the disk takes this one with it. What is lost is run again.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN v_next || jsonb_build_object('outcomes', to_jsonb(v_outcomes), 'wakes', coalesce(v_wakes, '{}'));
END $$;

-- An attempt raised an error. `p_delay` is when to try again; NULL means that another attempt cannot help.
-- `p_usage` is what it used; NULL: nobody says.
CREATE OR REPLACE FUNCTION medley_fail_step(
    p_job text, p_step text, p_token integer, p_error jsonb, p_delay float8, p_usage jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    s steps;
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    SELECT * INTO s FROM steps WHERE job = p_job AND id = p_step;
    IF s.id IS NULL OR s.token <> p_token OR s.status <> 'running' THEN
        RETURN 'fenced';
    END IF;
    s.usage := coalesce(p_usage, medley_clocked(s));
    j := medley_charge(j, s.usage);
    IF j.cancel_requested_at IS NOT NULL THEN
        PERFORM medley_end_attempt(s, 'canceled', p_error);
        PERFORM medley_store(medley_close(j, s, 'canceled', NULL));
        RETURN 'canceled';
    END IF;
    IF p_delay IS NOT NULL AND s.attempt < s.max_attempts THEN
        PERFORM medley_end_attempt(s, 'retried', p_error);
        PERFORM medley_store_within_budget(medley_again(j, s, p_delay, 'step.retrying',
            jsonb_build_object('error', p_error, 'in_s', round(p_delay::numeric, 1))));
        RETURN 'retried';
    END IF;
    PERFORM medley_end_attempt(s, 'failed', p_error);
    PERFORM medley_store_within_budget(medley_close(j, s, 'failed', p_error));
    RETURN 'failed';
END $$;

-- The same where nobody says what it used: as keepers ask.
CREATE OR REPLACE FUNCTION medley_fail(p_job text, p_step text, p_token integer, p_error jsonb, p_delay float8)
RETURNS text LANGUAGE sql AS $$
    SELECT medley_fail_step(p_job, p_step, p_token, p_error, p_delay, NULL);
$$;

-- A lease ended without a word from its worker: counted as a crash. Three make the step dead.
-- With `p_counted` false the worker gave it back in order, which counts as no crash. `p_usage` as above;
-- what is given back in order without a word of it has used nothing.
CREATE OR REPLACE FUNCTION medley_lose_step(
    p_job text, p_step text, p_token integer, p_counted boolean, p_usage jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    s steps;
    v_error jsonb;
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    SELECT * INTO s FROM steps WHERE job = p_job AND id = p_step;
    IF s.id IS NULL OR s.token <> p_token OR s.status <> 'running' THEN
        RETURN 'fenced';
    END IF;
    s.usage := p_usage;
    IF s.usage IS NULL AND (p_counted OR j.cancel_requested_at IS NOT NULL) THEN
        s.usage := medley_clocked(s);
    END IF;
    j := medley_charge(j, s.usage);
    IF j.cancel_requested_at IS NOT NULL THEN
        PERFORM medley_end_attempt(s, 'canceled', NULL);
        PERFORM medley_store(medley_close(j, s, 'canceled', NULL));
        RETURN 'canceled';
    END IF;
    IF NOT p_counted THEN
        PERFORM medley_end_attempt(s, 'released', NULL);
        s.attempt := s.attempt - 1;
        PERFORM medley_store_within_budget(medley_again(j, s, 0, 'step.released', '{}'));
        RETURN 'released';
    END IF;
    s.crash_count := s.crash_count + 1;
    v_error := jsonb_build_object('code', 'worker_lost', 'retryable', true,
        'message', 'The worker was lost while it ran this step.');
    IF s.crash_count < 3 THEN
        PERFORM medley_end_attempt(s, 'lost', v_error);
        s.attempt := s.attempt - 1;
        PERFORM medley_store_within_budget(medley_again(j, s, 0, 'step.retrying',
            jsonb_build_object('error', v_error, 'in_s', 0)));
        RETURN 'lost';
    END IF;
    v_error := jsonb_build_object('code', 'step_poisoned', 'retryable', false,
        'message', 'Three workers were lost while they ran this step.');
    PERFORM medley_end_attempt(s, 'dead', v_error);
    UPDATE steps SET crash_count = s.crash_count WHERE job = s.job AND id = s.id;
    PERFORM medley_store_within_budget(medley_close(j, s, 'dead', v_error));
    RETURN 'dead';
END $$;

-- As workers of the release before ask.
CREATE OR REPLACE FUNCTION medley_lose(p_job text, p_step text, p_token integer, p_counted boolean)
RETURNS text LANGUAGE sql AS $$
    SELECT medley_lose_step(p_job, p_step, p_token, p_counted, NULL);
$$;
