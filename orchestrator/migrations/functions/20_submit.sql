-- Submit, cancel, approve: what callers ask for.

CREATE OR REPLACE FUNCTION medley_submit(p_job jsonb, p_steps jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_now timestamptz := clock_timestamp();
BEGIN
    j := jsonb_populate_record(NULL::jobs, p_job);
    j.status := CASE WHEN j.held THEN 'waiting' ELSE 'queued' END;
    j.plan_revision := CASE WHEN j.plan IS NULL THEN 0 ELSE 1 END;
    j.round := 1;
    j.gpu_seconds := 0;
    j.tokens := 0;
    j.created_at := v_now;
    j.deadline := v_now + (p_job->>'deadline_s')::float8 * interval '1 s';
    j.start_deadline := v_now + (p_job->>'start_deadline_s')::float8 * interval '1 s';
    j.steps_total := jsonb_array_length(p_steps);
    j.steps_left := (SELECT count(*) FROM jsonb_array_elements(p_steps) e
                     WHERE e->>'kind' <> 'answer' AND NOT e ? 'status');
    j.event_seq := 1 + 2 * j.held::int;
    INSERT INTO jobs SELECT (j).*;
    PERFORM medley_add_steps(j, p_steps, true);
    INSERT INTO events (job, seq, type, data) VALUES (j.id, 1, 'job.queued', '{}');
    IF j.held THEN
        INSERT INTO events (job, seq, type, data) VALUES
            (j.id, 2, 'plan.ready', jsonb_build_object('plan', j.plan, 'revision', 1)),
            (j.id, 3, 'job.waiting', '{"for": "approval"}');
    ELSIF j.steps_left = 0 THEN
        PERFORM medley_store(medley_settle(j));
    END IF;
    RETURN j.id;
END $$;

-- Asks a job to stop. What has not begun is canceled now; what runs hears of it through its lease.
CREATE OR REPLACE FUNCTION medley_cancel(p_tenant text, p_job text, p_reason text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_id text;
    v_kind text;
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
    IF j.id IS NULL OR j.finished_at IS NOT NULL OR j.cancel_requested_at IS NOT NULL THEN
        RETURN j.status;
    END IF;
    j.cancel_requested_at := clock_timestamp();
    j.cancel_reason := p_reason;
    j.held := false;
    j.question := NULL;
    j.status := 'canceling';
    FOR v_id, v_kind IN
        UPDATE steps SET status = 'canceled', finished_at = clock_timestamp(), wake_at = NULL
        WHERE job = j.id AND status IN ('blocked', 'ready') RETURNING id, kind
    LOOP
        j.event_seq := j.event_seq + 1;
        j.steps_left := j.steps_left - (v_kind <> 'answer')::int;
        INSERT INTO events (job, seq, type, step) VALUES (j.id, j.event_seq, 'step.canceled', v_id);
    END LOOP;
    j := medley_settle(j);
    PERFORM medley_store(j);
    RETURN j.status;
END $$;

-- Gives a job that waits at its plan another one. `p_expected` is the revision that it replaces; NULL:
-- any. 'revised', 'moved' when it has another revision by now, or the status of a job that does not wait.
CREATE OR REPLACE FUNCTION medley_revise(
    p_tenant text, p_job text, p_expected integer, p_plan jsonb, p_steps jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_gone integer;
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
    IF j.id IS NULL OR NOT j.held OR j.question IS NOT NULL THEN
        RETURN j.status;
    ELSIF p_expected <> j.plan_revision THEN
        RETURN 'moved';
    END IF;
    DELETE FROM edges e USING steps s
    WHERE e.job = j.id AND s.job = j.id AND s.id = e.dst AND s.kind = 'work' AND s.status = 'blocked';
    DELETE FROM steps WHERE job = j.id AND kind = 'work' AND status = 'blocked';
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    j.steps_total := j.steps_total - v_gone + jsonb_array_length(p_steps);
    IF j.steps_total > j.max_steps + 2 THEN
        RAISE EXCEPTION 'more than % steps', j.max_steps USING ERRCODE = 'MD001';
    END IF;
    j.steps_left := j.steps_left - v_gone + medley_add_steps(j, p_steps, false);
    j.plan := p_plan;
    j.plan_revision := j.plan_revision + 1;
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, data) VALUES (j.id, j.event_seq, 'plan.revised',
        jsonb_build_object('plan', j.plan, 'revision', j.plan_revision));
    PERFORM medley_store(j);
    RETURN 'revised';
END $$;

-- Lets a job that waits go on with exactly the plan that it has. `p_expected` and what comes back: as above,
-- with 'approved'.
CREATE OR REPLACE FUNCTION medley_approve(p_tenant text, p_job text, p_expected integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_now timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
    IF j.id IS NULL OR NOT j.held OR j.question IS NOT NULL THEN
        RETURN j.status;
    ELSIF p_expected <> j.plan_revision THEN
        RETURN 'moved';
    END IF;
    j.held := false;
    j.status := CASE WHEN j.started_at IS NULL THEN 'queued' ELSE 'running' END;
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, data) VALUES (j.id, j.event_seq, 'job.approved',
        jsonb_build_object('revision', j.plan_revision));
    UPDATE steps SET status = 'ready', ready_at = v_now, wake_at = v_now
    WHERE job = j.id AND status = 'blocked' AND kind = 'work' AND deps_left = 0;
    j := medley_settle(j);
    PERFORM medley_store(j);
    RETURN 'approved';
END $$;
DROP FUNCTION IF EXISTS medley_approve(text, text, jsonb, jsonb);

-- Answers the question that a job waits with: `p_turns` is what was said, and the hub plans again.
-- 'answered', or the status of a job that does not wait for input.
CREATE OR REPLACE FUNCTION medley_input(p_tenant text, p_job text, p_turns jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
    IF j.id IS NULL OR j.question IS NULL OR NOT j.held THEN
        RETURN j.status;
    END IF;
    -- Here and nowhere else: a request may be long, and other changes leave it as it is.
    UPDATE jobs SET request = request || jsonb_build_object(
        'dialogue', coalesce(request->'dialogue', '[]'::jsonb) || p_turns) WHERE id = j.id;
    j.question := NULL;
    j.held := false;
    j.status := 'running';
    j.max_rounds := j.max_rounds + 1;
    j := medley_plan_again(j);
    j.event_seq := j.event_seq + 1;
    INSERT INTO events (job, seq, type, data) VALUES (j.id, j.event_seq, 'job.input', p_turns->-1);
    PERFORM medley_store(j);
    RETURN 'answered';
END $$;
