"""Evaluate the exported starter models on held-out inputs and write `REPORT.md`: `make eval`.

Needs the data of `python -m starter.fetch`, and the judge of `python -m starter.judge`, which is
trained on the way when it is not there. A section whose weights are missing says so.
"""

import argparse
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch

from starter.concepts import HERE
from starter.evaluate_encoder import pictures, sounds
from starter.evaluate_generator import drawings
from starter.evaluate_hub import plans, sayings
from starter.judge import WEIGHTS
from starter.report import Section, document
from starter.serving import Served

REPORT = HERE / "REPORT.md"

log = logging.getLogger(__name__)


def _load(model_id: str) -> Served | None:
    try:
        return Served(model_id)
    except FileNotFoundError as error:
        log.warning("%s", error)
        return None


def _without(title: str, what: str) -> Section:
    return Section(title, f"Left out: {what} has no exported weights yet.")


def sections() -> Iterator[Callable[[], Section]]:
    """The sections in the report's order, each as a call that measures it."""
    encoder = _load("starter/encoder")
    hub, generator = _load("starter/hub"), _load("starter/generator")
    if encoder:
        yield lambda: pictures(encoder)
        yield lambda: sounds(encoder)
    else:
        yield lambda: _without("Picture -> name, spoken word -> concept", "the encoder")
    if generator:
        yield lambda: drawings(generator, encoder)
    else:
        yield lambda: _without("Words, pictures and sounds -> picture", "the generator")
    if hub and encoder:
        yield lambda: sayings(hub, encoder)
    if hub:
        yield lambda: plans(hub)
    else:
        yield lambda: _without("Request -> plan", "the hub")


def main() -> int:
    """Measure, write the report, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    if not WEIGHTS.exists():
        subprocess.run([sys.executable, "-m", "starter.judge"], check=True)
    done: list[Section] = []
    for measure in sections():
        done.append(measure())
        REPORT.write_text(document(done), encoding="utf-8")
    log.info("%s is written", REPORT.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
