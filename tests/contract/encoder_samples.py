"""Tiny encoders with random weights, saved as folders that the real backends load."""

from collections.abc import Callable
from pathlib import Path

from medley.backend import ModelSpec
from tests.tiny import encoders as tiny
from tests.tiny import peav, unified


def _of(backend: str, build: Callable[[Path], None]) -> Callable[[Path], ModelSpec]:
    """A builder of a checkpoint as one of a model of that backend."""

    def make(folder: Path) -> ModelSpec:
        build(folder)
        return ModelSpec(
            id=f"tiny/{build.__name__}",
            backend=backend,
            tools=frozenset({"embed", "embed_list", "index"}),
            source=str(folder),
        )

    return make


def imagebind(folder: Path) -> ModelSpec:
    """Our ImageBind: vision, text and audio towers of two blocks."""
    from encoders.imagebind.configuration import ImageBindConfig
    from encoders.imagebind.modeling import ImageBindModel
    from encoders.imagebind.processing import ImageBindProcessor

    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = ImageBindConfig(
        projection_dim=24,
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        text_config={**tower, "vocab_size": 54, "context_length": 16},
        audio_config={**tower, "mel_bins": 32, "target_length": 100, "patch_size": 8, "stride": 8},
    )
    ImageBindModel(config).half().save_pretrained(folder)
    ImageBindProcessor(
        tokenizer=tiny.clip_tokenizer(),
        image_size=32,
        mel_bins=32,
        target_length=100,
        context_length=16,
    ).save_pretrained(folder)
    return ModelSpec(
        id="tiny/imagebind", backend="imagebind", tools=frozenset({"embed"}), source=str(folder)
    )


def starter(_: Path) -> ModelSpec:
    """The bundled encoder."""
    source = Path(__file__).parents[2] / "starter" / "weights" / "encoder"
    return ModelSpec(
        id="starter/encoder",
        backend="imagebind",
        tools=frozenset({"embed"}),
        source=str(source),
        space="starter",
    )


def starter_takes() -> frozenset[str]:
    """What the bundled encoder has towers for, by its config."""
    import json

    path = Path(starter(Path()).source) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    heard = {"audio"} if config.get("audio_config") else set()
    return frozenset({"text", "image", "video", *heard})


MEMBERS: dict[str, tuple[Callable[[Path], ModelSpec], frozenset[str]]] = {
    "imagebind": (imagebind, frozenset({"text", "image", "audio", "video"})),
    "clip": (_of("dual", tiny.clip), frozenset({"text", "image", "video"})),
    "align": (_of("dual", tiny.align), frozenset({"text", "image", "video"})),
    "siglip2": (_of("dual", tiny.siglip2), frozenset({"text", "image", "video"})),
    "clap": (_of("dual", tiny.clap), frozenset({"text", "audio"})),
    "xclip": (_of("dual", tiny.xclip), frozenset({"text", "video"})),
    "videoprism": (_of("dual", tiny.videoprism), frozenset({"text", "video"})),
    "peav": (
        _of("peav", peav.peav),
        frozenset({"text", "audio"} | ({"image", "video"} if peav.SEES else set())),
    ),
    "embeddinggemma2": (
        _of("unified", unified.embedding_gemma2),
        frozenset({"text", "image", "video", "audio"}),
    ),
    "qwen3vl": (
        _of("unified", unified.qwen3_vl_embedding),
        frozenset({"text", "image", "video"}),
    ),
    "starter": (starter, starter_takes()),
}
