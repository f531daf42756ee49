"""The board: a page of shared memory on which a child writes what it holds, for its keeper to read.

Writing costs no system call and wakes nobody; the keeper looks when it wants to. A version number
that is odd while something is written tells a reader to look again.
"""

import json
import mmap
import os
import struct
from typing import Any

SIZE = 1 << 16
_HEAD = struct.Struct("<QI")  # version, length


class Board:
    """One page of JSON, written by one process and read by another."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._page = mmap.mmap(fd, SIZE)
        self._version = 0

    @classmethod
    def make(cls) -> "Board":
        """A new board; pass its `fd` on to the reader."""
        fd = os.memfd_create("medley-board")
        os.truncate(fd, SIZE)
        board = cls(fd)
        board.write({})
        return board

    def write(self, content: dict[str, Any]) -> None:
        """Replaces what is written. Raises `ValueError` for more than a page."""
        data = json.dumps(content, separators=(",", ":")).encode()
        if len(data) > SIZE - _HEAD.size:
            raise ValueError("more than the board holds")
        _HEAD.pack_into(self._page, 0, self._version + 1, 0)
        self._page[_HEAD.size : _HEAD.size + len(data)] = data
        self._version += 2
        _HEAD.pack_into(self._page, 0, self._version, len(data))

    def read(self) -> dict[str, Any] | None:
        """What is written; None while it is being changed."""
        version, length = _HEAD.unpack_from(self._page, 0)
        data = bytes(self._page[_HEAD.size : _HEAD.size + length])
        if version % 2 or _HEAD.unpack_from(self._page, 0)[0] != version:
            return None
        return dict(json.loads(data))

    def close(self) -> None:
        """Gives the memory back."""
        self._page.close()
        os.close(self.fd)
