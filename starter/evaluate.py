"""Evaluate the exported starter models on held-out inputs and write `REPORT.md`: `make eval`.

Fetches the data and trains the judge of generated pictures where they are not there yet. A section
whose weights are missing says so. With `--keep`, sections whose weights have not changed since
they were last measured here are taken over instead of measured again; `--only` measures the
sections of one model and takes the others over.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from starter import fetch
from starter.concepts import HERE
from starter.evaluate_encoder import pictures, sounds
from starter.evaluate_generator import drawings
from starter.evaluate_hub import plans, sayings
from starter.judge import WEIGHTS
from starter.report import Score, Section, document
from starter.serving import Served
from starter.vendors import PICTURES
from starter.voices import SPEECH

REPORT = HERE / "REPORT.md"
KEPT = HERE / "runs" / "report.json"
ENCODER, HUB, GENERATOR = "starter/encoder", "starter/hub", "starter/generator"

log = logging.getLogger(__name__)

# Title, the models it needs, how it is measured.
SECTIONS: tuple[tuple[str, tuple[str, ...], Callable[..., Section]], ...] = (
    ("Picture -> name", (ENCODER,), pictures),
    ("Spoken word -> concept", (ENCODER,), sounds),
    ("Words, pictures and sounds -> picture", (GENERATOR, ENCODER), drawings),
    ("Picture or sound -> words", (HUB, ENCODER), sayings),
    ("Request -> plan", (HUB,), plans),
)


def digest(model_id: str) -> str:
    """One hash over a model's exported files; "" when there are none."""
    folder = HERE / "weights" / model_id.partition("/")[2]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest() if files else ""


def edition() -> str:
    """The exported models and the first digits of their digests."""
    found = ((model_id, digest(model_id)[:12]) for model_id in (ENCODER, HUB, GENERATOR))
    return ", ".join(f"`{model_id}` {digits or 'not there'}" for model_id, digits in found)


def kept(path: Path = KEPT) -> dict[str, tuple[list[str], Section]]:
    """What was measured here before: title -> (digests of its models, section)."""
    if not path.exists():
        return {}
    found = {}
    for title, (digests, data) in json.loads(path.read_text("utf-8")).items():
        scores = [Score(**score) for score in data.pop("scores")]
        found[title] = (digests, Section(**data, scores=scores))
    return found


def keep(sections: dict[str, tuple[list[str], Section]], path: Path = KEPT) -> None:
    """Write what `kept` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {title: (digests, asdict(section)) for title, (digests, section) in sections.items()}
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")


class Models:
    """The models, each loaded when it is first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Served] = {}

    def get(self, model_id: str) -> Served:
        """The model, loaded once."""
        if model_id not in self._loaded:
            self._loaded[model_id] = Served(model_id)
        return self._loaded[model_id]


def evaluate(keep_unchanged: bool, only: str = "") -> None:
    """Measure section by section; the report grows as they are done.

    With `only`, sections of other models (by the first that they need) are not measured.
    """
    before = kept() if keep_unchanged else {}
    done: dict[str, tuple[list[str], Section]] = {}
    models = Models()
    for title, needs, measure in SECTIONS:
        digests = [digest(model_id) for model_id in needs]
        if not all(digests):
            missing = [name for name, there in zip(needs, digests, strict=True) if not there]
            section = Section(title, f"Left out: no exported weights of {' and '.join(missing)}.")
        elif title in before and before[title][0] == digests:
            section = before[title][1]
            log.info("%s: unchanged", title)
        elif only and not needs[0].endswith(only):
            section = Section(title, "Left out: not measured yet with these weights.")
        else:
            log.info("%s", title)
            section = measure(*(models.get(model_id) for model_id in needs))
            done[title] = (digests, section)
            keep({**kept(), **done})
        done[title] = (digests, section)
        REPORT.write_text(document((s for _, s in done.values()), edition()), encoding="utf-8")


def main() -> int:
    """Prepare what is missing, measure, write the report. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep sections of unchanged weights")
    parser.add_argument("--only", choices=("encoder", "generator", "hub"), default="")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    ready = (PICTURES / "openmoji-black.npz").exists()
    if not (ready and (SPEECH / "heldout_sounds_meta.npz").exists()) and fetch.main() != 0:
        return 1
    if not WEIGHTS.exists():
        subprocess.run([sys.executable, "-m", "starter.judge"], check=True)
    evaluate(options.keep or bool(options.only), options.only)
    log.info("%s is written", REPORT.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
