"""One batch: claimed steps of one tool and model, from their inputs to what is to be committed.

Nothing here changes the database. Each item ends as a commit, as an error of its own, or with the
reason why it had to stop; the others go on. Where a hook asks its model again, all that ask again
are the next batch.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medley.backend import Request, Result
from medley.errors import BackendError, BadInput, MedleyError
from medley.media.facts import Limits
from medley.tools import Tool, Toolbox
from orchestrator.assets import AssetStore
from orchestrator.cache import cache_key, look_up
from orchestrator.crashes import crash_point
from orchestrator.database import Raw
from orchestrator.engine import (
    Commit,
    Inputs,
    Lease,
    StoredAsset,
    asset_ids,
    assets_of,
    load_assets,
    resolve,
)
from orchestrator.hooks import Hook, Prepared
from workers.ahead import ahead
from workers.asking import Asker, as_medley_error
from workers.control import Scratch, StepControl
from workers.media import Stored, to_parts, to_values
from workers.residency import Residency, is_metered

MAX_ASKS = 4  #: how often a hook may ask its backend again
Spent = Mapping[str, Any]  #: what an attempt used, and the model where another one ran
PART = 16  #: items that go to a backend together; the next ones are decoded meanwhile


@dataclass(kw_only=True)
class Item:
    """One step of a batch, and what became of it: a commit, an error, or a reason to stop."""

    lease: Lease
    tool: Tool
    inputs: Inputs = field(default_factory=dict)
    prepared: Prepared | None = None
    key: str | None = None
    commit: Commit | None = None
    error: MedleyError | None = None
    stopped: str | None = None
    model: str | None = None  # that ran last
    used: dict[str, float] = field(default_factory=dict)  # over all rounds; seconds: its share

    @property
    def open(self) -> bool:
        """Whether its backend still has to run."""
        return self.commit is None and self.error is None and self.stopped is None

    @property
    def other(self) -> str | None:
        """The model that ran in place of the step's own, if one did."""
        return self.model if self.model != self.lease.model else None

    @property
    def spent(self) -> Spent:
        """What it has used, as it is stored."""
        return self.used | ({"model": self.other} if self.other else {})

    def end_with(self, done: Commit) -> None:
        """It ends with this commit, which tells all that it has used."""
        used = {**self.used, **done.usage}
        self.commit = replace(done, usage=used, model=done.model or self.other)

    def use(self, more: Mapping[str, float]) -> None:
        """Adds to what it has used."""
        for name, number in more.items():
            self.used[name] = self.used.get(name, 0.0) + number


