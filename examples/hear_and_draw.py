"""What is heard is drawn: a sound in, words and a picture out.

    medley up &
    python examples/hear_and_draw.py demo/sound.wav drawings/
"""

import argparse
import sys
from pathlib import Path

from medley.client import JobFailed, Medley, Refused, Unavailable


def main() -> int:
    """Runs the example; gives the exit code."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("sound", type=Path, help="a file to listen to")
    options.add_argument("folder", type=Path, help="where the pictures go")
    options.add_argument("--url", default="http://127.0.0.1:8484", help="of the service")
    options.add_argument("--key", help="of the service, if it wants one")
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        with Medley(given.url, given.key) as medley:
            job = medley.run("What do you hear? Draw it.", [given.sound], outputs=["image"])
            job.watch()
            print(job.answer or "")
            for asset in job.assets:
                print(asset.save(given.folder))
    except (JobFailed, Refused, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
