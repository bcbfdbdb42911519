"""The transport that stands in for the network, and the gate behind it."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from app.sandbox import SandboxTransport
from tests.sandbox.conftest import Predict


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic r8_x", "Bearer r8_invalid", "Token r8_invalid_2"]
)
async def test_a_missing_or_wrong_token_is_refused(app: Starlette, authorization: str | None) -> None:
    async with httpx.AsyncClient(transport=SandboxTransport(app)) as client:
        headers = {} if authorization is None else {"Authorization": authorization}
        response = await client.get("https://api.replicate.com/v1/account", headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


@pytest.mark.parametrize("authorization", ["Bearer r8_x", "Token anything", "bearer x"])
async def test_any_other_token_is_let_in(app: Starlette, authorization: str) -> None:
    async with httpx.AsyncClient(transport=SandboxTransport(app)) as client:
        headers = {"Authorization": authorization}
        response = await client.get("https://api.replicate.com/v1/account", headers=headers)
    assert response.status_code == 200
    assert response.headers["ratelimit-remaining"] == "2999"


async def test_unknown_paths_and_methods_are_json(api: httpx.AsyncClient) -> None:
    for path in ("nothing", "https://api.replicate.com/", "https://replicate.delivery/v1/account"):
        response = await api.get(path)
        assert (response.status_code, response.json()["status"]) == (404, 404)
    assert (await api.put("account")).status_code == 405


async def test_outputs_need_no_token_and_have_hosts_of_their_own(app: Starlette, predict: Predict) -> None:
    address = (await predict(prefer="wait", megapixels="0.25"))["output"][0]
    async with httpx.AsyncClient(transport=SandboxTransport(app)) as client:
        assert (await client.get(address)).status_code == 200
        assert (await client.get(address.replace("//", "//pbxt."))).status_code == 200
        assert (
            await client.get(address.replace("replicate.delivery", "api.replicate.com"))
        ).status_code == 404


async def test_counts_are_open_to_everybody(app: Starlette, predict: Predict, uploaded: str) -> None:
    found = await predict(prefer="wait", megapixels="0.25")
    await predict(status=422, num_outputs=9)
    await predict("sandbox:no-credit", status=402)
    async with httpx.AsyncClient(transport=SandboxTransport(app)) as client:
        await client.get(found["output"][0])
        counts = (await client.get("https://api.replicate.com/sandbox")).json()
    assert "sandbox:moderated" in counts.pop("faults")
    assert {name: number for name, number in counts.items() if number} == {
        "predictions": 1,
        "files": 1,
        "creates_received": 3,
        "downloads": 1,
    }


async def test_the_read_timeout_is_kept_in_real_time() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(60)

    async with httpx.AsyncClient(transport=SandboxTransport(never)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("https://api.replicate.com/v1/account", timeout=0.01)


async def test_a_server_that_says_nothing_has_disconnected() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    async with httpx.AsyncClient(transport=SandboxTransport(silent)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("https://api.replicate.com/v1/account")


async def test_the_request_arrives_as_it_was_sent() -> None:
    seen: list[object] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        seen.extend((scope["method"], scope["path"], scope["raw_path"], scope["query_string"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})

    async with httpx.AsyncClient(transport=SandboxTransport(echo)) as client:
        response = await client.post("https://host/a%20b?c=d%20e", content=b"body")
    assert seen == ["POST", "/a b", b"/a%20b", b"c=d%20e", b"body"]
    assert response.text == "ok"
