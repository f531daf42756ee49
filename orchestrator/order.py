"""An order: what a caller asks for, before anything of it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sqlalchemy import Connection

from medley.advice import UPLOAD
from medley.errors import CallerError
from medley.gate import Fault
from medley.modality import Modality
from medley.parts import AssetPart, Part
from medley.plan import Plan, Workflow
from medley.tasks import ChatMessage
from orchestrator.binding import Values
from orchestrator.checking import find_assets
from orchestrator.quotas import Grant
from orchestrator.webhooks.endpoints import Hook


class InvalidRequest(CallerError):
    """The request is well formed, but names things that do not fit; `errors` says where."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller asks for. Exactly one of `parts`, `workflow` and `plan` is given; with a plan,
    `parts` may say what it was made of.
    """

    tenant: str
    parts: Sequence[Part] = ()
    instructions: str = ""
    outputs: Sequence[Modality] = ()
    workflow: Workflow | None = None
    workflow_id: str | None = None
    workflow_version: int | None = None
    values: Values = field(default_factory=dict)
    plan: Plan | None = None
    conversation: str | None = None
    parent: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None  # of the job, where the caller listens to it before it is there
    history: Sequence[ChatMessage] = ()  # what was said before, where no conversation holds it
    asked: Mapping[str, Any] = field(default_factory=dict)  # in the form of another interface
    grant: Grant = field(default_factory=Grant)
    webhook: Hook | None = None

    @property
    def approve(self) -> str:
        """`auto`, or `plan` to stop at the checked plan."""
        return str(self.options.get("approve", "auto"))


def dry(order: Order) -> Order:
    """The same order, stopped at its plan and without an answer."""
    return replace(
        order, webhook=None, options={**order.options, "approve": "plan", "dry_run": True}
    )


def require_assets(conn: Connection, tenant: str, parts: Sequence[Part]) -> None:
    """Raises `InvalidRequest` for parts that name assets the tenant does not have."""
    named = {part.asset for part in parts if isinstance(part, AssetPart)}
    known = find_assets(conn, tenant, named)
    faults = [
        Fault(f"/input/{place}/asset", f"There is no asset {part.asset!r}.", UPLOAD).to_data()
        for place, part in enumerate(parts)
        if isinstance(part, AssetPart) and part.asset not in known
    ]
    if faults:
        raise InvalidRequest(f"{faults[0]['pointer']}: {faults[0]['reason']}", errors=faults)
