"""Leaving: how the children of a worker hear that it shuts down. A file that appears is the word.

First no child claims any more; a step that still runs after the grace is given back, uncounted.
"""

import atexit
import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "MEDLEY_LEAVING_FILE"
GRACE_S = 15.0  #: a running step may take so long before it is given back


def name_of_main(pid: int) -> str:
    """What a main process is called in the rows of its children."""
    return f"{socket.gethostname()}:{pid}"


@dataclass(frozen=True, slots=True)
class Leaving:
    """The word, where it is written."""

    path: Path | None

    @classmethod
    def of_environment(cls) -> "Leaving":
        """As the main process has arranged it for its children."""
        found = os.environ.get(VARIABLE)
        return cls(Path(found) if found else None)

    @classmethod
    def arrange(cls) -> "Leaving":
        """By the main process, before it starts children."""
        folder = tempfile.mkdtemp(prefix="medley-leaving-")  # private: nobody else may say the word
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / "word"
        os.environ[VARIABLE] = str(path)
        return cls(path)

    def ask(self) -> None:
        """Tells the children."""
        if self.path is not None:
            self.path.touch()

    def asked(self) -> bool:
        """Whether this worker shuts down."""
        return self.path is not None and self.path.exists()

    def overdue(self) -> bool:
        """Whether it is time to give back what still runs."""
        if self.path is None:
            return False
        try:
            return time.time() - self.path.stat().st_mtime > GRACE_S
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """Removes the word."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
