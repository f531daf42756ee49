"""What is started and must be stopped, as a context manager."""

from abc import ABC, abstractmethod
from typing import Self


class Stoppable(ABC):
    """Stops at the end of its `with` block, however the block ends."""

    @abstractmethod
    def stop(self) -> object:
        """End it in order and wait. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.stop()
