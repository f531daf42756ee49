"""What tools from outside promise, shown on a real MCP server: on its pipes, and behind an address.

And what hostile servers cannot do.
"""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from generators.outside import DetachedTools, OutsideTools, outputs
from medley.backend import Backend, ModelSpec
from medley.errors import (
    BackendError,
    BadInput,
    BrokenMedia,
    MedleyError,
    ServerDetached,
    StepStopped,
    TooLarge,
    ToolChanged,
    ToolFailed,
    Unavailable,
    UnsupportedMedia,
)
from medley.mcp.asking import call_tool, list_tools
from medley.mcp.snapshot import Server, load, path_of, remove
from medley.media.codec import encode
from medley.media.facts import Limits
from medley.modality import Modality
from tests.outside_world import ask, attach, loaded, on_a_port, on_pipes, write_script


@dataclass
class Listener:
    """A control that stops when it is told to."""

    stop_after_s: float | None = None
    scratch: Path = Path()
    began: float = field(default_factory=time.monotonic)

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        if self.stop_after_s is not None and time.monotonic() - self.began > self.stop_after_s:
            raise StepStopped

    def delta(self, text: str) -> None:
        raise AssertionError("a tool from outside writes no text of its own")


@pytest.fixture(scope="module", params=["pipes", "address"])
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    if request.param == "pipes":
        yield on_pipes(folder)
    else:
        with on_a_port(folder) as found:
            yield found


@pytest.fixture(scope="module")
def backend(server: Server, tmp_path_factory: Any) -> OutsideTools:
    return loaded(attach(tmp_path_factory.mktemp("home"), server))


def test_it_is_a_backend_that_knows_its_tools(backend: OutsideTools) -> None:
    assert isinstance(backend, Backend)
    assert {"paint.shout", "paint.swatch"} <= backend.tools
    assert "paint.nested" not in backend.tools


def test_words_go_in_and_words_come_out(backend: OutsideTools) -> None:
    (result,) = backend.run([ask("shout", "hello", times=2)], Listener())
    assert result.error is None
    assert result.outputs == {"text": "HELLO! HELLO!"}


def test_a_picture_comes_out_and_is_judged_like_an_upload(backend: OutsideTools) -> None:
    (result,) = backend.run([ask("swatch", colour="red", side=None)], Listener())
    assert result.error is None
    file = encode(result.outputs["image"], Modality.IMAGE, Limits())
    assert (file.media_type, file.facts.width) == ("image/png", 8)
    with Image.open(io.BytesIO(file.data or b"")) as picture:
        assert picture.getpixel((0, 0)) == (255, 0, 0)


def test_a_sound_comes_out(backend: OutsideTools) -> None:
    (result,) = backend.run([ask("beep")], Listener())
    file = encode(result.outputs["audio"], Modality.AUDIO, Limits())
    assert (file.media_type, file.facts.seconds) == ("audio/wav", 0.25)


def test_a_picture_that_is_none_is_refused_like_an_upload(backend: OutsideTools) -> None:
    (result,) = backend.run([ask("broken_picture")], Listener())
    with pytest.raises((UnsupportedMedia, BrokenMedia)):
        encode(result.outputs["image"], Modality.IMAGE, Limits())


def test_a_bad_item_fails_alone_with_words_on_one_plain_line(backend: OutsideTools) -> None:
    refused, good = backend.run([ask("refuse"), ask("shout", "x", times=1)], Listener())
    assert isinstance(refused.error, ToolFailed)
    assert "left" in refused.error.message
    assert refused.error.message.isprintable()
    assert not refused.error.retryable
    assert good.outputs == {"text": "X!"}


def test_a_stop_is_heard_at_once(backend: OutsideTools) -> None:
    began = time.monotonic()
    with pytest.raises(StepStopped):
        backend.run([ask("sleep", seconds=60)], Listener(stop_after_s=3))
    assert time.monotonic() - began < 8


def test_missing_words_are_a_bad_input(backend: OutsideTools) -> None:
    (result,) = backend.run([ask("shout", times=1)], Listener())
    assert isinstance(result.error, BadInput)


