import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import DownloadError
from app.models import Image
from app.services.images import ImageService
from app.storage.files import ImageFiles
from tests.manual_clock import ManualClock
from tests.pictures import Bodies, Contents, KnownImages, download_from, encoded

JOB = "0f" * 16
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("kind", "extension", "media_type"),
    [
        ("PNG", "png", "image/png"),
        ("JPEG", "jpg", "image/jpeg"),
        ("WEBP", "webp", "image/webp"),
        ("GIF", "gif", "image/gif"),
    ],
)
async def test_a_picture_is_kept_under_what_it_is(
    images: ImageService,
    store: Path,
    contents: Contents,
    clock: ManualClock,
    kind: str,
    extension: str,
    media_type: str,
) -> None:
    body = encoded(kind)
    # Whatever ending the address has.
    (image,) = await images.bring_home(
        JOB, ["https://x/out-0.webp"], download_from({"https://x/out-0.webp": [body]})
    )
    assert image == Image(
        name=f"generated_image_{JOB}_1.{extension}",
        job_id=JOB,
        position=1,
        media_type=media_type,
        width=64,
        height=48,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        created_at=clock.now(),
    )
    assert await contents() == {image.name: len(body)}
    assert await asyncio.to_thread((store / image.name).read_bytes) == body


async def test_several_pictures_come_home_at_once(images: ImageService) -> None:
    waiting = asyncio.Barrier(4)

    async def download(url: str) -> AsyncIterator[bytes]:
        await waiting.wait()  # Nobody gets past here before all four have begun.
        yield encoded("PNG", width=int(url))

    home = await images.bring_home(JOB, ["10", "20", "30", "40"], download)
    assert [(image.position, image.width) for image in home] == [(1, 10), (2, 20), (3, 30), (4, 40)]


async def test_bringing_home_again_changes_nothing(images: ImageService, contents: Contents) -> None:
    download = download_from({"a": [encoded("WEBP")]})
    first = await images.bring_home(JOB, ["a"], download)
    assert await images.bring_home(JOB, ["a"], download) == first
    assert list(await contents()) == [first[0].name]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("cut", [1, 40, 2000])
async def test_a_picture_that_breaks_off_is_refused(
    images: ImageService, contents: Contents, kind: str, cut: int
) -> None:
    body = encoded(kind, 100, 100)[:-cut]
    with pytest.raises(DownloadError, match=f"{kind} picture is incomplete.* {len(body)} bytes") as refusal:
        await images.bring_home(JOB, ["a"], download_from({"a": [body]}))
    assert not refusal.value.gone
    assert await contents() == {}


async def test_a_jpeg_is_not_complete_because_its_preview_is(images: ImageService) -> None:
    preview = encoded("JPEG", 16, 16)
    body = encoded("JPEG", 100, 100)
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    whole = body[:2] + segment + body[2:]
    with pytest.raises(DownloadError, match="incomplete"):
        await images.bring_home(JOB, ["a"], download_from({"a": [whole[:-100]]}))
    assert (await images.bring_home(JOB, ["a"], download_from({"a": [whole]})))[0].width == 100


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_bytes_after_a_picture_do_no_harm(images: ImageService, kind: str) -> None:
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [encoded(kind), b"more"]}))
    assert image.width == 64


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            b"<!DOCTYPE html><html></html>",
            "is not a PNG, JPEG, WebP or GIF picture; it begins with b'<!DOCTYPE html><'",
        ),
        (b"\x89PNG\r\n\x1a\n" + b"IEND\xaeB`\x82", "PNG picture is damaged"),
        (b"GIF89a\x00;", "GIF picture is damaged"),
        (b"RIFF\x04\x00\x00\x00WEBP", "WEBP picture is damaged"),
        (b"\xff\xd8\xff\xff", "JPEG picture is incomplete"),
        (b"", "file is empty"),
    ],
)
async def test_what_is_no_picture_is_refused(
    images: ImageService, contents: Contents, body: bytes, sentence: str
) -> None:
    with pytest.raises(DownloadError) as refusal:
        await images.bring_home(JOB, ["a"], download_from({"a": [body] if body else []}))
    assert sentence in refusal.value.detail
    assert not refusal.value.gone
    assert await contents() == {}


async def test_a_picture_of_too_many_pixels_is_refused_for_good(images: ImageService) -> None:
    small = encoded("GIF", 4, 4)
    huge = small[:6] + (10_001).to_bytes(2, "little") + (10_000).to_bytes(2, "little") + small[10:]
    with pytest.raises(DownloadError, match="10001 x 10000 pixels") as refusal:
        await images.bring_home(JOB, ["a"], download_from({"a": [huge]}))
    assert refusal.value.gone


async def test_a_picture_of_too_many_bytes_is_refused_for_good(
    images: ImageService, contents: Contents
) -> None:
    piece = bytes(8 * MIB)
    with pytest.raises(DownloadError, match="larger than 256 MiB") as refusal:
        await images.bring_home(JOB, ["a"], download_from({"a": [piece] * 33}))
    assert refusal.value.gone
    assert await contents() == {}


