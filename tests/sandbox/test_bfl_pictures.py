"""Black Forest Labs' pictures: their sizes and formats, what edits keep, and how long they lie there."""

import base64
import io
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from PIL import Image, ImageStat
from starlette.applications import Starlette

from app.sandbox import SandboxTransport
from tests.sandbox.conftest import Encoded, Make, Order
from tests.sandbox.leaping_clock import LeapingClock

Picture = Callable[..., Awaitable[Image.Image]]
RED = (255, 0, 0)


@pytest.fixture
def picture(app: Starlette, finished: Order) -> Picture:
    """Order something and fetch its picture without a key."""

    async def fetched(endpoint: str = "flux-dev", **given: Any) -> Image.Image:
        found = await finished(endpoint, **given)
        async with httpx.AsyncClient(transport=SandboxTransport(app)) as stranger:
            response = await stranger.get(found["result"]["sample"])
        assert response.status_code == 200
        image = Image.open(io.BytesIO(response.content))
        assert response.headers["content-type"] == f"image/{str(image.format).lower()}"
        return image

    return fetched


@pytest.mark.parametrize(
    ("endpoint", "given", "size", "output_format"),
    [
        ("flux-dev", {}, (1024, 768), "JPEG"),
        ("flux-dev", {"width": 256, "height": 1440, "output_format": "webp"}, (256, 1440), "WEBP"),
        ("flux-pro-1.1", {"width": 288, "height": 256, "output_format": "png"}, (288, 256), "PNG"),
        ("flux-kontext-pro", {}, (1024, 1024), "PNG"),
        ("flux-kontext-pro", {"aspect_ratio": "21:9"}, (1568, 672), "PNG"),
        ("flux-2-pro", {"width": 0, "height": 0}, (1024, 1024), "JPEG"),
        ("flux-2-pro", {"width": 64, "height": 208}, (64, 208), "JPEG"),
        ("flux-3-image", {"resolution": "768sq"}, (768, 768), "JPEG"),
        ("flux-3-image", {"resolution": "1k", "aspect_ratio": "16:9"}, (1360, 768), "JPEG"),
        ("flux-pro-1.1-ultra", {}, (2736, 1536), "JPEG"),
    ],
)
async def test_a_picture_has_the_size_and_the_format_that_were_asked_for(
    picture: Picture, endpoint: str, given: dict[str, Any], size: tuple[int, int], output_format: str
) -> None:
    image = await picture(endpoint, prompt="a cat", **given)
    assert (image.size, image.format) == (size, output_format)


async def test_prompt_and_seed_give_the_same_picture(picture: Picture) -> None:
    small = {"width": 256, "height": 256, "output_format": "png"}
    first, again, other = [await picture(prompt="a cat", seed=seed, **small) for seed in (7, 7, 8)]
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize("endpoint", ["flux-kontext-pro", "flux-2-pro"])
async def test_an_edit_has_the_shape_and_the_colours_of_its_input(
    picture: Picture, encoded: Encoded, endpoint: str
) -> None:
    image = await picture(endpoint, prompt="a cat", input_image=encoded("red", (640, 320)))
    assert image.size == (1456, 720)
    red, green, blue = ImageStat.Stat(image.convert("RGB")).mean
    assert red > max(green, blue) + 80


async def test_several_inputs_lie_side_by_side(picture: Picture, encoded: Encoded) -> None:
    image = await picture("flux-3-image", prompt="a cat", images=[encoded("red"), encoded("blue")])
    half = image.width // 2
    left = ImageStat.Stat(image.crop((0, 0, half, image.height))).mean
    right = ImageStat.Stat(image.crop((half, 0, image.width, image.height))).mean
    assert left[0] > left[2] + 80
    assert right[2] > right[0] + 80


async def test_a_fill_repaints_what_is_white_in_the_mask_and_nothing_else(
    picture: Picture, encoded: Encoded
) -> None:
    mask = Image.new("L", (256, 192), 0)
    mask.paste(255, (0, 0, 128, 192))
    file = io.BytesIO()
    mask.save(file, "PNG")
    image = await picture(
        "flux-pro-1.0-fill",
        prompt="mountains",
        image=encoded("red"),
        mask=base64.b64encode(file.getvalue()).decode(),
        output_format="png",
    )
    assert image.size == (256, 192)
    assert image.crop((128, 0, 256, 150)).getcolors() == [(128 * 150, RED)]
    assert image.crop((0, 0, 128, 150)).getcolors() != [(128 * 150, RED)]


