"""Measure this service beside others: `python -m benchmarks`; see docs/benchmarks.md."""

import argparse
import compileall
import json
import math
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import (
    NGINX,
    OBVIOUS,
    PASSTHROUGH,
    REPOSITORY,
    THIS_SERVICE,
    Contender,
    start_nginx,
    start_upstream,
)
from benchmarks.measure import MeasurementError, burst, serving, warm_up
from benchmarks.processes import Server, ServerFailedError, stop_all_on_exit

_CONTENDERS = {"service": THIS_SERVICE, "passthrough": PASSTHROUGH, "obvious": OBVIOUS}
_SLOW_S = 20.0  # a burst that took longer is not repeated in later rounds
_LONGEST_BURST_S = 120.0
_BUSY = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    levels: tuple[int, ...]
    rounds: int
    serving_s: float
    limit_s: float  # nothing new is begun afterwards
    once: tuple[int, ...] = ()  # levels of the first round only, for all but the obvious service


FULL = Plan(levels=(50, 200, 1000), once=(2000,), rounds=3, serving_s=3.0, limit_s=310)
QUICK = Plan(levels=(50, 200), rounds=1, serving_s=1.0, limit_s=50)


@dataclass(slots=True)
class Run:
    """One run of the plan."""

    plan: Plan
    contenders: list[Contender]
    delay_s: float
    folder: Path
    results: report.Results = field(default_factory=report.Results)
    started: float = field(default_factory=time.monotonic)

    def measure(self) -> None:
        """Measure everybody, in turn, round after round."""
        with start_upstream(self.folder / "upstream", delay_s=self.delay_s) as upstream:
            upstream.wait_until_it_answers()
            for number in range(self.plan.rounds):
                # Nobody is always first: the machine may be warmer or busier at one end of a round.
                turn = number % len(self.contenders)
                for contender in self.contenders[turn:] + self.contenders[:turn]:
                    self._contender(contender, upstream, number)
                self._harness_itself(upstream, number)
                self._nginx(number)

    def _contender(self, contender: Contender, upstream: Server, number: int) -> None:
        """Start one contender, measure it at every level, stop it, and forget its files."""
        self._progress(contender.name)
        folder = self.folder / f"{contender.name} {number}".replace(" ", "-")
        try:
            with contender.start(folder, upstream_port=upstream.port) as server:
                took = server.wait_until_it_answers()
                self.results.start_ups_s.setdefault(server.name, []).append(took)
                warm_up(server)
                path = self._bursts(server, upstream, number)
                if self.results.errors(server.name) and server.log_tail():
                    self.results.logged.append(f"{server.name}:\n{server.log_tail()}")
                if path:
                    self._serving(server, path)
                    self._keep_picture(server, path)
        except (ServerFailedError, MeasurementError, OSError) as error:
            self.results.failures.append(f"{contender.name}: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _harness_itself(self, upstream: Server, number: int) -> None:
        """The load generator straight at the upstream: what nobody can undercut."""
        self._progress(upstream.name)
        try:
            warm_up(upstream, direct=True)
            self._bursts(upstream, upstream, number)
        except (MeasurementError, OSError) as error:
            self.results.failures.append(f"{upstream.name}: {error}")

    def _bursts(self, server: Server, upstream: Server, number: int) -> str:
        """Every level for one server; where one of its pictures is."""
        path = ""
        once = self.plan.once if number == 0 and server.name != OBVIOUS.name else ()
        for level in (*self.plan.levels, *once):
            if any(seen.wall_s > _SLOW_S for seen in self.results.of(server.name, level)):
                continue
            left = self.plan.limit_s - (time.monotonic() - self.started)
            if left < self.delay_s + 5:
                self.results.left_out.append(f"{server.name}, {level:,} in flight, round {number + 1}: time")
                continue
            seen = burst(
                server,
                upstream,
                level,
                delay_s=self.delay_s,
                deadline_s=min(left, _LONGEST_BURST_S),
                name=f"{server.name} {number} {level}",
            )
            self.results.bursts.append(seen)
            path = seen.picture_path or path
        return path

    def _serving(self, server: Server, path: str) -> None:
        self.results.servings.append(serving(server, path, seconds=self.plan.serving_s))

    def _keep_picture(self, server: Server, path: str) -> None:
        """Keep one picture for nginx to serve."""
        (self.folder / "picture.webp").write_bytes(server.get(path)[1])

    def _nginx(self, number: int) -> None:
        picture = self.folder / "picture.webp"
        if not picture.exists():
            return
        server = start_nginx(self.folder / f"nginx-{number}", picture.read_bytes())
        if server is None:
            if number == 0:
                self.results.left_out.append(f"{NGINX}: no nginx on PATH")
            return
        self._progress(server.name)
        try:
            with server:
                server.wait_until_it_answers("/get-image/picture.webp", within_s=10)
                self._serving(server, "/get-image/picture.webp")
        except (ServerFailedError, MeasurementError) as error:
            self.results.left_out.append(f"{NGINX}: {error}")

    def _progress(self, what: str) -> None:
        print(f"{time.monotonic() - self.started:4.0f} s  {what}", file=sys.stderr, flush=True)


def _machine() -> dict[str, object]:
    cpu = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "others": round(os.getloadavg()[0], 2),  # how many processes wanted a core in the minute before
    }


