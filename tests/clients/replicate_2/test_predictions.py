"""Predictions: made, looked at, waited for, cancelled, listed page by page."""

import io
from pathlib import Path
from typing import Literal

import httpx
import pytest
from replicate import AsyncReplicate, Replicate
from replicate.types import Prediction

MODEL = "black-forest-labs/flux-dev"
SLOW = {"prompt": "a cat sandbox:slow-start"}
MORE_THAN_A_PAGE = 105


@pytest.fixture
def picture(client: Replicate, tmp_path: Path) -> Path:
    """A picture in a file."""
    [address] = client.run(
        MODEL,
        input={"prompt": "a cat", "aspect_ratio": "16:9", "output_format": "png"},
        use_file_output=False,
    )
    path = tmp_path / "cat.png"
    path.write_bytes(httpx.get(address, trust_env=False).content)
    return path


def _outputs(prediction: Prediction) -> list[str]:
    assert isinstance(prediction.output, list)
    return prediction.output


def _size(client: Replicate, prediction: Prediction) -> tuple[int, int]:
    """Width and height of a PNG, which stand at a fixed place in it."""
    [address] = _outputs(client.predictions.wait(prediction.id))
    content = httpx.get(address, trust_env=False).content
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def test_a_prediction_is_waited_for(client: Replicate) -> None:
    created = client.predictions.create(version=MODEL, input={"prompt": "a cat", "seed": 7})
    assert (created.status, created.output, created.logs) == ("starting", None, "")

    prediction = client.predictions.wait(created.id)

    assert (prediction.status, prediction.error, prediction.data_removed) == ("succeeded", None, False)
    assert (prediction.model, prediction.version) == (MODEL, "hidden")
    assert prediction.input == {"prompt": "a cat", "seed": 7}
    assert len(_outputs(prediction)) == 1
    assert prediction.metrics is not None
    assert prediction.metrics.total_time is not None
    assert prediction.started_at is not None
    assert prediction.completed_at is not None

    assert prediction.source == "api"
    assert prediction.logs


def test_the_server_may_do_the_waiting(client: Replicate) -> None:
    for prediction in (
        client.predictions.create(version=MODEL, input={"prompt": "a cat"}, prefer="wait"),
        client.models.predictions.create(
            model_owner="black-forest-labs", model_name="flux-dev", input={"prompt": "a cat"}, prefer="wait=5"
        ),
    ):
        assert len(_outputs(prediction)) == 1


def test_a_wait_that_is_too_short_ends_with_a_prediction_that_goes_on(client: Replicate) -> None:
    response = client.predictions.with_raw_response.create(version=MODEL, input=SLOW, prefer="wait=1")

    prediction = response.parse()
    assert (prediction.status, prediction.output) == ("starting", None)
    assert (response.status_code, response.headers["location"]) == (202, prediction.urls.get)
    assert response.headers["preference-applied"] == "wait=1"


def test_a_prediction_is_cancelled(client: Replicate) -> None:
    created = client.predictions.create(version=MODEL, input=SLOW)
    assert client.predictions.get(prediction_id=created.id).status == "starting"

    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
    assert client.predictions.get(prediction_id=created.id).status == "canceled"
    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"


def test_a_deadline_is_told(client: Replicate) -> None:
    prediction = client.predictions.create(version=MODEL, input=SLOW, cancel_after="1m30s")

    assert prediction.deadline is not None
    assert (prediction.deadline - prediction.created_at).total_seconds() == pytest.approx(90, abs=0.01)


def test_a_prediction_may_be_aborted(client: Replicate) -> None:
    created = client.predictions.create(version=MODEL, input={"prompt": "a cat sandbox:aborted"})

    assert client.predictions.get(prediction_id=created.id).status == "aborted"


def test_a_finished_prediction_stays_finished(client: Replicate) -> None:
    prediction = client.predictions.create(version=MODEL, input={"prompt": "a cat"}, prefer="wait")

    assert client.predictions.cancel(prediction_id=prediction.id).status == "succeeded"


@pytest.mark.parametrize("strategy", ["base64", "url"])
def test_files_are_taken_along(client: Replicate, picture: Path, strategy: Literal["base64", "url"]) -> None:
    given = {"prompt": "a dog", "image": picture, "output_format": "png"}
    prediction = client.predictions.create(version=MODEL, input=given, file_encoding_strategy=strategy)

    # The picture that is given decides the shape of the one that is made.
    assert _size(client, prediction) == (1344, 768)


def test_a_file_that_is_no_picture_fails_the_prediction(client: Replicate) -> None:
    given = {"prompt": "a dog", "image": io.BytesIO(b"no picture")}
    prediction = client.predictions.wait(client.predictions.create(version=MODEL, input=given).id)

    assert prediction.status == "failed"
    assert prediction.error


async def test_coroutines_do_the_same(aclient: AsyncReplicate) -> None:
    created = await aclient.predictions.create(version=MODEL, input={"prompt": "a cat"})
    done = await aclient.predictions.wait(created.id)
    assert (await aclient.predictions.get(prediction_id=created.id)).output == done.output
    waited = await aclient.models.predictions.create(
        model_owner="black-forest-labs", model_name="flux-dev", input={"prompt": "a cat"}, prefer="wait=5"
    )
    assert waited.output

    slow = await aclient.predictions.create(version=MODEL, input=SLOW)
    assert (await aclient.predictions.cancel(prediction_id=slow.id)).status == "canceled"


async def test_pages_lead_through_all_predictions(client: Replicate, aclient: AsyncReplicate) -> None:
    made = [
        client.predictions.create(version=MODEL, input={"prompt": f"cat {number}"})
        for number in range(MORE_THAN_A_PAGE)
    ]

    listed = [prediction.id for prediction in client.predictions.list()]

    assert listed[:MORE_THAN_A_PAGE] == [prediction.id for prediction in made[::-1]]
    assert len(set(listed)) == len(listed)
    pages = list(client.predictions.list().iter_pages())
    assert [len(page.results) for page in pages[:-1]] == [100] * (len(pages) - 1)
    assert pages[-1].next is None
    assert [prediction.id async for prediction in aclient.predictions.list()] == listed
    later = client.predictions.list(created_after=made[99].created_at)
    assert {prediction.id for prediction in later} >= {prediction.id for prediction in made[100:]}
    assert made[0].id not in {prediction.id for prediction in later}
