"""Predictions: made, looked at, waited for, cancelled, listed page by page."""

import io
from pathlib import Path

import httpx
import pytest
from replicate import async_paginate, paginate
from replicate.client import Client
from replicate.prediction import Prediction

MODEL = "black-forest-labs/flux-dev"
SLOW = {"prompt": "a cat sandbox:slow-start"}
MORE_THAN_A_PAGE = 105


@pytest.fixture
def picture(client: Client, tmp_path: Path) -> Path:
    """A picture in a file."""
    [address] = client.run(
        MODEL,
        input={"prompt": "a cat", "aspect_ratio": "16:9", "output_format": "png"},
        use_file_output=False,
    )
    path = tmp_path / "cat.png"
    path.write_bytes(httpx.get(address, trust_env=False).content)
    return path


def _size(prediction: Prediction) -> tuple[int, int]:
    """Width and height of a PNG, which stand at a fixed place in it."""
    prediction.wait()
    assert prediction.output is not None
    content = httpx.get(prediction.output[0], trust_env=False).content
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def test_a_prediction_is_waited_for(client: Client) -> None:
    prediction = client.predictions.create(version=MODEL, input={"prompt": "a cat", "seed": 7})
    assert (prediction.status, prediction.output, prediction.logs) == ("starting", None, "")

    prediction.wait()

    assert prediction.status == "succeeded"
    assert (prediction.model, prediction.version) == (MODEL, "hidden")
    assert prediction.input == {"prompt": "a cat", "seed": 7}
    assert len(prediction.output or []) == 1
    assert prediction.metrics is not None
    assert prediction.metrics["total_time"] >= prediction.metrics["predict_time"] >= 0
    assert prediction.created_at
    assert prediction.started_at
    assert prediction.completed_at
    assert prediction.logs


def test_the_server_may_do_the_waiting(client: Client) -> None:
    for prediction in (
        client.predictions.create(version=MODEL, input={"prompt": "a cat"}, wait=True),
        client.models.predictions.create(MODEL, input={"prompt": "a cat"}, wait=5),
    ):
        assert len(prediction.output or []) == 1


def test_a_wait_that_is_too_short_ends_with_a_prediction_that_goes_on(client: Client) -> None:
    prediction = client.predictions.create(version=MODEL, input=SLOW, wait=1)

    assert (prediction.status, prediction.output) == ("starting", None)


def test_a_prediction_is_cancelled(client: Client) -> None:
    prediction = client.predictions.create(version=MODEL, input=SLOW)
    prediction.reload()
    assert prediction.status == "starting"

    prediction.cancel()
    assert prediction.status == "canceled"
    prediction.reload()
    assert prediction.status == "canceled"
    assert client.predictions.cancel(prediction.id).status == "canceled"


def test_a_finished_prediction_stays_finished(client: Client) -> None:
    prediction = client.predictions.create(version=MODEL, input={"prompt": "a cat"}, wait=True)

    assert client.predictions.cancel(prediction.id).status == "succeeded"


@pytest.mark.parametrize("strategy", ["base64", "url"])
def test_files_are_taken_along(client: Client, picture: Path, strategy: str) -> None:
    with picture.open("rb") as opened:
        prediction = client.predictions.create(
            version=MODEL,
            input={"prompt": "a dog", "image": opened, "output_format": "png"},
            file_encoding_strategy=strategy,  # type: ignore[arg-type] # a parameter of the test
        )
    by_path = client.predictions.create(
        version=MODEL, input={"prompt": "a dog", "image": picture, "output_format": "png"}
    )

    # The picture that is given decides the shape of the one that is made.
    assert _size(prediction) == _size(by_path) == (1344, 768)


def test_a_file_that_is_no_picture_fails_the_prediction(client: Client) -> None:
    text = io.BytesIO(b"no picture")
    prediction = client.predictions.create(version=MODEL, input={"prompt": "a dog", "image": text})
    prediction.wait()

    assert prediction.status == "failed"
    assert prediction.error


async def test_the_async_half_does_the_same(aclient: Client) -> None:
    done = await aclient.predictions.async_create(version=MODEL, input={"prompt": "a cat"})
    await done.async_wait()
    assert (await aclient.predictions.async_get(done.id)).output == done.output
    waited = await aclient.models.predictions.async_create(MODEL, input={"prompt": "a cat"}, wait=5)
    assert waited.output

    slow = await aclient.predictions.async_create(version=MODEL, input=SLOW)
    await slow.async_cancel()
    await slow.async_reload()
    assert slow.status == "canceled"


async def test_pages_lead_through_all_predictions(client: Client, aclient: Client) -> None:
    made = [
        client.predictions.create(version=MODEL, input={"prompt": f"cat {number}"}).id
        for number in range(MORE_THAN_A_PAGE)
    ]

    pages = list(paginate(client.predictions.list))
    listed = [prediction.id for page in pages for prediction in page]

    assert listed[:MORE_THAN_A_PAGE] == made[::-1]
    assert len(set(listed)) == len(listed)
    assert [len(page) for page in pages[:-1]] == [100] * (len(pages) - 1)
    assert (pages[0].previous, pages[-1].next) == (None, None)
    assert pages[1].previous is not None
    assert [entry.id for entry in client.predictions.list(pages[1].previous)] == listed[:100]
    apages = [page async for page in async_paginate(aclient.predictions.async_list)]
    assert [prediction.id for page in apages for prediction in page] == listed
