"""Who is compared, and how each is started."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Server, free_port

REPOSITORY = Path(__file__).resolve().parent.parent
_QUIET_UVICORN = ["--host", "127.0.0.1", "--no-access-log", "--log-level", "warning", "--backlog", "4096"]
NGINX = "nginx, sendfile"
_NGINX_CONFIG = """\
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
    types {{ image/webp webp; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location /get-image/ {{ alias {folder}/images/; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that answers `POST /generate-image/`."""

    name: str
    command: Callable[[int], list[str]]

    def start(self, folder: Path, *, upstream_port: int) -> Server:
        """Start it in an empty folder, with nothing of our own environment but what it needs."""
        (folder / "images").mkdir(parents=True)
        (folder / "training").mkdir()
        port = free_port()
        environment = _plain_environment() | {
            "REPLICATE_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "REPLICATE_API_TOKEN": "benchmark",
            "SANDBOX": "off",
            "DATABASE_URL": f"sqlite:///{folder}/records.db",
            "IMAGE_STORE": str(folder / "images"),
            "TRAINING_IMAGES_DIR": str(folder / "training"),
        }
        return Server(self.name, self.command(port), port=port, environment=environment, folder=folder)


def start_upstream(folder: Path, *, delay_s: float) -> Server:
    """The provider's stand-in."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.upstream", "--port", str(port), "--delay", str(delay_s)]
    return Server("upstream alone", command, port=port, environment=_plain_environment(), folder=folder)


def start_nginx(folder: Path, picture: bytes) -> Server | None:
    """nginx with sendfile and one picture at /get-image/picture.webp; None where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        return None
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "picture.webp").write_bytes(picture)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port))
    command = [program, "-p", str(folder), "-c", str(config), "-e", "stderr"]
    return Server(NGINX, command, port=port, environment=_plain_environment(), folder=folder)


def _plain_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return environment | {"PYTHONPATH": str(REPOSITORY)}


def _uvicorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), *_QUIET_UVICORN]


PASSTHROUGH = Contender(
    "pass-through", lambda port: [sys.executable, "-m", "benchmarks.passthrough", "--port", str(port)]
)
OBVIOUS = Contender("obvious", lambda port: _uvicorn("benchmarks.obvious:app", port))
THIS_SERVICE = Contender("this service", lambda port: _uvicorn("app.main:app", port))
