"""Recipes of produced assets, from the rows that made them; and back from a recipe to what can be
asked for here.

The recipe of an asset is that of the step that made its bytes first. Equal steps that were answered
from the cache share the asset, and with it the recipe: it says what really ran.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, select

from medley.backend import ModelSpec
from medley.errors import NotFound
from medley.parts import MAX_TEXT
from medley.plan import AssetBinding, Binding, Plan, PlanStep
from medley.recipe import Asked, Recipe, Said, UsedAsset, UsedModel
from orchestrator import jobs
from orchestrator.asset_rows import Asset
from orchestrator.jobs import JobView, StepView
from orchestrator.tables import assets

_NOT_KEPT = frozenset({"dry_run", "approve", "recipe", "tools_from"})


def recipe_of(
    conn: Connection, tenant: str, asset: Asset, models: Mapping[str, ModelSpec]
) -> Recipe | None:
    """How this asset was made; None for an upload. A job that is forgotten leaves a short one."""
    origin = asset.origin
    if origin.get("kind") != "step":
        return None
    short = Recipe(
        version=version("medley-orchestrator"),
        job=str(origin["job"]),
        step=str(origin["step"]),
        output=f"{origin['step']}.{origin['port']}",
        sha256=asset.sha256,
        media_type=asset.media_type,
        tool=str(origin["tool"]),
        model=origin.get("model"),
        words=str(origin.get("words", "")),
        made_at=asset.created_at,
        width=asset.facts.width,
        height=asset.facts.height,
        models=used_models([origin.get("model")], models),
    )
    try:
        job = jobs.get(conn, tenant, short.job)
    except NotFound:
        return short
    maker = next((step for step in job.steps if step.id == short.step), None)
    return short if maker is None else _whole(conn, tenant, short, job, maker, models)


def opted_out(conn: Connection, tenant: str, asset: Asset) -> bool:
    """Whether the job that made it asked for files without recipes."""
    if asset.origin.get("kind") != "step":
        return False
    try:
        return jobs.get(conn, tenant, str(asset.origin["job"])).options.get("recipe") is False
    except NotFound:
        return False


def _whole(
    conn: Connection,
    tenant: str,
    short: Recipe,
    job: JobView,
    maker: StepView,
    models: Mapping[str, ModelSpec],
) -> Recipe:
    plan = plan_of(job, maker.id)
    asked = job.request.get("input", []) if job.kind == "request" else []
    names = {item["asset"] for item in asked if item.get("type") == "asset"}
    names |= {item.asset for _, item in _assets_in(plan)}
    known = _by_id(conn, tenant, names)
    params = dict(maker.params)
    seed = params.pop("seed", None)
    return short.model_copy(
        update={
            "model": maker.model or short.model,
            "seed": seed,
            "words": _words(job, maker) or short.words,
            "params": params,
            "request": _asked(job, known) if job.kind == "request" else None,
            "plan": _renamed(plan, lambda name: known[name].sha256 if name in known else name),
            "models": used_models([maker.model, *(step.model for step in plan.steps)], models),
            "inputs": {
                item.sha256: UsedAsset(
                    modality=item.modality,
                    media_type=item.media_type,
                    name=str(item.origin.get("name") or "")[:255],
                )
                for item in known.values()
            },
        }
    )


def plan_of(job: JobView, step_id: str) -> Plan:
    """The steps that led to this one, each with the model and the seed that it ran with."""
    ran = {step.id: step for step in job.steps if step.kind == "work"}
    written: dict[str, PlanStep] = {}
    if job.plan is not None:
        written = {step.id: step for step in Plan.model_validate(job.plan).steps}
    found: dict[str, PlanStep] = {}
    left = [step_id]
    while left:
        name = left.pop()
        step = written.get(name) or _step(ran.get(name))
        if name in found or step is None:
            continue
        row = ran.get(name)
        if row is not None:
            seed = {"seed": row.params["seed"]} if "seed" in row.params else {}
            update = {"model": row.model or step.model, "params": {**step.params, **seed}}
            step = step.model_copy(update={**update, "instead_of": None})
        found[name] = step
        left += step.needs()
    order = [*written, *(name for name in ran if name not in written)]
    steps = [found[name] for name in order if name in found]
    shown = [f"{step_id}.{port}" for row in [ran.get(step_id)] if row for port in row.outputs]
    return Plan.model_validate({"steps": [_json(step) for step in steps], "reply": {"show": shown}})


def _json(step: PlanStep) -> dict[str, Any]:
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)


def _step(row: StepView | None) -> PlanStep | None:
    """A step that was added while the job ran, as a plan would write it."""
    if row is None:
        return None
    try:
        return PlanStep.model_validate(
            {"id": row.id, "tool": row.tool, "inputs": row.inputs, "params": row.params}
        )
    except ValidationError:
        return None


def _words(job: JobView, maker: StepView) -> str:
    """The words that the step read: its own, or those that other steps wrote. Where it read none,
    as one that converts, those of the steps before it.
    """
    steps = {step.id: step for step in job.steps}
    level = [maker]
    while level:
        bounds = [bound for step in level for bound in _bounds(step)]
        before = [bound["from"].partition(".") for bound in bounds if "from" in bound]
        found = [bound for bound in bounds if "from" not in bound]
        for step, _, port in before:
            given = steps[step].outputs.get(port) if step in steps else None
            found += given if isinstance(given, list) else [given]
        words = [part["text"] for part in found if isinstance(part, dict) and "text" in part]
        if any(isinstance(text, str) for text in words):
            return "\n".join(text for text in words if isinstance(text, str))[:MAX_TEXT]
        level = [
            steps[name] for name in dict.fromkeys(step for step, _, _ in before) if name in steps
        ]
    return ""


def _bounds(step: StepView) -> list[Any]:
    return [
        item
        for bound in step.inputs.values()
        for item in (bound if isinstance(bound, list) else [bound])
    ]


def _asked(job: JobView, known: Mapping[str, "_Named"]) -> Asked:
    said = [
        Said(text=item["text"])
        if item["type"] == "text"
        else Said(sha256=known[item["asset"]].sha256)
        for item in job.request.get("input", [])
        if item["type"] == "text" or item.get("asset") in known
    ]
    options = {name: value for name, value in job.options.items() if name not in _NOT_KEPT}
    return Asked(
        input=said,
        instructions=job.request.get("instructions", ""),
        outputs=job.request.get("outputs", []),
        options=options,
    )


def used_models(
    names: Iterable[str | None], models: Mapping[str, ModelSpec]
) -> dict[str, UsedModel]:
    """What a recipe says of these models."""
    found = {name: models.get(name) for name in names if name}
    return {
        name: UsedModel(revision=spec.revision[:256], source=_public(spec.source))
        if spec is not None
        else UsedModel()
        for name, spec in found.items()
    }


def _public(source: str) -> str:
    """Where weights come from; a folder of this machine is nobody's business."""
    return "local" if Path(source).is_absolute() or source.startswith(".") else source[:256]