def _write(results: report.Results, machine: dict[str, object], options: argparse.Namespace) -> Path:
    """Keep the run as JSON, each burst by itself."""
    path = REPOSITORY / "benchmarks" / "results" / "latest.json"
    path.parent.mkdir(exist_ok=True)
    budgets = [asdict(budget) | {"verdict": budget.verdict} for budget in report.budgets(results)]
    content = {"machine": machine, "options": vars(options)} | asdict(results) | {"budgets": budgets}
    path.write_text(json.dumps(_measured(content), indent=1, allow_nan=False) + "\n")
    return path


def _measured(value: object) -> object:
    """The same with null for every number that is not one, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _measured(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_measured(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _print(results: report.Results, machine: dict[str, object], delay_s: float) -> None:
    cores = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"
    if float(str(machine["others"])) > _BUSY:
        print(f"\nThe machine was busy before the run (load {machine['others']}): the figures are disturbed.")
    print(f"\n{cores}; the provider takes {delay_s:g} s, one picture of 200 kB each")
    print(
        "Latency is what is added to the provider's time.  x: in pass-throughs of the same run.  Medians.\n"
    )
    print(report.burst_table(results))
    print("\nServing one hot picture of 200 kB, 32 keep-alive connections\n")
    print(report.serving_table(results))
    print(f"\nBudgets for {THIS_SERVICE.name}\n")
    print(report.budget_table(results))
    for title, lines in (
        ("Errors", report.error_lines(results)),
        ("Logged by contenders with errors", results.logged),
        ("Left out", results.left_out),
        ("Could not be measured", results.failures),
    ):
        if lines:
            print(f"\n{title}\n" + "\n".join(f"  {line}" for line in lines))


def main() -> int:
    """Run; 1 when a contender failed or answered with errors, else 0, whatever the budgets say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="50 and 200 in flight, one round, under a minute"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="the provider's own time, seconds")
    parser.add_argument("--only", nargs="+", choices=sorted(_CONTENDERS), default=list(_CONTENDERS))
    options = parser.parse_args()
    stop_all_on_exit()
    plan = QUICK if options.quick else FULL
    signal.alarm(round(plan.limit_s) + 45)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    # An installed service is compiled; its first start after an edit should not be measured compiling.
    for package in ("app", "benchmarks"):
        compileall.compile_dir(REPOSITORY / package, quiet=2)
    machine = _machine()
    with tempfile.TemporaryDirectory(prefix="fluxgate-benchmark-") as folder:
        contenders = [_CONTENDERS[name] for name in options.only]
        run = Run(plan=plan, contenders=contenders, delay_s=options.delay, folder=Path(folder))
        run.measure()
    _print(run.results, machine, options.delay)
    print(f"\nWritten to {_write(run.results, machine, options)}")
    errors = sum(run.results.errors(contender.name) for contender in contenders)
    return 1 if run.results.failures or errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
