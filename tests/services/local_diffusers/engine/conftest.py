"""The provider `local` with painters that need no torch, and other processes beside it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from app.models import GenerationRequest, JsonValue, Order
from app.services.local_diffusers.client import LocalDiffusers
from app.services.local_diffusers.model_settings import LocalModelSettings, ModelConfig
from tests.manual_clock import ManualClock
from tests.services.local_diffusers.engine.fake_painters import (
    FakePainters,
    write_lora_file,
    write_model_file,
)

SMALL = ModelConfig(width=64, height=64, num_inference_steps=4)

Start = Callable[..., AbstractAsyncContextManager[LocalDiffusers]]
Planned = Callable[..., Awaitable[Order]]


@pytest.fixture
def painters() -> FakePainters:
    """The painters of the process that most tests need alone."""
    return FakePainters()


@pytest.fixture
def model_settings(tmp_path: Path) -> LocalModelSettings:
    """Three models that paint 64 x 64 pixels in 4 steps."""
    models = tmp_path / "models"
    for name in ("oak", "elm", "ash"):
        write_model_file(models / f"{name}.safetensors")
    write_lora_file(models / "loras" / "moss.safetensors")
    return LocalModelSettings(
        models_dir=models,
        loras_dir=models / "loras",
        configs_dir=tmp_path / "configs",
        configs={"oak": SMALL, "elm": SMALL, "ash": SMALL},
    )


@pytest.fixture
def start(
    model_settings: LocalModelSettings, tmp_path: Path, painters: FakePainters, clock: ManualClock
) -> Start:
    """Start the provider, as another process of the service has it when it gets painters of its own."""

    @asynccontextmanager
    async def started(
        painters: FakePainters = painters,
        *,
        settings: LocalModelSettings = model_settings,
        memory_bytes: int | None = None,
    ) -> AsyncIterator[LocalDiffusers]:
        local = LocalDiffusers(
            settings=settings,
            folder=tmp_path / "local_runs",
            clock=clock,
            painters=painters,
            memory_bytes=memory_bytes,
        )
        await local.start()
        try:
            yield local
        finally:
            await local.aclose()

    return started


@pytest.fixture
async def local(start: Start) -> AsyncIterator[LocalDiffusers]:
    """The provider in the process that most tests need alone."""
    async with start() as local:
        yield local


@pytest.fixture
def planned(local: LocalDiffusers) -> Planned:
    """The order for a picture with these options."""

    async def plan(
        prompt: str = "a tree", *, model: str = "local/oak", seed: int | None = 7, **options: JsonValue
    ) -> Order:
        return await local.plan_generation(GenerationRequest(prompt, model, seed, options))

    return plan
