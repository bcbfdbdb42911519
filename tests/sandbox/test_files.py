"""Uploaded files."""

import hashlib
from pathlib import Path

import httpx
import pytest

from app.sandbox import files
from app.sandbox.sandbox import Sandbox
from tests.sandbox.leaping_clock import LeapingClock


async def test_a_file_is_described_with_all_that_clients_need(api: httpx.AsyncClient, tmp_path: Path) -> None:
    response = await api.post(
        "files",
        files={"content": ("cat.txt", b"meow", "text/plain")},
        data={"metadata": '{"colour": "black"}'},
    )
    found = response.json()
    assert response.status_code == 201
    assert (found["name"], found["content_type"], found["size"]) == ("cat.txt", "text/plain", 4)
    assert found["checksums"]["sha256"] == hashlib.sha256(b"meow").hexdigest()
    assert found["etag"]
    assert found["checksums"]["md5"]
    assert found["metadata"] == {"colour": "black"}
    assert found["created_at"][:10] == "2026-01-01"
    assert found["expires_at"] == found["created_at"].replace("2026-01-01", "2026-01-02")
    assert (await api.get(found["urls"]["get"])).json() == found
    assert (tmp_path / "files" / found["id"]).read_bytes() == b"meow"


async def test_form_fields_win_over_what_the_part_says(api: httpx.AsyncClient) -> None:
    response = await api.post(
        "files",
        files={"content": ("a.bin", b"x", "application/zip")},
        data={"filename": "b.bin", "type": "text/csv"},
    )
    assert (response.json()["name"], response.json()["content_type"]) == ("b.bin", "text/csv")


async def test_a_deleted_file_is_gone(api: httpx.AsyncClient, uploaded: str, tmp_path: Path) -> None:
    assert (await api.delete(uploaded)).status_code == 204
    response = await api.get(uploaded)
    assert (response.status_code, response.json()["detail"]) == (404, "File not found")
    assert (await api.delete(uploaded)).status_code == 404
    assert list((tmp_path / "files").iterdir()) == []


async def test_a_file_expires_after_a_day(api: httpx.AsyncClient, uploaded: str, clock: LeapingClock) -> None:
    clock.advance(24 * 3600 - 1)
    assert len((await api.get("files")).json()["results"]) == 1
    clock.advance(1)
    assert (await api.get(uploaded)).status_code == 404
    assert (await api.get("files")).json()["results"] == []


async def test_files_are_paged(api: httpx.AsyncClient) -> None:
    ids = [
        (await api.post("files", files={"content": (f"{number}", b"x")})).json()["id"]
        for number in range(101)
    ]
    first = (await api.get("files")).json()
    second = (await api.get(first["next"])).json()
    assert [found["id"] for page in (first, second) for found in page["results"]] == ids[::-1]
    assert (await api.get(second["previous"])).json()["results"] == first["results"]


async def test_more_than_the_limit_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.post(
        "files",
        headers={"Content-Length": str(files.MAX_BYTES + 2**21), "Content-Type": "multipart/form-data"},
    )
    assert (response.status_code, response.json()["detail"]) == (413, "Files must be less than 100MB in size")


@pytest.mark.parametrize(
    ("parts", "data"),
    [
        ({"other": ("a", b"x")}, {}),
        ({"content": ("a" * 256, b"x")}, {}),
        ({"content": ("a", b"x")}, {"metadata": "[]"}),
        ({"content": ("a", b"x")}, {"metadata": "{"}),
    ],
)
async def test_a_wrong_form_is_refused(
    api: httpx.AsyncClient, parts: dict[str, tuple[str, bytes]], data: dict[str, str]
) -> None:
    assert (await api.post("files", files=parts, data=data)).status_code == 422


async def test_a_body_that_is_no_form_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post("files", json={})).status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await api.post("files", content=b"nothing", headers=broken)).status_code in (400, 422)


async def test_a_signed_address_gives_the_content(
    api: httpx.AsyncClient, sandbox: Sandbox, uploaded: str, archive: bytes, clock: LeapingClock
) -> None:
    file_id = uploaded.rpartition("/")[2]
    expiry = str(int(clock.now().timestamp()) + 60)
    signature = await sandbox.files.signature("sandbox", file_id, expiry)
    query = {"owner": "sandbox", "expiry": expiry, "signature": signature}
    response = await api.get(f"{uploaded}/download", params=query, headers={"Authorization": ""})
    assert response.content == archive
    for wrong in ({"owner": "other"}, {"expiry": "9" * 5000}, {"signature": "é"}):
        assert (await api.get(f"{uploaded}/download", params=query | wrong)).status_code == 403
    clock.advance(61)
    assert (await api.get(f"{uploaded}/download", params=query)).status_code == 403
