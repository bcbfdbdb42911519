"""Rows of finished pictures; the job store writes them together with the job's last status."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from app.models import Image
from app.storage.database import Database
from app.storage.tables import images

_ONE = select(images).where(images.c.name == bindparam("name"))


class ImageRows:
    """Finds pictures by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Image | None:
        """The picture of that name."""

        def operation(connection: Connection) -> Image | None:
            row = connection.execute(_ONE, {"name": name}).one_or_none()
            return image_from_row(row) if row is not None else None

        return await self._database.read(operation)


def image_to_row(image: Image) -> dict[str, Any]:
    """The values of `image`, by column."""
    return {
        "name": image.name,
        "job_id": image.job_id,
        "position": image.position,
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "size_bytes": image.size_bytes,
        "sha256": image.sha256,
        "created_at": image.created_at,
    }


def image_from_row(row: Row[Any]) -> Image:
    """The image that a row of the table holds."""
    return Image(
        name=row.name,
        job_id=row.job_id,
        position=row.position,
        media_type=row.media_type,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )
