"""The process behind `medley.media.probe`: for every file it forks a limited copy of itself.

It has loaded what examining needs and nothing else, so that a copy costs some milliseconds. A copy
sees one open file and one pipe for its answer; memory, processor time, wall clock and file size are
limited, privileges cannot grow, and the network is taken away where the system allows it.

    in   a packet on the socket that is standard input: task, limits and options as JSON, and two
         descriptors: the file, and a pipe for the answer
    out  on that pipe one line of JSON, one of {"done": …}, {"refused": code, …}, {"signal": n},
         {"exit": n}; and the bytes that were asked for

Started by path with `python -I`, so that neither the environment nor the working directory can add
code to it.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PACKET = 1 << 16


def give_up_rights() -> None:
    """No new privileges and no network for this process and its copies, where that can be had."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def shut_in(memory: int, seconds: float) -> None:
    """Limits for one examination, kept by the kernel, whatever a decoder is doing."""
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, max(1, int(seconds))),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def perform(task: str, limits: dict[str, Any], options: dict[str, Any]) -> tuple[Any, bytes]:
    """What is asked about the file that is descriptor 0: something for JSON, and bytes."""
    from medley.media.facts import Limits
    from medley.modality import Modality

    if task == "facts":
        from medley.media.examine import examine

        with open(0, "rb", closefd=False) as file:
            return examine(file, Limits(**limits)).to_data(), b""
    if task == "notes":
        from medley.media.carrying import notes_in

        with open(0, "rb", closefd=False) as file:
            return task, notes_in(file).encode("utf-8", "replace")
    from medley.media.thumbnail import draw

    modality = Modality(options.pop("modality"))
    return task, draw(Path("/dev/fd/0"), modality, **options)


def answer_to(job: dict[str, Any]) -> bytes:
    """One line of JSON, and the bytes that were asked for."""
    from medley.errors import BrokenMedia, CallerError, UnsupportedMedia

    payload, data = b"", {}
    try:
        done, payload = perform(job["task"], job["limits"], job["options"])
        data = {"done": done}
    except UnsupportedMedia as refused:
        data = {"refused": refused.code, "found": refused.found, "accepted": refused.accepted}
    except CallerError as refused:
        data = {"refused": refused.code, "message": refused.message}
    except Exception as error:  # noqa: BLE001 - decoders raise anything
        why = f"The file cannot be decoded: {type(error).__name__}: {error}"[:300]
        data = {"refused": BrokenMedia.code, "message": why}
    return json.dumps(data).encode() + b"\n" + payload


def copy(job: dict[str, Any], file: int, answer: int) -> NoReturn:
    """The life of one copy."""
    os.dup2(file, 0)
    os.dup2(answer, 3)
    os.closerange(4, 64)
    shut_in(job["limits"]["probe_memory"], job["limits"]["probe_seconds"])
    data = answer_to(job)
    while data:
        data = data[os.write(3, data) :]
    os._exit(0)  # no decoder's clean-up can change the answer any more


def reap(answers: dict[int, int]) -> None:
    """Ends the answers of copies that have ended, and says how those did that could not answer."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        answer = answers.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        if code:
            data = {"signal": -code} if code < 0 else {"exit": code}
            with contextlib.suppress(OSError):
                os.write(answer, json.dumps(data).encode())
        os.close(answer)


def serve() -> None:
    """Takes requests until the other side closes the socket."""
    requests = socket.socket(fileno=os.dup(0))
    waker, wakened = os.pipe()
    for end in (waker, wakened):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    answers: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), waker], [], [])
        if waker in ready:
            os.read(waker, _PACKET)
            reap(answers)
        if requests.fileno() not in ready:
            continue
        packet, descriptors, _, _ = socket.recv_fds(requests, _PACKET, 2)
        if not packet:
            return
        file, answer = descriptors
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            try:
                copy(json.loads(packet), file, answer)
            finally:
                os._exit(70)
        answers[pid] = answer
        os.close(file)


def main() -> None:
    """Loads the decoders, gives up rights, serves."""
    os.dup2(2, 1)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    import av
    from PIL import Image

    import medley.media.carrying
    import medley.media.examine_track
    import medley.media.thumbnail

    Image.init()
    av.logging.set_level(None)
    del medley
    give_up_rights()
    serve()


if __name__ == "__main__":
    main()
