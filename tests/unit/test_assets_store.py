"""The asset store: whole bytes under their hash, or nothing."""

import errno
import hashlib
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from medley.errors import BrokenMedia, NotFound, TooLarge, UnsupportedMedia
from medley.media.facts import Limits
from orchestrator.assets import FolderStore, StoreFull, take_in
from tests.media_samples import picture_bytes

LIMIT = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "assets")


def files(store: FolderStore, tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "assets").rglob("*") if path.is_file()]


def test_bytes_are_found_again_under_their_hash(store: FolderStore) -> None:
    received = store.receive([b"hello ", b"world"], LIMIT)
    path = store.keep(received)

    assert received.sha256 == hashlib.sha256(b"hello world").hexdigest()
    assert received.size == 11
    assert path == store.path(received.sha256)
    assert store.open(received.sha256).read() == b"hello world"
    assert not received.path.exists()


def test_nothing_is_under_its_hash_before_it_is_kept(store: FolderStore) -> None:
    received = store.receive([b"hello"], LIMIT)

    assert not store.exists(received.sha256)
    with pytest.raises(NotFound):
        store.path(received.sha256)


def test_equal_bytes_are_kept_once(store: FolderStore, tmp_path: Path) -> None:
    first = store.keep(store.receive([b"same"], LIMIT))
    second = store.keep(store.receive([b"sa", b"me"], LIMIT))

    assert first == second
    assert files(store, tmp_path) == [first]


def test_what_is_refused_after_it_was_kept_is_gone_at_once(
    store: FolderStore, tmp_path: Path
) -> None:
    received = store.receive([b"refused"], LIMIT)
    store.keep(received)
    store.discard(received)
    store.discard(received)

    assert files(store, tmp_path) == []


def test_refused_bytes_stay_where_somebody_else_keeps_equal_ones(store: FolderStore) -> None:
    first, second, third = (store.receive([b"same"], LIMIT) for _ in range(3))
    store.keep(first)
    store.keep(second)
    for refused in (first, third):  # one that brought them, one that has not come so far
        store.discard(refused)

    assert store.open(second.sha256).read() == b"same"


def test_bytes_that_are_kept_while_equal_ones_are_refused_are_there(store: FolderStore) -> None:
    for _ in range(60):
        refused = store.receive([b"in a hurry"], LIMIT)
        store.keep(refused)
        wanted = store.receive([b"in a hurry"], LIMIT)
        both = [
            threading.Thread(target=store.discard, args=(refused,)),
            threading.Thread(target=store.keep, args=(wanted,)),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert store.open(wanted.sha256).read() == b"in a hurry"
        store.delete(wanted.sha256)


def test_kept_bytes_cannot_be_written_by_accident(store: FolderStore) -> None:
    path = store.keep(store.receive([b"immutable"], LIMIT))

    assert path.stat().st_mode & 0o222 == 0


def test_too_many_bytes_leave_nothing(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        store.receive((b"x" * 1000 for _ in range(100)), limit=50_000)

    assert files(store, tmp_path) == []


def test_no_bytes_are_refused_and_leave_nothing(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(BrokenMedia, match="empty"):
        store.receive([], LIMIT)

    assert files(store, tmp_path) == []


def test_a_sender_that_goes_away_leaves_nothing(store: FolderStore, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.receive(chunks(), LIMIT)

    assert files(store, tmp_path) == []


def test_an_upload_that_is_left_unfinished_leaves_nothing(
    store: FolderStore, tmp_path: Path
) -> None:
    with store.begin(LIMIT) as upload:
        upload.write(b"half")

    assert files(store, tmp_path) == []


def test_a_full_disk_has_its_own_error_and_leaves_nothing(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull) as refusal:
        store.receive([b"too much"], LIMIT)

    assert (refusal.value.status, refusal.value.retryable) == (507, True)
    assert files(store, tmp_path) == []


def test_refused_media_leave_nothing(store: FolderStore, tmp_path: Path) -> None:
    received = store.receive([b"only words"], LIMIT)
    with pytest.raises(UnsupportedMedia):
        take_in(store, received, Limits())

    assert files(store, tmp_path) == []


def test_accepted_media_are_kept_with_their_facts(store: FolderStore) -> None:
    received = store.receive([picture_bytes()], LIMIT)
    facts = take_in(store, received, Limits())

    assert facts.media_type == "image/png"
    assert store.open(received.sha256).read() == picture_bytes()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_only_a_hash_names_bytes(store: FolderStore, name: str) -> None:
    with pytest.raises(NotFound):
        store.path(name)


def test_deleting_twice_is_told_apart(store: FolderStore) -> None:
    received = store.receive([b"gone"], LIMIT)
    store.keep(received)

    assert [store.delete(received.sha256), store.delete(received.sha256)] == [True, False]


def test_a_sweep_takes_only_old_bytes_that_no_row_names(store: FolderStore) -> None:
    named, old, young = (store.receive([word], LIMIT) for word in (b"named", b"old", b"young"))
    for received in (named, old, young):
        path = store.keep(received)
        if received is not young:
            os.utime(path, (0, 0))

    removed = store.sweep(lambda hashes: {named.sha256} & set(hashes), grace_s=60)

    assert removed == 1
    assert [store.exists(r.sha256) for r in (named, old, young)] == [True, False, True]


def test_a_sweep_takes_abandoned_uploads(store: FolderStore, tmp_path: Path) -> None:
    abandoned = store.receive([b"nobody came back"], LIMIT)
    os.utime(abandoned.path, (0, 0))

    assert store.sweep(lambda hashes: set(), grace_s=60) == 1
    assert files(store, tmp_path) == []


def test_keeping_again_makes_bytes_young(store: FolderStore) -> None:
    path = store.keep(store.receive([b"again"], LIMIT))
    os.utime(path, (0, 0))
    store.keep(store.receive([b"again"], LIMIT))

    assert store.sweep(lambda hashes: set(), grace_s=60) == 0


def test_many_uploads_of_the_same_bytes_at_once_end_as_one(
    store: FolderStore, tmp_path: Path
) -> None:
    def upload() -> None:
        store.keep(store.receive([b"popular"] * 50, LIMIT))

    threads = [threading.Thread(target=upload) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(files(store, tmp_path)) == 1


def test_memory_does_not_grow_with_the_upload(store: FolderStore) -> None:
    block = bytes(1 << 20)
    tracemalloc.start()
    received = store.receive((block for _ in range(64)), limit=1 << 30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert received.size == 64 << 20
    assert peak < 8 << 20
