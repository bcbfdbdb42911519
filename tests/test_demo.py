"""The demonstration: what it sends, and the sentence that it ends with when something is wrong."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from examples.demo import PICTURES, DemoError, run
from examples.make_training_pictures import make_zip
from tests.pictures import encoded

Answers = dict[str, httpx.Response]
Serve = Callable[..., httpx.Client]

WELL = {"status": "ok", "provider": "The sandbox.", "database": "ok", "images": "ok"}
TRAINING = {"training_id": "77aa", "status": "Training started", "destination_model": "me/robot"}
TRAINED = {"status": "succeeded", "model": "me/robot", "percent": 100, "phase": "saving"}
MADE = {"status": "succeeded", "generated_image_urls": ["/get-image/a.webp"], "seed": 7}


@pytest.fixture
def asked() -> list[httpx.Request]:
    """What the demonstration has sent."""
    return []


@pytest.fixture
def service(asked: list[httpx.Request]) -> Serve:
    """A service where all goes well, but for the answers that are given."""

    def serve(**changed: httpx.Response) -> httpx.Client:
        answers = {
            "/health": httpx.Response(200, json=WELL),
            "/models": httpx.Response(200, json={"models": []}),
            "/fine-tune/": httpx.Response(200, json=TRAINING),
            "/training-status/77aa": httpx.Response(200, json=TRAINED),
            "/generate-image/": httpx.Response(200, json=MADE),
            "/get-image/a.webp": httpx.Response(200, content=encoded("WEBP")),
        } | {f"/{name.replace('_', '-')}": answer for name, answer in changed.items()}

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            request.read()
            return answers[request.url.path]

        return httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer))

    return serve


def test_it_uploads_the_training_set_that_lies_there(
    service: Serve, asked: list[httpx.Request], tmp_path: Path
) -> None:
    run(service(), PICTURES, tmp_path)
    [upload] = [request for request in asked if request.url.path == "/fine-tune/"]
    assert PICTURES.read_bytes() in upload.content
    assert (tmp_path / "a.webp").read_bytes() == encoded("WEBP")


def test_the_training_set_that_lies_there_is_the_one_that_would_be_drawn(tmp_path: Path) -> None:
    make_zip(tmp_path / "one.zip", 1)
    assert (tmp_path / "one.zip").read_bytes()[:20_000] == PICTURES.read_bytes()[:20_000]


def test_a_token_that_is_refused_ends_it_before_anything_slow(
    service: Serve, asked: list[httpx.Request], tmp_path: Path
) -> None:
    refused = httpx.Response(503, json={"detail": "Replicate refuses this service's token."})
    with pytest.raises(DemoError, match=r"^Replicate refuses this service's token\.$"):
        run(service(models=refused), PICTURES, tmp_path)
    assert [request.url.path for request in asked] == ["/health", "/models"]


def test_a_service_that_is_not_well_is_told_in_a_sentence(service: Serve, tmp_path: Path) -> None:
    sick = httpx.Response(503, json=WELL | {"status": "unavailable", "training_images": "not writable"})
    with pytest.raises(DemoError, match=r"^the service is not well \(training images: not writable\)\.$"):
        run(service(health=sick), PICTURES, tmp_path)


def test_a_training_that_fails_is_told_in_a_sentence(
    asked: list[httpx.Request], service: Serve, tmp_path: Path
) -> None:
    failed = {"status": "failed", "error": {"code": "out_of_memory", "detail": "It ran out of memory."}}
    client = service(**{"training_status/77aa": httpx.Response(200, json=failed)})
    with pytest.raises(DemoError, match=r"^the training did not succeed: It ran out of memory\.$"):
        run(client, PICTURES, tmp_path)


def test_it_shows_what_was_found_how_the_loss_fell_and_the_new_model(
    asked: list[httpx.Request], service: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = [[step, 1.0 - step / 1000] for step in range(0, 1000, 5)]
    status = TRAINED | {
        "loss_history": losses,
        "cost_so_far": 0.0305,
        "currency": "USD",
        "seconds_so_far": 20.0,
        "cost_note": "An estimate.",
    }
    model = {"name": "robot", "alias": "robot", "training_id": "77aa", "description": "Fine-tuned here."}
    client = service(
        **{
            "fine_tune/": httpx.Response(
                200, json=TRAINING | {"dataset_id": "d1", "warnings": ["12 are few."]}
            ),
            "datasets/d1": httpx.Response(200, json={"report": {"pictures": 12, "captions": 3}}),
            "training_status/77aa": httpx.Response(200, json=status),
            "models": httpx.Response(200, json={"models": [model]}),
        }
    )

    run(client, PICTURES, tmp_path)

    said = capsys.readouterr().out
    assert "  checked: 12 pictures, 3 captions\n  warning: 12 are few.\n" in said
    assert "  loss 1.000 ███▇▇▇▇▆▆▆▆▅▅▅▅▄▄▄▄▃▃▃▃▂▂▂▂▁▁▁ 0.005\n" in said
    assert "  20.0 s, 0.0305 USD. An estimate.\n" in said
    assert "Models that can be used:\n  robot" in said
    [generation] = [request for request in asked if request.url.path == "/generate-image/"]
    assert b"model=robot" in generation.content
