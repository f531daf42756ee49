"""Between parts and values: inputs are decoded from the asset store, outputs are written to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from medley.errors import BackendError
from medley.ids import new_id
from medley.media.codec import decode, encode
from medley.media.facts import Limits
from medley.media.values import Audio, Embedding, Encoded, Value, Video
from medley.modality import STORED, Modality
from medley.parts import AssetPart, DataPart, Part, TextPart
from medley.storable import made_storable
from medley.tools import Port, Tool
from orchestrator.assets import AssetStore
from orchestrator.engine import Inputs, Lease, NewAsset, NewEmbedding, StoredAsset

MAX_ORIGIN_WORDS = 120  #: characters of the words that an asset was made from


@dataclass(kw_only=True)
class Stored:
    """Outputs whose bytes are in the store; their rows come with the commit."""

    parts: dict[str, Part | list[Part]] = field(default_factory=dict)
    assets: list[NewAsset] = field(default_factory=list)
    embeddings: list[NewEmbedding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The parts as plain JSON."""
        return {
            port: [part.model_dump(mode="json") for part in found]
            if isinstance(found, list)
            else found.model_dump(mode="json")
            for port, found in self.parts.items()
        }


def to_values(
    inputs: Inputs, tool: Tool, assets: Mapping[str, StoredAsset], store: AssetStore
) -> dict[str, Value | list[Value]]:
    """Decoded values by port. Raises `BrokenMedia` or `NotFound` for bytes that cannot be read."""
    values: dict[str, Value | list[Value]] = {}
    for port, parts in inputs.items():
        declared = tool.inputs.get(port)
        many = declared is not None and declared.many
        if isinstance(parts, list):
            found = [_value(part, assets, store) for part in parts]
            values[port] = found if many or len(found) != 1 else found[0]
        else:
            found_one = _value(parts, assets, store)
            values[port] = [found_one] if many else found_one
    return values


def _value(part: Part, assets: Mapping[str, StoredAsset], store: AssetStore) -> Value:
    match part:
        case TextPart(text=text):
            return text
        case DataPart(data=data):
            return data
        case AssetPart(asset=name):
            row = assets[name]
            return decode(store.path(row.sha256), Modality(row.modality), row.media_type)


def to_parts(
    outputs: Mapping[str, Value | Sequence[Value]],
    lease: Lease,
    tool: Tool,
    inputs: Inputs,
    store: AssetStore,
    limits: Limits,
) -> Stored:
    """Writes the bytes of outputs and says what rows they need.

    Raises `BackendError` when a backend gave something that its tool does not declare.
    """
    stored = Stored()
    for port, value in outputs.items():
        declared = tool.outputs.get(port)
        if declared is None:
            raise BackendError(f"{tool.name} has no output {port!r}.")
        writer = _Writer(lease, tool, port, declared, inputs, store, limits, stored)
        if declared.many:
            stored.parts[port] = [writer.write(item) for item in value]
        else:
            stored.parts[port] = writer.write(value)
    missing = [name for name, port in tool.outputs.items() if port.required and name not in outputs]
    if missing:
        raise BackendError(f"{tool.name} gave no {missing[0]!r}.")
    return stored


@dataclass(frozen=True)
class _Writer:
    """Writes the values of one output port."""

    lease: Lease
    tool: Tool
    port: str
    declared: Port
    inputs: Inputs
    store: AssetStore
    limits: Limits
    stored: Stored

    def write(self, value: Value) -> Part:
        modality = modality_of(value, self.declared)
        if modality is Modality.TEXT:
            return TextPart(text=made_storable(value))
        if modality not in STORED:
            return DataPart(data=made_storable(value))
        if isinstance(value, Embedding):
            value = replace(value, of=value.of or self.embeds())
        file = encode(value, modality, self.limits)
        most = self.limits.max_bytes
        if file.path is not None:
            received = self.store.receive_file(file.path, most)
        else:
            received = self.store.receive([file.data or b""], most)
        self.store.keep(received)
        asset = NewAsset(
            id=new_id("asset"),
            sha256=received.sha256,
            size=received.size,
            modality=modality.value,
            media_type=file.media_type,
            facts=file.facts.to_data(),
            origin=self.origin(),
        )
        self.stored.assets.append(asset)
        if isinstance(value, Embedding):
            self.index(asset.id, value)
        return AssetPart(asset=asset.id, modality=modality, media_type=file.media_type)

    def origin(self) -> dict[str, Any]:
        """Where the asset came from."""
        origin: dict[str, Any] = {
            "kind": "step",
            "job": self.lease.job,
            "step": self.lease.step,
            "port": self.port,
            "tool": self.tool.name,
            "model": self.lease.model,
        }
        if words := self.words():
            origin["words"] = words
        embedded = self.embedded()
        return origin | ({"embeds": embedded.asset} if embedded else {})

    def words(self) -> str:
        """The words that it was made from, on one line."""
        given = [part.text for part in self.inputs.values() if isinstance(part, TextPart)]
        return " ".join(" ".join(given).split())[:MAX_ORIGIN_WORDS]

    def embedded(self) -> AssetPart | None:
        """What an `embed` step embedded, if that is an asset."""
        media = self.inputs.get("media")
        return media if self.tool.name == "embed" and isinstance(media, AssetPart) else None

    def embeds(self) -> str:
        """The modality of what an `embed` step embedded; "" for other tools."""
        media = self.inputs.get("media") if self.tool.name == "embed" else None
        return media.modality.value if isinstance(media, AssetPart | TextPart) else ""

    def index(self, asset: str, value: Embedding) -> None:
        """An embedding can be looked for, and what it embeds can be found by it."""
        vector = value.vector.tolist()
        found = [(asset, Modality.EMBEDDING)]
        embedded = self.embedded()
        if embedded is not None:
            found.append((embedded.asset, embedded.modality))
        self.stored.embeddings.extend(
            NewEmbedding(asset=name, space=value.space, modality=modality.value, vector=vector)
            for name, modality in found
        )


def modality_of(value: Value, declared: Port) -> Modality:
    """What a value is, by its type and by what its port may give."""
    if Modality.DATA in declared.accepts and len(declared.accepts) == 1:
        return Modality.DATA
    if isinstance(value, str):
        return Modality.TEXT
    if isinstance(value, Audio):
        return Modality.AUDIO
    if isinstance(value, Video):
        return Modality.VIDEO
    if isinstance(value, Embedding):
        return Modality.EMBEDDING
    if isinstance(value, Encoded):
        return Modality(value.media_type.partition("/")[0])
    if type(value).__module__.startswith("PIL."):
        return Modality.IMAGE
    if Modality.DATA in declared.accepts:
        return Modality.DATA
    raise BackendError(f"A {type(value).__name__} is no output that Medley knows.")
