"""Pictures that come with a request: a `data:` address, or the same base64 without its beginning."""

import base64
import binascii
import io
from typing import TYPE_CHECKING

from app.errors import FieldError, InvalidRequestError
from app.services.training_sets.picture_headers import (
    FORMATS,
    TooManyPixelsError,
    UnreadablePictureError,
    read_header,
)

if TYPE_CHECKING:
    from PIL.Image import Image


def given_picture(field: str, text: str) -> "Image":
    """The picture in `text`, upright. Blocks. Raises `InvalidRequestError` that names the field."""
    from PIL import Image, ImageOps

    try:
        data = _decoded(text)
        read_header(io.BytesIO(data))
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)
    except (UnreadablePictureError, TooManyPixelsError) as exc:
        reason = str(exc)
    except Exception:
        # Pillow names no closed list of what damaged data may raise.
        reason = "cannot be decoded: it is cut off or damaged"
    raise InvalidRequestError(
        [
            FieldError(
                field, f"The picture {reason}. A PNG, JPEG or WebP in base64, or as a data: URI, is allowed."
            )
        ]
    )


def _decoded(text: str) -> bytes:
    if text.startswith(("http://", "https://")):
        raise UnreadablePictureError("is an address, and none is fetched for models on this machine")
    if text.startswith("data:"):
        kind, _, text = text.partition(",")
        if not kind.endswith(";base64"):
            raise UnreadablePictureError("is a data: URI without base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UnreadablePictureError("is not in base64") from exc
