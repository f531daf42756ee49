"""Assets: immutable bytes, named by their SHA-256, in a folder.

Bytes are written to `tmp/` and hashed on the way, flushed to the disk, and renamed to
`sha256/aa/bb/<hash>`; only then may a row name them. A process that dies in between leaves at worst
bytes that no row names, and `sweep` takes those. Names that callers give are never part of a path.
"""

import errno
import hashlib
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from medley.errors import BrokenMedia, MedleyError, NotFound, TooLarge, UnsupportedMedia
from medley.media.facts import Facts, Limits
from medley.media.probe import probe
from medley.media.words import examine_words

log = logging.getLogger(__name__)
_HASH = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_SWEEP_BATCH = 500


class StoreFull(MedleyError):
    """The asset store has no room left."""

    code, status, retryable = "storage_full", 507, True


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Bytes that have arrived whole, but are not kept yet."""

    sha256: str
    size: int
    path: Path  # in the store's `tmp/`
    mark: tuple[int, int]  # the file's inode and time: tells these bytes from equal ones


class AssetStore(Protocol):
    """Where the bytes of assets live."""

    def begin(self, limit: int) -> "Upload":
        """Opens an upload of at most `limit` bytes; see `Upload`."""
        ...

    def receive(self, chunks: Iterable[bytes], limit: int) -> Received:
        """Takes all chunks.

        Raises `TooLarge`, `BrokenMedia` (no bytes) or `StoreFull`, and leaves nothing.
        """
        ...

    def receive_file(self, path: Path, limit: int) -> Received:
        """Takes a copy of a local file."""
        ...

    def keep(self, received: Received) -> Path:
        """Gives the bytes their final name. Idempotent: equal bytes that are there already stay."""
        ...

    def discard(self, received: Received) -> None:
        """Forgets bytes that were refused, also after `keep`. Equal bytes that were there before,
        or that somebody else has kept since, stay. Not to be called once a row names them.
        """
        ...

    def path(self, sha256: str) -> Path:
        """A local, read-only path to the bytes. Raises `NotFound`."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The bytes. Raises `NotFound`."""
        ...

    def exists(self, sha256: str) -> bool:
        """Whether the bytes are there."""
        ...

    def delete(self, sha256: str) -> bool:
        """Removes the bytes; False when they were gone already."""
        ...

    def sweep(self, referenced: Callable[[Collection[str]], set[str]], grace_s: float) -> int:
        """Removes bytes older than `grace_s` that `referenced` does not give back. How many?"""
        ...


