"""`medley align`: media and what to say about them become a connector of a hub."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from medley.cli.draw import say
from medley.cli.exits import Exit
from medley.cli.options import Json, Url, settings_for
from medley.cli.outcome import finish, interrupted, watch
from medley.cli.service import service_or_own
from medley.client import Medley
from medley.status import JobStatus

CHUNK = 32  #: media that are embedded by one job

Kind = Literal["linear", "mlp", "qformer", "resampler", "upm"]


@dataclass(frozen=True)
class Example:
    """A file, what should be said about it, and what is asked."""

    media: Path
    text: str
    question: str = ""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(align)


def align(
    encoder: Annotated[str, typer.Option("--encoder", help="Id of the model that embeds.")],
    hub: Annotated[str, typer.Option("--hub", help="Id of the language model that is to read.")],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            exists=True,
            help='Lines of {"media": FILE, "text": "…", "question": "…"}, or a folder of files '
            "with their words beside them: cat.png and cat.txt.",
        ),
    ],
    out: Annotated[str, typer.Option("--out", help="Id of the model that comes of it.")],
    connector: Annotated[Kind, typer.Option("--connector")] = "mlp",
    tokens: Annotated[int, typer.Option("--tokens", help="Soft tokens for each vector.")] = 4,
    width: Annotated[int, typer.Option("--width", help="Width inside the connector.")] = 256,
    apart: Annotated[
        bool, typer.Option("--apart", help="A connector, or queries (upm), for each modality.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps")] = 500,
    batch: Annotated[int, typer.Option("--batch", help="Pairs of one step.")] = 16,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate.")] = 2e-3,
    stage: Annotated[int, typer.Option("--stage", min=1, max=2)] = 1,
    lora_rank: Annotated[int, typer.Option("--lora-rank", help="Of stage 2's adapters.")] = 8,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the picture of the loss.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Train a connector, so that a hub can say what an encoder's embeddings mean.

    The media are embedded by jobs of their own and kept: another training of the same data does
    not embed them again. The model serves after the next start of the service.
    """
    examples = read_examples(data)
    params = {
        "hub": hub, "name": out, "connector": connector, "tokens": tokens, "width": width,
        "apart": apart, "stage": stage, "lora_rank": lora_rank, "steps": steps, "batch": batch,
        "rate": rate, "seed": seed,
    }  # fmt: skip
    with service_or_own(settings_for(url), quiet=as_json) as client:
        vectors = embed(client, [item.media for item in examples], encoder, quiet=as_json)
        job = client.post("/v1/jobs", {"plan": plan_of(examples, vectors, params)})
        try:
            job = watch(client, job["id"], quiet=as_json)
        except KeyboardInterrupt:
            interrupted(client, job["id"])
            raise typer.Exit(Exit.INTERRUPTED) from None
        if job["status"] == JobStatus.SUCCEEDED and not as_json:
            say(f"{out} serves after the next start of the service.")
        raise finish(client, job, folder=folder, as_json=as_json)


def read_examples(data: Path) -> list[Example]:
    """The pairs of a file of JSON lines, or of a folder. Raises `BadParameter`."""
    found = list(_of_folder(data) if data.is_dir() else _of_lines(data))
    if not found:
        raise typer.BadParameter(f"{data} holds no media with words")
    missing = next((item.media for item in found if not item.media.is_file()), None)
    if missing is not None:
        raise typer.BadParameter(f"there is no file {str(missing)!r}")
    return found


def _of_folder(folder: Path) -> Iterator[Example]:
    for words in sorted(folder.glob("*.txt")):
        beside = [path for path in sorted(folder.glob(f"{words.stem}.*")) if path != words]
        if beside:
            yield Example(beside[0], words.read_text(encoding="utf-8").strip())


def _of_lines(file: Path) -> Iterator[Example]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            media = file.parent / str(row["media"])
            yield Example(media, str(row["text"]), str(row.get("question", "")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            here = f"{file}, line {number}"
            raise typer.BadParameter(f"{here}: no media and text ({error})") from None


def embed(client: Medley, files: Sequence[Path], encoder: str, *, quiet: bool) -> list[str]:
    """The embeddings of files, as ids of assets, in their order."""
    found: list[str] = []
    for start in range(0, len(files), CHUNK):
        part = files[start : start + CHUNK]
        assets = [client.upload(file)["id"] for file in part]
        steps = [
            {"id": f"e{k}", "tool": "embed", "inputs": {"media": {"asset": name}}, "model": encoder}
            for k, name in enumerate(assets)
        ]
        job = client.post("/v1/jobs", {"plan": {"steps": steps}})
        job = watch(client, job["id"], quiet=True)
        if job["status"] != JobStatus.SUCCEEDED:
            raise finish(client, job, folder=None, as_json=quiet)
        rows = client.get(f"/v1/jobs/{quote(job['id'])}/steps")["data"]
        made = {row["id"]: row["outputs"]["embedding"]["asset"] for row in rows}
        found += [made[step["id"]] for step in steps]
        if not quiet:
            say(f"embedded {len(found)} of {len(files)}")
    return found


def plan_of(
    examples: Sequence[Example], vectors: Sequence[str], params: dict[str, Any]
) -> dict[str, Any]:
    """The plan of one training."""
    inputs: dict[str, Any] = {
        "media": [{"asset": name} for name in vectors],
        "texts": [{"text": item.text} for item in examples],
    }
    if any(item.question for item in examples):
        inputs["questions"] = [{"text": item.question} for item in examples]
    step = {"id": "s1", "tool": "align", "inputs": inputs, "params": params}
    return {"steps": [step], "reply": {"show": ["s1.curve", "s1.report"]}}
