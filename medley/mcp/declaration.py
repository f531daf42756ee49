"""Declarations of tools from outside: few, bounded, checked words. A `Tool` is made of them.

They travel as plain JSON, in the snapshot's file and in what the hub is asked, and are checked each
time they are read. No text of a server is longer than a line, and none is a name.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model, model_validator

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Params, Tool, port

SERVER = r"^[a-z][a-z0-9_-]{0,19}$"
TOOL = r"^[a-z][a-z0-9_-]{0,19}\.[a-z][a-z0-9_]{0,42}$"
FIELD = r"^[A-Za-z][A-Za-z0-9_]{0,47}$"
OPTION = r"^[\w.:/+@#%-][\w .:/+@#%-]{0,47}$"  #: a choice is a word or a few, never a sentence
RESERVED = frozenset({"test", "flow"})  #: names of our own that have a dot, too

MAX_ABOUT = 200  #: characters of a description
MAX_PARAMS = 32
MAX_OPTIONS = 64
MAX_ITEMS = 64
MAX_WORDS = 16_384  #: characters of a text argument
MAX_NUMBER = 2**53 - 1  #: beyond it JSON's numbers are not exact
CALL_S = 300.0  #: seconds that one call may take

Scalar = str | int | float | bool
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=MAX_WORDS)]
Option = Annotated[str, Field(pattern=OPTION)] | Annotated[int, Field(strict=True)]


def one_line(text: str, limit: int) -> str:
    """Text without signs that steer a terminal or hide themselves, on one line, cut to `limit`."""
    flat = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


class Shape(BaseModel):
    """What is read from a file or a message."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(Shape):
    """One argument: a string, a number, a truth value, one of some options, or a list of these."""

    name: str = Field(pattern=FIELD)
    kind: Literal["string", "integer", "number", "boolean"]
    about: str = Field(default="", max_length=MAX_ABOUT)
    required: bool = False
    many: bool = False
    options: tuple[Option, ...] = Field(default=(), max_length=MAX_OPTIONS)
    low: Number | None = None
    high: Number | None = None
    open_low: bool = False  # the bound itself is not allowed
    open_high: bool = False
    shortest: Size = 0
    longest: Size = MAX_WORDS
    fewest: int = Field(default=0, ge=0, le=MAX_ITEMS)
    most: int = Field(default=MAX_ITEMS, ge=1, le=MAX_ITEMS)
    default: Scalar | list[Scalar] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name == "seed" or self.name.startswith("model_") or hasattr(Params, self.name):
            raise ValueError(f"{self.name!r} means something else here")
        limits = (self.low, self.high)
        if (
            self.shortest > self.longest
            or self.fewest > self.most
            or (None not in limits and float(self.low or 0) > float(self.high or 0))
        ):
            raise ValueError("no value fits")
        if self.default is not None:
            TypeAdapter(self.annotation()).validate_python(self.default, strict=True)
        return self

    def annotation(self) -> Any:
        """Its type as pydantic reads it."""
        single = self._single()
        if not self.many:
            return single
        return Annotated[list[single], Field(min_length=self.fewest, max_length=self.most)]  # type: ignore[valid-type]

    def _single(self) -> Any:
        if self.options:
            return Literal[self.options]
        if self.kind == "string":
            return Annotated[str, Field(min_length=self.shortest, max_length=self.longest)]
        if self.kind == "boolean":
            return bool
        kind: type[float] = int if self.kind == "integer" else float
        low = kind(-MAX_NUMBER if self.low is None else self.low)
        high = kind(MAX_NUMBER if self.high is None else self.high)
        # JSON knows no infinity, and a bound keeps it out.
        above = Field(gt=low) if self.open_low else Field(ge=low)
        return Annotated[kind, above, Field(lt=high) if self.open_high else Field(le=high)]


class Declaration(Shape):
    """One tool of an attached server. `text` is the argument that takes words of other steps."""

    name: str = Field(pattern=TOOL)
    about: str = Field(default="", max_length=MAX_ABOUT)
    text: Parameter | None = None
    params: tuple[Parameter, ...] = Field(default=(), max_length=MAX_PARAMS)
    again: bool = False  # a call may be repeated after an accident

    @model_validator(mode="after")
    def _sound(self) -> Self:
        names = [item.name for item in (*self.params, *([self.text] if self.text else []))]
        if len(set(names)) != len(names):
            raise ValueError("an argument is declared twice")
        if self.text and (self.text.kind != "string" or self.text.many or self.text.options):
            raise ValueError("an input takes words")
        if self.about != one_line(self.about, MAX_ABOUT):
            raise ValueError("a description is one line of plain signs")
        return self

    @property
    def server(self) -> str:
        """The attached server's name."""
        return self.name.partition(".")[0]

    def tool(self) -> Tool:
        """The declaration as plans use it. What a call gives is known only afterwards."""
        return _tool(self.model_dump_json())


@lru_cache(maxsize=1024)
def _tool(declaration: str) -> Tool:
    """Pure; models are slow to make, and each planning round needs the same ones."""
    said = Declaration.model_validate_json(declaration)
    text = said.text
    return Tool(
        name=said.name,
        about=said.about,
        inputs={}
        if text is None
        else {text.name: port(Modality.TEXT, about=text.about or "The words.")},
        outputs={
            "text": port(Modality.TEXT, about="Its words, if it says any.", required=False),
            "image": port(Modality.IMAGE, about="Its picture, if it gives one.", required=False),
            "audio": port(Modality.AUDIO, about="Its sound, if it gives one.", required=False),
        },
        params=_params(said.params),
        lane=Lane.CPU,
        cacheable=False,
        deadline_s=CALL_S + 30,
        declared=said.model_dump(mode="json", exclude_defaults=True),
    )


def _params(given: Sequence[Parameter]) -> type[Params]:
    fields: dict[str, Any] = {}
    for item in given:
        about = item.about or None
        if item.required:
            fields[item.name] = (item.annotation(), Field(description=about))
        else:
            # None is not sent: the server's own default holds.
            value = item.default
            wanted = item.annotation() | None if value is None else item.annotation()
            fields[item.name] = (
                wanted,
                Field(default=value, description=about, validate_default=True),
            )
    made: type[Params] = create_model("OutsideParams", __base__=Params, **fields)
    return made
