"""Processors of multimodal checkpoints, whole or without what this machine lacks.

The video processors of transformers need torchvision, which is not part of the base installation.
Where only that is missing, the processor is put together from its other parts, and videos are shown
as pictures.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medley.checkpoints import config_of
from medley.errors import Unavailable

_NAMED_IN = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
#: Processors that need a package for videos alone, and one that treats pictures alike.
_LIGHTER = {"SmolVLMProcessor": ("num2words", "Idefics3Processor")}


def processor_of(folder: Path) -> Any:
    """The processor of a checkpoint. Raises `Unavailable` when there is none."""
    import transformers

    kind = getattr(transformers, _class_of(folder), None)
    if kind is None or not hasattr(kind, "get_attributes"):
        raise Unavailable(f"{folder.name} has no processor that is known here.")
    if "video_processor" not in kind.get_attributes() or find_spec("torchvision") is not None:
        return kind.from_pretrained(folder)
    package, lighter = _LIGHTER.get(kind.__name__, ("", ""))
    if package and find_spec(package) is None:
        kind = getattr(transformers, lighter)
    return _without_videos(kind, folder)


def _class_of(folder: Path) -> str:
    """The name of the processor's class: what the checkpoint says, or its model's own."""
    from transformers.models.auto import processing_auto

    by_model: Any = processing_auto

    for file in _NAMED_IN:
        if (folder / file).is_file():
            named = config_of(folder, file).get("processor_class")
            if named:
                return str(named)
    return str(by_model.PROCESSOR_MAPPING_NAMES.get(str(config_of(folder).get("model_type")), ""))


def _without_videos(kind: Any, folder: Path) -> Any:
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer

    loaders: dict[str, Any] = {
        "image_processor": AutoImageProcessor,
        "feature_extractor": AutoFeatureExtractor,
        "tokenizer": AutoTokenizer,
    }

    def check(self: Any, name: str, part: Any) -> Any:
        return (
            None
            if name == "video_processor"
            else kind.check_argument_for_proper_class(self, name, part)
        )

    # Only a subclass can leave the part out: its parent looks at the class of each.
    partial = type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})
    settings, _ = kind.get_processor_dict(folder)
    parts = {
        name: loaders[name].from_pretrained(folder) if name in loaders else None
        for name in kind.get_attributes()
    }
    known = kind.__init__.__code__.co_varnames[: kind.__init__.__code__.co_argcount]
    rest = {name: value for name, value in settings.items() if name in known and name not in parts}
    return partial(**parts, **rest)
