"""Server processes: started, watched from outside, and stopped on every way out."""

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_running: set["Server"] = set()


class ServerFailedError(Exception):
    """A server did not start or did not answer."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop_all() -> None:
    for server in tuple(_running):
        server.stop()


def stop_all_on_exit() -> None:
    """Stop every server when this process ends, also by SIGTERM, SIGHUP or an alarm."""

    def _leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _leave)
    atexit.register(_stop_all)


class Server:
    """One server in a session of its own; a context manager that stops it."""

    def __init__(
        self, name: str, command: Sequence[str], *, port: int, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.port = port
        self._log = folder / "server.log"
        # The kernel kills the server should this process be killed before it can.
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*guard, *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _running.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_it_answers(self, path: str = "/ping", *, within_s: float = 60) -> float:
        """Seconds from the start of the process to its first 200."""
        while time.perf_counter() - self._started < within_s:
            if self._process.poll() is not None:
                raise ServerFailedError(
                    f"{self.name} ended with status {self._process.returncode}.\n{self.log_tail()}"
                )
            try:
                if self.get(path)[0] == 200:
                    return time.perf_counter() - self._started
            except OSError:
                pass
            time.sleep(0.01)
        raise ServerFailedError(f"{self.name} did not answer {path} in {within_s:.0f} s.\n{self.log_tail()}")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """User and system time of every thread of every process in the session, ended threads included."""
        # Linux makes a process's CPU clock from its pid like this: see clock_getcpuclockid(3).
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._session())

    def settled_cpu_seconds(self) -> float:
        """The same, once the server has finished what it still does after its last answer (at most 3 s)."""
        latest = self.cpu_seconds()
        for _ in range(15):
            time.sleep(0.2)
            before, latest = latest, self.cpu_seconds()
            if latest - before < 0.006:
                break
        return latest

    def forget_peak_memory(self) -> None:
        """Start the peak anew."""
        for pid in self._session():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_memory_bytes(self) -> int:
        """The largest resident size since `forget_peak_memory`, summed over the session's processes."""
        peak = 0
        for pid in self._session():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak += int(line.split()[1]) * 1024
        return peak

    def log_tail(self) -> str:
        """The end of what the server printed."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-12:])

    def stop(self) -> None:
        """End the session: kindly, then surely."""
        if self not in _running:
            return
        try:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        finally:
            for pid in self._session():
                os.kill(pid, signal.SIGKILL)
            _running.discard(self)

    def _session(self) -> list[int]:
        """The session's processes; its first one leads it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:  # It ended while we looked.
                    continue
                if int(fields[3]) == self._process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found
