"""`python -m app`: what it says, and what keeps it from serving."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from app.__main__ import CANNOT_START, greeting, listen
from app.config import SettingsError
from tests.conftest import GivenSettings

ROOT = Path(__file__).resolve().parents[1]
Listen = Callable[[str], list[socket.socket]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def listening() -> Iterator[Listen]:
    """Listens at a free port of a host."""
    with ExitStack() as stack:

        def start(host: str) -> list[socket.socket]:
            return [stack.enter_context(closing(one)) for one in listen(host, 0)]

        yield start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Runs `python -m app` with these settings alone."""
    with ExitStack() as stack:

        def run(**settings: str) -> "subprocess.Popen[str]":
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            process = subprocess.Popen(
                [sys.executable, "-m", "app"],
                cwd=tmp_path,
                env={**kept, "PYTHONPATH": str(ROOT), "SANDBOX": "on", "PORT": "0", **settings},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


def test_a_port_that_is_taken_is_told(listening: Listen) -> None:
    [taken] = listening("127.0.0.1")
    port = taken.getsockname()[1]
    with pytest.raises(SettingsError) as fault:
        listen("127.0.0.1", port)
    assert str(fault.value) == (
        f"PORT: {port} is taken by another program; set another PORT, or 0 for any free one."
    )


@pytest.mark.parametrize("host", ["a..b", "192.0.2.1", "256.256.256.256"])
def test_a_host_that_cannot_be_listened_at_is_told(host: str) -> None:
    with pytest.raises(
        SettingsError, match=f"^HOST: it is not possible to listen at {host!r} \\([^()]*\\); an"
    ):
        listen(host, 0)


def test_it_says_where_it_is(listening: Listen) -> None:
    listeners = listening("127.0.0.1")
    port = listeners[0].getsockname()[1]
    assert greeting(GivenSettings(), listeners)[:2] == [
        f"Fluxgate is at http://127.0.0.1:{port}",
        f"Try every route at http://127.0.0.1:{port}/docs",
    ]
    assert len(greeting(GivenSettings(), listeners)) == 3


def test_who_listens_everywhere_without_a_key_is_told_whom_that_serves(listening: Listen) -> None:
    listeners = listening("0.0.0.0")  # noqa: S104 - that is what is tested
    lines = greeting(GivenSettings(), listeners)
    assert lines[0].endswith(" and at every other address of this machine")
    assert lines[0].startswith("Fluxgate is at http://127.0.0.1:")
    assert lines[-1] == (
        "Without an API key only programs on this machine are served, others get 403: set API_KEY, or make "
        "a key with `python -m app keys create`, or set ALLOW_OPEN=true to serve everybody."
    )
    with_key = GivenSettings.model_validate({"api_key": "k"})
    assert len(greeting(with_key, listeners)) == 3
    assert len(greeting(GivenSettings(allow_open=True), listeners)) == 3


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_fault_at_start_is_one_line(start: Start, workers: str) -> None:
    process = start(DATA_DIR="/dev/null", WORKERS=workers)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == CANNOT_START
    assert output == (
        "DATA_DIR: nothing can be kept in '/dev/null' (File exists); "
        "a folder that this program may write to is allowed.\n"
    )


def test_a_free_port_is_said_and_an_open_service_warns(start: Start) -> None:
    process = start(ALLOW_OPEN="true")
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("Fluxgate is at ").strip()
    assert httpx.get(f"{address}/ping", timeout=30, trust_env=False).text == "pong"
    process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert "Everybody who reaches the port is served, at your cost" in rest


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_open_stream_does_not_hold_up_the_stop(start: Start, workers: str) -> None:
    process = start(WORKERS=workers, SANDBOX_PACE="100")
    assert process.stdout is not None
    address = (await asyncio.to_thread(process.stdout.readline)).removeprefix("Fluxgate is at ").strip()
    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
        job = await client.post(
            "/generate-image/", data={"prompt": "a cat"}, headers={"Prefer": "respond-async"}
        )
        async with client.stream("GET", f"/jobs/{job.json()['id']}/events") as stream:
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data: "):
                pass
            process.send_signal(signal.SIGTERM)
            # The end comes in good order: a stream that is cut off would raise.
            rest = [line async for line in lines]
    assert not any("succeeded" in line for line in rest)
    await asyncio.to_thread(process.wait, 10)
