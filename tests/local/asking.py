"""Asking the provider `local` for pictures, as the service does."""

import io
from datetime import timedelta

from PIL import Image

from app.models import GenerationRequest, JobStatus, JsonValue
from app.services.local_diffusers.client import LocalDiffusers
from app.services.provider import Report
from tests.services.local_diffusers.engine.waiting import picture_at

WAIT = timedelta(minutes=2)


async def begin(
    local: LocalDiffusers,
    prompt: str = "a red house",
    *,
    model: str = "local/painter",
    seed: int = 7,
    wait: timedelta | None = WAIT,
    **options: JsonValue,
) -> Report:
    """Ask for a picture in three steps, in a format that keeps every value."""
    usual: dict[str, JsonValue] = {"num_inference_steps": 3, "guidance_scale": 5.0, "output_format": "png"}
    order = await local.plan_generation(GenerationRequest(prompt, model, seed, {**usual, **options}))
    return await local.create(order, wait=wait, secrets={})


async def pictures_of(local: LocalDiffusers, report: Report) -> list[Image.Image]:
    """The finished pictures of a run."""
    assert report.status is JobStatus.SUCCEEDED, report.failure
    return [Image.open(io.BytesIO(await picture_at(local, address))) for address in report.outputs]
