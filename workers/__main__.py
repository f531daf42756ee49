"""`python -m workers`: a worker process with its children, for the lanes of `MEDLEY_LANES`."""

import logging
import sys
import warnings


def main() -> int:
    """Runs until it is told to stop."""
    from celery.platforms import SecurityWarning

    from medley.settings import Settings
    from workers.app import serve

    # Root is dangerous for workers that unpickle; these read JSON only.
    warnings.filterwarnings("ignore", category=SecurityWarning)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("celery").setLevel(logging.WARNING)
    return serve(Settings())


if __name__ == "__main__":
    sys.exit(main())
