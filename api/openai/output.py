"""The output of a response while it grows: its items, and the events that tell of them in order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Told = dict[str, Any]


@dataclass(slots=True)
class Output:
    """The items so far, and the number of the next event."""

    items: list[Told] = field(default_factory=list)
    number: int = 0

    def event(self, kind: str, **members: Any) -> Told:
        """The next event."""
        told = {"type": kind, "sequence_number": self.number, **members}
        self.number += 1
        return told

    def keep_free(self, count: int) -> int:
        """The first of so many numbers that are left out, for events that may not come."""
        first = self.number
        self.number += count
        return first

    def named(self, place: int) -> Told:
        """What events about an item call it by."""
        return {"item_id": self.items[place]["id"], "output_index": place}

    def begin(self, item: Told) -> tuple[int, Told]:
        """A new item: its place, and the event that tells of it."""
        place = len(self.items)
        self.items.append(item)
        return place, self.event("response.output_item.added", output_index=place, item=dict(item))

    def finish(self, place: int, item: Told) -> Told:
        """The item as it stays."""
        self.items[place] = item
        return self.event("response.output_item.done", output_index=place, item=dict(item))

    def add(self, item: Told) -> Iterable[Told]:
        """An item that is there at once."""
        place, told = self.begin(item)
        yield told
        yield self.finish(place, item)
