"""What backends of single looks share: each item is made ready by itself, so that a bad one fails
alone.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from medley.backend import Control, Request, Result
from medley.errors import BadInput, MedleyError
from medley.media.values import Video

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
FRAMES = 8
"""Pictures taken from a video where the checkpoint does not say how many it wants."""


def make_ready(
    batch: Sequence[Request], control: Control, prepare: Callable[[Request], T]
) -> tuple[list[tuple[int, T]], dict[int, Result]]:
    """What `prepare` made of each request that it could use, with its place, and the errors of the
    others by place. A `ValueError` or `OSError` becomes `BadInput`. Raises `StepStopped`.
    """
    ready: list[tuple[int, T]] = []
    failed: dict[int, Result] = {}
    control.tick(0, len(batch))
    for place, request in enumerate(batch):
        try:
            ready.append((place, prepare(request)))
        except MedleyError as error:
            failed[place] = Result(error=error)
        except (ValueError, OSError) as error:
            failed[place] = Result(error=BadInput(f"The input cannot be used: {error}"))
        control.tick(0, len(batch))
    return ready, failed


def words(request: Request, port: str = "text") -> str:
    """The text at a port. Raises `BadInput` where it is empty."""
    text = request.inputs.get(port)
    if not isinstance(text, str) or not text.strip():
        raise BadInput("The text is empty.")
    return text


def pictures(value: Any, count: int = FRAMES) -> "list[Image]":
    """A picture, or `count` frames of a video spread evenly, as RGB. Raises `BadInput`."""
    from PIL.Image import Image

    from medley.media.video import frames

    if isinstance(value, Image):
        return [value.convert("RGB")]
    if isinstance(value, Video):
        return list(frames(value, count=count))
    raise BadInput(f"Cannot look at a value of type {type(value).__name__}.")
