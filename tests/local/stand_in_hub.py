"""A Hub of our own on the loopback device: as much of its wire as fetching needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class StandInHub:
    """Repositories by id, each a folder; `gated` ones want a licence to be accepted.

    The address is taken when it is made, since the Hub's client reads it when it is imported; nobody answers
    there until it is open.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.sent: list[str] = []
        self.is_open = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_for(self))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self._server.server_port

    @property
    def url(self) -> str:
        """The address as the client wants it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Answer for a while, beginning with nothing."""
        for held in (self.repositories, self.gated, self.sent):
            held.clear()
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.is_open = True
        try:
            yield
        finally:
            self.is_open = False
            self._server.shutdown()
            thread.join()

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of what lies at a path."""
        parts = [part for part in urlsplit(path).path.split("/") if part]
        is_api = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2:] if is_api else parts
        identifier = f"{owner}/{name}"
        if identifier in self.gated and not is_api:
            return 403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Accept the licence."}
        folder = self.repositories.get(identifier)
        if folder is None:
            return 401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found."}
        files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
        if is_api and rest[:1] == ["tree"]:
            return 200, json.dumps([_entry(at, file) for at, file in files.items()]).encode(), {}
        if is_api:
            about = {"id": identifier, "sha": COMMIT, "siblings": [{"rfilename": at} for at in files]}
            return 200, json.dumps(about).encode(), {}
        found = files.get("/".join(rest[2:]))
        if found is None:
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found."}
        self.sent.append(found.name)
        content = found.read_bytes()
        return 200, content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}


def _entry(at: str, file: Path) -> dict[str, object]:
    content = file.read_bytes()
    return {"type": "file", "path": at, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}  # noqa: S324


def _answers_for(hub: StandInHub) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - named so by the server

        def log_message(self, *arguments: object) -> None:
            pass

    return Answers


HUB = StandInHub()
"""The one whose address the Hub's client was given."""
