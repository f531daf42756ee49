"""Lineage: what an asset was made from, back to the uploads, through all jobs of its tenant."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from medley.errors import NotFound
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset
from orchestrator.tables import steps

MAX_NODES = 256
MAX_JOBS = 32


@dataclass(kw_only=True)
class Lineage:
    """A graph: edges point from what was read to what was made of it."""

    assets: dict[str, Asset] = field(default_factory=dict)
    steps: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # assets and steps that are forgotten
    truncated: bool = False


def step_name(job: str, step: str) -> str:
    """The name of a step in the graph."""
    return f"{job}/{step}"


def lineage(conn: Connection, tenant: str, asset: Asset) -> Lineage:
    """The graph behind an asset, nearest first, of bounded size."""
    found = Lineage()
    of_job: dict[str, dict[str, Mapping[str, Any]]] = {}
    left: deque[str | tuple[str, str]] = deque([asset.id])
    seen: set[str | tuple[str, str]] = {asset.id}

    def follow(source: str | tuple[str, str], to: str) -> None:
        name = source if isinstance(source, str) else step_name(*source)
        found.edges.add((name, to))
        if source not in seen:
            seen.add(source)
            left.append(source)

    while left:
        if len(found.assets) + len(found.steps) + len(found.gone) >= MAX_NODES:
            found.truncated = True
            break
        here = left.popleft()
        if isinstance(here, str):
            _look_at_asset(conn, tenant, here, found, follow)
            continue
        job, step = here
        if job not in of_job:
            if len(of_job) >= MAX_JOBS:
                found.truncated = True
                continue
            of_job[job] = _steps(conn, tenant, job)
        row = of_job[job].get(step)
        if row is None:
            found.gone.add(step_name(job, step))
            continue
        found.steps[here] = row
        for source in _sources(job, row["inputs"]):
            follow(source, step_name(job, step))
    shown = {*found.assets, *found.gone, *(step_name(*key) for key in found.steps)}
    found.edges = {(source, to) for source, to in found.edges if {source, to} <= shown}
    return found


def _look_at_asset(conn: Connection, tenant: str, name: str, found: Lineage, follow: Any) -> None:
    try:
        asset = asset_rows.get(conn, tenant, name)
    except NotFound:
        found.gone.add(name)
        return
    found.assets[name] = asset
    if asset.origin.get("kind") == "step":
        follow((str(asset.origin["job"]), str(asset.origin["step"])), name)


def _steps(conn: Connection, tenant: str, job: str) -> dict[str, Mapping[str, Any]]:
    columns = (
        steps.c.id,
        steps.c.tool,
        steps.c.model,
        steps.c.inputs,
        steps.c.params,
        steps.c.seed,
        steps.c.status,
        steps.c.finished_at,
        steps.c.usage,
    )
    rows = conn.execute(
        select(*columns).where(steps.c.tenant == tenant, steps.c.job == job).limit(1024)
    )
    return {row["id"]: dict(row) for row in rows.mappings()}


def _sources(job: str, inputs: Mapping[str, Any]) -> list[str | tuple[str, str]]:
    found: list[str | tuple[str, str]] = []
    for bound in inputs.values():
        for item in bound if isinstance(bound, list) else [bound]:
            if "asset" in item:
                found.append(item["asset"])
            elif "from" in item:
                found.append((job, item["from"].partition(".")[0]))
    return found
