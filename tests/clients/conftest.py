"""What the tests of all official clients share: a sandbox in a process of its own, reached over real HTTP."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.servers import ROOT, Letterbox, Sandbox, free_port, serve_letterbox, serve_sandbox

TOKEN = "r8_anything"  # noqa: S105 - the sandbox takes any
FRONT = "https://sandbox.example"
"""How the sandbox behind `fronted_sandbox` is known to its clients."""


@pytest.fixture(autouse=True)
def _nothing_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a real token nor a proxy may come into play."""
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox that all tests share."""
    with serve_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def fronted_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that gives out https addresses, as one behind a proxy with a certificate does."""
    with serve_sandbox(tmp_path, "--url", FRONT, "--account", "me", port=free_port()) as running:
        yield running


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    """A receiver of webhooks."""
    with serve_letterbox() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def training_pictures() -> Path:
    """A zip of pictures to train on."""
    return ROOT / "examples" / "training_pictures.zip"


@pytest.fixture
def fresh_name() -> Callable[[str], str]:
    """Makes names of models and the like that no other test has used."""

    def named(stem: str) -> str:
        return f"{stem}-{uuid.uuid4().hex[:8]}"

    return named
