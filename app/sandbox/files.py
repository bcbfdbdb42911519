"""Uploaded files: kept for a day, described in rows, their content in a folder."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import shutil
import sqlite3
import uuid
from asyncio import to_thread
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from app.sandbox.addresses import Addresses
from app.sandbox.clock import Clock, wire_time
from app.sandbox.database import Database, secret
from app.sandbox.input_schema import JSONObject
from app.sandbox.problems import ProblemError
from app.sandbox.run_store import moment

MAX_BYTES = 100 * 2**20
_EXPIRY = re.compile(r"\d{1,12}")
_LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file."""

    id: str
    name: str
    content_type: str
    size: int
    sha256: str
    md5: str
    metadata: JSONObject
    created: datetime
    expires: datetime


def file_not_found() -> ProblemError:
    """404 in the words that the files API has for it."""
    return ProblemError(404, "File not found")


def too_large() -> ProblemError:
    """413 above `MAX_BYTES`."""
    return ProblemError(413, "Files must be less than 100MB in size")


class Files:
    """The files of the account, their content under `directory`."""

    def __init__(
        self, *, database: Database, clock: Clock, directory: Path, addresses: Addresses, account: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory
        self._addresses = addresses
        self._account = account

    async def add(
        self, content: BinaryIO, *, name: str, content_type: str, metadata: JSONObject
    ) -> StoredFile:
        """Keep what is in `content`; 413 when that is too much."""
        file_id = base64.urlsafe_b64encode(str(uuid.uuid4()).encode()).decode().rstrip("=")
        size, sha256, md5 = await to_thread(self._store, content, file_id)
        now = self._clock.now()
        found = StoredFile(file_id, name, content_type, size, sha256, md5, metadata, now, now + _LIFETIME)
        await self._database.write(lambda connection: _insert(connection, found))
        return found

    async def get(self, file_id: str) -> StoredFile:
        """The file with that id; 404 when it was deleted, has expired or never was."""
        now = self._clock.now().timestamp()
        row = await self._database.read(
            lambda connection: connection.execute(
                "select * from files where id = ? and expires > ?", (file_id, now)
            ).fetchone()
        )
        if row is None:
            raise file_not_found()
        return _file(row)

    async def newest(
        self, limit: int, *, before: int | None = None, after: int | None = None
    ) -> list[tuple[int, StoredFile]]:
        """Up to `limit` files with their row numbers, newest first; `after` as in `run_store.newest`."""
        now = self._clock.now().timestamp()
        query = "select * from files where expires > ? and seq < ? order by seq desc limit ?"
        bound = 2**62 if before is None else before
        if after is not None:
            query, bound = "select * from files where expires > ? and seq > ? order by seq asc limit ?", after
        rows = await self._database.read(
            lambda connection: connection.execute(query, (now, bound, limit)).fetchall()
        )
        found = [(int(row["seq"]), _file(row)) for row in rows]
        return found if after is None else found[::-1]

    async def delete(self, file_id: str) -> None:
        """Forget a file."""
        await self.get(file_id)
        await self._database.write(
            lambda connection: connection.execute("delete from files where id = ?", (file_id,))
        )
        await to_thread(self._content(file_id).unlink, missing_ok=True)

    async def path(self, file_id: str) -> Path | None:
        """Where the content lies, for the workers."""
        try:
            return self._content((await self.get(file_id)).id)
        except ProblemError:
            return None

    async def signed_path(
        self, file_id: str, *, owner: str, expiry: str, signature: str
    ) -> tuple[StoredFile, Path]:
        """The file that a signed address may have; 403 when the signature is wrong or has expired."""
        right = await self.signature(owner, file_id, expiry)
        in_time = bool(_EXPIRY.fullmatch(expiry)) and int(expiry) >= self._clock.now().timestamp()
        if (
            owner != self._account
            or not in_time
            or not hmac.compare_digest(right.encode(), signature.encode())
        ):
            raise ProblemError(403, "The signature is not valid or has expired.", title="Forbidden")
        found = await self.get(file_id)
        return found, self._content(found.id)

    async def signature(self, owner: str, file_id: str, expiry: str) -> str:
        """The signature with which `owner` may download until `expiry`, in Unix seconds."""
        fresh = secrets.token_hex(32)
        key = await self._database.write(lambda connection: secret(connection, "files", fresh))
        digest = hmac.digest(key.encode(), f"{owner} {file_id} {expiry}".encode(), "sha256")
        return base64.b64encode(digest).decode()

    def show(self, file: StoredFile) -> JSONObject:
        """`file` as JSON; version 1 of the official client needs `name` and `etag`, too."""
        return {
            "id": file.id,
            "name": file.name,
            "content_type": file.content_type,
            "size": file.size,
            "etag": file.md5,
            "checksums": {"sha256": file.sha256, "md5": file.md5},
            "metadata": file.metadata,
            "created_at": wire_time(file.created, f"{file.id}created"),
            "expires_at": wire_time(file.expires, f"{file.id}created"),
            "urls": {"get": self._addresses.file(file.id)},
        }

    def _content(self, file_id: str) -> Path:
        return self._directory / file_id

    def _store(self, content: BinaryIO, file_id: str) -> tuple[int, str, str]:
        content.seek(0, 2)
        size = content.tell()
        if size > MAX_BYTES:
            raise too_large()
        self._directory.mkdir(parents=True, exist_ok=True)
        target, part = self._content(file_id), self._directory / f"{file_id}.part"
        content.seek(0)
        with part.open("wb") as stream:
            shutil.copyfileobj(content, stream)
        part.replace(target)
        digests = []
        for algorithm in ("sha256", "md5"):
            with target.open("rb") as stream:
                digests.append(hashlib.file_digest(stream, algorithm).hexdigest())
        return size, digests[0], digests[1]


def _insert(connection: sqlite3.Connection, file: StoredFile) -> None:
    connection.execute(
        "insert into files (id, name, content_type, size, sha256, md5, metadata, created, expires)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.id,
            file.name,
            file.content_type,
            file.size,
            file.sha256,
            file.md5,
            json.dumps(file.metadata),
            file.created.timestamp(),
            file.expires.timestamp(),
        ),
    )


def _file(row: sqlite3.Row) -> StoredFile:
    return StoredFile(
        id=row["id"],
        name=row["name"],
        content_type=row["content_type"],
        size=row["size"],
        sha256=row["sha256"],
        md5=row["md5"],
        metadata=json.loads(row["metadata"]),
        created=moment(row["created"]),
        expires=moment(row["expires"]),
    )