@dataclass(kw_only=True)
class Kitchen:
    """What batches need: tools, hooks, models in memory, the store."""

    tools: Toolbox
    hooks: Mapping[str, Hook]
    residency: Residency
    asker: Asker
    store: AssetStore
    limits: Limits
    scratch: Path

    def cook(
        self, conn: Raw, leases: Sequence[Lease], control_of: Callable[[Scratch], StepControl]
    ) -> list[Item]:
        """Runs a batch. Never raises for what a step or a backend does."""
        items = [Item(lease=lease, tool=self.tools[lease.tool]) for lease in leases]
        scratch = Scratch(self.scratch)
        try:
            assets = self._look_at_inputs(conn, items)
            self._take_from_cache(conn, items)
            control = control_of(scratch)
            for _ in range(MAX_ASKS):
                waiting = [item for item in items if item.open]
                if not waiting:
                    break
                self._run(conn, waiting, assets, control)
            for item in items:
                if item.open:
                    item.error = BackendError(f"{item.tool.name} asked its model too often.")
                self._meter(item)
                if item.commit is not None:
                    item.end_with(item.commit)
        finally:
            scratch.clear()
        return items

    def _look_at_inputs(self, conn: Raw, items: Sequence[Item]) -> dict[str, StoredAsset]:
        assets: dict[str, StoredAsset] = {}
        for item in items:
            wanted = asset_ids(item.lease)
            if wanted - assets.keys():
                assets |= load_assets(conn, item.lease.tenant, wanted)
            with caught(item):
                item.inputs = resolve(item.lease, assets)
                spec = self.residency.spec(item.lease.model) if item.lease.model else None
                hook = self.hooks.get(item.tool.name)
                if hook is None:
                    item.key = cache_key(item.lease, item.tool, spec, item.inputs, assets)
                else:
                    item.prepared = hook.prepare(conn, item.lease, item.inputs)
                    item.inputs = item.prepared.inputs
                    item.commit = item.prepared.commit
        return assets

    def _take_from_cache(self, conn: Raw, items: Sequence[Item]) -> None:
        keyed = [item for item in items if item.open and item.key is not None]
        if not keyed:
            return
        for tenant in {item.lease.tenant for item in keyed}:
            keys = [item.key for item in keyed if item.lease.tenant == tenant and item.key]
            found = look_up(conn, tenant, keys)
            for item in keyed:
                if item.lease.tenant == tenant and item.key in found:
                    item.commit = Commit(outputs=found[item.key], cached=True, cache_key=item.key)

    def _run(
        self,
        conn: Raw,
        items: Sequence[Item],
        assets: dict[str, StoredAsset],
        control: StepControl,
    ) -> None:
        for item in items:
            with caught(item):
                named_by_hook = assets_of(item.inputs) - assets.keys()
                assets |= load_assets(conn, item.lease.tenant, named_by_hook)
        usable = [item for item in items if item.open]
        parts = [usable[start : start + PART] for start in range(0, len(usable), PART)]
        for requests in ahead(parts, lambda part: self._requests(part, assets)):
            if requests:
                self._ask(conn, requests, control)

    def _requests(
        self, items: Sequence[Item], assets: Mapping[str, StoredAsset]
    ) -> list[tuple[Item, Request]]:
        """The decoded requests of those items that can be decoded."""
        requests = []
        for item in items:
            with caught(item):
                requests.append((item, self._request(item, assets)))
        return requests

    def _ask(
        self, conn: Raw, requests: Sequence[tuple[Item, Request]], control: StepControl
    ) -> None:
        began = time.monotonic()
        answers = self.asker.ask([(item.lease, request) for item, request in requests], control)
        seconds = (time.monotonic() - began) / len(requests)
        for (item, _), answer in zip(requests, answers, strict=True):
            item.use({"seconds": seconds})
            item.use(answer.usage)
            item.model = answer.model
            item.stopped = control.why_stopped(item.lease) or answer.stopped
            if item.stopped is None:
                item.error = answer.error
                if answer.result is not None:
                    with caught(item):
                        self._finish(conn, item, answer.result)

    def _request(self, item: Item, assets: Mapping[str, StoredAsset]) -> Request:
        try:
            params = item.tool.params.model_validate(dict(item.lease.params)).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(name) for name in first["loc"])
            raise BadInput(f"The parameter {place!r} cannot be used: {first['msg']}") from error
        return Request(
            tool=item.tool.name,
            inputs=to_values(item.inputs, item.tool, assets, self.store),
            params=params,
            seed=item.lease.seed,
        )

    def _finish(self, conn: Raw, item: Item, result: Result) -> None:
        ran = replace(item.lease, model=item.model)
        stored = to_parts(result.outputs, ran, item.tool, item.inputs, self.store, self.limits)
        if stored.assets:
            crash_point("worker.after_blob_before_commit")
        hook = self.hooks.get(item.tool.name)
        if hook is None or item.prepared is None:
            item.commit = self._commit(item, stored, item.key)
            return
        decided = hook.complete(conn, item.lease, stored.parts, item.prepared)
        if isinstance(decided, Prepared):
            item.prepared, item.inputs = decided, decided.inputs
            item.commit = decided.commit
            return
        base = self._commit(item, stored, None)
        item.commit = replace(
            decided,
            outputs=decided.outputs or base.outputs,
            assets=[*base.assets, *decided.assets],
            embeddings=[*base.embeddings, *decided.embeddings],
        )

    def _commit(self, item: Item, stored: Stored, key: str | None) -> Commit:
        """What a plain step commits. What another model made is not kept as this one's."""
        return Commit(
            outputs=stored.to_json(),
            assets=stored.assets,
            embeddings=stored.embeddings,
            cache_key=None if item.other else key,
        )

    def _meter(self, item: Item) -> None:
        """Seconds on an accelerator count towards budgets and quotas, however the step ended."""
        if "seconds" not in item.used:
            return  # no model was asked
        item.used["seconds"] = round(item.used["seconds"], 3)
        spec = self.residency.models.get(item.model or "")
        if spec is not None and is_metered(spec, self.residency.device):
            item.used.setdefault("gpu_seconds", item.used["seconds"])


class caught:
    """Turns what is raised inside into the item's error."""

    def __init__(self, item: Item) -> None:
        self._item = item

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        import psycopg

        if isinstance(error, psycopg.Error):
            return False  # not the step's fault
        self._item.error = as_medley_error(error)
        return True
