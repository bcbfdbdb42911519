"""What runs say while they go: logs that only ever grow, as functions of the time."""

import math
import zlib

from app.sandbox.runs import Lessons, Pictures, Run, Standing, Status

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR = 10
_LINES = 100  # of a training's bar
JOB = "flux_train_replicate"


def logs(run: Run, standing: Standing) -> str:
    """All that `run` has said up to the moment of `standing`."""
    if standing.started is None:
        return ""
    if run.plan.pictures is not None:
        return _prediction(run.plan.pictures, run, standing)
    assert run.plan.lessons is not None  # noqa: S101 -- a run has one or the other
    return _training(run.plan.lessons, run, standing)


def steps_done(run: Run, standing: Standing) -> int:
    """How many steps of a training are done."""
    lessons = run.plan.lessons
    if lessons is None or standing.started is None:
        return 0
    spent = standing.elapsed - lessons.captions
    if spent >= lessons.steps_seconds:
        # With no time at all for anything, a run that failed has done nothing.
        return lessons.steps if lessons.steps_seconds or standing.status is Status.SUCCEEDED else 0
    return max(0, math.floor(lessons.steps * spent / lessons.steps_seconds))


def bar(done: int, total: int, elapsed: float, *, prefix: str = "", postfix: str = "") -> str:
    """A line of the progress bar that Python programs print."""
    share = done / total
    full, rest = divmod(int(share * _BAR * 8), 8)
    blocks = ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)
    rate = f"{done / elapsed:5.2f}it/s" if done and elapsed > 0 else "?it/s"
    left = _clock(elapsed / done * (total - done)) if done and elapsed > 0 else "00:00" if done else "?"
    inside = f"{_clock(elapsed)}<{left}, {rate}{postfix}"
    return f"{prefix}{share:4.0%}|{blocks}| {done}/{total} [{inside}]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _prediction(pictures: Pictures, run: Run, standing: Standing) -> str:
    lines = [f"Using seed: {pictures.seed}", f"Prompt: {pictures.prompt}"]
    duration = run.plan.course.run
    ended = standing.completed is not None and standing.status is not Status.CANCELED
    share = 1.0 if ended or duration == 0 else min(1.0, standing.elapsed / duration)
    for step in range(math.floor(share * pictures.steps) + 1):
        lines.append(bar(step, pictures.steps, duration * step / pictures.steps))
    if ended:
        lines += [f"NSFW content detected in image {number}" for number in range(pictures.skipped)]
        if standing.status is Status.SUCCEEDED:
            lines.append(f"Total safe images: {pictures.asked - pictures.skipped} out of {pictures.asked}")
    return "\n".join(lines) + "\n"


def _training(lessons: Lessons, run: Run, standing: Standing) -> str:
    lines = list(lessons.notes)
    if not lessons.names:
        return "".join(f"{line}\n" for line in lines)
    lines.append(f"Extracted {len(lessons.names) + lessons.skipped} files from zip to input_images")
    each = lessons.captions / len(lessons.names)
    for number, name in enumerate(lessons.names):
        if each and standing.elapsed < each * (number + 1):
            return "".join(f"{line}\n" for line in lines)
        lines += _caption(lessons, name)
    lines += ["Starting train job", "Running  1 process"]
    done = steps_done(run, standing)
    every = max(1, lessons.steps // _LINES)
    marks = [*range(0, done, every), *([done] if done == lessons.steps or done % every == 0 else [])]
    seconds = lessons.steps_seconds / lessons.steps
    for step in marks:
        postfix = f", lr: {lessons.learning_rate:.1e} loss: {_loss(run.id, step, lessons.steps)}"
        lines.append(bar(step, lessons.steps, step * seconds, prefix=f"{JOB}: ", postfix=postfix))
    if standing.status is Status.SUCCEEDED:
        lines += [f"output/{JOB}/", f"output/{JOB}/lora.safetensors", f"output/{JOB}/config.yaml"]
        lines += [f"output/{JOB}/captions/{caption}" for caption in caption_files(lessons)]
    return "".join(f"{line}\n" for line in lines)


def caption_files(lessons: Lessons) -> list[str]:
    """The names of the text files with the pictures' captions."""
    return sorted({f"{name.rpartition('/')[2].rpartition('.')[0]}.txt" for name in lessons.names})


def _caption(lessons: Lessons, name: str) -> list[str]:
    if name in lessons.captioned:
        return [f"{name} is already captioned"]
    return [f"Caption for input_images/{name}: {caption(lessons, name)}"] if lessons.autocaption else []


def caption(lessons: Lessons, name: str) -> str:
    """What the sandbox has to say about a picture; it does not really look."""
    stem = name.rpartition("/")[2].rpartition(".")[0].replace("_", " ").replace("-", " ")
    return f"a photo of {lessons.trigger_word}, {stem}"


def _loss(run_id: str, step: int, steps: int) -> str:
    noise = zlib.crc32(f"{run_id}{step}".encode()) % 1000 / 1000 - 0.5
    return f"{0.28 + 0.32 * math.exp(-3 * step / steps) + 0.03 * noise:.3e}"
