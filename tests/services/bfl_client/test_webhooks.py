"""Webhooks come in two shapes and unsigned: they tell which task to ask about, and no more."""

import json

import pytest

from app.errors import InvalidRequestError, ProviderRefusedError
from app.models import JobKind, JobStatus
from app.services.bfl_client import BflClient
from app.services.provider import Report
from tests.services.bfl_client.scripted import SAMPLE, TASK_ID


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": TASK_ID, "status": "SUCCESS", "result": {"sample": SAMPLE}, "progress": 1},
        {"task_id": TASK_ID, "status": "FAILED", "error": "No GPU"},
        {"id": TASK_ID, "status": "Ready", "result": {"sample": SAMPLE}, "timestamp": "2026-01-01"},
    ],
)
def test_a_webhook_names_its_task_and_is_believed_nothing_else(
    client: BflClient, body: dict[str, object]
) -> None:
    news = client.read_webhook(json.dumps(body).encode())
    assert news.upstream_id == TASK_ID
    assert news.report_as(JobKind.GENERATION) == Report(JobStatus.STARTING, TASK_ID)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"{}", b'{"id": 7}', b'{"task_id": null}', b"\xff"])
def test_a_webhook_without_sense_is_refused(client: BflClient, body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="The webhook's body is not"):
        client.read_webhook(body)


async def test_webhooks_are_not_known_to_be_signed(client: BflClient) -> None:
    assert client.signs_webhooks is False
    with pytest.raises(ProviderRefusedError):
        await client.webhook_secret()
