"""What a webhook message is, and when it is tried again."""

import base64
import random
from datetime import UTC, datetime

from standardwebhooks import Webhook

from orchestrator.webhooks import message
from orchestrator.webhooks.endpoints import is_secret, new_secret


def test_the_schedule_is_that_of_standard_webhooks_with_jitter() -> None:
    waits = [message.retry_in(attempt, random.Random(0)) for attempt in range(1, 11)]
    assert waits[-1] is None
    for wait, wanted in zip(waits, message.RETRY_S, strict=False):
        assert wait is not None
        assert 0.9 * wanted <= wait <= 1.1 * wanted


def test_the_body_of_a_message_is_always_the_same() -> None:
    assert (
        message.body({"b": "ü", "a": 1})
        == message.body({"a": 1, "b": "ü"})
        == b'{"a":1,"b":"\xc3\xbc"}'
    )


def test_each_secret_signs() -> None:
    now, content = datetime.now(UTC), message.body({"a": "ü"})
    secrets = [new_secret(), None, new_secret()]
    headers = message.headers("wd_1", content, secrets, now)
    for secret in secrets:
        assert secret is None or Webhook(secret).verify(content, headers) == {"a": "ü"}
    assert "webhook-signature" not in message.headers("wd_1", content, [None], now)


def test_secrets_are_long_enough_and_not_shown() -> None:
    assert is_secret(new_secret())
    short = "whsec_" + base64.b64encode(b"x" * 23).decode()
    assert not any(is_secret(text) for text in ("", "whsec_", short, "secret", new_secret()[6:]))


def test_names_that_are_no_events_are_found() -> None:
    assert message.unknown([*message.EVENTS, *message.PATTERNS]) == []
    assert message.unknown(["job.*", "jobs.*", "step.preview", "log"]) == [1, 2, 3]
