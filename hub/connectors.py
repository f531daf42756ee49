"""Connectors: from a shared-space embedding (B, d) or an encoder's tokens (B, T, d) to soft tokens
(B, K, hidden) of a hub.

Five members, by `kind`: `linear` and `mlp` give K tokens for each vector (PandaGPT, LLaVA-1.5);
`qformer` and `resampler` read any number of tokens with K learnt queries (BLIP-2, Flamingo); `upm`
mixes projection experts by a router (OneLLM). With `modalities` each of them has its own connector
(ChatBridge), or its own queries (OneLLM). Weights and `config.json` lie in one folder.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hub.projections import Apart, Linear, Mixture, Mlp, QFormer, Resampler
from medley.backend import ModelSpec
from medley.errors import Unavailable

Kind = Literal["linear", "mlp", "qformer", "resampler", "upm"]
WEIGHTS, CONFIG = "connector.safetensors", "config.json"
_BODIES = {"linear": Linear, "mlp": Mlp, "qformer": QFormer, "resampler": Resampler, "upm": Mixture}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """What a connector reads and writes: its tensor specification.

    `source`: width of the input vectors; `hidden`: the hub's width; `tokens`: soft tokens, in all
    or for each input vector; `space`: the embedding space it reads; `hub`: the shape of the hub
    that it was trained for, as `shape_of` says it, or "" where that is not known.
    """

    kind: Kind
    source: int
    hidden: int
    tokens: int = 1
    width: int = 256
    layers: int = 2
    heads: int = 4
    experts: int = 3  # of `upm`
    space: str = ""
    hub: str = ""
    modalities: tuple[str, ...] = ()  # each with its own connector or queries; none: one for all
    normalise: bool = True  # bring each input vector to length sqrt(source) first

    def __post_init__(self) -> None:
        if self.kind not in _BODIES:
            raise ValueError(f"there is no connector of kind {self.kind!r}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be split into {self.heads} heads")
        object.__setattr__(self, "modalities", tuple(self.modalities))


class Connector(nn.Module):
    """Projects what an encoder means into a hub's input embeddings."""

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.config = config
        make = _BODIES[config.kind]
        if config.modalities and config.kind != "upm":
            self.body: nn.Module = Apart(make(config) for _ in config.modalities)
        else:
            self.body = make(config)

    def forward(self, source: Tensor, mask: Tensor | None = None, of: Sequence[str] = ()) -> Tensor:
        """Soft tokens (B, K, hidden) of `source` (B, d) or (B, T, d); `mask` (B, T) is true where a
        token counts, `of` names the modality of each row where the connector tells them apart.

        Linear and MLP connectors give K soft tokens for each of the T tokens. Raises `ValueError`
        for another width, and for a modality that the connector does not know.
        """
        tokens = source.unsqueeze(1) if source.ndim == 2 else source
        if tokens.ndim != 3 or tokens.shape[-1] != self.config.source:
            raise ValueError(
                f"expected (B, {self.config.source}) or (B, T, {self.config.source}), "
                f"got {tuple(source.shape)}"
            )
        if self.config.normalise:
            tokens = normalize(tokens, dim=-1) * self.config.source**0.5
        result: Tensor = self.body(tokens, mask, self._places(of, len(tokens)).to(tokens.device))
        return result

    def _places(self, of: Sequence[str], rows: int) -> Tensor:
        """The place of each row's modality among those of the config, (B,)."""
        known = self.config.modalities
        if not known:
            return torch.zeros(rows, dtype=torch.long)
        if len(of) != rows or not set(of) <= set(known):
            found = ", ".join(sorted({name or "nothing that is named" for name in of}))
            raise ValueError(
                f"expected {rows} of: {', '.join(known)}; got {found or 'no modalities'}"
            )
        return torch.tensor([known.index(name) for name in of])

    @torch.no_grad()
    def fit_length(self, sample: Tensor, wanted: float, of: Sequence[str] = ()) -> None:
        """Scales the last layer so that the soft tokens of `sample` are `wanted` long on average:
        a hub first hears a connector best at the volume of its own words.
        """
        found = float(self(sample, None, of).norm(dim=-1).mean())
        for part in self.body.modules():
            if isinstance(last := getattr(part, "last", None), nn.Linear) and found > 0:
                last.weight.mul_(wanted / found)
                last.bias.mul_(wanted / found)

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes `connector.safetensors` and `config.json`."""
        from safetensors.torch import save_file

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in self.state_dict().items()},
            target / WEIGHTS,
        )
        (target / CONFIG).write_text(
            json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8"
        )

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Connector":
        """Reads such a folder. Raises `Unavailable` where files are missing or damaged, and where
        weights and specification do not fit.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        source = Path(folder)
        try:
            config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
            connector = cls(ConnectorConfig(**config))
            weights = load_file(source / WEIGHTS)
        except (OSError, TypeError, ValueError, SafetensorError) as error:
            raise Unavailable(f"There is no connector at {source}: {error}") from error
        wanted = {name: tuple(value.shape) for name, value in connector.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in weights.items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                raise Unavailable(
                    f"The connector at {source} does not fit its specification: {name} is "
                    f"{found.get(name, 'missing')}, expected {wanted.get(name, 'nothing')}."
                )
        connector.load_state_dict(weights)
        return connector.eval()


def shape_of(hub: Any) -> str:
    """The shape of a loaded language model, by which a connector knows the hub it was trained for:
    `LlamaForCausalLM 32x4096, 32000 words`.
    """
    config = hub.config.get_text_config()
    words, width = hub.get_input_embeddings().weight.shape
    return f"{type(hub).__name__} {config.num_hidden_layers}x{width}, {words} words"


def connector_of(model: ModelSpec, weights: Path, hub: Any) -> Connector | None:
    """The connector of a hub's catalogue entry, where the hub is: the folder of its option
    `connector`, otherwise `connector/` in the folder of its weights; None where neither is there.

    Raises `Unavailable` where it does not fit the hub or the space of the entry.
    """
    named = model.options.get("connector")
    folder = Path(named) if named else weights / "connector"
    if not (folder / CONFIG).is_file():
        if named:
            raise Unavailable(f"The connector of {model.id} is not at {folder}.")
        return None
    connector = Connector.from_pretrained(folder)
    config, width = connector.config, int(hub.get_input_embeddings().weight.shape[1])
    if config.hidden != width:
        raise Unavailable(
            f"The connector of {model.id} writes ({config.tokens}, {config.hidden}); "
            f"the hub reads (…, {width})."
        )
    if config.hub and config.hub != shape_of(hub):
        raise Unavailable(
            f"The connector of {model.id} was trained for another hub: {config.hub}; "
            f"this one is {shape_of(hub)}."
        )
    if config.space and model.space and config.space != model.space:
        raise Unavailable(
            f"The connector of {model.id} reads the space {config.space!r}; "
            f"its entry says {model.space!r}."
        )
    return connector.to(hub.device)