async def test_transparency_may_be_the_mask(picture: Picture, encoded: Encoded) -> None:
    image = await picture(
        "flux-pro-1.0-fill", image=encoded("#ff000000", mode="RGBA"), prompt="sea", output_format="png"
    )
    assert image.getpixel((10, 10)) != RED


async def test_an_expansion_paints_around_the_picture(picture: Picture, encoded: Encoded) -> None:
    image = await picture(
        "flux-pro-1.0-expand", prompt="sea", image=encoded("red"), top=64, left=32, output_format="png"
    )
    assert image.size == (288, 256)
    assert image.crop((32, 64, 200, 200)).getcolors() == [(168 * 136, RED)]
    assert image.getpixel((10, 10)) != RED


@pytest.mark.parametrize("tool", ["flux-tools/erase-v1", "flux-tools/deblur-v1"])
async def test_erasing_and_deblurring_keep_the_size(picture: Picture, encoded: Encoded, tool: str) -> None:
    image = await picture(tool, image=encoded("red"), mask=encoded("white"), output_format="png")
    assert image.size == (256, 192)
    assert image.getpixel((10, 10)) == RED


async def test_an_input_may_be_a_data_uri_or_an_address(
    picture: Picture, encoded: Encoded, make: Make, order: Order, clock: LeapingClock
) -> None:
    await picture("flux-kontext-pro", prompt="a", input_image=f"data:image/png;base64,{encoded()}")
    content = base64.b64decode(encoded("blue", (200, 100)))
    outside = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=content))
    )
    app = make(http=outside)
    async with outside, httpx.AsyncClient(transport=SandboxTransport(app), headers={"x-key": "k"}) as client:
        given = {"prompt": "a", "input_image": "https://example.com/a.png"}
        created = (await client.post("https://api.bfl.ai/v1/flux-2-pro", json=given)).json()
    assert created["input_mp"] == 0.02


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"image": "no base64!"}, "Neither base64 nor an address"),
        ({"image": "aGVsbG8="}, "cannot identify image file"),
        ({"mask": "small"}, "mask must have the size of the image, 256x192, not 64x64"),
    ],
)
async def test_a_picture_that_cannot_be_used_is_an_error_at_the_end(
    finished: Order, encoded: Encoded, given: dict[str, str], reason: str
) -> None:
    if given.get("mask") == "small":
        given = {"mask": encoded("white", (64, 64))}
    found = await finished("flux-pro-1.0-fill", **{"image": encoded(), **given})
    assert (found["status"], found["details"]) == ("Error", {"error": reason})


async def test_a_picture_lies_there_for_ten_minutes(
    bfl: httpx.AsyncClient, finished: Order, clock: LeapingClock
) -> None:
    address = (await finished(prompt="a", width=256, height=256))["result"]["sample"]
    clock.advance(598)
    assert (await bfl.get(address)).status_code == 200
    clock.advance(2)
    late = await bfl.get(address)
    assert (late.status_code, late.headers["content-type"]) == (403, "application/xml")
    assert "Signature not valid in the specified time frame" in late.text


async def test_an_address_is_good_only_as_it_was_signed(bfl: httpx.AsyncClient, finished: Order) -> None:
    address = (await finished(prompt="a"))["result"]["sample"]
    for wrong in (address + "x", address.partition("?")[0], address.replace(".jpeg", ".png")):
        assert (await bfl.get(wrong)).status_code == 403


async def test_a_key_that_is_sent_with_a_download_is_noticed(bfl: httpx.AsyncClient, finished: Order) -> None:
    address = (await finished(prompt="a", width=256, height=256))["result"]["sample"]
    await bfl.get(address)
    counts = (await bfl.get("https://api.replicate.com/sandbox")).json()
    assert (counts["bfl_downloads"], counts["bfl_keys_leaked"]) == (1, 1)
