"""Doors: what each route asks of its caller, and which actions the audit log tells of. Pure.

The first line that fits a request decides. A route that no line names is looked at with `read`,
asked with `run` and changed with `manage`, so that a new one is never open by accident.
"""

import re
from enum import StrEnum

from orchestrator.keys import Scope

READ, RUN, MANAGE, ADMIN, OPERATE = Scope


class Door(StrEnum):
    """Doors that no scope opens."""

    OPEN = "open"  # for everybody
    KNOWN = "known"  # for whoever has any key
    METRICS = "metrics"  # as the setting `metrics_for` says


Need = Scope | Door

_LINES: tuple[tuple[str, str, Need], ...] = (
    # methods       path                                                          opens with
    ("*", r"/healthz|/readyz|/docs|/openapi\.json|/llms\.txt|/\.well-known/.*", Door.OPEN),
    ("*", r"/metrics/?", Door.METRICS),
    ("GET HEAD", r"/v1/session", Door.KNOWN),
    ("*", r"/v1/session", Door.OPEN),
    ("*", r"/v1/(keys|audit)(/.*)?", ADMIN),
    ("GET HEAD", r"/v1/.*", READ),
    ("POST", r"/v1/workflows/(validate|[^/]+/validate|[^/]+/runs)", RUN),
    ("*", r"/v1/(workflows|webhook_endpoints)(/.*)?", MANAGE),
    ("*", r"/v1/models(/.*)?", OPERATE),
    ("PUT", r"/v1/assets", RUN),
    ("PATCH", r"/v1/jobs/[^/]+/plan", RUN),
    ("POST", r"/v1/jobs/[^/]+/token", READ),
    ("POST", r"/v1/.*", RUN),
    ("*", r"/mcp(/.*)?", RUN),
    ("GET HEAD OPTIONS", r".*", READ),
    ("POST", r".*", RUN),
    ("*", r".*", MANAGE),
)

#: Actions that are written down by their address. What is done with keys and sessions is written
#: where it is done, in the same transaction.
_TOLD: tuple[tuple[str, str, str], ...] = (
    ("POST", r"/v1/models/(?P<target>.+)/(load|unload|pull)", "model.{0}"),
    ("DELETE", r"/v1/models/(?P<target>.+)", "model.delete"),
    ("PUT", r"/v1/workflows/(?P<target>[^/]+)/tool", "workflow.publish"),
    ("DELETE", r"/v1/workflows/(?P<target>[^/]+)/tool", "workflow.withdraw"),
    ("POST", r"/v1/webhook_endpoints", "webhook.create"),
    ("POST", r"/v1/webhook_endpoints/(?P<target>[^/]+)", "webhook.change"),
    ("POST", r"/v1/webhook_endpoints/(?P<target>[^/]+)/deliveries/.*", "webhook.redeliver"),
    ("POST", r"/v1/webhook_endpoints/(?P<target>[^/]+)/(.+)", "webhook.{0}"),
    ("DELETE", r"/v1/webhook_endpoints/(?P<target>[^/]+)", "webhook.delete"),
    ("DELETE", r"/v1/(?!keys|session)([a-z_]+)/(?P<target>.+)", "{0}.delete"),
)
_READABLE_JOB = r"/v1/jobs/{job}(/.*)?"
_READABLE_ASSET = re.compile(r"/v1/assets/(asset_[0-9a-f]{1,64})/(content|thumbnail)")


def need(method: str, path: str) -> Need:
    """What a request has to bring."""
    return next(
        what
        for methods, pattern, what in _LINES
        if methods in ("*", method) or method in methods.split()
        if re.fullmatch(pattern, path, re.DOTALL)
    )


def told(method: str, path: str) -> tuple[str, str] | None:
    """The action and what it is done to, if the audit log tells of it."""
    for wanted, pattern, action in _TOLD:
        found = re.fullmatch(pattern, path, re.DOTALL) if wanted == method else None
        if found is not None:
            target = found.groupdict().get("target", "")
            words = [word for word in found.groups() if word != target]
            return action.format(*words), target
    return None


def of_job(path: str, job: str) -> bool:
    """Whether this is the address of the job, or of one of its rooms."""
    return re.fullmatch(_READABLE_JOB.format(job=re.escape(job)), path, re.DOTALL) is not None


def bytes_of(path: str) -> str | None:
    """The asset whose bytes, or picture, are at this address."""
    found = _READABLE_ASSET.fullmatch(path)
    return found[1] if found else None
