import httpx
import pytest

from app.models import Image
from tests.routers.get_image.samples import BODY, LARGE, MOMENT


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ('"{hash}"', 304),
        ('W/"{hash}"', 304),
        ('"other", W/"{hash}"', 304),
        ('"oth,er" , "{hash}"', 304),
        ("*", 304),
        (" * ", 304),
        ('"other"', 200),
        ("{hash}", 200),
        ("", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_copy_with_the_same_tag_is_still_good(
    pictures: httpx.AsyncClient, image: Image, value: str, status: int, method: str
) -> None:
    value = value.replace("{hash}", image.sha256)
    headers = {
        "if-none-match": value,
        "range": "bytes=0-1",
        "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT",
    }
    answer = await pictures.request(method, f"/get-image/{image.name}", headers=headers)
    assert answer.status_code == (206 if (status, method) == (200, "GET") else status)
    if status == 304:
        assert dict(answer.headers) == {
            "etag": f'"{image.sha256}"',
            "last-modified": MOMENT,
            "cache-control": "public, max-age=31536000, immutable",
        }
        assert answer.content == b""


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (MOMENT, 304),
        ("Thu, 01 Jan 2026 12:00:01 GMT", 304),
        ("Thursday, 01-Jan-26 12:00:00 GMT", 304),
        ("Thu, 01 Jan 2026 11:59:59 GMT", 200),
        ("yesterday", 200),
        ("Thu, 99 Jan 99999 12:00:00 GMT", 200),
        ("Thu, 01 Jan 2026 12:00:00", 200),
    ],
)
async def test_a_copy_from_since_it_was_made_is_still_good(
    pictures: httpx.AsyncClient, image: Image, since: str, status: int
) -> None:
    answer = await pictures.get(f"/get-image/{image.name}", headers={"if-modified-since": since})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=0-", 0, None),
        ("bytes=5-99999999999999999", 5, None),
        ("bytes=-99999999999999999", 0, None),
        ("BYTES = 0005 - 0009", 5, 10),
    ],
)
async def test_one_range_is_given(
    pictures: httpx.AsyncClient, image: Image, large: Image, asked: str, start: int, stop: int | None
) -> None:
    for name, body in ((image.name, BODY), (large.name, LARGE)):
        answer = await pictures.get(f"/get-image/{name}", headers={"range": asked})
        first, last, _ = slice(start, stop).indices(len(body))
        assert answer.status_code == 206
        assert answer.content == body[start:stop]
        assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(body)}"
        assert answer.headers["content-length"] == str(last - first)
        assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "asked", ["bytes={size}-", "bytes={size}-{size}", "bytes=-0", "bytes=9999999999999999999-"]
)
async def test_a_range_behind_the_end_is_refused(
    pictures: httpx.AsyncClient, image: Image, asked: str
) -> None:
    asked = asked.replace("{size}", str(len(BODY)))
    answer = await pictures.get(f"/get-image/{image.name}", headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(BODY)}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        f"The range {asked!r} lies behind the end. The picture has {len(BODY)} bytes."
    )


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=9-5",
        "bytes=-",
        "bytes=a-b",
        "bytes",
        "",
        "pages=1-2",
        "bytes=" + "9" * 5000 + "-",
        "bytes=--5",
    ],
)
async def test_ranges_that_are_several_or_not_understood_give_the_whole(
    pictures: httpx.AsyncClient, image: Image, asked: str
) -> None:
    answer = await pictures.get(f"/get-image/{image.name}", headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, BODY)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ('"{hash}"', 206),
        (MOMENT, 206),
        ('W/"{hash}"', 200),
        ('"other"', 200),
        ("Thu, 01 Jan 2026 12:00:01 GMT", 200),
        ("", 200),
    ],
)
async def test_a_part_of_another_version_is_not_continued(
    pictures: httpx.AsyncClient, image: Image, version: str, status: int
) -> None:
    headers = {"range": "bytes=10-19", "if-range": version.replace("{hash}", image.sha256)}
    answer = await pictures.get(f"/get-image/{image.name}", headers=headers)
    assert (answer.status_code, answer.content) == (status, BODY[10:20] if status == 206 else BODY)
