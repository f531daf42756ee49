"""`python -m medley` is the command line."""

from medley.cli import app

app()
