"""Tools for tests and operators only (`MEDLEY_TEST_TOOLS=1`): they do what goes wrong, on demand.

Each takes words of earlier steps, so that any graph can be made of them.
"""

from typing import Literal

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Params, Port, Tool, port

_TEXTS = {
    "texts": port(
        Modality.TEXT, about="Words of earlier steps.", many=True, required=False, max_items=256
    )
}
_OUT = {"out": port(Modality.TEXT, about="Words.")}


class EchoParams(Params):
    """What to say."""

    text: str = Field(default="", max_length=4096)


class SecondsParams(Params):
    """How long."""

    s: float = Field(default=0.1, ge=0, le=600)


class FailParams(Params):
    """How, and how often, before it succeeds."""

    kind: Literal["retryable", "permanent", "exception"] = "retryable"
    times: int = Field(default=1_000_000, ge=0)


class TimesParams(Params):
    """How often, before it succeeds."""

    times: int = Field(default=1_000_000, ge=0)


class BytesParams(Params):
    """How much."""

    n: int = Field(default=1000, ge=2, le=100_000_000, description="Bytes of sound.")


class ExpandParams(Params):
    """How many steps to append."""

    n: int = Field(default=2, ge=0, le=64)


def _tool(
    name: str,
    about: str,
    params: type[Params],
    *,
    outputs: dict[str, Port] | None = None,
    cacheable: bool = False,
    seeded: bool = False,
    deadline_s: float = 600.0,
    max_attempts: int = 3,
) -> Tool:
    return Tool(
        name=name,
        about=about,
        inputs=_TEXTS,
        outputs=_OUT if outputs is None else outputs,
        params=params,
        lane=Lane.CPU,
        cacheable=cacheable,
        seeded=seeded,
        deadline_s=deadline_s,
        max_attempts=max_attempts,
    )


TEST_TOOLS: tuple[Tool, ...] = (
    _tool("test.echo", "Says its text, or what it was given.", EchoParams),
    _tool("test.sleep", "Sleeps in small pieces, and hears a stop between them.", SecondsParams),
    _tool("test.fail", "Raises errors, then succeeds.", FailParams),
    _tool("test.oom", "Its process is killed, as the kernel does out of memory.", TimesParams),
    _tool("test.segv", "Its process reads where nothing is.", TimesParams),
    _tool("test.gil", "One call that never lets another thread run.", SecondsParams),
    _tool("test.hang", "Ignores every word to stop.", SecondsParams, deadline_s=2.0),
    _tool("test.expand", "Appends steps to its own job.", ExpandParams),
    _tool(
        "test.bytes",
        "Noise of a given size; equal seeds give equal bytes.",
        BytesParams,
        outputs={"out": port(Modality.AUDIO, about="Noise.")},
        cacheable=True,
        seeded=True,
    ),
)
