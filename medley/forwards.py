"""Forward calls: how a model that works token by token, or frame by frame, is watched and stopped.

`generate` knows stopping criteria, but some models leave them out and some make sound in loops of
their own. All of them call a module once for each token, so that call is listened to; what the
listener raises leaves the loop at once, and the model can be used again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def before_each(modules: Iterable[Any], heard: Callable[[], None]) -> Iterator[None]:
    """Calls `heard()` before each forward call of one of these `torch.nn.Module`s."""

    def hook(module: Any, inputs: Any) -> None:
        del module, inputs
        heard()

    with ExitStack() as undo:
        for module in modules:
            undo.callback(module.register_forward_pre_hook(hook).remove)
        yield
