"""`import app.main` touches no file, network or environment, and loads nothing before it is needed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = (
    "fastapi",
    "httpx",
    "sqlalchemy",
    "pydantic_settings",
    "fastapi_offline",
    "anyio._backends._asyncio",
)
LATER = ("replicate", "PIL", "jsonschema", "alembic", "aiohttp", "app.sandbox")
"""What is loaded by the lifespan, or by the first request that needs it."""

SWITCHES = ("PYDANTIC_", "FASTAPI_", "OTEL_")
"""What the frameworks look up whenever a model or an app is made: their own switches, no settings of ours."""

# Runs in an interpreter of its own, where nothing was imported before and nothing else is watched.
WATCH = """
import importlib, json, os, sys, sysconfig
from pathlib import Path

frameworks, module = json.loads(sys.argv[1]), sys.argv[2]
for name in frameworks:
    importlib.import_module(name)

# Imports look into these folders and read these kinds of file there; nobody else does.
code = tuple(sorted({*sysconfig.get_paths().values(), sys.base_prefix, *sys.argv[3:]}))
kinds = (".py", ".pyc", ".so", ".pyd")
touching = ("os.", "shutil.", "socket.", "sqlite3.", "subprocess.", "tempfile.", "glob.", "urllib.", "fcntl.")
seen, watching = [], False

def audit(event, arguments):
    if not watching:
        return
    if event == "open":
        path, mode, flags = arguments
        reads = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
        if reads and str(path).endswith(kinds) and str(path).startswith(code):
            return
    elif event in ("os.listdir", "os.scandir") and str(arguments[0]).startswith(code):
        return
    elif not event.startswith(touching):
        return
    seen.append([event, repr(arguments)])

def told(name):
    plain = getattr(os._Environ, name)
    def method(self, *arguments):
        if watching:
            seen.append(["os.environ", f"{name}{arguments}"])
        return plain(self, *arguments)
    return method

for name in ("__getitem__", "__iter__", "__len__", "__setitem__", "__delitem__"):
    setattr(os._Environ, name, told(name))
sys.addaudithook(audit)
watching = True
importlib.import_module(module)
watching = False
print(json.dumps({"seen": seen, "modules": sorted(sys.modules)}))
"""

BREACH = """
import os, pathlib, socket, sqlite3, subprocess, tempfile
os.environ.get("API_KEY")
os.getenv("API_KEY")
"API_KEY" in os.environ
dict(os.environ)
pathlib.Path(".env").read_text()
pathlib.Path("data").mkdir()
pathlib.Path("log").open("a").close()
os.listdir(".")
sqlite3.connect("fluxgate.db").close()
socket.socket().close()
subprocess.run(["true"])
"""

Watched = Callable[..., tuple[list[list[str]], set[str]]]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Import a module in a fresh process; what it touched, and which modules are loaded afterwards."""
    (tmp_path / ".env").write_text("API_KEY=from the file\n")

    def watch(module: str, code: Path, frameworks: tuple[str, ...]) -> tuple[list[list[str]], set[str]]:
        run = subprocess.run(
            # -B: the import system's own cache of bytecode is not written.
            [sys.executable, "-B", "-c", WATCH, json.dumps(frameworks), module, str(code)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(code), "API_KEY": "from the environment"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        found = json.loads(run.stdout)
        return found["seen"], set(found["modules"])

    return watch


def test_importing_the_app_touches_nothing(watched: Watched) -> None:
    seen, modules = watched("app.main", ROOT, FRAMEWORKS)

    ours = [
        facts for facts in seen if not facts[1].startswith(tuple(f"__getitem__('{name}" for name in SWITCHES))
    ]
    assert ours == []
    assert "app.main" in modules


def test_importing_the_app_loads_nothing_before_it_is_needed(watched: Watched) -> None:
    _, modules = watched("app.main", ROOT, ())

    assert modules.isdisjoint(LATER)


def test_the_watch_sees_whatever_an_import_may_touch(watched: Watched, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "breach.py").write_text(BREACH)

    seen, _ = watched("breach", folder, ())

    assert seen[:4] == [["os.environ", "__getitem__('API_KEY',)"]] * 3 + [["os.environ", "__iter__()"]]
    touched = {event for event, _ in seen}
    assert {
        "open",
        "os.mkdir",
        "os.listdir",
        "sqlite3.connect",
        "socket.__new__",
        "subprocess.Popen",
    } <= touched
    opened = [facts for event, facts in seen if event == "open"]
    assert any("'.env'" in facts for facts in opened)
    assert any("'log'" in facts for facts in opened)
