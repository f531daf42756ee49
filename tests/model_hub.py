"""A model hub on a loopback port: the few routes that a snapshot needs, and what can go wrong."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What it has: files by repository; those behind terms; bytes after which it hangs up."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    hangs_up_after: int | None = None
    asked: list[str] = field(default_factory=list)  # method and path of each request
    tokens: set[str] = field(default_factory=set)
    url: str = ""


@contextmanager
def model_hub(hub: Hub) -> Iterator[Hub]:
    """The hub, while it runs."""

    class Routes(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            hub.tokens.add(self.headers.get("Authorization", ""))
            if path.startswith("/api/models/"):
                owner, name, *rest = path.removeprefix("/api/models/").split("/")
                self.api(f"{owner}/{name}", rest)
            else:
                owner, name, _, _, *rest = path[1:].split("/")
                self.file(f"{owner}/{name}", "/".join(rest))

        def api(self, repository: str, rest: list[str]) -> None:
            files = hub.files.get(repository)
            if files is None:
                self.refuse(404, "RepoNotFound")
            elif rest[:1] == ["tree"]:
                self.give_json([
                    {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
                    for name, data in files.items()
                ])  # fmt: skip
            elif rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
                self.refuse(404, "RevisionNotFound")
            else:
                names = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
                self.give_json({"id": repository, "sha": COMMIT, "siblings": names})

        def file(self, repository: str, name: str) -> None:
            data = hub.files.get(repository, {}).get(name)
            if repository in hub.gated and self.headers.get("Authorization") != "Bearer good":
                self.refuse(401, "GatedRepo")
                return
            if data is None:
                self.refuse(404, "EntryNotFound")
                return
            start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{sha1(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            most = hub.hangs_up_after
            if most is not None and name.endswith(".safetensors"):
                self.wfile.write(data[start : start + most])
                self.wfile.flush()
                self.connection.close()
                return
            self.wfile.write(data[start:])

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def give_json(self, data: object) -> None:
            body = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Routes)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
