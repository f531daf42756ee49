"""The multimodal hub: one model that plans, answers, and says what it sees and hears.

LLaVA and its line, Idefics, SmolVLM, Qwen-VL, InternVL, Gemma, Qwen-Omni's thinker, ERNIE-VL: every
model that `AutoModelForMultimodalLM` knows and that has a processor. Media go in as pixels and
samples; plans and answers are guided as in the local hub.
"""

from typing import Any

from hub.local import LocalHub, Maker
from hub.processors import processor_of
from hub.reading import Reading, Senses
from hub.showing import look_item
from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place

#: Checkpoints that hold more than a hub, and the class that reads the hub alone.
_PARTS = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
}


class MultimodalHub(LocalHub):
    """`plan`, `answer`, `chat` and `describe` by a model with a processor.

    Options: `frames` (of a video, 8), `side` (of a picture at most, 1024 pixels), `chat_template`,
    `max_steps`, `max_words`, `dtype`.
    """

    _describe: Maker = staticmethod(look_item)

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings weights and processor into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder, where = folder_of(model), place(device)
        with loading(model, where):
            senses = Senses(
                processor_of(folder),
                frames=int(model.options.get("frames", 8)),
                side=int(model.options.get("side", 1024)),
            )
            kind = _class_of(str(config_of(folder).get("model_type")))
            loaded = kind.from_pretrained(folder, dtype=dtype_for(model, where)).to(where).eval()
            self._begin(
                loaded,
                Reading.of(senses.processor.tokenizer, loaded, None, model.options, senses),
            )


def _class_of(model_type: str) -> Any:
    import transformers

    return getattr(transformers, _PARTS.get(model_type, "AutoModelForMultimodalLM"))
