import asyncio
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.models import Image
from app.services.access import Access
from tests.routers.get_image.samples import BODY, LARGE, MOMENT, QUERIES, ServePictures


@pytest.mark.parametrize("query", QUERIES)
async def test_a_picture_is_served_to_be_kept_for_good(
    pictures: httpx.AsyncClient, image: Image, query: str
) -> None:
    answer = await pictures.get(f"/get-image/{image.name}{query}")
    assert answer.content == BODY
    assert (answer.status_code, dict(answer.headers)) == (
        200,
        {
            "content-type": "image/png",
            "content-length": str(len(BODY)),
            "etag": f'"{image.sha256}"',
            "last-modified": MOMENT,
            "cache-control": "public, max-age=31536000, immutable",
            "accept-ranges": "bytes",
            "x-content-type-options": "nosniff",
        },
    )


async def test_a_large_picture_is_served_alike(pictures: httpx.AsyncClient, large: Image) -> None:
    answer = await pictures.get(f"/get-image/{large.name}")
    assert answer.content == LARGE
    assert answer.headers["content-length"] == str(len(LARGE))
    assert answer.headers["etag"] == f'"{large.sha256}"'


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}])
async def test_head_tells_the_same_about_the_whole_without_the_bytes(
    pictures: httpx.AsyncClient, image: Image, query: str, headers: dict[str, str]
) -> None:
    address = f"/get-image/{image.name}{query}"
    head = await pictures.head(address, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == (await pictures.get(address)).headers


async def test_a_download_has_the_name_of_what_is_given(pictures: httpx.AsyncClient, image: Image) -> None:
    address = f"/get-image/{image.name}"
    whole = await pictures.get(address, params={"download": "1"})
    assert whole.headers["content-disposition"] == f'attachment; filename="{image.name}"'
    small = await pictures.get(address, params={"download": "1", "width": "100"})
    assert small.headers["content-disposition"] == 'attachment; filename="generated_image_small_1_128.webp"'


async def test_a_width_gives_a_thumbnail_with_its_own_tag(pictures: httpx.AsyncClient, image: Image) -> None:
    address = f"/get-image/{image.name}?width=100"
    answer = await pictures.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["etag"] == f'"{image.sha256}-128"'
    assert answer.content.startswith(b"RIFF")
    part = await pictures.get(address, headers={"range": "bytes=0-3", "if-range": answer.headers["etag"]})
    assert (part.status_code, part.content) == (206, b"RIFF")
    again = await pictures.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    other = await pictures.get(address, headers={"if-none-match": f'"{image.sha256}"'})
    assert other.status_code == 200


@pytest.mark.parametrize("width", ["0", "-1", "15", "2049", "1000000000", "abc", "", "1e9", "64.5"])
async def test_a_width_that_is_not_possible_is_named(
    pictures: httpx.AsyncClient, image: Image, width: str
) -> None:
    answer = await pictures.get(f"/get-image/{image.name}", params={"width": width})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert "width" in error["field"]
    assert width in error["message"]


@pytest.mark.parametrize("query", ["", "?width=64"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "x",
        "x/",
        "generated_image_small_2.png",
        "generated_image_small_1.png/",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%5c..%5cwindows",
        "%2fetc%2fpasswd",
        "generated_image_small_1.png%00",
        "%ff%fe",
        "%ed%a0%80",
        ".thumbnails/x.webp",
        "x" * 4096,
    ],
)
async def test_every_other_name_is_not_found(
    pictures: httpx.AsyncClient, image: Image, name: str, query: str
) -> None:
    for method in ("GET", "HEAD"):
        address = httpx.URL(f"http://fluxgate/get-image/{name}{query}")
        answer = await pictures.request(method, address)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    problem = (await pictures.get(httpx.URL(f"http://fluxgate/get-image/{name}{query}"))).json()
    assert problem["code"] == "image_not_found"
    assert problem["detail"].startswith("No image with the name ")


async def test_a_picture_whose_file_is_missing_says_so(
    pictures: httpx.AsyncClient, image: Image, store: Path
) -> None:
    await asyncio.to_thread((store / image.name).unlink)
    answer = await pictures.get(f"/get-image/{image.name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "image_not_found")
    assert (
        answer.json()["detail"]
        == f"The image {image.name!r} is on record, but its file is no longer on the disk."
    )


@pytest.mark.parametrize("query", QUERIES)
async def test_without_a_key_pictures_stay_on_this_machine(
    serve_pictures: ServePictures, image: Image, query: str
) -> None:
    async with serve_pictures(client_host="192.0.2.7") as stranger:
        assert (await stranger.get(f"/get-image/{image.name}{query}")).status_code == 403


@pytest.mark.parametrize("query", QUERIES)
async def test_with_a_key_set_pictures_are_for_who_has_it_and_not_for_shared_caches(
    serve_pictures: ServePictures, image: Image, query: str
) -> None:
    address = f"/get-image/{image.name}{query}"
    async with serve_pictures(Access(api_keys={"a": SecretStr("a key")}), client_host="192.0.2.7") as anybody:
        assert (await anybody.get(address)).status_code == 401
        answer = await anybody.get(address, headers={"x-api-key": "a key"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_the_api_description_tells_every_answer(pictures: httpx.AsyncClient) -> None:
    paths = (await pictures.get("/openapi.json")).json()["paths"]
    operations = paths["/get-image/{image_filename}"]
    assert list(operations) == ["get"]
    operation = operations["get"]
    assert set(operation["responses"]) == {"200", "206", "304", "401", "403", "404", "416", "422", "503"}
    assert set(operation["responses"]["200"]["content"]) == {
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
    }
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        "image_filename",
        "width",
        "download",
    ]
