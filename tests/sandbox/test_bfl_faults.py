"""The words that make Black Forest Labs' tasks fail, each as it looks on the wire."""

from typing import Any

import httpx
import pytest

from app.sandbox.faults import Fault
from tests.sandbox.conftest import Order
from tests.sandbox.leaping_clock import LeapingClock

COUNTS = "https://api.replicate.com/sandbox"


@pytest.mark.parametrize(
    ("fault", "status", "details"),
    [
        ("flagged", "Request Moderated", {"Moderation Reasons": ["Safety Filter"]}),
        ("moderated", "Content Moderated", {"Moderation Reasons": ["Safety Filter"]}),
        ("partly-moderated", "Content Moderated", {"Moderation Reasons": ["Safety Filter"]}),
        ("failed", "Error", {"error": "An unexpected error occurred while running the model (E1000)"}),
        ("interrupted", "Error", {"error": "Prediction interrupted; please retry (code: PA)"}),
        ("always-interrupted", "Error", {"error": "Prediction interrupted; please retry (code: PA)"}),
    ],
)
async def test_a_task_ends_badly_with_its_reason(
    finished: Order, fault: str, status: str, details: dict[str, Any]
) -> None:
    found = await finished(prompt=f"a cat, sandbox:{fault}, in a tree")
    assert (found["status"], found["result"], found["details"]) == (status, None, details)


async def test_a_request_is_moderated_before_anything_runs(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock
) -> None:
    created = await order(prompt="sandbox:flagged")
    clock.advance(0.5)
    assert (await bfl.get(created["polling_url"])).json()["status"] == "Request Moderated"


@pytest.mark.parametrize(("fault", "then"), [("interrupted", "Ready"), ("always-interrupted", "Error")])
async def test_an_interruption_passes_or_stays(finished: Order, fault: str, then: str) -> None:
    first, again = [await finished(prompt=f"sandbox:{fault}", seed=1) for _ in range(2)]
    assert [first["status"], again["status"]] == ["Error", then]


async def test_a_failed_task_may_come_as_a_503_with_its_body(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock
) -> None:
    created = await order(prompt="sandbox:failed-unavailable")
    assert (await bfl.get(created["polling_url"])).status_code == 200
    clock.advance(2)
    response = await bfl.get(created["polling_url"])
    assert (response.status_code, response.json()["status"]) == (503, "Error")


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("slow-start", ["Pending", "Pending", "Ready"]),
        ("reasoning", ["Reasoning", "Pending", "Ready"]),
        ("slow-start sandbox:reasoning", ["Pending", "Reasoning", "Reasoning"]),
    ],
)
async def test_a_task_takes_a_minute_longer(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock, fault: str, statuses: list[str]
) -> None:
    created = await order(prompt=f"sandbox:{fault}")
    seen = []
    for seconds in (59, 1.5, 1):
        clock.advance(seconds)
        seen.append((await bfl.get(created["polling_url"])).json()["status"])
    assert seen == statuses


async def test_a_task_is_lost_after_it_was_accepted(
    bfl: httpx.AsyncClient, order: Order, clock: LeapingClock
) -> None:
    created = await order(prompt="sandbox:lost-task")
    for _ in range(3):
        clock.advance(10)
        response = await bfl.get(created["polling_url"])
        assert (response.status_code, response.json()["status"]) == (404, "Task not found")
    assert (await bfl.get(COUNTS)).json()["bfl_tasks"] == 1


async def test_a_moved_task_is_found_by_the_third_poll(bfl: httpx.AsyncClient, order: Order) -> None:
    created = await order(prompt="sandbox:moved")
    seen = [(await bfl.get(created["polling_url"])).status_code for _ in range(4)]
    assert seen == [404, 404, 200, 200]


async def test_an_account_without_credits_is_refused(bfl: httpx.AsyncClient) -> None:
    for _ in range(2):
        response = await bfl.post("flux-dev", json={"prompt": "sandbox:no-credit"})
        assert response.status_code == 402
        assert response.json()["detail"].startswith("Insufficient credits.")


async def test_the_first_two_orders_are_throttled_and_nobody_says_for_how_long(
    bfl: httpx.AsyncClient,
) -> None:
    responses = [await bfl.post("flux-dev", json={"prompt": "sandbox:throttled"}) for _ in range(3)]
    assert [response.status_code for response in responses] == [429, 429, 200]
    assert "retry-after" not in responses[0].headers


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "made"),
    [
        ("server-error", 500, "application/json", 0),
        ("bad-gateway", 502, "text/html; charset=utf-8", 0),
        ("bad-gateway-after", 502, "text/html; charset=utf-8", 1),
        ("html", 200, "text/html; charset=utf-8", 0),
    ],
)
async def test_a_broken_answer_comes_once(
    bfl: httpx.AsyncClient, fault: str, status: int, content_type: str, made: int
) -> None:
    body = {"prompt": f"sandbox:{fault}"}
    first = await bfl.post("flux-dev", json=body)
    assert (first.status_code, first.headers["content-type"]) == (status, content_type)
    assert (await bfl.get(COUNTS)).json()["bfl_tasks"] == made
    assert "id" in (await bfl.post("flux-dev", json=body)).json()


async def test_a_lost_answer_leaves_a_task_behind(bfl: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await bfl.post("flux-dev", json={"prompt": "sandbox:lost-answer"}, timeout=30)
    assert (await bfl.get(COUNTS)).json()["bfl_tasks"] == 1
    patient = await bfl.post("flux-dev", json={"prompt": "sandbox:lost-answer"}, timeout=121)
    assert patient.status_code == 200


async def test_the_first_download_breaks_off(bfl: httpx.AsyncClient, finished: Order) -> None:
    address = (await finished(prompt="sandbox:truncated", width=256, height=256))["result"]["sample"]
    with pytest.raises(httpx.RemoteProtocolError):
        await bfl.get(address)
    assert (await bfl.get(address)).status_code == 200


async def test_a_picture_may_have_expired_before_anybody_came(
    bfl: httpx.AsyncClient, finished: Order
) -> None:
    found = await finished(prompt="sandbox:expired")
    assert (found["status"], (await bfl.get(found["result"]["sample"])).status_code) == ("Ready", 403)


@pytest.mark.parametrize("fault", ["aborted", "data-uri"])
async def test_words_that_only_replicate_has_a_use_for_change_nothing(finished: Order, fault: str) -> None:
    assert (await finished(prompt=f"sandbox:{fault}"))["status"] == "Ready"


async def test_an_unknown_word_is_refused_with_the_known_ones(order: Order) -> None:
    (wrong,) = (await order(status=422, prompt="sandbox:misspelt"))["detail"]
    assert wrong["loc"] == ["body", "prompt"]
    assert all(f"sandbox:{fault}" in wrong["msg"] for fault in Fault)
