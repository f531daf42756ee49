"""Pictures token by token: a language model writes the codes of a picture, and a decoder of
quantised codes (VQ-VAE, van den Oord et al. 2017, https://arxiv.org/abs/1711.00937) paints them.

DALL·E (Ramesh et al. 2021, https://arxiv.org/abs/2102.12092) drew so; Janus and Emu3 do. Guidance
is classifier-free, on the codes' logits.

Every item is drawn with a seed of its own: to the logits of each code comes noise of Gumbel's
distribution from the item's generator, and the largest wins, which is sampling from the softmax. A
batch therefore equals its singles. The same place reports each code and hears a stop.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from PIL import Image

from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory, Unavailable

TEXT = "text_to_image"


class TokenImages:
    """Draws pictures from words with Janus or Emu3.

    Options of the model: `dtype`, `max_batch` (default 4), `temperature` (default 1), `side` (of
    the square that Emu3 draws when no size is asked; 720 by default). The parameter `steps` has no
    meaning here: a picture has as many codes as it has.
    """

    tools = frozenset({TEXT})

    def __init__(self) -> None:
        self._spec: ModelSpec | None = None
        self._painter: Janus | Emu3 | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights to `device` (`auto`: a GPU when there is one). Raises `Unavailable`,
        `OutOfMemory`.
        """
        folder, device = folder_of(model), place(device)
        kind = str(config_of(folder).get("model_type"))
        painters: dict[str, type[Janus] | type[Emu3]] = {"janus": Janus, "emu3": Emu3}
        if kind not in painters:
            raise Unavailable(f"{model.id} is of the type {kind!r}, which draws no pictures here.")
        with loading(model, device):
            self._painter = painters[kind](folder, dtype_for(model, device), device)
        self._spec = model

    def unload(self) -> None:
        """Frees the weights and what the device kept for them."""
        import gc

        import torch

        self._spec = self._painter = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One picture per request. Progress counts codes. Requests of equal length and size are
        drawn together.
        """
        spec, painter = self._spec, self._painter
        if spec is None or painter is None:
            raise Unavailable("No model is loaded.")
        control.tick(0, 1)
        results: dict[int, Result] = {}
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, request in enumerate(batch):
            prompt = request.inputs.get("prompt")
            if request.tool != TEXT or not isinstance(prompt, str) or not prompt.strip():
                results[index] = Result(error=BadInput("A prompt with words is needed."))
                continue
            asked = painter.asked(request, spec)
            groups[(asked["input_ids"].shape[1], *_shape(request))].append(index)
        largest = int(spec.options.get("max_batch", 4))
        parts = [
            members[start : start + largest]
            for members in groups.values()
            for start in range(0, len(members), largest)
        ]
        for number, part in enumerate(parts):
            if all(control.stopped(index) for index in part):  # nobody reads what it would draw
                drawn: list[Result] = [Result(error=BackendError("It was stopped."))] * len(part)
            else:
                progress = (number, len(parts))
                drawn = self._drawn([batch[index] for index in part], spec, control, progress)
            results.update(zip(part, drawn, strict=True))
        return [results[index] for index in range(len(batch))]

    def _drawn(
        self, group: list[Request], spec: ModelSpec, control: Control, progress: tuple[int, int]
    ) -> list[Result]:
        """One result per request; what fails together is tried one by one."""
        assert self._painter is not None
        try:
            pictures = self._painter.draw(group, spec, control, progress)
            return [_result(*pair) for pair in zip(pictures, group, strict=True)]
        except MedleyError as error:
            return [Result(error=error)] * len(group)
        except Exception as error:  # noqa: BLE001 - whatever a model raises becomes a typed error of its item
            if len(group) == 1:
                return [Result(error=_typed(error, spec))]
        return [one for request in group for one in self._drawn([request], spec, control, progress)]


class Sampler:
    """A processor of logits: guidance where asked, temperature, each item's own noise, and the
    report of one more code.
    """

    def __init__(
        self,
        group: Sequence[Request],
        spec: ModelSpec,
        control: Control,
        progress: tuple[int, int],
        codes: int,
        guidance: float | None = None,
    ) -> None:
        import torch

        self._dice = [torch.Generator("cpu").manual_seed(request.seed) for request in group]
        self._temperature = float(spec.options.get("temperature", 1.0))
        self._control, self._progress, self._codes = control, progress, codes
        self._guidance = guidance
        self._done = 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """(B, V) logits, or (2B, V) with those without words after those with words where guidance
        is asked; gives (B, V) whose largest is the code to take. Raises `StepStopped`.
        """
        import torch

        self._done += 1
        part, parts = self._progress
        self._control.tick(part + min(1.0, self._done / self._codes), parts)
        scores = scores.float()
        if self._guidance is not None:
            worded, plain = scores.chunk(2)
            scores = plain + self._guidance * (worded - plain)
        noise = torch.stack(
            [torch.empty(scores.shape[-1]).exponential_(generator=dice) for dice in self._dice]
        )
        # -log of an exponential variable is Gumbel's.
        return scores / self._temperature - noise.log().to(scores.device)


class Janus:
    """Janus (Wu et al. 2024, https://arxiv.org/abs/2410.13848; Janus-Pro: Chen et al. 2025,
    https://arxiv.org/abs/2501.17811): one size.
    """

    def __init__(self, folder: Any, dtype: Any, device: str) -> None:
        from transformers import AutoProcessor, JanusForConditionalGeneration

        self._processor = AutoProcessor.from_pretrained(folder)
        model: Any = JanusForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True
        )
        self._model = model.to(device).eval()
        words, settings = self._processor.tokenizer, self._model.generation_config
        # Loading drops this entry of the checkpoint's settings, which drawing asks for.
        start = words.convert_tokens_to_ids(self._processor.image_start_token)
        settings.generation_kwargs = {"boi_token_id": start}
        settings.pad_token_id = words.pad_token_id
        settings.bos_token_id = words.bos_token_id

    def asked(self, request: Request, spec: ModelSpec) -> Any:
        """Token ids (1, L) of the prompt, and their mask."""
        message = {
            "role": "user",
            "content": [{"type": "text", "text": str(request.inputs["prompt"])}],
        }
        words = self._processor.apply_chat_template([message], add_generation_prompt=True)
        return self._processor(text=words, generation_mode="image", return_tensors="pt")

    def draw(
        self, group: list[Request], spec: ModelSpec, control: Control, progress: tuple[int, int]
    ) -> list[Image.Image]:
        """A picture for each request; their prompts have equal lengths."""
        import torch
        from transformers import LogitsProcessorList

        model = self._model
        codes = int(model.config.vision_config.num_image_tokens)
        guidance = float(group[0].params["guidance"])
        sampler = Sampler(group, spec, control, progress, codes, guidance)
        ids = torch.cat([self.asked(request, spec)["input_ids"] for request in group])
        with torch.inference_mode():
            tokens = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=torch.ones_like(ids).to(model.device),
                generation_mode="image",
                do_sample=False,  # the largest after the sampler's noise
                guidance_scale=1.0,  # the sampler guides
                num_return_sequences=1,
                logits_processor=LogitsProcessorList([sampler]),
            )
            pixels = model.decode_image_tokens(tokens)  # (B, H, W, 3) in [-1, 1]
        bytes_ = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
        return [Image.fromarray(picture) for picture in bytes_]


class Emu3:
    """Emu3 (Wang et al. 2024, https://arxiv.org/abs/2409.18869): any size, row by row."""

    def __init__(self, folder: Any, dtype: Any, device: str) -> None:
        from transformers import AutoProcessor, Emu3ForConditionalGeneration

        self._processor = AutoProcessor.from_pretrained(folder)
        model: Any = Emu3ForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True
        )
        self._model = model.to(device).eval()

    def asked(self, request: Request, spec: ModelSpec) -> Any:
        """Token ids (1, L) of the prompt with the picture's size, their mask, and `image_sizes` in
        codes.
        """
        return self._tokens(str(request.inputs["prompt"]), request, spec)

    def draw(
        self, group: list[Request], spec: ModelSpec, control: Control, progress: tuple[int, int]
    ) -> list[Image.Image]:
        """A picture for each request; their prompts have equal lengths, and the pictures equal
        sizes.
        """
        import torch
        from transformers import LogitsProcessorList

        model = self._model
        asked = [self.asked(request, spec) for request in group]
        plain = self._tokens(_POOR, group[0], spec)
        (rows, columns), *_ = asked[0]["image_sizes"]
        rows, columns = int(rows), int(columns)
        codes = rows * (columns + 1) + 3  # each row ends with a mark, and the picture with three
        ids = torch.cat([one["input_ids"] for one in asked])
        nothing = plain["input_ids"].repeat(len(group), 1)
        sampler = Sampler(group, spec, control, progress, codes)
        with torch.inference_mode():
            tokens = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=torch.ones_like(ids).to(model.device),
                max_new_tokens=codes,
                min_new_tokens=0,
                do_sample=False,  # the largest after the sampler's noise
                guidance_scale=float(group[0].params["guidance"]),
                negative_prompt_ids=nothing.to(model.device),
                negative_prompt_attention_mask=torch.ones_like(nothing).to(model.device),
                prefix_allowed_tokens_fn=self._grammar(ids.shape[1], rows, columns),
                logits_processor=LogitsProcessorList([sampler]),
            )
            pixels = model.decode_image_tokens(
                image_tokens=tokens[:, ids.shape[1] :], height=rows, width=columns
            )
        found = self._processor.postprocess(list(pixels.float()), return_tensors="PIL.Image.Image")
        return [picture.convert("RGB") for picture in found["pixel_values"]]

    def _tokens(self, words: str, request: Request, spec: ModelSpec) -> Any:
        width, height = _sides(request, int(spec.options.get("side", 720)))
        return self._processor(
            text=words,
            return_for_image_generation=True,
            ratio=f"{width}:{height}",
            image_area=width * height,
            return_tensors="pt",
        )

    def _grammar(self, start: int, rows: int, columns: int) -> Any:
        """What may stand where: codes, an end after each row, and three marks at the end."""
        words = self._processor.tokenizer
        visual = list(self._model.model.vocabulary_mapping.image_tokens)
        row_end = [int(self._model.model.vocabulary_mapping.eol_token_id)]
        ends = [
            [int(words.convert_tokens_to_ids(mark))]
            for mark in (words.eof_token, words.eoi_token, words.eos_token)
        ]

        def allowed(_: int, ids: Any) -> list[int]:
            written = len(ids) - start
            if written >= rows * (columns + 1):
                return ends[min(2, written - rows * (columns + 1))]
            return row_end if written % (columns + 1) == columns else visual

        return allowed


#: What guidance leads away from: the words that the authors of Emu3 use.
_POOR = (
    "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, "
    "cropped, worst quality, low quality, normal quality, jpeg artifacts, signature, watermark, "
    "username, blurry."
)


def _sides(request: Request, side: int) -> tuple[int, int]:
    width, height = request.params.get("width"), request.params.get("height")
    return int(width or height or side), int(height or width or side)


def _shape(request: Request) -> tuple[Any, ...]:
    return tuple(request.params.get(name) for name in ("width", "height", "guidance"))


def _result(picture: Image.Image, request: Request) -> Result:
    params = request.params
    size = (params.get("width") or picture.width, params.get("height") or picture.height)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return Result(outputs={"image": picture})


def _typed(error: Exception, spec: ModelSpec) -> MedleyError:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return OutOfMemory(f"{spec.id} has no room to draw this.")
    return BackendError(f"{spec.id} failed: {type(error).__name__}: {error}")
