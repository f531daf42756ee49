"""The backend of the test tools. It needs no weights, and does what goes wrong on demand."""

import ctypes
import os
import signal
import time
from collections.abc import Sequence

import numpy as np

from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput
from medley.media.values import Audio
from medley.toolset.test import TEST_TOOLS

_PIECE_S = 0.02


class TestTools:
    """Implements `medley.backend.Backend`."""

    __test__ = False  # not a test class, whatever its name says

    tools = frozenset(tool.name for tool in TEST_TOOLS)

    def load(self, model: ModelSpec, device: str) -> None:
        """Nothing to load."""

    def unload(self) -> None:
        """Nothing to free."""

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request."""
        return [self._run(request, control) for request in batch]

    def _run(self, request: Request, control: Control) -> Result:
        params = request.params
        match request.tool:
            case "test.echo":
                text = params["text"] or " ".join(request.inputs.get("texts", ()))
                return Result(outputs={"out": text})
            case "test.sleep":
                _sleep(params["s"], control)
            case "test.fail":
                return _fail(request)
            case "test.oom":
                if _count(request, "crashes") < params["times"]:
                    os.kill(os.getpid(), signal.SIGKILL)
            case "test.segv":
                if _count(request, "crashes") < params["times"]:
                    ctypes.string_at(0)
            case "test.gil":
                # PyDLL keeps the interpreter's lock during the call.
                ctypes.PyDLL(None).usleep(int(params["s"] * 1e6))
            case "test.hang":
                time.sleep(params["s"])
            case "test.bytes":
                return Result(outputs={"out": _noise(params["n"], request.seed)})
            case "test.expand":
                pass
            case name:
                raise BadInput(f"There is no test tool {name!r}.")
        return Result(outputs={"out": request.tool})


def _count(request: Request, name: str) -> int:
    """How often this step was tried, or lost, before: workers say so for test tools."""
    counts = request.inputs.get("counts")
    return int(counts[name]) if isinstance(counts, dict) else 0


def _sleep(seconds: float, control: Control) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        control.tick(seconds - left, seconds)
        time.sleep(min(_PIECE_S, left))


def _fail(request: Request) -> Result:
    if _count(request, "attempt") <= request.params["times"]:
        match request.params["kind"]:
            case "permanent":
                return Result(error=BadInput("Asked to fail for good."))
            case "exception":
                raise RuntimeError("Asked to raise.")
            case _:
                return Result(error=BackendError("Asked to fail."))
    return Result(outputs={"out": "at last"})


def _noise(size: int, seed: int) -> Audio:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, size // 2).astype(np.float32)
    return Audio(samples=samples[np.newaxis, :], rate=16_000)
