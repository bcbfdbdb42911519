"""Real processes: the sandbox and the service, started, killed and stopped as an operator would."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 45
STOP_SECONDS = 30


class Server:
    """A process that serves HTTP at `url`; what it prints goes to `log`."""

    def __init__(
        self, arguments: Sequence[str], *, port: int, directory: Path, settings: Mapping[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / f"{port}.log"
        # The service's settings come from the environment, so nothing of the developer's may leak in.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=directory,
                env={**kept, "PYTHONPATH": str(ROOT), **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def until_up(self, path: str) -> None:
        """Return once `path` is answered; fails when the process ends before, or takes too long."""
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while True:
                if self._process.poll() is not None:
                    raise AssertionError(f"the server ended by itself:\n{self.log.read_text()[-4000:]}")
                try:
                    if (await client.get(f"{self.url}{path}")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it, and the workers it has, as a power cut would."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait, STOP_SECONDS)

    async def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, STOP_SECONDS)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
