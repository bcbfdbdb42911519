"""Decides how a training goes: first from what was asked, then from the pictures that it really reads."""

import asyncio
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import cast

from app.sandbox.catalogue import Template, version_id
from app.sandbox.faults import Fault
from app.sandbox.inputs import Inputs, UnreadableInputError
from app.sandbox.pace import Pace
from app.sandbox.planning import course_with_faults, with_defaults
from app.sandbox.runs import Course, Lessons, Plan, Run, Status

_PRETRAINED = "https://huggingface.co"


def plan_training(
    template: Template, given: Mapping[str, object], run_id: str, pace: Pace, wanted: frozenset[Fault]
) -> Plan:
    """The plan for a valid input before its pictures have been read; how long it runs comes with them."""
    values = with_defaults(template, given)
    lessons = Lessons(
        steps=cast(int, values["training_steps" if template is Template.FAST_FLUX_TRAINER else "steps"]),
        learning_rate=float(cast(float, values.get("learning_rate", 0.0004))),
        version_id=version_id("sandbox", "training", run_id),
        archive=cast("str | None", values["input_images"]),
        trigger_word=cast(str, values["trigger_word"]),
        autocaption=bool(values.get("autocaption", True)),
        rank=cast(int, values.get("lora_rank", 16)),
        skipped=1 if Fault.PARTLY_MODERATED in wanted else 0,
        truncated=Fault.TRUNCATED in wanted,
        expired=Fault.EXPIRED in wanted,
    )
    return Plan(course_with_faults(Course(pace.training_boot, 0.0), wanted), lessons=lessons)


async def read_pictures(run: Run, inputs: Inputs, pace: Pace) -> tuple[Plan, str | None]:
    """The plan of a training that has read its pictures, and the style that it learnt from them, as JSON."""
    try:
        return await _read(run, inputs, pace)
    except UnreadableInputError as exc:
        course = replace(run.plan.course, run=0.0, outcome=Status.FAILED, error=str(exc))
        return replace(run.plan, course=course), None


async def _read(run: Run, inputs: Inputs, pace: Pace) -> tuple[Plan, str | None]:
    lessons, course = cast(Lessons, run.plan.lessons), run.plan.course
    _check(run.asked.input)
    pretrained = run.asked.input.get("skip_training_and_use_pretrained_hf_lora_url")
    if isinstance(pretrained, str):
        notes = (f"Downloading pretrained weights from {pretrained}", "Skipping training")
        return replace(run.plan, lessons=replace(lessons, notes=notes)), None
    if lessons.archive is None:
        raise UnreadableInputError("input_images must be provided")
    async with inputs.open(lessons.archive) as path:
        style, names, captioned = await asyncio.to_thread(_learn, path)
    used = names[min(lessons.skipped, len(names) - 1) :]
    uncaptioned = len(used) - len(captioned.intersection(used)) if lessons.autocaption else 0
    lessons = replace(
        lessons,
        names=tuple(used),
        captioned=tuple(sorted(captioned)),
        captions=pace.caption * uncaptioned,
        steps_seconds=pace.step * lessons.steps,
        notes=_notes(run.asked.input, names[: len(names) - len(used)]),
        skipped=len(names) - len(used),
    )
    if course.outcome is Status.FAILED:
        course = replace(course, run=lessons.captions + lessons.steps_seconds / 2)
    elif course.outcome is Status.SUCCEEDED:
        course = replace(course, run=lessons.captions + lessons.steps_seconds + pace.saving)
    return Plan(course, lessons=lessons), style


def _learn(path: Path) -> tuple[str, list[str], set[str]]:
    """The style as JSON, the pictures used, and which of them came with a caption.  Blocks."""
    from app.sandbox.style import NoPicturesError, NotAZipError, learn

    try:
        style, names = learn(path)
        with zipfile.ZipFile(path) as archive:
            texts = {
                str(PurePosixPath(name).with_suffix(""))
                for name in archive.namelist()
                if name.endswith(".txt")
            }
    except NotAZipError as exc:
        raise UnreadableInputError("input_images must be a zip file") from exc
    except NoPicturesError as exc:
        raise UnreadableInputError("No images found in input_images") from exc
    captioned = {name for name in names if str(PurePosixPath(name).with_suffix("")) in texts}
    return style.to_json(), names, captioned


def _check(given: Mapping[str, object]) -> None:
    """What the trainer itself finds wrong after it has started."""
    pretrained = given.get("skip_training_and_use_pretrained_hf_lora_url")
    if isinstance(pretrained, str) and not (
        pretrained.startswith(_PRETRAINED) and ".safetensors" in pretrained
    ):
        raise UnreadableInputError(
            f"Invalid HuggingFace URL. The URL must start with {_PRETRAINED} and contain '.safetensors'"
        )
    resolution = given.get("resolution", "512")
    if not all(part.strip().isdecimal() for part in str(resolution).split(",")):
        raise UnreadableInputError(
            f"resolution must be a comma-separated list of integers, not '{resolution}'"
        )
    layers = given.get("layers_to_optimize_regex")
    if isinstance(layers, str):
        try:
            re.compile(layers)
        except re.error as exc:
            raise UnreadableInputError(f"Failed to compile regex '{layers}'") from exc


def _notes(given: Mapping[str, object], skipped: list[str]) -> tuple[str, ...]:
    notes = [f"NSFW content detected in {name}; the picture is left out" for name in skipped]
    if given.get("hf_repo_id"):
        notes.append("Uploading to Hugging Face: left out, the sandbox sends nothing anywhere")
    if given.get("wandb_api_key"):
        notes.append("Saving weights to W&B: left out, the sandbox sends nothing anywhere")
    return tuple(notes)
