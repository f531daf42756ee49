"""`make demo`: a real request to a service of its own, from a picture and a spoken word to an
answer and a new picture.

Everything is started in a private home, on a free port, and stopped at the end. The exit code is 0
only when there is an answer and at least one new picture.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from medley.cli.draw import say
from medley.cli.outcome import answer_texts, save_outputs, tell, watch
from medley.client import Medley
from medley.errors import MedleyError
from medley.running import running_here
from medley.serverfiles import reachable_by_others
from medley.settings import Settings
from medley.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent
REQUEST = "What is in the picture, and what do you hear? Then draw what you hear."
FILES = (ROOT / "demo" / "picture.png", ROOT / "demo" / "sound.wav")
OUTPUT = ROOT / "demo-out"


def main() -> int:
    """Run the demo; gives the exit code."""
    began = time.monotonic()
    try:
        say("Starting Postgres, Valkey, the API and a worker …")
        with Supervisor(_settings(), report=lambda line: say(f"  {line}")) as service:
            service.watch_in_background()
            say(f"  ready at {service.url} after {time.monotonic() - began:.1f} s\n")
            with Medley(service.url) as client:
                done = _ask(client)
            say(f"\nThe page of this run was {service.url} — `.venv/bin/medley up` keeps one open.")
            say("Stopping everything …")
    except MedleyError as error:
        say(f"demo: {error.message}")
        return 3
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    say(f"Done in {time.monotonic() - began:.0f} s." if done else "demo: the job gave no picture.")
    return 0 if done else 1


def _ask(client: Medley) -> bool:
    """Send the request, show how it goes, write what was made.

    True when answer and picture exist.
    """
    say(f"Request  {REQUEST}")
    for file in FILES:
        say(f"  with   {file.relative_to(ROOT)}")
    say("")
    job = watch(client, client.run(REQUEST, FILES).id, quiet=False)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    files = save_outputs(client, job, OUTPUT)
    say("")
    Console(highlight=False, stderr=True).rule("Answer", align="left")
    tell(job, {asset: path.relative_to(ROOT) for asset, path in files.items()})
    pictures = [o for o in job.get("outputs") or () if o.get("type") == "image"]
    return bool(job["status"] == "succeeded" and _answered(job) and pictures)


def _answered(job: dict[str, Any]) -> bool:
    return any(text.strip() for text in answer_texts(job))


def _settings() -> Settings:
    """The caller's settings with a home and a port of the demo's own; never servers of somebody
    else.
    """
    home = ROOT / ".cache" / "demo"
    if os.geteuid() == 0 and not reachable_by_others(home):
        home = Path("/var/lib/medley/demo")  # Postgres, which is not root, could not get in
    if running_here(home) is None:
        shutil.rmtree(home, ignore_errors=True)  # nothing is taken from the cache of an earlier run
    return Settings(home=home, port=0, database_url=None, redis_url=None)


if __name__ == "__main__":
    sys.exit(main())
