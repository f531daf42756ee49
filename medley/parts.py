"""Parts: text, an asset or a plain value, inside a message or as the output of a step."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator

from medley.modality import Modality

MAX_TEXT = 65_536  #: characters in one text part


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Value):
    """Words."""

    type: Literal["text"] = "text"
    text: str

    @property
    def modality(self) -> Modality:
        """Always text."""
        return Modality.TEXT


class AssetPart(_Value):
    """Immutable bytes in the store, by id. `modality` is what decoding found, never what a caller
    said.
    """

    type: Literal["asset"] = "asset"
    asset: str
    modality: Modality
    media_type: str = ""


class DataPart(_Value):
    """A plain JSON value."""

    type: Literal["data"] = "data"
    data: Any

    @property
    def modality(self) -> Modality:
        """Always data."""
        return Modality.DATA


Part = Annotated[TextPart | AssetPart | DataPart, Discriminator("type")]
#: What a step gives: for each output port one part, or a list of parts where the port says `many`.
Outputs = dict[str, Part | list[Part]]
