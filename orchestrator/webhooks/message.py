"""What is sent, and when: Standard Webhooks, as pure functions.

The body of a message and its `webhook-id` stay the same over all attempts; the timestamp and the
signatures are those of the attempt.
"""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

#: Seconds between an attempt and the next one, before jitter; after the last one it is given up.
RETRY_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_JITTER = 0.1

#: What an endpoint can ask for by name.
EVENTS = (
    "job.queued", "job.waiting", "job.approved", "job.input",
    "job.succeeded", "job.failed", "job.canceled", "job.expired",
    "plan.ready", "plan.revised",
    "step.started", "step.progress", "step.cached", "step.completed", "step.retrying",
    "step.released", "step.failed", "step.skipped", "step.canceled",
    "response.completed", "response.failed", "response.cancelled",
    "video.completed", "video.failed",
    "batch.completed", "batch.failed", "batch.cancelled", "batch.expired",
    "webhook_endpoint.disabled",
)  # fmt: skip
#: … or by a pattern. `*` is every event under its native name.
PATTERNS = ("*", "job.*", "plan.*", "step.*", "batch.*", "webhook_endpoint.*")
#: What a webhook of one job hears of, if it does not say.
OF_A_JOB = ("job.waiting", "job.succeeded", "job.failed", "job.canceled", "job.expired")


def unknown(names: Sequence[str]) -> list[int]:
    """Places of names that are neither events nor patterns."""
    known = {*EVENTS, *PATTERNS}
    return [place for place, name in enumerate(names) if name not in known]


def body(payload: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent; of equal payloads they are equal."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def headers(
    message_id: str, content: bytes, secrets: Sequence[str | None], now: datetime
) -> dict[str, str]:
    """The headers of an attempt at `now` (UTC), with a signature for each secret."""
    signatures = [
        Webhook(secret).sign(message_id, now, content.decode()) for secret in secrets if secret
    ]
    found = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if signatures:
        found["webhook-signature"] = " ".join(signatures)
    return found


def retry_in(attempt: int, random_: random.Random) -> float | None:
    """Seconds from the failure of this attempt (the first is 1) to the next; None: no more."""
    if attempt > len(RETRY_S):
        return None
    return RETRY_S[attempt - 1] * (1 + random_.uniform(-_JITTER, _JITTER))


def sample(kind: str, message_id: str, now: datetime) -> dict[str, Any]:
    """The payload of a test."""
    nowhere = "0" * 32
    data: dict[str, Any] = {"test": True, "job": f"job_{nowhere}", "detail": {}}
    prefix = {"response": "resp", "video": "video", "batch": "batch"}.get(kind.partition(".")[0])
    if prefix is not None:
        data = {"id": f"{prefix}_{nowhere}"}
    return {
        "id": message_id,
        "object": "event",
        "type": kind,
        "created_at": int(now.timestamp()),
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": data,
    }
