"""The words that make the sandbox fail, each as it looks on the wire."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox.faults import Fault
from tests.sandbox.conftest import Connect, Make, Predict, Train
from tests.sandbox.leaping_clock import LeapingClock

PATH = "models/black-forest-labs/flux-dev/predictions"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (
            "moderated",
            "All generated images contained NSFW content. Try running it again with a different prompt.",
        ),
        ("partly-moderated", "All generated images contained NSFW content."),
        (
            "flagged",
            "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
        ),
        ("failed", "(E1000)"),
        ("out-of-memory", "CUDA out of memory. Tried to allocate"),
        ("interrupted", "Prediction interrupted; please retry (code: PA)"),
        ("always-interrupted", "Prediction interrupted; please retry (code: PA)"),
    ],
)
async def test_a_run_fails_with_the_words_that_are_seen_at_replicate(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock, fault: str, error: str
) -> None:
    created = await predict(f"a cat, sandbox:{fault}, in a tree")
    clock.advance(2)
    found = (await api.get(f"predictions/{created['id']}")).json()
    assert (found["status"], found["output"]) == ("failed", None)
    assert error in found["error"]


@pytest.mark.parametrize(("fault", "then"), [("interrupted", "processing"), ("always-interrupted", "failed")])
async def test_an_interruption_passes_or_stays(predict: Predict, fault: str, then: str) -> None:
    first = await predict(f"sandbox:{fault}", prefer="wait", seed=1)
    again = await predict(f"sandbox:{fault}", prefer="wait", seed=1)
    other = await predict(f"sandbox:{fault}", prefer="wait", seed=2)
    assert [found["status"] for found in (first, again, other)] == ["failed", then, "failed"]


async def test_part_of_a_batch_is_moderated(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    created = await predict("sandbox:partly-moderated", num_outputs=3)
    clock.advance(4)
    found = (await api.get(f"predictions/{created['id']}")).json()
    assert (found["status"], len(found["output"])) == ("succeeded", 2)
    assert "NSFW content detected in image 0\n" in found["logs"]


async def test_a_slow_start_takes_a_minute(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    created = await predict("sandbox:slow-start")
    seen = []
    for seconds in (59, 1, 1):
        clock.advance(seconds)
        seen.append((await api.get(f"predictions/{created['id']}")).json()["status"])
    assert seen == ["starting", "processing", "succeeded"]


async def test_an_aborted_run_never_starts(predict: Predict) -> None:
    found = await predict("sandbox:aborted", prefer="wait")
    assert (found["status"], found["output"], "started_at" in found) == ("aborted", None, False)


async def test_an_account_without_credit_is_refused(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        response = await api.post(PATH, json={"input": {"prompt": "sandbox:no-credit"}})
        assert (response.status_code, response.json()["title"]) == (402, "Insufficient credit")


async def test_the_first_two_creates_are_throttled(api: httpx.AsyncClient) -> None:
    responses = [await api.post(PATH, json={"input": {"prompt": "sandbox:throttled"}}) for _ in range(3)]
    assert [response.status_code for response in responses] == [429, 429, 201]
    assert (responses[0].headers["retry-after"], responses[0].json()["retry_after"]) == ("5", 5)
    assert responses[0].json()["detail"].endswith("Your rate limit resets in ~5s.")


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "made"),
    [
        ("server-error", 500, "application/problem+json", 0),
        ("bad-gateway", 502, "text/html; charset=utf-8", 0),
        ("bad-gateway-after", 502, "text/html; charset=utf-8", 1),
        ("html", 200, "text/html; charset=utf-8", 0),
    ],
)
async def test_a_broken_answer_comes_once(
    api: httpx.AsyncClient, fault: str, status: int, content_type: str, made: int
) -> None:
    body = {"input": {"prompt": f"sandbox:{fault}"}}
    first = await api.post(PATH, json=body)
    assert (first.status_code, first.headers["content-type"]) == (status, content_type)
    assert len((await api.get("predictions")).json()["results"]) == made
    assert (await api.post(PATH, json=body)).status_code == 201


async def test_a_lost_answer_leaves_a_prediction_behind(api: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await api.post(PATH, json={"input": {"prompt": "sandbox:lost-answer"}}, timeout=30)
    found = (await api.get("predictions")).json()["results"]
    assert [entry["input"] for entry in found] == [{"prompt": "sandbox:lost-answer"}]
    patient = await api.post(PATH, json={"input": {"prompt": "sandbox:lost-answer"}}, timeout=121)
    assert patient.status_code == 201


async def test_the_first_download_of_each_output_breaks_off(api: httpx.AsyncClient, predict: Predict) -> None:
    found = await predict("sandbox:truncated", prefer="wait", num_outputs=2, megapixels="0.25")
    for address in found["output"]:
        response = await api.send(api.build_request("GET", address), stream=True)
        parts = aiter(response.aiter_bytes())
        received = await anext(parts)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(parts)
        whole = await api.get(address)
        assert received == whole.content[: len(whole.content) // 2]
        assert response.headers["content-length"] == whole.headers["content-length"]


async def test_expired_outputs_are_not_there(api: httpx.AsyncClient, predict: Predict) -> None:
    found = await predict("sandbox:expired", prefer="wait")
    assert (await api.get(found["output"][0])).status_code == 404


async def test_outputs_come_as_data_in_the_answer_and_as_addresses_later(
    api: httpx.AsyncClient, predict: Predict
) -> None:
    found = await predict("sandbox:data-uri", prefer="wait", megapixels="0.25")
    assert found["output"][0].startswith("data:image/webp;base64,")
    later = (await api.get(f"predictions/{found['id']}")).json()["output"]
    assert later[0].startswith("https://replicate.delivery/")


async def test_an_unknown_word_is_refused_with_the_known_ones(predict: Predict) -> None:
    refused = await predict("sandbox:misspelt", status=422)
    assert all(f"sandbox:{fault}" in refused["detail"] for fault in Fault)


async def test_a_word_alone_is_just_a_prompt(predict: Predict) -> None:
    await predict("a sandbox: with sand")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"trigger_word": "sandbox:failed"}, "failed"),
        ({"autocaption_prefix": "sandbox:out-of-memory"}, "failed"),
        ({"trigger_word": "sandbox:interrupted"}, "failed"),
        ({"trigger_word": "sandbox:aborted"}, "aborted"),
        ({"trigger_word": "sandbox:slow-start"}, "starting"),
        ({"trigger_word": "sandbox:partly-moderated"}, "succeeded"),
    ],
)
async def test_trainings_know_the_words_too(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock, given: dict[str, Any], status: str
) -> None:
    training = await train(**given)
    clock.advance(30)
    found = (await api.get(f"trainings/{training['id']}")).json()
    assert found["status"] == status
    assert ("Extracted 4 files" in found["logs"]) == (status in ("failed", "succeeded"))


async def test_refusals_of_trainings_are_the_same(train: Train, api: httpx.AsyncClient) -> None:
    await train(trigger_word="sandbox:no-credit", status=402)
    await train(trigger_word="sandbox:throttled", status=429)
    await train(trigger_word="sandbox:server-error", status=500)
    await train(trigger_word="sandbox:oops", status=422)
    assert (await api.get("trainings")).json()["results"] == []


async def test_the_weights_of_a_training_break_off_or_are_gone(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    outcomes = []
    for fault in ("truncated", "expired"):
        training = await train(trigger_word=f"sandbox:{fault}")
        clock.advance(60)
        weights = (await api.get(f"trainings/{training['id']}")).json()["output"]["weights"]
        try:
            outcomes.append((await api.get(weights)).status_code)
        except httpx.RemoteProtocolError:
            outcomes.append((await api.get(weights)).status_code)
    assert outcomes == [200, 404]


async def test_a_limit_of_creates_is_kept_when_asked_for(
    make: Make, connect: Connect, clock: LeapingClock
) -> None:
    api = connect(make(creates_per_minute=2))
    statuses, remaining = [], []
    for seconds in (0, 10, 0, 49, 1):
        clock.advance(seconds)
        response = await api.post(PATH, json={"input": {"prompt": "a"}})
        statuses.append((response.status_code, response.headers.get("retry-after")))
        remaining.append(response.headers["ratelimit-remaining"])
    assert statuses == [(201, None), (201, None), (429, "50"), (429, "1"), (201, None)]
    assert remaining == ["1", "0", "0", "0", "0"]


def test_every_fault_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    documented = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `sandbox:")}
    assert documented == {f"sandbox:{fault}" for fault in Fault}
