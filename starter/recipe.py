"""The whole recipe of the starter models in one command: `python -m starter.recipe`.

Data, encoder, generator, hub, judge, evaluation. Every stage keeps checkpoints under
`starter/runs/` and goes on where it was stopped, so the command may simply be given again.
"""

import argparse
import logging
import subprocess
import sys

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

log = logging.getLogger(__name__)


def main() -> int:
    """Run the stages in order, from `--start` on. Returns the first bad exit code, or 0."""
    names = [" ".join(stage) for stage in STAGES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", choices=names, default=names[0], help="first stage to run")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for stage in STAGES[names.index(options.start) :]:
        log.info("== %s", " ".join(stage))
        done = subprocess.run([sys.executable, "-m", f"starter.{stage[0]}", *stage[1:]])
        if done.returncode:
            log.error("%s ended with %d", " ".join(stage), done.returncode)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
