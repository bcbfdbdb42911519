"""Bad input of every kind, on every route: a 4xx with a sentence, and never a 5xx."""

import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.bad_requests import BAD_REQUESTS, NOBODY

KINDS_WANTED = 12

SENSELESS = {
    "Prefer": 'wait=soon, ,;=, respond-"',
    "Last-Event-ID": "\u0664" * 1000,
    "Range": "bytes=5-2,cats=all,",
    "If-Range": '"',
    "If-None-Match": 'W/"',
    "If-Modified-Since": "tomorrow",
    "Accept": "cats/*;q=cat",
    "Accept-Language": "\x7f",
    "Authorization": "Bearer",
    "X-API-Key": "\u00ff",
    "X-Request-ID": "two words",
    "Cookie": ";;=;",
    "Content-Length": "many",
    "Host": "[",
}
"""What HTTP wants to be ignored where it makes no sense."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which webhooks can be sent to this machine, where nobody listens."""
    return settings.model_copy(update={"allow_private_webhooks": True})


@pytest.fixture
async def existing(client: httpx.AsyncClient) -> dict[str, str]:
    """A job, its event and a picture that exist, by the names that they have in paths."""
    form = {"prompt": "a cat", "webhook_url": "http://127.0.0.1:9/"}
    made = (await client.post("/generate-image/", data=form)).json()
    return {
        "job_id": made["job_id"],
        "event_id": f"evt_{made['job_id']}_completed",
        "image_filename": made["generated_image_url"].rpartition("/")[2],
    }


def test_every_route_has_twelve_kinds_of_bad_input() -> None:
    paths = create_app().openapi()["paths"]

    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(BAD_REQUESTS) == described
    for route, requests in BAD_REQUESTS.items():
        kinds = [bad.kind for bad in requests]
        assert len(set(kinds)) == len(kinds) >= KINDS_WANTED, route


@pytest.mark.parametrize("route", BAD_REQUESTS)
async def test_bad_input_gets_a_4xx_with_a_sentence(
    client: httpx.AsyncClient, existing: dict[str, str], route: str
) -> None:
    for bad in BAD_REQUESTS[route]:
        response = await client.request(
            bad.method,
            bad.path.replace("{image}", existing["image_filename"]).replace("{job}", existing["job_id"]),
            **bad.given,
        )

        told = f"{bad.kind}: {response.status_code} {response.text[:500]}"
        assert response.status_code == bad.status, told
        assert response.headers["content-type"] == "application/problem+json", told
        assert bad.says in response.json()["detail"], told
        assert response.json()["detail"].endswith("."), told


@pytest.mark.parametrize("header", SENSELESS)
async def test_a_header_that_makes_no_sense_is_ignored(
    client: httpx.AsyncClient, existing: dict[str, str], header: str
) -> None:
    for route in BAD_REQUESTS:
        method, _, path = route.partition(" ")
        sent = [(header.encode(), SENSELESS[header].encode())]
        ids = {
            "training_id": NOBODY,
            "prediction_id": NOBODY,
            "dataset_id": NOBODY,
            "alias": NOBODY,
            "model_name": "no_model",
            "provider": "bfl",
            "fine_tune_id": "no-fine-tune",
            **existing,
        }
        request = client.build_request(method, path.format_map(ids), headers=sent)
        if path == "/generate-image/":
            request = client.build_request(method, path, headers=sent, data={"prompt": "a cat"})

        response = await client.send(request)

        expected = {
            "/training-status/{training_id}": 404,
            "/get_training_status/{training_id}/": 404,
            "/trainings/{training_id}": 404,
            "/trainings/{training_id}/cancel": 404,
            "/predictions/{prediction_id}": 404,
            "/predictions/{prediction_id}/cancel": 404,
            "/get_prediction/": 422,
            "/image/generate": 422,
            "/image/train": 422,
            "/train_model/": 422,
            "/run_model/": 422,
            "/webhook/": 401,
            "/webhook/{job_id}": 401,
            "/fine-tune/": 422,
            "/datasets/": 422,
            "/datasets/{dataset_id}": 404,
            "/datasets/{dataset_id}/contact-sheet": 404,
            "/webhook-secrets": 422,
            "/webhook-secrets/rotate": 422,
            "/models/{alias}": 404 if method != "PATCH" else 422,
            "/models/{alias}/sample": 404,
            "/generate/{model_name}": 422,
            "/providers/{provider}/fine-tunes/{fine_tune_id}": 404,
        }.get(path, 200)
        assert response.status_code == expected, f"{route}: {response.text}"
