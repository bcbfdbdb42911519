"""The log: a line for every record, with ids and without secrets."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest

from app.config import LogFormat, LogLevel, Settings
from app.logs import Scrubber, logs_kept
from app.request_ids import REQUEST_ID
from app.working_on import working_on
from tests.conftest import Serve

logger = logging.getLogger("app.anything")


@pytest.fixture
def json_lines() -> Iterator[None]:
    """The log as JSON, with one known secret."""
    with logs_kept(json_lines=True, level="INFO", secrets=["correct horse"]):
        yield


OfRequest = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def of_request() -> OfRequest:
    """Everything inside belongs to that request."""

    @contextmanager
    def begin(request_id: str) -> Iterator[None]:
        before = REQUEST_ID.set(request_id)
        yield
        REQUEST_ID.reset(before)

    return begin


@pytest.mark.usefixtures("json_lines")
def test_a_line_of_json_tells_time_level_logger_message_and_ids(
    capsys: pytest.CaptureFixture[str], of_request: OfRequest
) -> None:
    with of_request("request-1"), working_on("job-1", "tested"):
        logger.info("job %s is\ndone", "7")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "app.anything",
        "message": "job 7 is\ndone",
        "request_id": "request-1",
        "job_id": "job-1",
    }


@pytest.mark.usefixtures("json_lines")
def test_an_exception_stays_inside_the_line_and_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("the password is correct horse, the token r8_abcdefgh12345678")
    except ValueError:
        logger.exception("it failed")

    out = capsys.readouterr().err
    assert out.count("\n") == 1
    line = json.loads(out)
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("ValueError: the password is [hidden], the token [hidden]")


def test_a_line_of_text_shows_ids_only_where_there_are_any(
    capsys: pytest.CaptureFixture[str], of_request: OfRequest
) -> None:
    with logs_kept(json_lines=False, level="INFO"):
        logger.info("nobody asked")
        with of_request("request-2"), working_on("job-2", "tested"):
            logger.warning("two\nlines")

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("Z INFO app.anything: nobody asked")
    assert second.endswith("Z WARNING app.anything: two\\nlines [request request-2, job job-2]")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("r8_abcdefgh12345678 was given", "[hidden] was given"),
        ("Authorization: Bearer abc.def-ghi_jkl", "Authorization: Bearer [hidden]"),
        ("authorization: basic dXNlcjpwYXNz==", "authorization: basic [hidden]"),
        ("hf_token=hf_AbCdEfGhIj", "hf_token=[hidden]"),
        ("the key fg_1a2b3c4d_x-Y-z", "the key [hidden]"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", "signed with [hidden]"),
        ("?token=hunter2hunter2&x=1", "?token=[hidden]&x=1"),
        ("Send it as 'Authorization: Bearer <key>'.", "Send it as 'Authorization: Bearer <key>'."),
        ("a job of black-forest-labs/flux-dev", "a job of black-forest-labs/flux-dev"),
    ],
)
def test_secrets_are_struck_out(text: str, left: str) -> None:
    assert Scrubber(["hunter2hunter2", "short"])(text) == left


def test_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    with logs_kept(json_lines=False, level="DEBUG"):
        logging.getLogger("httpx").info("HTTP Request: GET https://example.com")
        logging.getLogger("httpx").warning("a library warns")
        logger.debug("we tell more")

    out = capsys.readouterr().err
    assert "HTTP Request" not in out
    assert "a library warns" in out
    assert "we tell more" in out


def test_the_servers_lines_come_in_the_same_format_and_everything_is_put_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, access = logging.getLogger("uvicorn.error"), logging.getLogger("uvicorn.access")
    theirs = logging.NullHandler()
    access.addHandler(theirs)
    before = (list(logging.getLogger().handlers), logging.getLogger("app").level, access.propagate)
    with logs_kept(json_lines=True, level="ERROR"):
        server.warning("the server warns")
        assert not access.hasHandlers()
    after = (list(logging.getLogger().handlers), logging.getLogger("app").level, access.propagate)

    assert json.loads(capsys.readouterr().err)["message"] == "the server warns"
    assert after == before
    assert access.handlers == [theirs]
    access.removeHandler(theirs)


async def test_a_generation_can_be_followed_by_its_request_and_its_job(
    serve: Serve, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(settings.model_copy(update={"log_format": LogFormat.JSON})) as client:
        made = await client.post(
            "/generate-image/", data={"prompt": "a cat"}, headers={"X-Request-ID": "my-request"}
        )

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    of_request = [line for line in lines if line["request_id"] == "my-request"]
    access = [line for line in of_request if line["logger"] == "app.access"]
    assert [(line["method"], line["route"], line["status"]) for line in access] == [
        ("POST", "/generate-image/", 200)
    ]
    assert access[0]["milliseconds"] > 0
    ended = [line for line in of_request if line["job_id"] == made.json()["job_id"]]
    assert [line["message"] for line in ended] == [f"job {made.json()['job_id']} succeeded"]


async def test_requests_leave_no_line_where_the_access_log_is_off(
    serve: Serve, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(settings.model_copy(update={"access_log": False})) as client:
        await client.get("/jobs")

    assert "app.access" not in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/ping", "/health", "/metrics"])
async def test_probes_are_logged_at_debug(
    client: httpx.AsyncClient, serve: Serve, settings: Settings, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    await client.get(path)
    for handler in logging.getLogger().handlers:
        handler.flush()
    assert path not in capsys.readouterr().err

    async with serve(settings.model_copy(update={"log_level": LogLevel.DEBUG})) as talkative:
        await talkative.get(path)
    assert f"GET {path} 200" in capsys.readouterr().err


async def test_an_address_that_leads_nowhere_is_logged_without_what_the_caller_wrote(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.get("/there/is?no=place")

    for handler in logging.getLogger().handlers:
        handler.flush()
    assert "GET - 404 " in capsys.readouterr().err
