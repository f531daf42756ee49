"""`align` as a tool: a connector is trained between an embedding space and a hub, and what comes of
it is a model of the catalogue.

Each model has a folder under `MEDLEY_HOME/models`: `checkpoint.safetensors` while it learns,
`connector/` when it is done, after stage two also `hub/`, and `NAME.toml` beside it, which every
service that starts from then on reads. An attempt after a killed one goes on from the checkpoint.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hub.alignment import Alignment, Pair, Recipe, fresh, in_turn
from hub.loss_curve import loss_curve, running_mean
from hub.reading import Reading, around_media
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import dtype_for, folder_of, loading, place
from medley.errors import BadInput, MedleyError, StepStopped, Unavailable
from medley.media.values import Embedding

if TYPE_CHECKING:
    from hub.connectors import Connector

MOST_LOSSES = 1000  #: numbers of a report
_RANK = 50  #: behind the hub that it was made of: who wants it, names it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lesson:
    """What is to be learnt: vectors (N, d) of one space, and what to say about each."""

    hub: ModelSpec
    vectors: "np.ndarray[Any, np.dtype[np.float32]]"
    of: tuple[str, ...]
    texts: tuple[str, ...]
    questions: tuple[str, ...]
    space: str
    commercial: bool
    params: dict[str, Any]
    seed: int

    @property
    def digest(self) -> str:
        """Equal digest, equal result."""
        plain = [self.hub.id, self.hub.source, self.hub.revision, self.space, self.seed]
        said = [self.texts, self.questions, self.of]
        learnt = {name: value for name, value in self.params.items() if name != "keep_every"}
        text = json.dumps([plain, dict(self.hub.options), said, learnt], sort_keys=True)
        return hashlib.sha256(text.encode() + self.vectors.tobytes()).hexdigest()


class AligningBackend:
    """`align`. Options: `folder`, where models are kept."""

    tools = frozenset({"align"})

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._device = "cpu"

    def load(self, model: ModelSpec, device: str) -> None:
        """Takes note of the folder; a hub is loaded for the time of its training only. Raises
        `Unavailable` where there is no folder.
        """
        if not model.options.get("folder"):
            raise Unavailable(f"{model.id} names no folder to keep models in.")
        self._folder, self._device = Path(model.options["folder"]), place(device)

    def unload(self) -> None:
        """Nothing stays in memory."""
        self._folder = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`curve` and `report` of each request, one after the other. Raises `StepStopped` within
        one step of the training.
        """
        folder = self._folder
        if folder is None:
            raise Unavailable("The trainer is not loaded.")
        results = []
        for request in batch:
            try:
                results.append(self._train(_lesson(request), folder, control))
            except MedleyError as error:
                results.append(Result(error=error))
        return results

    def _train(self, lesson: _Lesson, folder: Path, control: Control) -> Result:
        params, digest = lesson.params, lesson.digest
        home = folder / params["name"]
        with _alone(home):
            control.tick(0, params["steps"], message="loading")
            training, tokenizer = self._prepare(lesson)
            checkpoint = home / "checkpoint.safetensors"
            if not training.resume(checkpoint, digest):
                _refuse_other(folder, home)
            try:
                while not training.done:
                    said = f"loss {training.losses[-1]:.3f}" if training.losses else "learning"
                    control.tick(training.step, params["steps"], message=said)
                    training.advance()
                    if training.step % params["keep_every"] == 0 or training.done:
                        training.save(checkpoint, digest)
            except StepStopped:
                training.save(checkpoint, digest)
                raise
            source = _export(training, tokenizer, home) if params["stage"] == 2 else None
            training.connector.save_pretrained(home / "connector")
            entry = folder / f"{params['name']}.toml"
            _write(entry, _entry(lesson, training, folder, home, source))
        smooth = running_mean(training.losses)
        report = {
            "model": params["name"],
            "like": lesson.hub.id,
            "space": lesson.space,
            "pairs": len(lesson.texts),
            "steps": training.step,
            "first": round(training.losses[0], 6),
            "last": round(smooth[-1], 6),
            "losses": _thinned(training.losses),
        }
        outputs = {"curve": loss_curve(training.losses), "report": report}
        return Result(outputs=outputs, usage={"training_steps": float(training.step)})

    def _prepare(self, lesson: _Lesson) -> tuple[Alignment, Any]:
        """The training with everything loaded, and the hub's tokenizer."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        spec, params = lesson.hub, lesson.params
        folder = folder_of(spec)
        with loading(spec, self._device):
            tokenizer = AutoTokenizer.from_pretrained(folder)
            hub: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype_for(spec, self._device), use_safetensors=True
            )
            hub = hub.to(self._device)
        hub.requires_grad_(False)
        torch.manual_seed(lesson.seed)
        connector = _connector(lesson, hub)
        if params["stage"] == 2:
            hub = _with_adapters(hub, params["lora_rank"])
        reading = Reading.of(tokenizer, hub, connector, spec.options)
        recipe = Recipe(steps=params["steps"], rate=params["rate"])
        batch = in_turn(_pairs(lesson, reading), params["batch"], lesson.seed)
        return Alignment(hub, connector, recipe, batch), tokenizer


def _lesson(request: Request) -> _Lesson:
    """What a request asks for. Raises `BadInput`."""
    inputs, params = request.inputs, dict(request.params)
    given = inputs.get("catalogue")
    if not isinstance(given, dict):
        raise BadInput("Nothing says which hub is to learn.")
    media: list[Any] = list(inputs.get("media") or ())
    texts = tuple(str(text) for text in inputs.get("texts") or ())
    questions = tuple(str(text) for text in inputs.get("questions") or ("",) * len(media))
    if not media or not len(media) == len(texts) == len(questions):
        raise BadInput(
            f"There are {len(media)} media, {len(texts)} texts and {len(questions)} questions; "
            "each of the media needs one."
        )
    if not all(isinstance(item, Embedding) for item in media):
        raise BadInput("A connector learns from embeddings; embed the media first.")
    spaces = sorted({item.space for item in media})
    if len(spaces) > 1 or len({item.vector.shape for item in media}) > 1:
        raise BadInput(f"A connector reads vectors of one space, not of {', '.join(spaces)}.")
    if not all(text.strip() for text in texts):
        raise BadInput("One of the texts is empty.")
    if params["width"] % params["heads"]:
        raise BadInput(f"Width {params['width']} cannot be split into {params['heads']} heads.")
    of = tuple(item.of for item in media)
    if params["apart"] and not all(of):
        raise BadInput("Not all of these embeddings say of which modality they are.")
    entry = given["hub"]
    return _Lesson(
        hub=ModelSpec(**{**entry, "backend": "transformers", "tools": frozenset(entry["tools"])}),
        vectors=np.stack([item.vector for item in media]).astype(np.float32),
        of=of,
        texts=texts,
        questions=questions,
        space=spaces[0],
        commercial=bool(entry["commercial"]) and spaces[0] not in given["not_commercial"],
        params=params,
        seed=request.seed,
    )


def _connector(lesson: _Lesson, hub: Any) -> "Connector":
    """A fresh one; in stage two the hub's own."""
    from hub.connectors import Connector, ConnectorConfig, connector_of, shape_of

    width = lesson.vectors.shape[1]
    if lesson.params["stage"] == 2:
        found = connector_of(lesson.hub, folder_of(lesson.hub), hub)
        if found is None:
            raise BadInput(f"{lesson.hub.id} has no connector yet: stage one gives it one.")
        reads = (found.config.space or lesson.space, found.config.source)
        if reads != (lesson.space, width):
            raise BadInput(
                f"The connector of {lesson.hub.id} reads {reads[1]} numbers of {reads[0]!r}, "
                f"not {width} of {lesson.space!r}."
            )
        return found.float()
    shape = {name: lesson.params[name] for name in ("tokens", "width", "layers", "heads")}
    config = ConnectorConfig(
        kind=lesson.params["connector"],
        source=width,
        hidden=int(hub.get_input_embeddings().weight.shape[1]),
        experts=lesson.params["experts"],
        space=lesson.space,
        hub=shape_of(hub),
        modalities=tuple(sorted(set(lesson.of))) if lesson.params["apart"] else (),
        **shape,
    )
    connector = fresh(Connector(config), hub, lesson.vectors[:256], lesson.of[:256])
    return connector.to(hub.device)


