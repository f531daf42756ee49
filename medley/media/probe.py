"""Probe: what is this file? Decided by decoding it in a process that can do little else."""

from pathlib import Path

from medley.media.facts import Facts, Limits
from medley.media.sandboxed import in_sandbox


def probe(path: Path, limits: Limits) -> Facts:
    """Facts of a file. Blocks: call it in a thread from asynchronous code.

    Raises `UnsupportedMedia` (415), `BrokenMedia` (422) or `TooLarge` (413); `Unavailable` when no
    process can start.
    """
    answer, _ = in_sandbox("facts", path, limits)
    return Facts.of_data(answer["done"])
