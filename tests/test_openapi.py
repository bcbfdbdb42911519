"""The OpenAPI document and the service agree, and no input that can be drawn from the document gets a 5xx."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import requests
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.config import Settings
from app.main import create_app
from tests.conftest import Serve
from tests.manual_clock import ManualClock

AnyCase = schemathesis.Case[Any]
AnyOperation = schemathesis.APIOperation[Any, Any, Any, Any]

EXAMPLES = 25
"""For each operation, and as many again that are wrong in some way."""

# The last one is left out where it does not fit.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DESCRIPTION = create_app().openapi()
DOCUMENT = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = [DOCUMENT[path][method] for path, methods in DESCRIPTION["paths"].items() for method in methods]
# Every text is a possible id: where there is nothing but ids in the path, nothing wrong can be drawn.
CASES = [
    (operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.query or operation.headers or operation.body
]

PICTURES = Path(__file__).resolve().parents[1] / "examples" / "training_pictures.zip"
UPLOAD = {"trigger_word": "TOK", "training_images": [PICTURES.read_bytes()]}
# The service looks at addresses that lead somewhere; these lead to this machine, where nobody listens.
LEADS_SOMEWHERE = re.compile(r"\s*https?:", re.IGNORECASE)
NOWHERE = "http://127.0.0.1:9/pictures.zip"


class Service:
    """The running service, on an event loop of its own: Hypothesis knows none."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def send(self, method: str, url: str, **given: Any) -> httpx.Response:
        """Send a request and return the whole answer."""
        return self._portal.call(lambda: self._client.request(method, url, **given))

    def answer(self, case: AnyCase) -> httpx.Response:
        """The answer to what Schemathesis has drawn."""
        request = requests.Request(**case.as_transport_kwargs(base_url="http://fluxgate")).prepare()
        headers = dict(request.headers)
        return self.send(str(request.method), str(request.url), headers=headers, content=request.body)


OUT_OF_REACH = {"/webhook/", "/webhook/{job_id}", "/image/train", "/train_model/", "/get_prediction/"} | {
    "/generate/{model_name}",
    "/providers/{provider}/fine-tunes/{fine_tune_id}",
}
"""Where what is drawn is never right: a signature, a zip's name or content, an id in a query, a model."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which webhooks can be sent to this machine, where nobody listens."""
    return settings.model_copy(update={"allow_private_webhooks": True})


@pytest.fixture
def service(serve: Serve) -> Iterator[Service]:
    """The real service on the embedded sandbox."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as client:
        yield Service(portal, client)


def existing(path: str, service: Service, clock: ManualClock) -> dict[str, str]:
    """What the parameters in `path` may name, so that more than 404 comes back. All of it has ended."""
    found = {"model_name": "no_such_model", "provider": "bfl", "fine_tune_id": "no-such-fine-tune"}
    if any(name in path for name in ("{job_id}", "{prediction_id}", "{event_id}", "{image_filename}")):
        form = {"prompt": "a cat", "webhook_url": NOWHERE}
        picture = service.send("POST", "/generate-image/", data=form).json()
        found |= {
            "job_id": picture["job_id"],
            "prediction_id": picture["job_id"],
            "event_id": f"evt_{picture['job_id']}_completed",
            "image_filename": picture["generated_image_url"].rpartition("/")[2],
        }
    if any(name in path for name in ("{training_id}", "{dataset_id}", "{alias}")):
        upload = {"training_images": PICTURES.read_bytes()}
        training = service.send("POST", "/fine-tune/", data={"trigger_word": "TOK"}, files=upload).json()
        found |= {
            "training_id": training["training_id"],
            "dataset_id": training["dataset_id"],
            "alias": _alias_of(service, clock, training["training_id"]),
        }
    return found


def _alias_of(service: Service, clock: ManualClock, training_id: str) -> str:
    """The name of the model that the training makes, once it has ended."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        clock.advance(2)
        status = service.send("GET", f"/training-status/{training_id}").json()
        if status["status"] == "succeeded":
            return str(service.send("GET", "/models").json()["models"][0]["alias"])
    raise AssertionError(f"the training did not end: {status}")


@pytest.mark.parametrize(("operation", "mode"), CASES, ids=[f"{o.label} {m.value}" for o, m in CASES])
def test_no_input_gets_a_5xx_or_an_answer_that_is_not_described(
    operation: AnyOperation, mode: GenerationMode, service: Service, clock: ManualClock
) -> None:
    statuses = set()
    known = existing(operation.path, service, clock)

    @given(case=operation.as_strategy(generation_mode=mode), usable=strategies.booleans())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def agree(case: AnyCase, usable: bool) -> None:
        if usable:
            case.path_parameters |= {name: known[name] for name in case.path_parameters}
        if (
            usable
            and operation.path in ("/fine-tune/", "/datasets/")
            and case.media_type == "multipart/form-data"
        ):
            case.body = cast(Any, UPLOAD)  # Nothing that is drawn is a zip of pictures.
        elif isinstance(case.body, dict):
            for name in ("training_images_url", "webhook_url"):
                if LEADS_SOMEWHERE.match(str(case.body.get(name))):
                    case.body[name] = NOWHERE
        response = service.answer(case)
        statuses.add(response.status_code)
        # A stream of events is described as a whole; Schemathesis would look for that in each event.
        streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        case.validate_response(response, checks=CHECKS[:-1] if streamed else CHECKS)

    agree()
    if operation.path in OUT_OF_REACH:
        return
    assert mode is GenerationMode.NEGATIVE or statuses & {200, 201, 204}
