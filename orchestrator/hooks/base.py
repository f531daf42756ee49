"""Hooks: tools whose input comes from the database, or whose result changes more than their own
step.

A worker calls `prepare` after the claim and `complete` after the backend. Both are short reads;
what they decide becomes true in the commit of the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from medley.errors import MedleyError
from medley.parts import Part
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a backend is to be run with, or what is to be committed without one."""

    inputs: Inputs
    commit: Commit | None = None  # set: no backend is run
    state: Any = None  # the hook's own notes, given back to `complete`


Parts = Mapping[str, Part | list[Part]]


class WithoutBackend:
    """A hook's part after `prepare`, where that decides everything and no backend runs."""

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """What `prepare` has found."""
        return prepared

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """What fails, fails."""
        return None


class Hook(Protocol):
    """What stands around the backend of one tool."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """From the resolved inputs of the step to those of the backend. Raises `MedleyError`."""
        ...

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """What to commit; a `Prepared` means: run the backend again, with these inputs. Raises
        `MedleyError`.

        `outputs` are stored already; the runner adds their assets and embeddings to the commit.
        """
        ...

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """What to commit instead when the last attempt failed; None lets the step fail."""
        ...