def test_an_answer_beyond_the_limit_is_refused(server: Server, tmp_path: Path) -> None:
    offered = load(attach(tmp_path, server)).offered("paint.flood")
    assert offered is not None
    with pytest.raises((TooLarge, ToolFailed)):
        call_tool(server, offered, {"megabytes": 8}, most=1 << 20)


def test_a_call_that_broke_off_is_not_repeated_unless_it_may_be(tmp_path: Path) -> None:
    server = on_pipes(tmp_path)
    offered = load(attach(tmp_path, server)).offered("paint.die")
    assert offered is not None
    with pytest.raises(ToolFailed, match="not known"):
        call_tool(server, offered, {})
    may = offered.model_copy(
        update={"declaration": offered.declaration.model_copy(update={"again": True})}
    )
    with pytest.raises(BackendError):
        call_tool(server, may, {})


def test_a_slow_call_ends(tmp_path: Path) -> None:
    server, began = on_pipes(tmp_path), time.monotonic()
    offered = load(attach(tmp_path, server)).offered("paint.sleep")
    assert offered is not None
    # On a busy machine the time may be over before the call began.
    with pytest.raises((ToolFailed, Unavailable), match="in time"):
        call_tool(server, offered, {"seconds": 600}, seconds=8)
    assert time.monotonic() - began < 60


def test_what_changed_since_it_was_attached_is_refused_until_it_is_attached_again(
    tmp_path: Path,
) -> None:
    server, home = on_pipes(tmp_path), tmp_path / "home"
    backend = loaded(attach(home, server))
    (tmp_path / "mood.txt").write_text("evil")
    changed, same = backend.run([ask("shout", "x", times=1), ask("surroundings")], Listener())
    assert isinstance(changed.error, ToolChanged)
    assert "attach" in changed.error.message
    assert same.error is None
    path = attach(home, server)
    (old,) = backend.run([ask("shout", "x", times=1)], Listener())
    assert isinstance(old.error, ToolChanged)
    assert "anew" in old.error.message
    (fresh,) = loaded(path).run([ask("shout", "x", times=1)], Listener())
    assert fresh.outputs == {"text": "X!"}


def test_a_detached_server_is_not_called_any_more(tmp_path: Path) -> None:
    backend = loaded(attach(tmp_path, on_pipes(tmp_path)))
    remove(tmp_path, "paint")
    (result,) = backend.run([ask("shout", "x", times=1)], Listener())
    assert isinstance(result.error, ServerDetached)


def test_a_call_under_way_ends_when_its_server_is_detached(tmp_path: Path) -> None:
    backend = loaded(attach(tmp_path, on_pipes(tmp_path)))

    class Detaching(Listener):
        def tick(
            self, done: float, total: float, *, message: str = "", preview: Any = None
        ) -> None:
            if message == "calling":
                path_of(tmp_path, "paint").unlink(missing_ok=True)

    (result,) = backend.run([ask("sleep", seconds=600)], Detaching())
    assert isinstance(result.error, ServerDetached)


def test_every_step_of_a_detached_server_ends_with_that_reason() -> None:
    backend = DetachedTools()
    spec = ModelSpec(id="mcp/x", backend="detached", tools=frozenset({"x.y"}), outside="x")
    backend.load(spec, "cpu")
    results = backend.run([ask("shout"), ask("beep")], Listener())
    assert all(isinstance(result.error, ServerDetached) for result in results)


def test_a_command_learns_nothing_of_medleys_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDLEY_DATABASE_URL", "postgresql://secret@/x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (result,) = loaded(attach(tmp_path, on_pipes(tmp_path))).run([ask("surroundings")], Listener())
    names = str(result.outputs["text"]).split()
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("MEDLEY", "AWS", "PYTHON"))]


def test_the_command_dies_with_the_step(tmp_path: Path) -> None:
    backend = loaded(attach(tmp_path, on_pipes(tmp_path)))
    with pytest.raises(StepStopped):
        backend.run([ask("sleep", seconds=60)], Listener(stop_after_s=3))
    assert all_gone(tmp_path)


