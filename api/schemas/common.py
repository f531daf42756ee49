"""Shapes that every room shares: lists, links, and how a documented error looks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    model_validator,
)
from pydantic_core import CoreSchema

from api import problems

Item = TypeVar("Item")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: A moment, in UTC, as RFC 3339 text.
Time = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]


def _exact(schema: Any) -> Any:
    """The same with strict numbers and truth values. Strict as a whole would refuse enums, too."""
    if isinstance(schema, list):
        return [_exact(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    exact = {
        name: item if name in ("metadata", "default") else _exact(item)
        for name, item in schema.items()
    }
    return exact | {"strict": True} if exact.get("type") in ("int", "float", "bool") else exact


class Body(BaseModel):
    """What a caller sends: unknown members are refused, and a number or a truth value is what JSON
    means by it. `"7"` is no number, `true` no 1. Forms, which know only words, are read with
    `strict=False`.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook."""
        found: CoreSchema = _exact(handler(source))
        return found


class Call(Body):
    """The body of a call of OpenAI's: a member that is null counts as left out. Clients in other
    languages send all members that they know, most of them null.
    """

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: value for name, value in given.items() if value is not None}
        return given


class Out(BaseModel):
    """What we answer."""

    model_config = ConfigDict(populate_by_name=True)


class Page(Out, Generic[Item]):
    """One page of a list. The next one begins `after` the `last_id`."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


def page(items: Sequence[Item], limit: int) -> Page[Item]:
    """A page of at most `limit` items; expects one more than that when there is more."""
    shown = list(items[:limit])
    ids = [getattr(item, "id", None) for item in shown]
    return Page(
        data=shown,
        first_id=ids[0] if ids else None,
        last_id=ids[-1] if ids else None,
        has_more=len(items) > limit,
    )


def id_after(*kinds: str) -> Any:
    """The query parameter that names the last item of the page before, an id of one of these kinds.
    Ids are compared, so that a page is right when that item is gone; what is none is refused.
    """
    kind = kinds[0] if len(kinds) == 1 else f"({'|'.join(kinds)})"
    pattern = rf"^{kind}_[0-9a-f]{{32}}$"
    return Query(max_length=64, pattern=pattern, description="The last id of the page before.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these errors, besides those that every route has."""
    return {
        status: {
            "model": problems.Problem,
            "description": problems.code_of(status).replace("_", " ").capitalize(),
            "content": {problems.MEDIA_TYPE: {}},
        }
        for status in statuses
    }


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
