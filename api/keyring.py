"""The keyring: who has which secret, remembered for some seconds, so that hot paths ask the
database nothing. A revoked key is refused as soon as what is remembered of it is old.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from medley.errors import Unauthorized
from medley.quota import Quota
from orchestrator import keys, sessions
from orchestrator.keys import Caller, hash_of

REMEMBERED_S = 3.0
ROOM = 4096  # callers


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: float


class KeyRing:
    """Finds callers by their secrets."""

    def __init__(self, db: Engine, default: Quota) -> None:
        self._db, self._default = db, default
        self._known: dict[str, _Known] = {}
        self._closed, self._asked = False, float("-inf")

    async def closed(self) -> bool:
        """Whether there is any key; then nobody comes in without one, ever again."""
        if not self._closed and time.monotonic() - self._asked > REMEMBERED_S:
            self._closed = await run_in_threadpool(self._any_key)
            self._asked = time.monotonic()
        return self._closed

    async def caller(self, secret: str) -> Caller:
        """Who has this key, cookie or token. Raises `Unauthorized`."""
        digest, now = hash_of(secret), time.monotonic()
        known = self._known.get(digest)
        if known is None or known.until <= now:
            known = _Known(await run_in_threadpool(self._look_up, secret), now + REMEMBERED_S)
            if len(self._known) >= ROOM:
                self._known.clear()
            self._known[digest] = known
        ends = known.caller.expires_at
        if ends is not None and ends <= datetime.now(UTC):
            self._known.pop(digest, None)
            raise Unauthorized("This key has expired.")
        return known.caller

    def forget(self) -> None:
        """To be called by whoever changes keys or sessions: here it counts at once."""
        self._known.clear()
        self._asked = float("-inf")

    def _any_key(self) -> bool:
        with self._db.connect() as conn:
            return keys.any_key(conn)

    def _look_up(self, secret: str) -> Caller:
        with self._db.begin() as conn:
            if secret.startswith(keys.MARK):
                return keys.sign_in(conn, secret).caller(self._default)
            if secret.startswith((sessions.SESSION_MARK, sessions.TOKEN_MARK)):
                return sessions.caller_of(conn, secret, self._default)
        raise Unauthorized("There is no such key.")
