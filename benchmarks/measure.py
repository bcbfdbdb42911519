"""One measurement at a time: a burst of generations, or a while of serving one picture."""

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders import REPOSITORY
from benchmarks.pictures import PICTURE_BYTES
from benchmarks.processes import Server

WARM_UP = 20
_FORMATS = (b"RIFF", b"\xff\xd8\xff", b"\x89PNG")


class MeasurementError(Exception):
    """A load generator failed, so that nothing is known about the contender."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What one burst showed; latencies are above the upstream's delay."""

    contender: str
    in_flight: int
    cpu_ms: float  # per generation
    p50_ms: float
    p99_ms: float
    peak_mb: float
    creates: float  # sent to the provider, per generation
    asks: float  # reads of predictions and pages of them, per generation
    load_cpu_ms: float  # the load generator's own, per generation
    wall_s: float
    errors: dict[str, int] = field(default_factory=dict)
    picture_path: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """What serving one hot picture showed."""

    contender: str
    requests_per_s: float
    cpu_ms: float  # per request
    load_busy: float  # the client's share of one core


def percentile(values: list[float], share: float) -> float:
    """The nearest rank; not a number when there are no values."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def warm_up(server: Server, *, direct: bool = False) -> None:
    """A few generations that nobody counts."""
    _load(server, WARM_UP, deadline_s=30, name="warm-up", direct=direct)


def burst(
    server: Server, upstream: Server, in_flight: int, *, delay_s: float, deadline_s: float, name: str
) -> Burst:
    """Start `in_flight` generations at once and wait for all of them.

    `name` is used once in a run.  The server may be the upstream itself.
    """
    direct = server is upstream
    counted = _counters(upstream)
    server.forget_peak_memory()
    cpu = server.cpu_seconds()
    load = _load(server, in_flight, deadline_s=deadline_s, name=name, direct=direct)
    cpu = server.settled_cpu_seconds() - cpu
    counted = _counters(upstream) - counted
    added = [(latency - delay_s) * 1000 for latency in load["latencies_s"]]
    errors = Counter(load["errors"])
    picture_path = ""
    for picture_path in load["picture_paths"]:
        if problem := _problem_with_picture(server, picture_path):
            errors[problem] += 1
    return Burst(
        contender=server.name,
        in_flight=in_flight,
        cpu_ms=cpu * 1000 / in_flight,
        p50_ms=percentile(added, 0.5),
        p99_ms=percentile(added, 0.99),
        peak_mb=server.peak_memory_bytes() / 1e6,
        creates=counted["creates"] / in_flight,
        asks=(counted["gets"] + counted["lists"]) / in_flight,
        load_cpu_ms=load["cpu_s"] * 1000 / in_flight,
        wall_s=load["wall_s"],
        errors=dict(errors),
        picture_path=picture_path,
    )


def serving(server: Server, path: str, *, seconds: float) -> Serving:
    """Serve the picture at `path`, already read once, as often as the server can."""
    command = ["benchmarks.serving_load", "--port", str(server.port), "--path", path]
    _run([*command, "--seconds", "0.3"], timeout_s=30)
    cpu = server.cpu_seconds()
    result = _run([*command, "--seconds", str(seconds)], timeout_s=seconds + 30)
    cpu = server.cpu_seconds() - cpu
    return Serving(
        contender=server.name,
        requests_per_s=result["answers"] / result["wall_s"],
        cpu_ms=cpu * 1000 / max(1, result["answers"]),
        load_busy=result["cpu_s"] / result["wall_s"],
    )


def _load(server: Server, in_flight: int, *, deadline_s: float, name: str, direct: bool) -> dict[str, Any]:
    command = [
        "benchmarks.load",
        *("--port", str(server.port)),
        *("--in-flight", str(in_flight)),
        *("--deadline", str(deadline_s)),
        *("--name", name),
    ]
    return _run([*command, "--direct"] if direct else command, timeout_s=deadline_s + 15)


def _run(module: list[str], *, timeout_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", *module]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=timeout_s, check=True)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{module[0]} did not end within {timeout_s:.0f} s.") from error
    except subprocess.CalledProcessError as error:
        last_line = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise MeasurementError(f"{module[0]} failed: {last_line}") from error
    return dict(json.loads(done.stdout))


def _counters(upstream: Server) -> Counter[str]:
    return Counter(json.loads(upstream.get("/counters")[1]))


def _problem_with_picture(server: Server, path: str) -> str:
    try:
        status, picture = server.get(path)
    except OSError as error:
        return f"picture not served: {error}"
    if status != 200:
        return f"picture not served: status {status}"
    if not picture.startswith(_FORMATS) or len(picture) < PICTURE_BYTES * 0.9:
        return "picture served damaged"
    return ""
