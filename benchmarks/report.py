"""The tables, and the budgets of the design with what was seen of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contenders import NGINX, PASSTHROUGH, THIS_SERVICE
from benchmarks.measure import Burst, Serving


@dataclass(slots=True)
class Results:
    """Everything one run has seen, in the order in which it was seen."""

    bursts: list[Burst] = field(default_factory=list)
    servings: list[Serving] = field(default_factory=list)
    start_ups_s: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)  # contenders that could not be measured
    left_out: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)  # what contenders with errors printed last

    def of(self, contender: str, in_flight: int) -> list[Burst]:
        """The bursts of one row."""
        return [seen for seen in self.bursts if (seen.contender, seen.in_flight) == (contender, in_flight)]

    def middle(self, contender: str, in_flight: int, what: str) -> float:
        """The median over the rounds; not a number where there was none."""
        values = [float(getattr(seen, what)) for seen in self.of(contender, in_flight)]
        return median(values) if values else math.nan

    def ratio(self, contender: str, in_flight: int, what: str) -> float:
        """The median, in pass-throughs."""
        return _ratio(self.middle(contender, in_flight, what), self.middle(PASSTHROUGH.name, in_flight, what))

    def requests_per_s(self, contender: str) -> float:
        """The median rate of serving a hot picture; not a number where there was none."""
        rates = [seen.requests_per_s for seen in self.servings if seen.contender == contender]
        return median(rates) if rates else math.nan

    def start_up_s(self, contender: str) -> float:
        """The median time to the first answer; not a number where there was none."""
        times = self.start_ups_s.get(contender, [])
        return median(times) if times else math.nan

    def errors(self, contender: str, in_flight: int | None = None) -> int:
        """Errors of a contender, in all its bursts or in those of one size."""
        return sum(
            sum(seen.errors.values())
            for seen in self.bursts
            if seen.contender == contender and in_flight in (None, seen.in_flight)
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget; a number that is not one was not measured."""

    what: str
    allowed: float
    seen: float
    unit: str
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """In words."""
        if math.isnan(self.seen):
            return "not measured"
        holds = self.seen >= self.allowed if self.at_least else self.seen <= self.allowed
        return "holds" if holds else "does not hold"


def budgets(results: Results) -> list[Budget]:
    """The budgets for this service."""
    ours = THIS_SERVICE.name

    def _errors(in_flight: int) -> float:
        return results.errors(ours, in_flight) if results.of(ours, in_flight) else math.nan

    off_by_one = [abs(seen.creates - 1) for seen in results.bursts if seen.contender == ours]
    cpu = results.ratio(ours, 200, "cpu_ms")
    served = results.requests_per_s(ours)
    return [
        Budget("CPU per generation, 200 in flight", 6, cpu, "x pass-through"),
        Budget("the same, the goal", 4, cpu, "x pass-through"),
        Budget("added latency p50, 200 in flight", 2, results.ratio(ours, 200, "p50_ms"), "x pass-through"),
        Budget("added latency p99, 200 in flight", 2, results.ratio(ours, 200, "p99_ms"), "x pass-through"),
        Budget(
            "added latency p99, 1,000 in flight", 3, results.ratio(ours, 1000, "p99_ms"), "x pass-through"
        ),
        Budget("errors, 1,000 in flight", 0, _errors(1000), "errors"),
        Budget("errors, 2,000 in flight", 0, _errors(2000), "errors"),
        Budget("peak memory, 1,000 in flight", 250, results.middle(ours, 1000, "peak_mb"), "MB"),
        Budget(
            "GET /get-image, 200 kB, hot",
            0.4,
            _ratio(served, results.requests_per_s(NGINX)),
            "x nginx",
            at_least=True,
        ),
        Budget("process start to first answer", 2, results.start_up_s(ours), "s"),
        Budget(
            "creates sent, furthest from one a generation",
            0,
            max(off_by_one) if off_by_one else math.nan,
            "creates away",
        ),
    ]


def burst_table(results: Results) -> str:
    """One line for each contender and number in flight."""
    timed = ["CPU ms/gen", "x", "p50 ms", "x", "p99 ms", "x"]
    counted = ["creates/gen", "asks/gen", "errors", "load CPU ms/gen", "start s", "rounds"]
    lines = [["contender", "in flight", *timed, "peak MB", *counted]]
    rows = sorted(
        dict.fromkeys((seen.in_flight, seen.contender) for seen in results.bursts), key=lambda r: r[0]
    )
    for in_flight, name in rows:
        line = [name, f"{in_flight:,}"]
        for what, digits in (("cpu_ms", 2), ("p50_ms", 0), ("p99_ms", 0)):
            line.append(_number(results.middle(name, in_flight, what), digits))
            line.append(_number(results.ratio(name, in_flight, what), 2))
        line += [
            _number(results.middle(name, in_flight, "peak_mb"), 0),
            _number(results.middle(name, in_flight, "creates"), 3),
            _number(results.middle(name, in_flight, "asks"), 2),
            str(results.errors(name, in_flight)),
            _number(results.middle(name, in_flight, "load_cpu_ms"), 2),
            _number(results.start_up_s(name), 2),
            str(len(results.of(name, in_flight))),
        ]
        lines.append(line)
    return _table(lines)


def serving_table(results: Results) -> str:
    """One line for each server of pictures."""
    lines = [["server", "requests/s", "x pass-through", "x nginx", "CPU ms/request", "client busy"]]
    for name in dict.fromkeys(seen.contender for seen in results.servings):
        mine = [seen for seen in results.servings if seen.contender == name]
        rate = results.requests_per_s(name)
        lines.append(
            [
                name,
                f"{rate:,.0f}",
                _number(_ratio(rate, results.requests_per_s(PASSTHROUGH.name)), 2),
                _number(_ratio(rate, results.requests_per_s(NGINX)), 2),
                _number(median(seen.cpu_ms for seen in mine), 3),
                f"{median(seen.load_busy for seen in mine):.0%}",
            ]
        )
    return _table(lines)


def budget_table(results: Results) -> str:
    """One line for each budget, with its verdict."""
    lines = [["budget", "allowed", "seen", "unit", "verdict"]]
    for budget in budgets(results):
        bound = "at least" if budget.at_least else "at most"
        lines.append(
            [budget.what, f"{bound} {budget.allowed:g}", _number(budget.seen, 2), budget.unit, budget.verdict]
        )
    return _table(lines)


def error_lines(results: Results) -> list[str]:
    """Every kind of error, once, with how often it came."""
    found: dict[str, int] = {}
    for seen in results.bursts:
        for error, count in seen.errors.items():
            key = f"{seen.contender}, {seen.in_flight:,} in flight: {error}"
            found[key] = found.get(key, 0) + count
    return [f"{count} x {text}" for text, count in found.items()]


def _ratio(value: float, unit: float) -> float:
    return value / unit if unit else math.nan


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def _table(lines: Sequence[Sequence[str]]) -> str:
    """Columns aligned, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])