def _with_adapters(hub: Any, rank: int) -> Any:
    """The hub with low-rank adapters that learn (Hu et al. 2022). Raises `Unavailable`."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise Unavailable(
            "Stage two needs the library peft: pip install 'medley-orchestrator[train]'."
        ) from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    return get_peft_model(hub, config)


def _pairs(lesson: _Lesson, reading: Reading) -> list[Pair]:
    ends = [reading.tokenizer.eos_token_id] if reading.tokenizer.eos_token_id is not None else []
    around = {asked: around_media(reading, asked) for asked in set(lesson.questions)}
    rows = zip(lesson.questions, lesson.texts, lesson.vectors, lesson.of, strict=True)
    pairs = [
        Pair(*around[asked], [*reading.tokens(text), *ends], vector, of)
        for asked, text, vector, of in rows
    ]
    longest = max(len(pair.before) + len(pair.after) + len(pair.target) for pair in pairs)
    if longest + reading.connector.config.tokens > reading.context:
        raise BadInput(f"A text is too long for this hub: {longest} tokens of {reading.context}.")
    return pairs


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Holds the folder of a model as long as its training runs; the lock dies with its process.

    Raises `Unavailable` while somebody else holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(f"The model {home.name!r} is being trained already.") from error
        yield


def _refuse_other(folder: Path, home: Path) -> None:
    """A model that is there already, from other data or another recipe, is not replaced."""
    if (home / "connector").exists() or (folder / f"{home.name}.toml").exists():
        raise BadInput(f"There is a model {home.name!r} already; choose another name.")


def _export(training: Alignment, tokenizer: Any, home: Path) -> Path:
    """The hub with its adapters merged in, as a folder of its own."""
    merged = training.hub.merge_and_unload()
    merged.save_pretrained(home / "hub")
    tokenizer.save_pretrained(home / "hub")
    return home / "hub"


def _entry(
    lesson: _Lesson, training: Alignment, folder: Path, home: Path, source: Path | None
) -> str:
    """The lines of the model's catalogue file."""
    config, name = training.connector.config, lesson.params["name"]
    about = (
        f"{lesson.hub.id} with a connector from {lesson.space}: {config.kind}, {config.tokens} "
        f"soft tokens, stage {lesson.params['stage']} on {len(lesson.texts)} pairs."
    )
    fields: dict[str, Any] = {
        "id": name,
        "like": _ancestor(folder, lesson.hub.id),
        "revision": lesson.digest[:16],
        "tools": sorted({*lesson.hub.tools, "describe"}),
        "space": lesson.space,
        "commercial": lesson.commercial,
        "rank": lesson.hub.rank + _RANK,
        "systems": [],
        "about": about,
    }
    if source is not None or fields["like"] != lesson.hub.id:
        fields["source"] = str(source or lesson.hub.source)
    lines = ["# Made by `align`.", "", "[[model]]"]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    lines += ["[model.options]", f"connector = {json.dumps(str(home / 'connector'))}"]
    lines += ["[model.reads]", '"describe.media" = ["embedding"]']
    return "\n".join(lines) + "\n"


def _ancestor(folder: Path, hub: str) -> str:
    """The entry that a model of this hub is like: of one that was trained here, its own ancestor,
    so that no file here depends on another.
    """
    import tomllib

    try:
        entry = tomllib.loads((folder / f"{hub}.toml").read_text(encoding="utf-8"))["model"][0]
    except (OSError, ValueError, LookupError):
        return hub
    return str(entry.get("like", hub))


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _thinned(losses: Sequence[float]) -> list[float]:
    every = -(-len(losses) // MOST_LOSSES)
    return [round(loss, 6) for loss in losses[::every]]
