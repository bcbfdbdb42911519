"""Which requests are painted together, and in which order."""

from datetime import timedelta

from app.models import JobStatus, JsonValue
from app.services.local_diffusers.client import LocalDiffusers
from tests.services.local_diffusers.engine.conftest import Planned
from tests.services.local_diffusers.engine.fake_painters import FakePainters, Gate
from tests.services.local_diffusers.engine.waiting import end_of, picture_at

WAIT = timedelta(minutes=1)


async def test_sixty_four_at_once_are_painted_as_one_by_one(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    orders = [await planned(f"tree {number}", seed=number, output_format="png") for number in range(64)]
    gate = painters.at_load["oak"] = Gate()
    reports = [await local.create(order, wait=None, secrets={}) for order in orders]
    gate.opened.set()
    together = [await end_of(local, report) for report in reports]
    assert [len(batch.items) for batch in painters.batches] == [4] * 16
    alone = [await local.create(order, wait=WAIT, secrets={}) for order in orders]
    assert [len(batch.items) for batch in painters.batches[16:]] == [1] * 64
    for first, second in zip(together, alone, strict=True):
        assert await picture_at(local, first.outputs[0]) == await picture_at(local, second.outputs[0])
    assert len({await picture_at(local, report.outputs[0]) for report in together}) == 64
    assert len(painters.threads["oak"]) == 1


async def test_only_equal_shapes_share_a_batch_and_the_oldest_goes_first(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_load["oak"] = Gate()
    differing: list[dict[str, JsonValue]] = [
        {},
        {"width": 128},
        {},
        {"num_inference_steps": 5},
        {"scheduler": "euler"},
        {"guidance_scale": 2},
        {"width": 128},
    ]
    reports = [
        await local.create(await planned(f"tree {number}", **options), wait=None, secrets={})
        for number, options in enumerate(differing)
    ]
    gate.opened.set()
    assert {(await end_of(local, report)).status for report in reports} == {JobStatus.SUCCEEDED}
    prompts = [[item.prompt for item in batch.items] for batch in painters.batches]
    assert prompts == [["tree 0", "tree 2"], ["tree 1", "tree 6"], ["tree 3"], ["tree 4"], ["tree 5"]]


async def test_more_pictures_than_fit_into_a_batch_come_in_several(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_load["oak"] = Gate()
    reports = [
        await local.create(await planned(seed=seed, num_outputs=3), wait=None, secrets={})
        for seed in (10, 20)
    ]
    gate.opened.set()
    ended = [await end_of(local, report) for report in reports]
    assert [[item.seed for item in batch.items] for batch in painters.batches] == [[10, 11, 12, 20], [21, 22]]
    assert [[address[-6:] for address in report.outputs] for report in ended] == [
        ["1.webp", "2.webp", "3.webp"]
    ] * 2


async def test_other_loras_or_weights_are_painted_apart(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_load["oak"] = Gate()
    reports = []
    for loras in (["moss:0.5"], ["moss:0.5"], ["moss:0.6"], []):
        reports.append(await local.create(await planned(loras=loras), wait=None, secrets={}))
    gate.opened.set()
    assert {(await end_of(local, report)).status for report in reports} == {JobStatus.SUCCEEDED}
    assert [len(batch.items) for batch in painters.batches] == [2, 1, 1]
    assert [[lora.weight for lora in batch.loras] for batch in painters.batches] == [[0.5], [0.6], []]
