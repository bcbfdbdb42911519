"""Files: uploaded, looked at, listed, deleted."""

import hashlib
import io
from pathlib import Path

import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError


def test_a_file_is_uploaded_and_deleted(client: Client, training_pictures: Path) -> None:
    file = client.files.create(training_pictures, metadata={"for": "training"})

    content = training_pictures.read_bytes()
    assert (file.name, file.content_type, file.size) == (
        training_pictures.name,
        "application/zip",
        len(content),
    )
    assert file.checksums["sha256"] == hashlib.sha256(content).hexdigest()
    assert file.checksums["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert file.metadata == {"for": "training"}
    assert file.expires_at
    assert client.files.get(file.id) == file
    assert file in client.files.list()
    assert client.files.delete(file.id) is True
    assert file not in client.files.list()
    for ask in (client.files.get, client.files.delete):
        with pytest.raises(ReplicateError) as caught:
            ask(file.id)
        assert caught.value.status == 404


def test_an_open_file_is_uploaded_under_the_name_given(client: Client) -> None:
    file = client.files.create(io.BytesIO(b"cats"), filename="cats.txt", content_type="text/x-cats")

    assert (file.name, file.content_type, file.size) == ("cats.txt", "text/x-cats", 4)


async def test_the_async_half_does_the_same(aclient: Client) -> None:
    file = await aclient.files.async_create(io.BytesIO(b"cats"), filename="cats.txt")

    assert await aclient.files.async_get(file.id) == file
    assert file in await aclient.files.async_list()
    assert await aclient.files.async_delete(file.id) is True
