"""Control: how a running backend reports, and hears that it should stop."""

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.errors import StepStopped
from orchestrator.engine import Lease
from orchestrator.events import Announcer
from workers.keeping import Keeping, Key, key_of

STORED_EVERY_S = 0.5  #: progress is stored at most twice a second
PREVIEW_EVERY_S = 0.5
MOVED_EVERY_S = 1.0  #: how often the keeper hears of progress
PREVIEW_SIDE = 256  #: pixels of a preview's longer side
MAX_PREVIEW = 65_536  #: bytes

#: Stores one report of progress for a lease; False means fenced.
Store = Callable[[Lease, Mapping[str, Any]], bool]
#: Ends one lease of a batch, for a reason, while the others go on.
Leave = Callable[[Lease, str], None]


class Scratch:
    """A private folder that is made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: Path | None = None

    def path(self) -> Path:
        """The folder."""
        if self._made is None:
            self._made = Path(tempfile.mkdtemp(prefix="step-", dir=self._root))
        return self._made

    def clear(self) -> None:
        """Removes it with all that is in it."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None


class StepControl:
    """The control of one batch. Implements `medley.backend.Control`."""

    def __init__(
        self,
        leases: Sequence[Lease],
        keeping: Keeping,
        announcer: Announcer,
        store: Store,
        scratch: Scratch,
        *,
        leave: Leave = lambda lease, why: None,
        shutting_down: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = self._served = list(leases)
        self._keeping = keeping
        self._announcer = announcer
        self._store = store
        self._scratch = scratch
        self._leave = leave
        self._shutting_down = shutting_down
        self._clock = clock
        self._stored_at = self._previewed_at = self._moved_at = clock()
        self._stopped: dict[Key, str] = {}
        self._written: dict[Key, int] = {}  # characters that were passed on

    @property
    def scratch(self) -> Path:
        """A private folder for large intermediate files; emptied after the batch."""
        return self._scratch.path()

    def serve(self, leases: Sequence[Lease]) -> None:
        """From now on a backend runs these leases of the batch, in this order."""
        self._served = list(leases)
        self._written.clear()

    def why_stopped(self, lease: Lease) -> str | None:
        """Why this lease has to stop, if it has to."""
        return self._stopped.get(key_of(lease))

    def stopped(self, place: int) -> bool:
        """Whether the request at this place has to stop while others go on."""
        return key_of(self._served[place]) in self._stopped

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Reports progress; raises `StepStopped` when every step that runs has to stop."""
        self._listen()
        now = self._clock()
        if now - self._stored_at >= STORED_EVERY_S:
            self._stored_at = now
            progress = {"done": done, "total": total, "message": message}
            for lease in self._running():
                if not self._store(lease, progress):
                    self._stopped[key_of(lease)] = "fenced"
                    self._leave(lease, "fenced")
            self._announcer.stored(lease.job for lease in self._leases)
        if preview is not None and now - self._previewed_at >= PREVIEW_EVERY_S:
            self._previewed_at = now
            self._show(preview)

    def note(self, message: str, **facts: Any) -> None:
        """Tells at once what happens to the steps that run; also raises `StepStopped`."""
        self._listen()
        for lease in self._running():
            self._store(lease, {"done": 0, "total": 1, "message": message, **facts})
        self._announcer.stored(lease.job for lease in self._leases)

    def delta(self, text: str, place: int = 0) -> None:
        """Passes on new text of the request at this place; also raises `StepStopped`."""
        self._listen()
        lease = self._served[place]
        if text and key_of(lease) not in self._stopped:
            at = self._written.get(key_of(lease), 0)
            self._written[key_of(lease)] = at + len(text)
            self._announcer.delta(lease.job, lease.step, text, at)

    def _running(self) -> list[Lease]:
        return [lease for lease in self._served if key_of(lease) not in self._stopped]

    def _listen(self) -> None:
        said = dict(self._keeping.stops())
        if self._shutting_down():
            said |= {key_of(lease): "shutdown" for lease in self._leases}
        new = [
            lease
            for lease in self._leases
            if key_of(lease) in said and key_of(lease) not in self._stopped
        ]
        self._stopped |= {key_of(lease): said[key_of(lease)] for lease in new}
        if not self._running():
            raise StepStopped(next(iter(self._stopped.values()), "stopped"))
        for lease in new:
            # It ends now and is held no more: who holds on to a stopped step is killed.
            self._leave(lease, self._stopped[key_of(lease)])
            self._stopped[key_of(lease)] = "fenced"
        now = self._clock()
        if now - self._moved_at >= MOVED_EVERY_S:
            self._moved_at = now
            self._keeping.ensure()
            self._keeping.moved()

    def _show(self, preview: Any) -> None:
        """Previews belong to the first step that runs; backends show one picture at a time."""
        picture = preview.convert("RGB")
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        if buffer.tell() <= MAX_PREVIEW:
            lease = self._served[0]
            self._announcer.preview(lease.job, lease.step, buffer.getvalue(), "image/jpeg")
