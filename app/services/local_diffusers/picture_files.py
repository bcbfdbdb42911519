"""The files that finished pictures become."""

import io
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureFormat(StrEnum):
    """How a picture can be had; the value is what its file's name ends in."""

    WEBP = "webp"
    JPG = "jpg"
    PNG = "png"


def encoded(picture: "Image", kind: PictureFormat) -> bytes:
    """The picture as a file of that kind. Blocks, for a tenth of a second or two."""
    file = io.BytesIO()
    match kind:
        case PictureFormat.WEBP:
            picture.save(file, "WEBP", quality=90)
        case PictureFormat.JPG:
            picture.convert("RGB").save(file, "JPEG", quality=95)
        case PictureFormat.PNG:
            picture.save(file, "PNG")
        case _:
            assert_never(kind)
    return file.getvalue()
