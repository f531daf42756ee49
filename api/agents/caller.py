"""Who calls: the service and the tenant of a message, and what refusals become on its way back."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from starlette.requests import Request

from api.problems import ApiError
from api.state import Service, service_of
from api.strict_json import check_value
from medley.errors import Forbidden, MedleyError
from orchestrator.keys import Scope

logger = logging.getLogger("medley.api")
Context = ServerRequestContext[Any, Request]
Params = TypeVar("Params")
Answer = TypeVar("Answer")
#: Set in the scope of a request whose client has gone away.
LEFT = "medley.left"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The service, the tenant whose jobs and assets are meant, and the message itself."""

    here: Service
    tenant: str
    context: Context

    @classmethod
    def of(cls, context: Context) -> "Caller":
        """The caller of a message that came over HTTP."""
        assert context.request is not None
        here = service_of(context.request)
        return cls(here=here, tenant=here.caller.tenant, context=context)

    def require_reading(self) -> None:
        """For what looks at more than the call itself made. Raises `Forbidden`."""
        if not self.here.caller.may(Scope.READ):
            raise Forbidden(f"This key does not have the scope {Scope.READ.value!r}.")

    def link(self, path: str) -> str:
        """A path of this service as an address, under the name that the caller used."""
        assert self.context.request is not None
        return str(self.context.request.base_url).rstrip("/") + path

    @property
    def left(self) -> bool:
        """Whether the client has gone away, in contrast to the service being stopped."""
        return self.context.request is not None and LEFT in self.context.request.scope

    async def progress(self, value: float, message: str) -> None:
        """Tells how far the work is, in [0, 1], if the caller asked to hear it."""
        await self.context.session.report_progress(value, 1.0, message or None)


def handler(
    work: Callable[[Caller, Params], Awaitable[Answer]],
) -> Callable[[Context, Params], Awaitable[Answer]]:
    """A handler of the protocol that does this work.

    What cannot be stored is refused before it starts; a caller's fault is answered as `Invalid
    params` with the code and the places that are wrong. What went wrong here goes to the log, and
    the caller hears no more than that it did.
    """

    async def handle(context: Context, params: Params) -> Answer:
        try:
            check_value(dict(context.params or {}))
            return await work(Caller.of(context), params)
        except ApiError as error:
            told = {"code": error.code, "errors": list(error.errors)}
            raise MCPError(INVALID_PARAMS, str(error.detail), told) from None
        except MedleyError as error:
            code = INVALID_PARAMS if error.status < 500 else INTERNAL_ERROR
            raise MCPError(code, error.message, error.to_data()) from None
        except MCPError:
            raise
        except Exception:
            logger.exception("a message failed")
            raise MCPError(INTERNAL_ERROR, "Something went wrong here.") from None

    return handle
