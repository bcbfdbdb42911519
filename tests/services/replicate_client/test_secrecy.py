"""Tokens and secrets go where they belong and nowhere else."""

import httpx
import pytest

from app.errors import (
    FieldError,
    ProviderError,
    ProviderRefusedError,
)
from app.models import FailureCode, JobKind, Run
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.conftest import Build
from tests.services.replicate_client.scripted import (
    CREATE,
    OFFICIAL,
    TOKEN,
    TRAINER_VERSION,
    TRAINING,
    Upstream,
)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (None, "Set REPLICATE_API_TOKEN, or SANDBOX=on to try the service without one."),
        ("", "Set REPLICATE_API_TOKEN, or SANDBOX=on to try the service without one."),
        (
            "r8_broken\ntoken",
            "Replicate refused the service's API token. Set a valid REPLICATE_API_TOKEN.",
        ),
        ("r8_tökén", "Replicate refused the service's API token. Set a valid REPLICATE_API_TOKEN."),
    ],
)
async def test_without_a_usable_token_nothing_is_sent(
    build: Build, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, token: str | None, sentence: str
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_of_somebody_else")
    client = build(token=token)
    for call in (
        client.create(OFFICIAL, wait=None, secrets={}),
        client.fetch(Run(JobKind.GENERATION, "abc")),
    ):
        with pytest.raises(ProviderRefusedError) as caught:
            await call
        assert caught.value.detail == sentence
        assert caught.value.failure_code == FailureCode.PROVIDER_TOKEN_REFUSED
    assert upstream.seen == []


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_tokens_and_secrets_in_a_refusal_are_struck_out(
    client: ReplicateClient, upstream: Upstream, status: int
) -> None:
    said = f"bad {TOKEN} and hf_AbCdEfGhIjKl and wandbwandbwandb for input"
    answer = {"detail": said, "invalid_fields": [{"field": "input.hf_token", "description": said}]}
    path = f"POST /models/ostris/trainer/versions/{TRAINER_VERSION}/trainings"
    upstream.on(path, httpx.Response(status, json=answer))
    with pytest.raises(ProviderRefusedError) as caught:
        await client.create(TRAINING, wait=None, secrets={"wandb_api_key": "wandbwandbwandb"})
    assert caught.value.errors == (
        FieldError("hf_token", "bad [hidden] and [hidden] and [hidden] for input"),
    )
    assert "bad [hidden] and [hidden] and [hidden]" in caught.value.detail
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_no_fault_carries_the_token(
    client: ReplicateClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    upstream.on(CREATE, httpx.Response(500, text=TOKEN), httpx.ReadError(""), httpx.Response(401, text=TOKEN))
    for _ in range(3):
        with pytest.raises(ProviderError) as caught:
            await client.create(OFFICIAL, wait=None, secrets={})
        error: BaseException | None = caught.value
        while error is not None:
            assert TOKEN not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
    assert TOKEN not in caplog.text


async def test_secrets_are_not_logged_however_much_is_logged(
    client: ReplicateClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    path = f"POST /models/ostris/trainer/versions/{TRAINER_VERSION}/trainings"
    upstream.on(path, httpx.Response(201, json={"id": "t1", "status": "starting"}))
    await client.create(TRAINING, wait=None, secrets={"hf_token": "hf_secret_value"})
    assert "hf_secret_value" not in caplog.text
