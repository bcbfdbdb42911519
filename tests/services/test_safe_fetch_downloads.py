"""Training pictures are fetched from addresses piece by piece, under the rules for all addresses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from app.errors import InvalidRequestError, PayloadTooLargeError
from app.services.safe_fetch import UrlInspector

ZIP = b"PK\x03\x04" + bytes(range(256)) * 400
URL = "http://127.0.0.1/dl/set.zip?key=secret"

Answers = Callable[[httpx.Request], httpx.Response]
Fetch = Callable[..., Awaitable[str]]
Fetched = Callable[[], bytes | None]


async def _in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "000000"


@pytest.fixture
def fetched(target: Path) -> Fetched:
    """What lies at the target; None where nothing does."""
    return lambda: target.read_bytes() if target.exists() else None


@pytest.fixture
def fetch(target: Path) -> Fetch:
    """Fetches from servers played by a function, up to 200 kB."""

    async def ask(answers: Answers, url: str = URL) -> str:
        inspector = UrlInspector(allow_private=True, transport_factory=lambda: httpx.MockTransport(answers))
        return await inspector.fetch(url, target, 200_000)

    return ask


@pytest.mark.parametrize("size", [1, 7, 4096, 200_000])
async def test_a_zip_is_written_whole_however_it_comes(fetch: Fetch, fetched: Fetched, size: int) -> None:
    content = ZIP[: size * 300]
    assert await fetch(lambda _: httpx.Response(200, content=_in_pieces(content, size))) == "set.zip"
    assert fetched() == content


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0rest", b"\x89PNG\r\n\x1a\nrest", b"RIFF....WEBP"])
async def test_pictures_are_taken_as_well(fetch: Fetch, fetched: Fetched, start: bytes) -> None:
    assert await fetch(lambda _: httpx.Response(200, content=start), "http://127.0.0.1/a/") == "a"
    assert fetched() == start


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, headers={"Content-Length": "200001"}, content=_in_pieces(ZIP, 10)),
        httpx.Response(200, content=_in_pieces(ZIP * 2, 4096)),
    ],
    ids=["announced", "by and by"],
)
async def test_more_than_the_limit_is_refused(
    fetch: Fetch, fetched: Fetched, response: httpx.Response
) -> None:
    with pytest.raises(
        PayloadTooLargeError, match=r"'http://127.0.0.1/dl/set.zip' has more than the 200,000"
    ):
        await fetch(lambda _: response)
    assert len(fetched() or b"") <= 200_000


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (httpx.Response(404), "answers with status 404"),
        (httpx.Response(200, content=b""), "is an empty file"),
        (httpx.Response(200, content=b"PK\x05\x06" + bytes(18)), "is an empty zip"),
        (httpx.Response(200, content=b"  <html>"), "is a web page, not a zip"),
        (httpx.Response(200, content=b"GIF89a and more"), "is not a zip"),
        (httpx.Response(200, headers={"Content-Length": "99"}, content=_in_pieces(ZIP, 9)), "breaks off"),
        (
            httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(ZIP)),
            "another encoding",
        ),
        (httpx.Response(302, headers={"Location": "http://169.254.169.254/"}), "cloud metadata"),
        (httpx.Response(302, headers={"Location": "file:///etc/passwd"}), "Allowed are http and https"),
    ],
)
async def test_what_is_no_set_is_refused_in_a_sentence(
    fetch: Fetch, response: httpx.Response, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence) as caught:
        await fetch(lambda _: response)
    assert [error.field for error in caught.value.errors] == ["training_images_url"]
    assert "secret" not in caught.value.detail


async def test_redirects_are_followed_and_name_the_file(fetch: Fetch, fetched: Fetched) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/dl/set.zip":
            return httpx.Response(302, headers={"Location": "/files/cats.zip"})
        assert "range" not in request.headers
        return httpx.Response(200, content=ZIP)

    assert await fetch(answers) == "cats.zip"
    assert fetched() == ZIP
