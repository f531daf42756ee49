"""What callers say about webhooks, checked: addresses, event types, and the webhook of one job."""

from collections.abc import Sequence

from api.schemas.requests import HookIn
from api.state import Service
from medley.net.policy import Policy, UrlRefused
from orchestrator.order import InvalidRequest
from orchestrator.webhooks.endpoints import Hook, is_secret
from orchestrator.webhooks.message import EVENTS, OF_A_JOB, PATTERNS, unknown


def policy(here: Service) -> Policy:
    """Where webhooks may lead."""
    return Policy.of(here.settings, plain=here.settings.webhook_plain)


def check_url(here: Service, url: str, at: str) -> str:
    """The URL. Raises `UrlRefused` with the place; a name is looked at each time it is asked."""
    try:
        policy(here).check_url(url)
    except UrlRefused as error:
        fault = {"pointer": at, "reason": error.message}
        raise UrlRefused(f"{at}: {error.message}", errors=[fault]) from None
    return url


def check_events(names: Sequence[str], at: str) -> list[str]:
    """The names, each once. Raises `InvalidRequest`."""
    known = f"Known: {', '.join((*EVENTS, *PATTERNS))}."
    faults = [
        {
            "pointer": f"{at}/{place}",
            "reason": f"There is no event type {names[place]!r}.",
            "suggestion": "GET /v1/webhook_event_types lists them.",
        }
        for place in unknown(names)
    ]
    if faults:
        raise InvalidRequest(
            f"{faults[0]['pointer']}: {faults[0]['reason']} {known}", errors=faults
        )
    return list(dict.fromkeys(names))


def of_job(here: Service, asked: HookIn) -> Hook | None:
    """The webhook that a request names for its job. Raises `UrlRefused`, `InvalidRequest`."""
    if asked.webhook is None:
        return None
    if asked.webhook_secret is not None and not is_secret(asked.webhook_secret):
        reason = "A secret is `whsec_` and 24 to 64 random bytes in base64."
        fault = {"pointer": "/webhook_secret", "reason": reason}
        raise InvalidRequest(f"/webhook_secret: {reason}", errors=[fault])
    events = check_events(asked.webhook_events or OF_A_JOB, "/webhook_events")
    url = check_url(here, asked.webhook, "/webhook")
    return Hook(url=url, events=events, secret=asked.webhook_secret)