@dataclass(frozen=True, slots=True)
class _Named:
    id: str
    sha256: str
    modality: str
    media_type: str
    origin: Mapping[str, Any]


def _by_id(conn: Connection, tenant: str, names: set[str]) -> dict[str, _Named]:
    found = _named(conn, assets.c.tenant == tenant, assets.c.id.in_(names))
    return {item.id: item for item in found}


def _by_hash(conn: Connection, tenant: str, hashes: set[str]) -> dict[str, _Named]:
    found = _named(conn, assets.c.tenant == tenant, assets.c.sha256.in_(hashes))
    return {item.sha256: item for item in found}


def _named(conn: Connection, *where: Any) -> list[_Named]:
    columns = (
        assets.c.id,
        assets.c.sha256,
        assets.c.modality,
        assets.c.media_type,
        assets.c.origin,
    )
    return [_Named(*row) for row in conn.execute(select(*columns).where(*where))]


def _assets_in(plan: Plan) -> list[tuple[PlanStep, AssetBinding]]:
    return [
        (step, item)
        for step in plan.steps
        for _, _, item in step.bindings()
        if isinstance(item, AssetBinding)
    ]


def _renamed(plan: Plan, name: Callable[[str], str]) -> Plan:
    """The plan with other names for its assets."""

    def one(item: Binding) -> Binding:
        return AssetBinding(asset=name(item.asset)) if isinstance(item, AssetBinding) else item

    steps = []
    for step in plan.steps:
        inputs = {
            port: [one(item) for item in bound] if isinstance(bound, list) else one(bound)
            for port, bound in step.inputs.items()
        }
        steps.append(step.model_copy(update={"inputs": inputs}))
    return plan.model_copy(update={"steps": steps})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a recipe can be turned into here."""

    plan: Plan | None  # that makes the file again; assets of this tenant, where they are
    request: dict[str, Any] | None  # the words and files that were asked with
    asset: str | None  # the file itself, if this tenant has it
    missing: list[str]  # hashes of inputs that are not here
    notes: list[str] = field(default_factory=list)


def restore(
    conn: Connection, tenant: str, recipe: Recipe, models: Mapping[str, ModelSpec]
) -> Restored:
    """What can be asked for here to make the file again. Changes nothing."""
    wanted = {item.asset for _, item in _assets_in(recipe.plan)} if recipe.plan else set()
    said = recipe.request.input if recipe.request else []
    wanted |= {item.sha256 for item in said if item.sha256}
    here = _by_hash(conn, tenant, wanted | {recipe.sha256})
    itself = here.get(recipe.sha256)
    plan, notes = recipe.plan, list[str]()
    if plan is not None:
        plan = _renamed(plan, lambda name: here[name].id if name in here else name)
        plan, notes = _without_strange_models(plan, models)
    return Restored(
        plan=plan,
        request=_request(recipe.request, here) if recipe.request else None,
        asset=itself.id if itself else None,
        missing=sorted(wanted - here.keys()),
        notes=[*notes, *(["The file had no room for the whole recipe."] if recipe.cut else [])],
    )


def _without_strange_models(plan: Plan, models: Mapping[str, ModelSpec]) -> tuple[Plan, list[str]]:
    strange = sorted({step.model for step in plan.steps if step.model} - models.keys())
    steps = [
        step.model_copy(update={"model": None}) if step.model in strange else step
        for step in plan.steps
    ]
    notes = [f"{name} does not serve here; another model will be chosen." for name in strange]
    return plan.model_copy(update={"steps": steps}), notes


def _request(asked: Asked, here: Mapping[str, _Named]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for item in asked.input:
        if item.text is not None:
            parts.append({"type": "text", "text": item.text})
        elif item.sha256 is not None:
            found = here.get(item.sha256)
            parts.append({"type": "asset", "asset": found.id if found else item.sha256})
    body: dict[str, Any] = {"input": parts}
    for name in ("instructions", "outputs", "options"):
        if value := getattr(asked, name):
            body[name] = value
    return body
