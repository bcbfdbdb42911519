"""Files: uploaded, looked at, listed, deleted."""

import hashlib
from pathlib import Path

import pytest
import replicate
from replicate import AsyncReplicate, Replicate


def test_a_file_is_uploaded_and_deleted(client: Replicate, training_pictures: Path) -> None:
    file = client.files.create(content=training_pictures, type="application/zip")

    content = training_pictures.read_bytes()
    assert (file.content_type, file.size) == ("application/zip", len(content))
    assert file.checksums.sha256 == hashlib.sha256(content).hexdigest()
    assert (file.expires_at - file.created_at).total_seconds() == pytest.approx(24 * 60 * 60)
    assert client.files.get(file_id=file.id).urls.get == file.urls.get
    assert file.id in [listed.id for listed in client.files.list()]
    client.files.delete(file_id=file.id)
    assert file.id not in [listed.id for listed in client.files.list()]
    with pytest.raises(replicate.NotFoundError, match="File not found"):
        client.files.get(file_id=file.id)
    with pytest.raises(replicate.NotFoundError):
        client.files.delete(file_id=file.id)


def test_the_kind_of_a_file_may_be_told_with_it(client: Replicate) -> None:
    file = client.files.create(content=("cats.txt", b"cats", "text/x-cats"))

    assert (file.content_type, file.size) == ("text/x-cats", 4)


async def test_coroutines_do_the_same(aclient: AsyncReplicate) -> None:
    file = await aclient.files.create(content=b"cats", filename="cats.txt")

    assert (await aclient.files.get(file_id=file.id)).size == 4
    assert file.id in [listed.id async for listed in aclient.files.list()]
    await aclient.files.delete(file_id=file.id)
    with pytest.raises(replicate.NotFoundError):
        await aclient.files.get(file_id=file.id)
