"""The hooks of plan, answer and search against the real database and engine, with a hub that says
what the test wants.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from medley.backend import ModelSpec
from medley.errors import HubError
from medley.ids import new_id
from medley.modality import Modality
from medley.parts import DataPart
from medley.settings import Settings
from medley.toolset import toolbox
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
    submit,
)
from orchestrator.engine.bindings import AssetPart
from orchestrator.hooks import Prepared, hooks

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
