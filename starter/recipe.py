"""The whole recipe of the starter models in one command: `python -m starter.recipe`.

Data, encoder, generator, hub, judge, evaluation. Every stage keeps checkpoints under
`starter/runs/` and goes on where it was stopped, so the command may simply be given again.

    python -m starter.recipe --rehearse     every stage for a moment, in a copy that is thrown away:
                                            shows that the recipe runs, not what it makes
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from starter.concepts import CACHE, HERE
from starter.vendors import PICTURES, SOURCES
from starter.voices import SPEECH

# Module of this package, its arguments. Later stages read what earlier ones exported.
STAGES: tuple[tuple[str, ...], ...] = (
    ("fetch",),
    ("train_encoder", "bind"),
    ("train_encoder", "export"),  # fixes the space; what follows is bound to it
    ("train_encoder", "hear"),
    ("train_encoder", "see"),
    ("train_encoder", "export"),
    ("generator_embeddings",),
    ("train_generator",),
    ("train_generator", "--export"),
    ("train_hub", "data"),
    ("train_hub", "text"),
    ("train_hub", "align"),
    ("train_hub", "tune"),
    ("hub_packed", "plans"),
    ("hub_packed", "finish", "--minutes", "16", "--first", "0.5"),
    ("hub_packed", "finish", "--minutes", "18", "--first", "0.6"),
    ("train_hub", "mean"),
    ("train_hub", "export"),
    ("judge",),
    ("evaluate",),
)

# What makes a stage last a moment. The others are short, or know nothing to cut.
MOMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("train_encoder", "bind"): ("--minutes", "0.3"),
    ("train_encoder", "hear"): ("--minutes", "0.3"),
    ("train_encoder", "see"): ("--minutes", "0.3"),
    ("train_generator",): ("--steps", "4", "--batch", "8"),
    ("train_hub", "data"): ("--shards", "1"),
    ("train_hub", "text"): ("--minutes", "0.3"),
    ("train_hub", "align"): ("--steps", "4"),
    ("train_hub", "tune"): ("--minutes", "0.3"),
    ("hub_packed", "plans"): ("--minutes", "0.3"),
    ("hub_packed", "finish"): ("--minutes", "0.3"),
    ("judge",): ("--minutes", "0.3"),
}

log = logging.getLogger(__name__)


def shortened(stage: tuple[str, ...]) -> tuple[str, ...]:
    """The stage as it is rehearsed; of options given twice the last one counts."""
    return (*stage, *MOMENTS.get(stage, MOMENTS.get(stage[:2], ())))


def run(stages: tuple[tuple[str, ...], ...], folder: Path) -> int:
    """Runs stages in order with the package `starter` of a folder. Returns the first bad exit code,
    or 0.
    """
    for stage in stages:
        log.info("== %s", " ".join(stage))
        done = subprocess.run([sys.executable, "-m", f"starter.{stage[0]}", *stage[1:]], cwd=folder)
        if done.returncode:
            log.error("%s ended with %d", " ".join(stage), done.returncode)
            return done.returncode
    return 0


def rehearse(stages: tuple[tuple[str, ...], ...]) -> int:
    """Runs shortened stages in a copy of this package, which shares only the fetched data."""
    with tempfile.TemporaryDirectory(prefix="medley-rehearsal-") as name:
        copy = Path(name) / HERE.name
        left = shutil.ignore_patterns("runs", "cache", "__pycache__")
        shutil.copytree(HERE, copy, ignore=left)
        (copy / CACHE.name).mkdir()
        for data in (SOURCES, PICTURES, SPEECH):  # and not the judge, which is trained
            data.mkdir(parents=True, exist_ok=True)
            (copy / CACHE.name / data.name).symlink_to(data, target_is_directory=True)
        return run(tuple(map(shortened, stages)), Path(name))


def main() -> int:
    """Run the stages in order, from `--start` on. Returns the first bad exit code, or 0."""
    names = [" ".join(stage) for stage in STAGES]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", choices=names, default=names[0], help="first stage to run")
    parser.add_argument("--rehearse", action="store_true", help="every stage for a moment")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stages = STAGES[names.index(options.start) :]
    return rehearse(stages) if options.rehearse else run(stages, HERE.parent)


if __name__ == "__main__":
    sys.exit(main())
