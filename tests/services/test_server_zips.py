"""Zips on the server are reached by their bare names, and nothing else is."""

import os
from pathlib import Path

import pytest

from app.errors import InvalidRequestError
from app.services.server_zips import ServerZips


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """The two places that zips are taken from, and a secret outside of them."""
    places = [tmp_path / "training_images", tmp_path / "app"]
    for place in places:
        place.mkdir()
    (tmp_path / "secret.zip").write_bytes(b"secret")
    return places


@pytest.fixture
def zips(places: list[Path]) -> ServerZips:
    """The zips in both places."""
    return ServerZips(places)


async def content(zips: ServerZips, name: str) -> bytes:
    """What is in the zip of that name."""
    async with zips.open(name) as upload:
        assert upload.filename == name
        return await upload.read()


async def test_a_zip_is_found_in_either_place_and_the_first_comes_first(
    zips: ServerZips, places: list[Path]
) -> None:
    (places[0] / "cats.zip").write_bytes(b"first")
    (places[1] / "cats.zip").write_bytes(b"second")
    (places[1] / "my dogs.ZIP").write_bytes(b"dogs")

    assert await content(zips, "cats.zip") == b"first"
    assert await content(zips, "my dogs.ZIP") == b"dogs"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.zip",
        "..",
        ".",
        "",
        ".zip",
        ".hidden.zip",
        "in/cats.zip",
        "in\\cats.zip",
        "..\\secret.zip",
        "/etc/passwd.zip",
        "C:secret.zip",
        "C:\\secret.zip",
        "file:secret.zip",
        "cats.zip\0",
        "cats\n.zip",
        "cats.tar",
        "cats",
        f"{'x' * 300}.zip",
        "%2e%2e%2fsecret.zip",
        "nobody.zip",
    ],
)
async def test_no_other_name_leads_anywhere(zips: ServerZips, places: list[Path], name: str) -> None:
    (places[0] / "in").mkdir()
    (places[0] / "in" / "cats.zip").write_bytes(b"deeper")
    (places[0] / ".hidden.zip").write_bytes(b"hidden")

    with pytest.raises(InvalidRequestError) as refused:
        await content(zips, name)

    assert [error.field for error in refused.value.errors] == ["file_name"]


async def test_links_folders_and_pipes_are_not_zips(zips: ServerZips, places: list[Path]) -> None:
    (places[0] / "link.zip").symlink_to(places[0].parent / "secret.zip")
    (places[0] / "folder.zip").mkdir()
    os.mkfifo(places[0] / "pipe.zip")

    for name in ("link.zip", "folder.zip", "pipe.zip"):
        with pytest.raises(InvalidRequestError):
            await content(zips, name)


async def test_a_place_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cats.zip").write_bytes(b"cats")

    assert await content(ServerZips([tmp_path / "missing", tmp_path]), "cats.zip") == b"cats"