def test_the_command_dies_with_its_worker(tmp_path: Path) -> None:
    attach(tmp_path, on_pipes(tmp_path))
    script = (
        "import sys\nfrom medley.mcp.asking import call_tool\n"
        "from medley.mcp.snapshot import load\n"
        "from pathlib import Path; found = load(Path(sys.argv[1]))\n"
        "call_tool(found.server, found.offered('paint.sleep'), {'seconds': 60})"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "mcp/paint.json")])
    until = time.monotonic() + 20
    while time.monotonic() < until and not servers(tmp_path):
        time.sleep(0.1)
    assert servers(tmp_path)
    worker.kill()
    worker.wait()
    assert all_gone(tmp_path)


def all_gone(folder: Path) -> bool:
    """Whether nothing runs there any more; the kernel's signal takes a moment."""
    until = time.monotonic() + 3
    while time.monotonic() < until and servers(folder):
        time.sleep(0.05)
    return not servers(folder)


def servers(folder: Path) -> list[psutil.Process]:
    """Processes that run in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


LISTED = {"name": "a", "inputSchema": {"type": "object"}}
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "x", "version": "1"},
}
#: Answers what a client of the older protocol asks; each page of the list leads to another one.
ENDLESS = f"""
import json
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = {{"jsonrpc": "2.0", "id": asked["id"]}}
    if asked["method"] == "initialize":
        answer["result"] = {HELLO!r}
    elif asked["method"] == "tools/list":
        answer["result"] = {{"tools": [{LISTED!r}] * COUNT, "nextCursor": "more"}}
    else:
        answer["error"] = {{"code": -32601, "message": "no"}}
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("count", [1, 100_000])
def test_a_list_without_an_end_is_refused(tmp_path: Path, count: int) -> None:
    program = write_script(tmp_path, [], ENDLESS.replace("COUNT", str(count)))
    with pytest.raises(TooLarge):
        list_tools(on_pipes(tmp_path, program))


@pytest.mark.parametrize(
    "then",
    [
        "sys.exit(3)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "print('hello, I am no server')",
        "time.sleep(600)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "while True: print('x' * 65536, end='')",
        "while True: print('{\"jsonrpc\":')",
        "print('[' * 5_000_000)",
    ],
)
def test_a_program_that_is_no_server_costs_little_time(tmp_path: Path, then: str) -> None:
    program = write_script(tmp_path, [], then)
    began = time.monotonic()
    with pytest.raises(MedleyError):
        list_tools(on_pipes(tmp_path, program), seconds=6)
    assert time.monotonic() - began < 12
    assert all_gone(tmp_path)


def test_nothing_at_an_address_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        list_tools(Server(url="http://127.0.0.1:9/mcp"), seconds=20)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [], "structuredContent": {"a": 1}}, {"text": '{"a": 1}'}),
        ({"content": [{"type": "text", "text": "a\x00\x1b[2Jb\ud800\n"}]}, {"text": "a[2Jb"}),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x:y", "text": "inside"}}]},
            {"text": "inside"},
        ),
        (
            {"content": [{"type": "resource_link", "uri": "http://10.0.0.1/", "name": "x"}]},
            {"text": "(1 more parts of the result are left out.)"},
        ),
        ({"content": []}, {}),
    ],
)
def test_other_contents_become_words_or_are_named_as_left_out(
    result: dict[str, Any], expected: dict[str, str]
) -> None:
    assert outputs(result) == expected


def test_a_text_is_cut_where_a_part_ends() -> None:
    text = outputs({"content": [{"type": "text", "text": "x" * 1_000_000}]})["text"]
    assert 60_000 < len(text) <= 65_536
    assert "1000000 characters" in text


def test_what_is_no_base64_is_a_failure_of_the_tool() -> None:
    with pytest.raises(ToolFailed):
        outputs({"content": [{"type": "image", "data": "!!", "mimeType": "image/png"}]})
