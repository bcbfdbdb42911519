"""A task at Black Forest Labs from its order to its end, and who knows it."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox import SandboxTransport
from tests.sandbox.conftest import Make, Order
from tests.sandbox.leaping_clock import LeapingClock


@pytest.mark.parametrize(
    ("endpoint", "statuses"),
    [
        ("flux-dev", ["Pending", "Pending", "Pending", "Pending", "Ready"]),
        ("flux-2-pro", ["Pending", "Generating", "Generating", "Generating", "Ready"]),
        ("flux-3-image", ["Pending", "Reasoning", "Reasoning", "Generating", "Ready"]),
    ],
)
async def test_a_task_goes_on_with_the_time(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock, endpoint: str, statuses: list[str]
) -> None:
    created = await order(endpoint, prompt="a cat")
    seen: list[dict[str, Any]] = []
    for seconds in (0.2, 0.4, 0.3, 0.3, 0.3):
        clock.advance(seconds)
        seen.append((await bfl.get(created["polling_url"])).json())
    assert [found["status"] for found in seen] == statuses
    assert [found["progress"] for found in seen] == [0.0, 0.1, 0.4, 0.7, 1.0]
    assert all(found["result"] is None for found in seen[:-1])


async def test_the_result_has_the_picture_its_seed_and_its_times(
    finished: Order, clock: LeapingClock
) -> None:
    found = await finished(prompt="a cat", seed=7)
    result = found["result"]
    assert result["sample"].startswith(f"https://delivery-eu1.bfl.ai/results/{found['id']}/sample.jpeg?se=")
    assert (result["prompt"], result["seed"], result["duration"]) == ("a cat", 7, 1.0)
    assert result["end_time"] - result["start_time"] == 1.0
    assert result["end_time"] == clock.now().timestamp() - 0.5


@pytest.mark.parametrize(
    ("endpoint", "given", "upsampled"),
    [
        ("flux-dev", {}, False),
        ("flux-dev", {"prompt_upsampling": True}, True),
        ("flux-2-flex", {}, True),
        ("flux-2-flex", {"prompt_upsampling": False}, False),
        ("flux-2-pro", {}, True),
        ("flux-2-pro", {"disable_pup": True}, False),
        ("flux-2-klein-4b", {}, False),
    ],
)
async def test_the_prompt_is_shown_after_upsampling(
    finished: Order, endpoint: str, given: dict[str, Any], upsampled: bool
) -> None:
    found = await finished(endpoint, prompt="a cat", **given)
    assert found["result"]["prompt"].startswith("a cat")
    assert (found["result"]["prompt"] != "a cat") == upsampled


async def test_only_the_cluster_knows_a_task(bfl: httpx.AsyncClient, order: Order) -> None:
    created = await order()
    assert (await bfl.get(created["polling_url"])).status_code == 200
    for host in ("api.bfl.ai", "api.us1.bfl.ai", "api.bfl.ml", "api.eu.bfl.ai"):
        elsewhere = await bfl.get(f"https://{host}/v1/get_result", params={"id": created["id"]})
        assert (elsewhere.status_code, elsewhere.json()["status"]) == (404, "Task not found")


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("api.us1.bfl.ai", "api.us1.bfl.ai"),
        ("api.isr.bfl.ai", "api.isr.bfl.ai"),
        ("api.us.bfl.ai", "api.eu2.bfl.ai"),
        ("api.bfl.ml", "api.eu2.bfl.ai"),
    ],
)
async def test_a_cluster_keeps_what_is_sent_to_it(bfl: httpx.AsyncClient, host: str, home: str) -> None:
    created = (await bfl.post(f"https://{host}/v1/flux-dev", json={})).json()
    assert created["polling_url"] == f"https://{home}/v1/get_result?id={created['id']}"
    assert (await bfl.get(created["polling_url"])).status_code == 200


async def test_results_are_told_without_a_key(app: Starlette, order: Order) -> None:
    created = await order()
    async with httpx.AsyncClient(transport=SandboxTransport(app)) as stranger:
        assert (await stranger.get(created["polling_url"])).json()["status"] == "Pending"


async def test_an_id_is_needed_to_ask(bfl: httpx.AsyncClient) -> None:
    (wrong,) = (await bfl.get("get_result")).json()["detail"]
    assert (wrong["loc"], wrong["msg"]) == (["query", "id"], "Field required")


async def test_a_task_is_forgotten_after_an_hour(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock
) -> None:
    created = await order()
    seen = []
    for seconds in (1.5, 3599, 1):
        clock.advance(seconds)
        seen.append((await bfl.get(created["polling_url"])).json()["status"])
    assert seen == ["Ready", "Ready", "Task not found"]


async def test_tasks_outlive_the_process(make: Make, order: Order, clock: LeapingClock) -> None:
    created = await order(prompt="a cat")
    clock.advance(2)
    async with httpx.AsyncClient(transport=SandboxTransport(make())) as after:
        found = (await after.get(created["polling_url"])).json()
        assert found["status"] == "Ready"
        assert (await after.get(found["result"]["sample"])).status_code == 200


async def test_at_most_24_tasks_are_active(order: Order, clock: LeapingClock) -> None:
    for _ in range(24):
        await order()
    refused = await order(status=429)
    assert "at most 24 active tasks" in refused["detail"]
    clock.advance(1.5)
    await order()


async def test_at_most_6_of_them_are_of_kontext_max(order: Order) -> None:
    for _ in range(6):
        await order("flux-kontext-max", prompt="a")
    refused = await order("flux-kontext-max", status=429, prompt="a")
    assert "at most 6 active tasks" in refused["detail"]
    await order("flux-kontext-pro", prompt="a")


async def test_credits_are_spent_on_pictures_alone(bfl: httpx.AsyncClient, order: Order) -> None:
    await order("flux-pro-1.1-ultra")
    await order(prompt="sandbox:moderated")
    await order(prompt="sandbox:failed")
    assert (await bfl.get("credits")).json() == {"credits": 10_000 - 6}


async def test_tasks_are_counted_by_themselves(bfl: httpx.AsyncClient, order: Order) -> None:
    await order()
    await order(status=422, steps=0)
    await order(status=402, prompt="sandbox:no-credit")
    counts = (await bfl.get("https://api.replicate.com/sandbox")).json()
    assert (counts["bfl_tasks"], counts["bfl_creates_received"]) == (1, 3)
    assert (counts["predictions"], counts["creates_received"]) == (0, 0)
