"""Gauges of a worker process: how long models take to load, and what memory is used."""

import time
from collections.abc import Callable
from typing import Any

import psutil
from psycopg.types.json import Jsonb

from orchestrator.database import Raw
from orchestrator.tally import Tally

EVERY_S = 10.0  #: memory is written down so often at most


class Gauges:
    """What one worker child tells of itself, in its row and in the totals."""

    def __init__(
        self,
        worker: str,
        device: str,
        tally: Tally,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker, self._device, self._tally, self._clock = worker, device, tally, clock
        self._began: dict[str, float] = {}
        self._due = 0.0

    def changed(self, model: str, state: str) -> None:
        """A model's state has changed: loading | loaded | failed | gone | away."""
        if state == "loading":
            self._began[model] = self._clock()
            return
        began = self._began.pop(model, None)
        if began is not None and state == "loaded":
            self._tally.observe("medley_model_load_seconds", self._clock() - began, model=model)
        elif began is not None and state == "failed":
            self._tally.add("medley_model_load_failures_total", model=model)
        self._due = 0.0

    def write(self, conn: Raw) -> None:
        """Writes what there is to tell, if it is time. Raises `psycopg.Error`."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + EVERY_S
        memory = Jsonb({"memory": memory_of(self._device)})
        conn.execute("UPDATE workers SET facts = facts || %s WHERE id = %s", [memory, self._worker])
        self._tally.write(conn, now=True)


def memory_of(device: str) -> dict[str, Any]:
    """Bytes: what this process uses of a device, and what the device has. On an accelerator what
    torch has reserved, on the processor resident memory.
    """
    if device.startswith("cuda"):
        import torch

        _, total = torch.cuda.mem_get_info()
        return {"used": torch.cuda.memory_reserved(), "total": total}
    return {
        "used": psutil.Process().memory_info().rss,
        "total": psutil.virtual_memory().total,
    }
