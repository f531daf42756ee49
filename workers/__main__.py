"""`python -m workers`: a worker process with its children, for the lanes of `MEDLEY_LANES`."""

import os
import sys
import warnings


def main() -> int:
    """Runs until it is told to stop."""
    from celery.platforms import SecurityWarning

    from medley import logs
    from medley.settings import Settings
    from workers.app import serve

    # Root is dangerous for workers that unpickle; these read JSON only.
    warnings.filterwarnings("ignore", category=SecurityWarning)

    settings = Settings()
    logs.configure(settings.log_format)
    os.environ.setdefault("OTEL_SERVICE_NAME", "medley")
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
