"""Which models lie in memory, and what happens when there is not enough of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.models import FailureCode, GenerationRequest, JobStatus
from app.services.local_diffusers.client import LocalDiffusers
from app.services.local_diffusers.memory import ModelMemory
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.painters import Capacity
from tests.services.local_diffusers.engine.conftest import Planned, Start
from tests.services.local_diffusers.engine.fake_painters import GIB, FakePainters, Gate
from tests.services.local_diffusers.engine.waiting import end_of, reached, run_of

WAIT = timedelta(minutes=1)

Paint = Callable[..., Awaitable[None]]


@pytest.fixture
def room_for_two(painters: FakePainters) -> None:
    """Room for two models: a fifth of the memory is left to the pictures."""
    painters.device = Capacity(memory_bytes=3 * GIB, pictures_at_once=4)


@pytest.fixture
def paint(local: LocalDiffusers, planned: Planned) -> Paint:
    """Have a picture painted by each of these models, one after the other."""

    async def painted(*models: str) -> None:
        for model in models:
            report = await local.create(await planned(model=f"local/{model}"), wait=WAIT, secrets={})
            assert report.status is JobStatus.SUCCEEDED

    return painted


@pytest.mark.usefixtures("room_for_two")
async def test_the_least_recently_used_model_goes_first(
    local: LocalDiffusers, painters: FakePainters, paint: Paint
) -> None:
    await paint("oak", "elm", "oak", "ash")
    assert painters.events == [
        *("load oak", "paint oak", "load elm", "paint elm", "paint oak"),
        *("unload elm", "load ash", "paint ash"),
    ]
    loaded = {info.name for info in await local.models() if info.is_loaded}
    assert loaded == {"local/oak", "local/ash"}


@pytest.mark.usefixtures("room_for_two")
async def test_a_busy_model_is_waited_for_and_goes_before_its_newer_requests(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    painters.sizes["elm"] = 2 * GIB
    gate = painters.at_step[2] = Gate()
    first = await local.create(await planned(model="local/oak"), wait=None, secrets={})
    await reached(gate)
    others = [
        await local.create(await planned(f"tree {model}", model=f"local/{model}"), wait=None, secrets={})
        for model in ("elm", "oak")
    ]
    gate.opened.set()
    for report in (first, *others):
        assert (await end_of(local, report)).status is JobStatus.SUCCEEDED
    assert painters.events == [
        *("load oak", "paint oak", "unload oak"),
        *("load elm", "paint elm", "unload elm"),
        *("load oak", "paint oak"),
    ]


async def test_a_model_that_the_limit_does_not_allow_is_refused(
    start: Start, planned: Planned, painters: FakePainters
) -> None:
    async with start(memory_bytes=GIB // 2) as local:
        report = await local.create(await planned(), wait=WAIT, secrets={})
    assert (report.status, report.cost_nothing) == (JobStatus.FAILED, True)
    assert report.failure is not None
    assert report.failure.code is FailureCode.OUT_OF_MEMORY
    assert report.failure.detail == (
        "'oak' needs about 1,024 MiB and LOCAL_MEMORY_MB allows 512; raise it, or take a smaller model."
    )


async def test_a_model_larger_than_the_device_is_tried_without_others(
    painters: FakePainters, paint: Paint
) -> None:
    painters.sizes["elm"] = 1000 * GIB
    await paint("oak", "elm", "oak")
    assert painters.events[2:6] == ["unload oak", "load elm", "paint elm", "unload elm"]


async def test_a_model_that_does_not_fit_beside_others_is_loaded_when_they_are_gone(
    painters: FakePainters, paint: Paint
) -> None:
    painters.most_loaded = 1
    await paint("oak", "elm")
    assert painters.events == [
        *("load oak", "paint oak", "no memory for elm"),
        *("unload oak", "load elm", "paint elm"),
    ]


async def test_a_model_that_does_not_fit_at_all_fails_its_requests_and_no_others(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, paint: Paint
) -> None:
    painters.most_loaded = 0
    report = await local.create(await planned(), wait=WAIT, secrets={})
    assert (report.status, report.cost_nothing) == (JobStatus.FAILED, True)
    assert report.failure is not None
    assert report.failure.code is FailureCode.OUT_OF_MEMORY
    painters.most_loaded = None
    await paint("oak")


async def test_too_many_pictures_for_the_memory_are_painted_in_smaller_batches(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, paint: Paint
) -> None:
    painters.most_pixels = 2 * 64 * 64
    await paint("elm")
    for _ in range(2):
        report = await local.create(await planned(num_outputs=4), wait=WAIT, secrets={})
        assert report.status is JobStatus.SUCCEEDED
    assert [len(batch.items) for batch in painters.batches[1:]] == [4, 2, 2, 2, 2]
    assert "unload elm" in painters.events


async def test_a_picture_too_large_for_the_memory_fails_and_the_next_one_succeeds(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, paint: Paint
) -> None:
    painters.most_pixels = 64 * 64
    report = await local.create(await planned(width=128, num_outputs=2), wait=WAIT, secrets={})
    assert (report.status, report.cost_nothing) == (JobStatus.FAILED, True)
    assert report.failure is not None
    assert report.failure.code is FailureCode.OUT_OF_MEMORY
    await paint("oak")


async def test_two_models_that_run_out_of_memory_together_both_get_to_paint(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    loading = [painters.at_load.setdefault(model, Gate()) for model in ("oak", "elm")]
    painters.most_pixels = 64 * 64
    reports = [
        await local.create(await planned(model=f"local/{model}", num_outputs=4), wait=None, secrets={})
        for model in ("oak", "elm")
    ]
    for gate in loading:
        gate.opened.set()
    assert {(await end_of(local, report)).status for report in reports} == {JobStatus.SUCCEEDED}


async def test_a_canceled_run_gives_back_the_memory_that_was_claimed_for_it(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, paint: Paint
) -> None:
    await paint("elm")
    painters.most_pixels = 2 * 64 * 64
    gate = painters.at_step[1] = Gate()
    report = await local.create(await planned(num_outputs=4), wait=None, secrets={})
    await reached(gate)
    assert painters.loaded == ["oak"]
    await local.cancel(run_of(report))
    gate.opened.set()
    await paint("elm")


async def test_the_default_model_is_loaded_before_somebody_asks(
    start: Start, model_settings: LocalModelSettings, painters: FakePainters
) -> None:
    gate = painters.at_load["elm"] = Gate()
    async with start(settings=replace(model_settings, default_model="elm")) as local:
        await reached(gate)
        assert not any(info.is_loaded for info in await local.models())
        gate.opened.set()
        order = await local.plan_generation(GenerationRequest("a tree"))
        assert order.model == "local/elm"
        await local.create(order, wait=WAIT, secrets={})
        assert [info.name for info in await local.models() if info.is_loaded] == ["local/elm"]
    assert painters.events == ["load elm", "paint elm", "unload elm"]


@pytest.fixture
def memory() -> ModelMemory:
    """Room for three; nobody waits."""
    return ModelMemory(3, lambda _: None)


def test_idle_models_go_before_busy_ones(memory: ModelMemory) -> None:
    for name in ("oak", "elm", "ash"):
        memory.wish(name, 1)
        memory.begin_load(name)
        memory.loaded(name, 1)
    memory.begin_use("oak")
    memory.wish("yew", 2)
    assert [name for name in ("oak", "elm", "ash") if memory.must_leave(name)] == ["elm", "ash"]
    assert not memory.may_load("yew")
    memory.left("elm")
    memory.left("ash")
    assert memory.may_load("yew")


def test_one_model_is_loaded_at_a_time(memory: ModelMemory) -> None:
    memory.wish("oak", 1)
    memory.wish("elm", 1)
    memory.begin_load("oak")
    assert not memory.may_load("elm")
    memory.loaded("oak", 1)
    assert memory.may_load("elm")