class Upload:
    """Bytes on their way in: a context manager around `write` and `finish`.

    Leaving the block without `finish`, by an error or because the sender went away, removes what
    was written.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._path = folder / uuid.uuid4().hex
        self._limit = limit
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._done = False
        self.size = 0

    def __enter__(self) -> "Upload":
        with _full_disk():
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(fd, "wb", buffering=_BLOCK)
        return self

    def write(self, chunk: bytes) -> None:
        """Appends and hashes.

        Raises `TooLarge` at the first byte beyond the limit, and `StoreFull`.
        """
        self.size += len(chunk)
        if self.size > self._limit:
            raise TooLarge(f"More than the {self._limit} bytes that are accepted.")
        self._hash.update(chunk)
        with _full_disk():
            self._open_file.write(chunk)

    def finish(self) -> Received:
        """All bytes are here: flushes them to the disk. Raises `BrokenMedia` if there were none."""
        if not self.size:
            raise BrokenMedia("The file is empty (0 bytes).")
        with _full_disk():
            self._open_file.flush()
            os.fsync(self._open_file.fileno())
            self._open_file.close()
        self._done = True
        return Received(
            sha256=self._hash.hexdigest(),
            size=self.size,
            path=self._path,
            mark=_mark(self._path),
        )

    @property
    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("an upload is written inside its `with` block")
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done:
            _close_quietly(self._file)
            self._path.unlink(missing_ok=True)


class FolderStore:
    """An `AssetStore` in one folder, which may be a network file system shared by all processes."""

    def __init__(self, root: Path) -> None:
        self._tmp = root / "tmp"
        self._blobs = root / "sha256"
        self._tmp.mkdir(parents=True, exist_ok=True)
        self._blobs.mkdir(parents=True, exist_ok=True)

    def begin(self, limit: int) -> Upload:
        """See `AssetStore`."""
        return Upload(self._tmp, limit)

    def receive(self, chunks: Iterable[bytes], limit: int) -> Received:
        """See `AssetStore`."""
        with self.begin(limit) as upload:
            for chunk in chunks:
                upload.write(chunk)
            return upload.finish()

    def receive_file(self, path: Path, limit: int) -> Received:
        """See `AssetStore`."""
        with path.open("rb") as file:
            return self.receive(iter(lambda: file.read(_BLOCK), b""), limit)

    def keep(self, received: Received) -> Path:
        """See `AssetStore`."""
        target = self._place(received.sha256)
        with _full_disk():
            for folder in (target.parent.parent, target.parent):
                if not folder.exists():
                    folder.mkdir(exist_ok=True)
                    _sync(folder.parent)
            if _size(target) == received.size and _touch(target):
                received.path.unlink(missing_ok=True)
                return target
            os.chmod(received.path, 0o444)
            received.path.replace(target)
            _sync(target.parent)
        return target

    def discard(self, received: Received) -> None:
        """See `AssetStore`."""
        received.path.unlink(missing_ok=True)
        target, aside = self._place(received.sha256), received.path
        if _mark(target) != received.mark:
            return
        # Somebody may keep equal bytes this moment: what is moved aside is looked at once more.
        try:
            target.rename(aside)
        except FileNotFoundError:
            return
        if _mark(aside) == received.mark:
            aside.unlink()
        else:
            aside.replace(target)

    def path(self, sha256: str) -> Path:
        """See `AssetStore`."""
        place = self._place(sha256)
        if not place.is_file():
            raise NotFound("asset content", sha256)
        return place

    def open(self, sha256: str) -> BinaryIO:
        """See `AssetStore`."""
        return self.path(sha256).open("rb")

    def exists(self, sha256: str) -> bool:
        """See `AssetStore`."""
        return self._place(sha256).is_file()

    def delete(self, sha256: str) -> bool:
        """See `AssetStore`."""
        try:
            self._place(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep(self, referenced: Callable[[Collection[str]], set[str]], grace_s: float) -> int:
        """See `AssetStore`. Also removes uploads that were abandoned by a process that died."""
        before = time.time() - grace_s  # both sides are this file system's clock, never a lease's
        removed = sum(_remove_if_old(entry, before) for entry in self._tmp.iterdir())
        batch: list[Path] = []
        for blob in self._all():
            if _older(blob, before):
                batch.append(blob)
            if len(batch) >= _SWEEP_BATCH:
                removed += _remove_unnamed(batch, referenced, before)
                batch = []
        return removed + _remove_unnamed(batch, referenced, before)

    def _all(self) -> Iterator[Path]:
        for first in sorted(self._blobs.iterdir()):
            for second in sorted(first.iterdir()):
                yield from second.iterdir()

    def _place(self, sha256: str) -> Path:
        if not _HASH.fullmatch(sha256):
            raise NotFound("asset content", sha256)
        return self._blobs / sha256[:2] / sha256[2:4] / sha256


def take_in(store: AssetStore, received: Received, limits: Limits, *, words: bool = False) -> Facts:
    """Probes received bytes and keeps them; refused ones are discarded, and the refusal is raised.

    `words`: a text file is accepted, too.

    Equal bytes that are in the store already are probed all the same: the store does not remember
    facts.
    """
    try:
        facts = _facts(received.path, limits, words=words)
        store.keep(received)
    except BaseException:
        store.discard(received)
        raise
    return facts


def _facts(path: Path, limits: Limits, *, words: bool) -> Facts:
    try:
        return probe(path, limits)
    except UnsupportedMedia:
        found = examine_words(path) if words else None
        if found is None:
            raise
        return found


def _remove_unnamed(
    blobs: list[Path], referenced: Callable[[Collection[str]], set[str]], before: float
) -> int:
    if not blobs:
        return 0
    named = referenced([blob.name for blob in blobs])
    # Age is looked at again: `keep` may have made one young while the database was asked.
    return sum(_remove_if_old(blob, before) for blob in blobs if blob.name not in named)


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _remove_if_old(path: Path, before: float) -> int:
    if not _older(path, before):
        return 0
    path.unlink(missing_ok=True)
    log.info("asset_bytes_removed name=%s", path.name)
    return 1


def _touch(path: Path) -> bool:
    """Makes it young again, so that neither a sweep nor who brought it takes it before its new row
    is there. False: it is gone.
    """
    now = time.time_ns()
    try:
        os.utime(path, ns=(now, now))
    except FileNotFoundError:
        return False
    return True


def _mark(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Turns "no space" and "over quota" into `StoreFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull("The asset store is full; nothing was kept.") from error
        raise


def _close_quietly(file: BinaryIO | None) -> None:
    """Closes without another attempt to write what is still buffered for a full disk."""
    if file is None:
        return
    try:
        file.close()
    except OSError as error:
        log.debug("asset_upload_close_failed error=%s", error)
