"""What a trainer's log tells about its progress. The bars are ai-toolkit's, drawn by tqdm."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from app.models import Progress

# The name of the job in the trainer's own configuration, which its bar starts with.
_JOB_NAME = "flux_train_replicate"

_COUNTS = re.compile(r"\s{0,4}(\d{1,9})/(\d{1,9})\s{0,4}\[([^\]]*)", re.ASCII)
_PERCENT = re.compile(r"\d{1,3}\Z", re.ASCII)
_LOSS = re.compile(r"loss[:=]\s{0,4}([^\s,\]]+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_STARTED = ("Starting train job", "Running  1 process")
_CAPTIONING = ("is already captioned", "Caption for ")
_UPLOADING = (
    "Uploading to Hugging Face",
    "HF Repo URL:",
    "\noutput/flux_train_replicate",
    "\routput/flux_train_replicate",
)

_LONGEST_LINE = 400
_LONGEST_BAR = 1000
_FURTHEST_LINE = 2000
_FURTHEST_LOSS = 4000
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Bar:
    """A progress bar. `postfix` is what stands in its brackets: times, speed and losses."""

    name: str
    percent: int
    step: int
    total: int
    postfix: str

    def is_training(self, steps: int | None) -> bool:
        """Whether the bar counts the training's own steps, and not captions, files or parts of the model."""
        if self.total == 0 or self.name == _JOB_NAME:
            return self.total > 0
        named_so = not self.name or "train" in self.name.lower() or "step" in self.name.lower()
        return named_so and self.total == steps


def read_progress(log: str, *, steps: int | None) -> Progress | None:
    """How far a training has come; `steps` is how many were asked for. None while the log is empty.

    The log is read from its end, so that a long one costs no more than a short one.
    """
    if not log.strip():
        return None
    for at, line in _lines_from_the_end(log):
        bar = _bar(line)
        if bar is not None and bar.is_training(steps):
            done = bar.step >= bar.total
            saving = done or any(mark in log[at:] for mark in _UPLOADING)
            return Progress(
                phase="saving" if saving else "training",
                percent=100 if done else min(bar.percent, 100),
                step=bar.step,
                total_steps=bar.total,
                eta_seconds=None if saving else _seconds_left(bar.postfix),
                loss=_loss(bar.postfix),
            )
    if any(mark in log for mark in _UPLOADING):
        return Progress(phase="saving", percent=100)
    if any(mark in log for mark in _STARTED):
        return Progress(phase="training", total_steps=steps)
    if any(mark in log for mark in _CAPTIONING):
        return Progress(phase="captioning", total_steps=steps)
    return Progress(phase="preparing", total_steps=steps)


@dataclass(frozen=True, slots=True)
class NewerLosses:
    """Losses by step, in order of the steps; `total_steps` is what the log counts to, 0 without losses."""

    losses: tuple[tuple[int, float], ...] = ()
    total_steps: int = 0


def newer_losses(log: str, *, steps: int | None, after: int) -> NewerLosses:
    """The loss at each step that the log shows above `after`.

    The log is read from its end back to that step, and by no more than 4,000 lines, so that a look at a long
    one takes milliseconds.
    """
    losses: dict[int, float] = {}
    total = 0
    for _, line in islice(_lines_from_the_end(log), _FURTHEST_LOSS):
        if "loss" not in line:
            continue
        bar = _bar(line)
        if bar is None or not bar.is_training(steps):
            continue
        if bar.step <= after:
            break
        loss = _loss(bar.postfix)
        if loss is not None and bar.step <= bar.total and bar.step not in losses:
            losses[bar.step] = loss
            total = total or bar.total
    return NewerLosses(tuple(sorted(losses.items())), total)


def tail(log: str, lines: int = 20) -> str:
    """The last `lines` lines for people: empty ones left out, of every progress bar only its latest state.

    Looks back no further than 2,000 lines, which a long training fills with nothing but its bar.
    """
    kept: list[str] = []
    bars: set[str] = set()
    for _, raw in islice(_lines_from_the_end(log), _FURTHEST_LINE):
        if len(kept) >= lines:
            break
        bar = _bar(raw)
        if bar is not None and bar.name in bars:
            continue
        if bar is not None:
            bars.add(bar.name)
        line = _ESCAPES.sub("", raw[: 2 * _LONGEST_LINE]).rstrip()
        if line:
            kept.append(line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…")
    return "\n".join(reversed(kept))


def _bar(line: str) -> _Bar | None:
    """The progress bar that the line is: `name:  45%|████▌     | 450/1000 [postfix]`."""
    if "%|" not in line or len(line) > _LONGEST_BAR:
        return None
    before, _, after = _ESCAPES.sub("", line).partition("%|")
    percent = _PERCENT.search(before, max(0, len(before) - 3))
    counts = _COUNTS.match(after.partition("|")[2])
    if percent is None or counts is None:
        return None
    name = before[: percent.start()].strip().rstrip(":").rstrip()
    return _Bar(name, int(percent[0]), int(counts[1]), int(counts[2]), counts[3])


def _lines_from_the_end(log: str) -> Iterator[tuple[int, str]]:
    """The lines of the log with where they start, last one first. Bars are separated by `\\n` or `\\r`."""
    end = len(log)
    rest = ""
    while end > 0:
        start = max(0, end - _BLOCK)
        block = log[start:end] + rest
        pieces = block.replace("\r", "\n").split("\n")
        at = start + len(block)
        for piece in reversed(pieces[1:]):
            at -= len(piece)
            yield at, piece
            at -= 1
        rest, end = pieces[0], start
    yield 0, rest


def _seconds_left(postfix: str) -> int | None:
    """The time left, from `elapsed<left, ...` with `left` as mm:ss or h:mm:ss."""
    found = re.match(r"[^<]*<(?:(\d+):)?(\d{1,2}):(\d{2})\b", postfix)
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3]) if found else None


def _loss(postfix: str) -> float | None:
    found = _LOSS.search(postfix)
    return _finite(found[1]) if found else None


def _finite(printed: str) -> float | None:
    try:
        loss = float(printed)
    except ValueError:
        return None
    return loss if math.isfinite(loss) else None
