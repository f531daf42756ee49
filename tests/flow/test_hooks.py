"""The hooks of plan, answer and search against the real database and engine, with a hub that says
what the test wants.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from medley.backend import ModelSpec
from medley.errors import BadInput, HubError
from medley.ids import new_id
from medley.modality import Modality
from medley.parts import DataPart
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator import invariants
from orchestrator.catalogue import load_catalogue
from orchestrator.database import Raw, connect
from orchestrator.engine import (
    Commit,
    Kind,
    Lease,
    NewJob,
    NewStep,
    Offer,
    Outcome,
    claim,
    commit_step,
    fail_step,
    give_input,
    retry_job,
    submit,
)
from orchestrator.engine.bindings import AssetPart, asset_ids, load_assets, resolve
from orchestrator.hooks import Prepared, hooks
from orchestrator.routing import Policy, candidates

TOOLS = toolbox()
OFFER = Offer(lanes=["cpu", "hub", "encode", "generate"], tools=[f"{name}@1" for name in TOOLS])


@pytest.fixture
def conn(database_url: str) -> Iterator[Raw]:
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO workers (id, lanes, tools) VALUES ('w', '[]', %s)",
            [json.dumps(OFFER.tools)],
        )
        yield connection


@pytest.fixture
def models() -> dict[str, ModelSpec]:
    return load_catalogue(Settings())


def add_asset(conn: Raw, modality: Modality, vector: list[float] | None = None) -> str:
    asset = new_id("asset")
    conn.execute(
        "INSERT INTO assets (id, tenant, sha256, size, modality, media_type, origin)"
        " VALUES (%s, 't', %s, 1, %s, 'x/y', '{\"name\": \"given\"}')",
        [asset, asset, modality],
    )
    if vector is not None:
        conn.execute(
            "INSERT INTO embeddings (asset, space, tenant, modality, vector)"
            " VALUES (%s, 's', 't', %s, %s)",
            [asset, modality, str(vector)],
        )
    return asset


def ask(conn: Raw, words: str, *assets: tuple[str, Modality], **options: Any) -> str:
    given = [{"type": "asset", "asset": asset, "modality": modality} for asset, modality in assets]
    steps = [
        NewStep.whole_job(TOOLS["plan"], Kind.PLAN),
        NewStep.whole_job(TOOLS["answer"], Kind.ANSWER),
    ]
    request = {"input": [*given, {"type": "text", "text": words}]}
    return submit(conn, NewJob(tenant="t", steps=steps, request=request, options=options))


def take(conn: Raw) -> Lease:
    (lease,) = claim(conn, "w", OFFER)
    return lease


def plan_with(conn: Raw, models: dict[str, ModelSpec], *drafts: Any) -> Commit | Prepared:
    """Lets a hub write these drafts, one after the other, for the plan step that is ready."""
    hook, lease = hooks(TOOLS, models)["plan"], take(conn)
    found: Commit | Prepared = hook.prepare(conn, lease, {})
    for draft in drafts:
        assert isinstance(found, Prepared)
        found = hook.complete(conn, lease, {"plan": DataPart(data=draft)}, found)
    if isinstance(found, Commit):
        assert commit_step(conn, "w", lease, found) is Outcome.COMMITTED
    return found


def draw(prompt: str = "a cat") -> dict[str, Any]:
    step = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": prompt}}
    return {"steps": [step], "reply": {"show": ["s1.image"]}}


def test_a_good_plan_becomes_steps_with_models_and_seeds(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw a cat")
    assert isinstance(plan_with(conn, models, draw()), Commit)
    lease = take(conn)
    assert (lease.tool, lease.model) == ("text_to_image", "starter/generator")
    assert lease.seed > 0


def test_the_hub_is_shown_its_faults_and_may_mend_them(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw a cat")
    wrong = {"steps": [{"id": "s1", "tool": "paint", "inputs": {}}]}
    assert isinstance(plan_with(conn, models, wrong, draw()), Commit)


def test_after_two_repairs_the_plan_fails_with_the_reason(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw a cat")
    with pytest.raises(HubError, match="no plan that can run"):
        plan_with(conn, models, None, {"steps": 1}, [])


def test_a_plan_may_only_use_assets_of_its_job(conn: Raw, models: dict[str, ModelSpec]) -> None:
    mine, other = add_asset(conn, Modality.IMAGE), add_asset(conn, Modality.IMAGE)
    ask(conn, "What is this?", (mine, Modality.IMAGE))
    foreign = {"steps": [{"id": "s1", "tool": "describe", "inputs": {"media": {"asset": other}}}]}
    assert isinstance(plan_with(conn, models, foreign), Prepared)


def test_the_token_budget_of_a_job_reaches_the_hub_and_its_steps(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    picture = add_asset(conn, Modality.IMAGE)
    ask(conn, "What is this?", (picture, Modality.IMAGE), max_output_tokens=30)
    hook, lease = hooks(TOOLS, models)["plan"], take(conn)
    asked = hook.prepare(conn, lease, {})
    assert asked.inputs["task"].data["max_tokens"] == 30  # type: ignore[union-attr]
    described = {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}}
    raised = {**described, "params": {"max_tokens": 100_000}}
    done = hook.complete(conn, lease, {"plan": DataPart(data={"steps": [raised]})}, asked)
    assert isinstance(done, Commit)
    (step,) = [step for step in done.steps if step.tool == "describe"]
    assert step.params == {"max_tokens": 30}


def test_a_plan_of_the_hub_is_held_against_the_gpu_seconds_of_its_job(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    for _ in range(3):
        step = NewStep(id="s1", tool="text_to_image", lane="generate", model="starter/generator")
        submit(conn, NewJob(tenant="t", steps=[step], kind="plan"))
        commit_step(conn, "w", take(conn), Commit(usage={"gpu_seconds": 9.0}))
    ask(conn, "Draw a cat", max_gpu_seconds=5)
    refused = plan_with(conn, models, draw())
    assert isinstance(refused, Prepared)
    (fault,) = refused.inputs["task"].data["faults"]  # type: ignore[union-attr]
    assert "9.0 GPU seconds" in fault["reason"]


def finish(conn: Raw, outputs: dict[str, Any]) -> None:
    assert commit_step(conn, "w", take(conn), Commit(outputs=outputs)) is Outcome.COMMITTED


def answer_with(conn: Raw, models: dict[str, ModelSpec], *drafts: Any) -> list[dict[str, Any]]:
    hook, lease = hooks(TOOLS, models)["answer"], take(conn)
    assert lease.kind == "answer"
    found: Commit | Prepared = hook.prepare(conn, lease, {})
    for draft in drafts:
        if isinstance(found, Prepared):
            found = hook.complete(conn, lease, {"reply": DataPart(data=draft)}, found)
    assert isinstance(found, Commit)
    assert commit_step(conn, "w", lease, found) is Outcome.COMMITTED
    return list(found.outputs["reply"])


def test_an_answer_that_names_what_was_not_made_is_replaced_by_the_facts(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    job = ask(conn, "Draw a cat")
    plan_with(conn, models, draw())
    picture = add_asset(conn, Modality.IMAGE)
    finish(
        conn, {"image": {"type": "asset", "asset": picture, "modality": "image", "media_type": ""}}
    )
    lie = {"text": "Here are a cat [a1] and a film [a2].", "show": ["a1", "a2"]}
    reply = answer_with(conn, models, lie, lie)
    assert [part["asset"] for part in reply if part["type"] == "asset"] == [picture]
    assert "film" not in str(reply)
    row = conn.execute("SELECT status FROM jobs WHERE id = %s", [job]).fetchone()
    assert row == ("succeeded",)


def test_a_failed_step_is_told_and_its_picture_is_not_claimed(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw a cat")
    plan_with(conn, models, draw())
    fail_step(conn, take(conn), HubError("no paint left"), delay=None)
    boast = {"text": "Here is your picture!", "show": []}
    reply = answer_with(conn, models, boast, boast)
    assert "no paint left" in str(reply)
    assert all(part["type"] == "text" for part in reply)


def test_search_returns_the_nearest_media_but_not_the_query_itself(
    conn: psycopg.Connection[Any], models: dict[str, ModelSpec]
) -> None:
    near, far = add_asset(conn, Modality.IMAGE, [1, 0.1]), add_asset(conn, Modality.AUDIO, [-1, 0])
    query = add_asset(conn, Modality.EMBEDDING, [1, 0])
    step = NewStep(id="s1", tool="search", lane="cpu", inputs={"query": {"asset": query}})
    submit(conn, NewJob(tenant="t", steps=[step], kind="plan"))
    part = AssetPart(asset=query, modality=Modality.EMBEDDING)
    prepared = hooks(TOOLS, models)["search"].prepare(conn, take(conn), {"query": part})
    assert prepared.commit is not None
    assert [hit["asset"] for hit in prepared.commit.outputs["assets"]] == [near, far]


def test_media_that_nobody_embedded_are_embedded_before_a_search(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    known, new = add_asset(conn, Modality.IMAGE), add_asset(conn, Modality.IMAGE)
    conn.execute(
        "INSERT INTO embeddings (asset, space, tenant, modality, vector)"
        " VALUES (%s, 'starter', 't', 'image', '[1, 0]')",
        [known],
    )
    broken = add_asset(conn, Modality.VIDEO)
    step = NewStep(id="s1", tool="index", lane="encode", model="starter/encoder")
    submit(conn, NewJob(tenant="t", steps=[step], kind="plan"))
    hook, lease = hooks(TOOLS, models)["index"], take(conn)
    prepared = hook.prepare(conn, lease, {})
    media = prepared.inputs["media"]
    assert isinstance(media, list)
    given = {part.asset: part for part in media if isinstance(part, AssetPart)}
    assert set(given) == {new, broken}
    vectors = [None if name == broken else [0.0, 1.0] for name in given]
    done = hook.complete(conn, lease, {"vectors": DataPart(data=vectors)}, prepared)
    assert isinstance(done, Commit)
    assert [row.asset for row in done.embeddings] == [new]


def test_the_facts_say_what_a_drawing_was_made_from_and_leave_out_the_plumbing(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    sound = add_asset(conn, Modality.AUDIO)
    ask(conn, "Draw what you hear", (sound, Modality.AUDIO))
    step = {"id": "s1", "tool": "embedding_to_image", "inputs": {"embedding": {"asset": "a1"}}}
    plan_with(conn, models, {"steps": [step], "reply": {"show": ["s1.image"]}})
    for port, modality in (("embedding", Modality.EMBEDDING), ("image", Modality.IMAGE)):
        made = {"type": "asset", "asset": add_asset(conn, modality), "modality": modality}
        finish(conn, {port: made})
    prepared = hooks(TOOLS, models)["answer"].prepare(conn, take(conn), {})
    facts = prepared.inputs["facts"].data  # type: ignore[union-attr]
    assert [(fact["tool"], fact["about"]) for fact in facts["steps"]] == [
        ("embedding_to_image", {"embedding": "a1"})
    ]
    assert facts["show"] == ["a2"]


def crop_then_draw() -> list[dict[str, Any]]:
    """Two steps on the picture `a1` that do not need each other."""
    crop = {"id": "s1", "tool": "crop", "inputs": {"image": {"asset": "a1"}}}
    paint = {"id": "s2", "tool": "text_to_image", "inputs": {"prompt": {"text": "a cat"}}}
    return [crop, paint]


def test_after_a_failure_the_hub_sees_it_and_what_is_done_stays(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    picture, cropped = add_asset(conn, Modality.IMAGE), add_asset(conn, Modality.IMAGE)
    job = ask(conn, "Crop it and draw a cat", (picture, Modality.IMAGE))
    conn.execute("UPDATE jobs SET max_rounds = 2")
    plan_with(conn, models, {"steps": crop_then_draw()})
    made = {"type": "asset", "asset": cropped, "modality": "image", "media_type": ""}
    for _ in range(2):
        lease = take(conn)
        if lease.tool == "crop":
            commit_step(conn, "w", lease, Commit(outputs={"image": made}))
        else:
            fail_step(conn, lease, HubError("no paint left"), delay=None)

    hook, lease = hooks(TOOLS, models)["plan"], take(conn)
    assert (lease.step, lease.round) == ("plan2", 2)
    first = hook.prepare(conn, lease, {})
    task = first.inputs["task"].data  # type: ignore[union-attr]
    assert {fact["id"]: fact["error"] for fact in task["ran"]} == {"s1": "", "s2": "no paint left"}
    assert task["previous"]["steps"][0]["inputs"] == {"image": {"asset": "a1"}}

    again = hook.complete(conn, lease, {"plan": DataPart(data={"steps": crop_then_draw()})}, first)
    assert isinstance(again, Prepared)
    fault = again.inputs["task"].data["faults"][0]  # type: ignore[union-attr]
    assert fault["pointer"] == "/steps/1"
    assert "no paint left" in fault["reason"]

    turn = {"id": "s2", "tool": "rotate", "inputs": {"image": {"from": "s1.image"}}}
    other = [crop_then_draw()[0], turn]
    done = hook.complete(conn, lease, {"plan": DataPart(data={"steps": other})}, again)
    assert isinstance(done, Commit)
    assert [(step.id, step.needs) for step in done.steps] == [("s2_r2", {"s1"})]
    commit_step(conn, "w", lease, done)
    turned = take(conn)
    assert turned.tool == "rotate"
    finish_lease(conn, turned, add_asset(conn, Modality.IMAGE))
    answer_with(conn, models, {"text": "Cropped and turned; drawing failed.", "show": ["a3"]})
    row = conn.execute("SELECT status, plan_revision FROM jobs WHERE id = %s", [job]).fetchone()
    assert row == ("succeeded", 2)


def finish_lease(conn: Raw, lease: Lease, asset: str) -> None:
    made = {"type": "asset", "asset": asset, "modality": "image", "media_type": ""}
    assert commit_step(conn, "w", lease, Commit(outputs={"image": made})) is Outcome.COMMITTED


def test_a_question_stops_the_job_until_it_is_answered(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    job = ask(conn, "Draw my favourite animal")
    plan_with(conn, models, {"steps": [], "ask": "Which animal is that?"})
    row = conn.execute("SELECT status, question FROM jobs WHERE id = %s", [job]).fetchone()
    assert row == ("waiting", "Which animal is that?")
    assert claim(conn, "w", OFFER) == []
    turns = [
        {"role": "assistant", "parts": [{"type": "text", "text": "Which animal is that?"}]},
        {"role": "user", "parts": [{"type": "text", "text": "A cat."}]},
    ]
    give_input(conn, "t", job, turns)
    hook, lease = hooks(TOOLS, models)["plan"], take(conn)
    task = hook.prepare(conn, lease, {}).inputs["task"].data  # type: ignore[union-attr]
    assert task["request"] == "Draw my favourite animal\nA cat."
    assert [turn["text"] for turn in task["history"]] == [
        "Draw my favourite animal",
        "Which animal is that?",
    ]
    assert not task["ran"]


def test_a_hub_may_not_ask_where_the_caller_does_not_want_it(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw my favourite animal")
    conn.execute("UPDATE jobs SET options = '{\"ask\": false}'")
    found = plan_with(conn, models, {"steps": [], "ask": "Which animal is that?"})
    assert isinstance(found, Prepared)
    assert "Do not ask" in str(found.inputs["task"])


def judged(
    conn: Raw, models: dict[str, ModelSpec], threshold: float | None, *vectors: list[float]
) -> tuple[Commit, list[str]]:
    """The verdict over pictures of these vectors on a request of the vector (1, 0), and the
    pictures.
    """
    pictures = [add_asset(conn, Modality.IMAGE) for _ in vectors]
    seen = [add_asset(conn, Modality.EMBEDDING, vector) for vector in vectors]
    wanted = add_asset(conn, Modality.EMBEDDING, [1, 0])
    params = {} if threshold is None else {"threshold": threshold}
    step = NewStep(id="s1", tool="judge", lane="cpu", params=params)
    submit(conn, NewJob(tenant="t", steps=[step], kind="plan"))
    part = {name: AssetPart(asset=name, modality=Modality.EMBEDDING) for name in [*seen, wanted]}
    inputs = {
        "candidates": [AssetPart(asset=name, modality=Modality.IMAGE) for name in pictures],
        "vectors": [part[name] for name in seen],
        "request": part[wanted],
    }
    prepared = hooks(TOOLS, models)["judge"].prepare(conn, take(conn), inputs)
    assert prepared.commit is not None
    return prepared.commit, pictures


def test_a_judge_takes_the_candidate_nearest_to_the_request(
    conn: psycopg.Connection[Any], models: dict[str, ModelSpec]
) -> None:
    done, pictures = judged(conn, models, None, [0, 1], [1, 1], [-1, 0])
    assert done.outputs["best"]["asset"] == pictures[1]
    verdict = done.outputs["verdict"]["data"]
    assert (verdict["best"], verdict["passed"]) == (1, True)
    assert verdict["scores"] == pytest.approx([0, 0.7071, -1], abs=1e-3)


def test_a_judge_doubts_what_stays_below_the_threshold(
    conn: psycopg.Connection[Any], models: dict[str, ModelSpec]
) -> None:
    done, pictures = judged(conn, models, 0.8, [1, 1], [0, 1])
    assert done.outputs["best"]["asset"] == pictures[0]
    assert done.outputs["verdict"]["data"]["passed"] is False


def test_candidates_that_were_not_taken_are_not_told_of(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ask(conn, "Draw a cat")
    conn.execute('UPDATE jobs SET options = \'{"best_of": 2, "min_score": 0.5}\'')
    plan_with(conn, models, draw())
    cats = [add_asset(conn, Modality.IMAGE) for _ in range(2)]
    while (lease := take(conn)).tool != "answer":
        if lease.tool == "text_to_image":
            finish_lease(conn, lease, cats[lease.step != "s1"])
        elif lease.tool == "embed":
            vector = add_asset(conn, Modality.EMBEDDING)
            made = {"type": "asset", "asset": vector, "modality": "embedding", "media_type": ""}
            commit_step(conn, "w", lease, Commit(outputs={"embedding": made}))
        else:
            best = {"type": "asset", "asset": cats[1], "modality": "image", "media_type": ""}
            data = {"scores": [0.1, 0.2], "best": 1, "threshold": 0.5, "passed": False}
            data["steps"] = ["s1", "s1_2"]
            verdict = {"type": "data", "data": data}
            commit_step(conn, "w", lease, Commit(outputs={"best": best, "verdict": verdict}))
    hook = hooks(TOOLS, models)["answer"]
    prepared = hook.prepare(conn, lease, {})
    facts = prepared.inputs["facts"].data  # type: ignore[union-attr]
    assert [fact["tool"] for fact in facts["steps"]] == ["text_to_image", "judge"]
    done = hook.rescue(conn, lease, HubError("away"))
    assert done is not None
    reply = done.outputs["reply"]
    assert [part["asset"] for part in reply if part["type"] == "asset"] == [cats[1]]
    assert "not sure" in reply[0]["text"]


def run_hook(conn: Raw, models: dict[str, ModelSpec], lease: Lease) -> Commit:
    """What a hook without a backend commits."""
    tools = toolbox()
    inputs = resolve(lease, load_assets(conn, lease.tenant, asset_ids(lease)))
    done = hooks(tools, models)[lease.tool].prepare(conn, lease, inputs).commit
    assert done is not None
    assert commit_step(conn, "w", lease, done) is Outcome.COMMITTED
    return done


def image_part(conn: Raw) -> dict[str, Any]:
    asset = add_asset(conn, Modality.IMAGE)
    return {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}


def test_a_step_is_run_for_each_item_of_a_list(conn: Raw, models: dict[str, ModelSpec]) -> None:
    film = add_asset(conn, Modality.VIDEO)
    job = ask(conn, "Say what each frame shows", (film, Modality.VIDEO))
    frames = {"id": "s1", "tool": "extract_frames", "inputs": {"video": {"asset": "a1"}}}
    each = {
        "id": "s2",
        "tool": "describe",
        "map": "media",
        "inputs": {"media": {"from": "s1.images"}},
    }
    plan_with(conn, models, {"steps": [frames, each], "reply": {"show": ["s2.text"]}})
    finish(conn, {"images": [image_part(conn) for _ in range(3)]})
    spread = take(conn)
    assert spread.tool == "spread"
    done = run_hook(conn, models, spread)
    assert [step.tool for step in done.steps] == ["embed", "describe"] * 3
    words: dict[str, str] = {}
    while (lease := take(conn)).tool != "gather":
        if lease.tool == "embed":
            vector = {"type": "asset", "asset": add_asset(conn, Modality.EMBEDDING)}
            made = {"embedding": {**vector, "modality": "embedding", "media_type": ""}}
        else:
            words[lease.step] = f"frame {lease.step}"
            made = {"text": text(words[lease.step])}
        commit_step(conn, "w", lease, Commit(outputs=made))
    gathered = run_hook(conn, models, lease).outputs["text"]
    assert [part["text"] for part in gathered] == [words[f"s2_{n}"] for n in (1, 2, 3)]
    lease = take(conn)
    facts = hooks(TOOLS, models)["answer"].prepare(conn, lease, {}).inputs["facts"]
    told = [fact["tool"] for fact in facts.data["steps"]]  # type: ignore[union-attr]
    assert told == ["extract_frames", "describe", "describe", "describe"]
    assert invariants.check(conn) == []
    engine_retry_runs_only(conn, job, lease)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def engine_retry_runs_only(conn: Raw, job: str, answer: Lease) -> None:
    """Run again from the list on, the steps of the items are added anew."""
    fail_step(conn, answer, HubError("away"), delay=None)
    again = retry_job(conn, "t", job, start="s1")
    rows = conn.execute("SELECT id, status FROM steps WHERE job = %s", [again]).fetchall()
    assert not {name for name, _ in rows if name.startswith("s2_") and "each" not in name}
    same = retry_job(conn, "t", job)
    rows = conn.execute("SELECT id, status FROM steps WHERE job = %s", [same]).fetchall()
    assert {status for name, status in rows if name.startswith("s2")} == {"cached"}


def test_a_list_that_is_too_long_is_refused(conn: Raw, models: dict[str, ModelSpec]) -> None:
    film = add_asset(conn, Modality.VIDEO)
    ask(conn, "Turn each frame", (film, Modality.VIDEO))
    frames = {"id": "s1", "tool": "extract_frames", "inputs": {"video": {"asset": "a1"}}}
    each = {
        "id": "s2",
        "tool": "rotate",
        "map": "image",
        "inputs": {"image": {"from": "s1.images"}},
    }
    plan_with(conn, models, {"steps": [frames, each]})
    finish(conn, {"images": [image_part(conn) for _ in range(33)]})
    with pytest.raises(BadInput, match="at most 32"):
        run_hook(conn, models, take(conn))


def one_step(conn: Raw, tool: str) -> tuple[dict[str, Any], list[tuple[str, Modality]]]:
    """A plan of this tool alone, and the assets that it reads."""
    given: list[tuple[str, Modality]] = []
    inputs: dict[str, Any] = {}
    for name, port in TOOLS[tool].inputs.items():
        if port.extra:
            continue
        if Modality.TEXT in port.accepts or Modality.EMBEDDING in port.accepts:
            bound: dict[str, Any] = {"text": "a cat"}
        else:
            kind = sorted(port.accepts)[0]
            given.append((add_asset(conn, kind), kind))
            bound = {"asset": f"a{len(given)}"}
        inputs[name] = [bound] if port.many else bound
    if tool == "judge":
        del inputs["vectors"], inputs["scores"]
    return {"steps": [{"id": "s1", "tool": tool, "inputs": inputs}]}, given


@pytest.mark.parametrize("tool", sorted(TOOLS.planned()))
def test_whatever_fails_and_however_the_hub_lies_nothing_is_claimed(
    conn: Raw, models: dict[str, ModelSpec], tool: str
) -> None:
    plan, given = one_step(conn, tool)
    if not candidates(tool, models.values(), Policy()):
        other = ModelSpec(id="other", backend="testing", tools=frozenset({tool}))
        models = {**models, "other": other}
    job = ask(conn, "Do it", *given)
    assert isinstance(plan_with(conn, models, plan), Commit)
    while (lease := take(conn)).kind == "work":
        if lease.tool == tool:
            fail_step(conn, lease, HubError("the device is gone"), delay=None)
        else:  # an embedding or an index that the step needs
            made = {"type": "asset", "asset": add_asset(conn, Modality.EMBEDDING)}
            part = {**made, "modality": "embedding", "media_type": ""}
            port = "embedding" if lease.tool == "embed" else "vectors"
            commit_step(conn, "w", lease, Commit(outputs={port: part}))
    hook = hooks(TOOLS, models)["answer"]
    found: Commit | Prepared = hook.prepare(conn, lease, {})
    lies = (
        {"text": "Done! Here is what you asked for [a9].", "show": ["a9"]},
        {"text": "All went well, see https://example.com/result.png", "show": []},
    )
    for lie in lies:
        if isinstance(found, Prepared):
            found = hook.complete(conn, lease, {"reply": DataPart(data=lie)}, found)
    assert isinstance(found, Commit)
    commit_step(conn, "w", lease, found)
    reply = found.outputs["reply"]
    assert "the device is gone" in str(reply)
    assert "example.com" not in str(reply)
    own = {asset for asset, _ in given}
    assert {part["asset"] for part in reply if part["type"] == "asset"} <= own
    row = conn.execute("SELECT status FROM jobs WHERE id = %s", [job]).fetchone()
    assert row == ("failed",)


def redrawn(conn: Raw, models: dict[str, ModelSpec], max_steps: int) -> list[str]:
    """A drawing that is never good enough, with up to two more; the tools in the order they ran."""
    ask(conn, "Draw a cat")
    conn.execute(
        'UPDATE jobs SET options = \'{"min_score": 0.9, "max_redraws": 2, "seed": 7}\','
        " max_steps = %s",
        [max_steps],
    )
    assert isinstance(plan_with(conn, models, draw()), Commit)
    known = hooks(TOOLS, models)
    ran = []
    while (lease := take(conn)).tool != "answer":
        ran.append(lease.tool)
        if lease.tool in ("redraw", "judge"):
            inputs = resolve(lease, load_assets(conn, "t", asset_ids(lease)))
            found = known[lease.tool].prepare(conn, lease, inputs).commit
            assert found is not None
            commit_step(conn, "w", lease, found)
        elif lease.tool == "embed":
            seen = add_asset(conn, Modality.EMBEDDING, [1, len(ran)])
            made = {"type": "asset", "asset": seen, "modality": "embedding", "media_type": ""}
            commit_step(conn, "w", lease, Commit(outputs={"embedding": made}))
        else:
            finish_lease(conn, lease, add_asset(conn, Modality.IMAGE))
    verdict = conn.execute("SELECT outputs->'verdict'->'data' FROM steps WHERE tool = 'judge'")
    (found,) = verdict.fetchone() or ({},)
    assert (found["passed"], len(found["scores"])) == (False, ran.count("text_to_image"))
    return ran


def test_what_is_not_good_enough_is_drawn_again_as_often_as_allowed(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    ran = redrawn(conn, models, max_steps=64)
    assert (ran.count("text_to_image"), ran.count("redraw"), ran[-1]) == (3, 3, "judge")
    seeds = conn.execute("SELECT seed FROM steps WHERE tool = 'text_to_image' ORDER BY seed")
    assert [row[0] for row in seeds] == [7, 8, 9]
    assert invariants.check(conn) == []


def test_without_room_for_another_round_the_best_so_far_is_taken(
    conn: Raw, models: dict[str, ModelSpec]
) -> None:
    assert redrawn(conn, models, max_steps=8).count("text_to_image") == 2