async def test_a_large_picture_goes_to_disk_piece_by_piece(
    images: ImageService, store: Path, contents: Contents
) -> None:
    body = encoded("PNG", 1800, 1800, "RGB", compress_level=0)
    pieces = [body[at : at + MIB] for at in range(0, len(body), MIB)]
    seen: list[int] = []

    async def download(url: str) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            seen.append(len(await contents()))

    (image,) = await images.bring_home(JOB, ["a"], download)
    assert len(body) > 9 * MIB
    assert (seen[7], seen[8]) == (0, 1)
    assert (image.size_bytes, image.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert (await asyncio.to_thread((store / image.name).read_bytes)) == body


async def test_many_bodies_at_once_do_not_fill_the_memory(images: ImageService, contents: Contents) -> None:
    arrived = asyncio.Barrier(41)
    body = encoded("PNG", 800, 800, "RGB", compress_level=0)

    async def download(url: str) -> AsyncIterator[bytes]:
        yield body
        await arrived.wait()
        await arrived.wait()

    urls = [str(number) for number in range(40)]
    home = asyncio.create_task(images.bring_home(JOB, urls, download))
    await arrived.wait()
    on_disk = sum((await contents()).values())
    await arrived.wait()
    assert len(await home) == 40
    assert len(body) * 40 - on_disk <= 66 * MIB


async def test_a_download_that_breaks_off_leaves_nothing(images: ImageService, contents: Contents) -> None:
    body = encoded("PNG")
    broken = DownloadError("The connection was lost.")
    with pytest.raises(DownloadError) as failure:
        await images.bring_home(JOB, ["a"], download_from({"a": [bytes(9 * MIB), body, broken]}))
    assert failure.value is broken
    assert await contents() == {}


async def test_nothing_has_its_name_before_it_is_whole(images: ImageService, contents: Contents) -> None:
    body = encoded("PNG", 1800, 1800, "RGB", compress_level=0)
    names: set[str] = set()

    async def download(url: str) -> AsyncIterator[bytes]:
        for at in range(0, len(body), MIB):
            yield body[at : at + MIB]
            names.update(await contents())

    await images.bring_home(JOB, ["a"], download)
    assert names
    assert all(name.startswith(".") and name.endswith(".part") for name in names)


async def test_a_cancelled_download_leaves_nothing(images: ImageService, contents: Contents) -> None:
    spilled = asyncio.Event()

    async def download(url: str) -> AsyncIterator[bytes]:
        yield bytes(9 * MIB)
        spilled.set()
        await asyncio.Event().wait()

    home = asyncio.create_task(images.bring_home(JOB, ["a"], download))
    await spilled.wait()
    assert len(await contents()) == 1
    home.cancel()
    with pytest.raises(asyncio.CancelledError):
        await home
    assert await contents() == {}


async def test_a_picture_that_is_gone_is_not_given_up_unless_asked(images: ImageService) -> None:
    bodies: Bodies = {"a": [DownloadError("Deleted.", gone=True)], "b": [encoded("PNG")]}
    with pytest.raises(DownloadError, match="Deleted") as failure:
        await images.bring_home(JOB, ["a", "b"], download_from(bodies))
    assert failure.value.gone
    home = await images.bring_home(JOB, ["a", "b"], download_from(bodies), accept_missing=True)
    assert [image.position for image in home] == [2]


async def test_what_came_is_not_downloaded_again_while_the_others_are_waited_for(
    images: ImageService, store: Path
) -> None:
    asked: list[str] = []
    bodies: dict[str, list[bytes | Exception]] = {
        "a": [DownloadError("Deleted.", gone=True)],
        "b": [encoded("PNG")],
        "c": [encoded("WEBP")],
    }

    def download(url: str) -> AsyncIterator[bytes]:
        asked.append(url)
        return download_from(bodies)(url)

    with pytest.raises(DownloadError):
        await images.bring_home(JOB, ["a", "b", "c"], download)
    # An operator's clean-up in between is noticed.
    await asyncio.to_thread((store / f"generated_image_{JOB}_3.webp").unlink)
    bodies["a"] = [encoded("GIF")]
    home = await images.bring_home(JOB, ["a", "b", "c"], download)
    assert [image.media_type for image in home] == ["image/gif", "image/png", "image/webp"]
    assert asked == ["a", "b", "c", "a", "c"]


async def test_another_address_in_the_same_place_is_another_picture(images: ImageService) -> None:
    bodies: Bodies = {
        "a": [DownloadError("Deleted.", gone=True)],
        "b": [encoded("PNG")],
        "c": [encoded("GIF")],
    }
    with pytest.raises(DownloadError):
        await images.bring_home(JOB, ["b", "a"], download_from(bodies))
    (image, _) = await images.bring_home(JOB, ["c", "b"], download_from(bodies))
    assert image.media_type == "image/gif"


async def test_pictures_that_are_all_gone_are_lost(images: ImageService) -> None:
    gone = [DownloadError("Deleted.", gone=True)]
    with pytest.raises(DownloadError, match="Deleted") as failure:
        await images.bring_home(JOB, ["a", "b"], download_from({"a": gone, "b": gone}), accept_missing=True)
    assert failure.value.gone


async def test_what_may_still_come_is_worth_another_try(images: ImageService) -> None:
    bodies: Bodies = {
        "a": [DownloadError("Deleted.", gone=True)],
        "b": [encoded("PNG")],
        "c": [DownloadError("Busy.")],
    }
    with pytest.raises(DownloadError, match="Busy") as failure:
        await images.bring_home(JOB, ["a", "b", "c"], download_from(bodies))
    assert not failure.value.gone


async def test_a_disk_that_refuses_is_worth_another_try(
    rows: KnownImages, clock: ManualClock, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "a_file"
    await asyncio.to_thread(in_the_way.touch)
    images = ImageService(files=ImageFiles(in_the_way, clock=clock), rows=rows, clock=clock)
    with pytest.raises(DownloadError, match="could not be stored: Not a directory") as failure:
        await images.bring_home(JOB, ["a"], download_from({"a": [encoded()]}))
    assert not failure.value.gone


async def test_a_job_id_cannot_lead_out_of_the_folder(images: ImageService, contents: Contents) -> None:
    with pytest.raises(ValueError, match="cannot be part of a file's name"):
        await images.bring_home("../x", ["a"], download_from({"a": [encoded()]}))
    assert await contents() == {}
