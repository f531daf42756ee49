"""The command line.

Starts without torch and without the server packages: each command imports what it needs.
"""

from medley.cli.main import app

__all__ = ["app"]
