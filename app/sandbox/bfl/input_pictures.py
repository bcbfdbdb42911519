"""Input pictures, kept as they came: in base64, as `data:` URIs or under addresses."""

import asyncio
import base64
import binascii
import hashlib
import io
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path

from app.sandbox.inputs import Inputs, UnreadableInputError

_MOST_BYTES = 20 * 2**20
_MOST_PIXELS = 20_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


@dataclass(frozen=True)
class InputPicture:
    """A picture that was kept, its size as it stands upright."""

    name: str
    width: int
    height: int


class InputPictures:
    """The pictures under `directory`, each under the digest of its content."""

    def __init__(self, directory: Path, inputs: Inputs) -> None:
        self._directory = directory
        self._inputs = inputs

    async def keep(self, given: str) -> InputPicture:
        """Read a picture and keep it; UnreadableInputError when it is none."""
        if given.startswith(("http://", "https://", "data:")):
            async with self._inputs.open(given) as path:
                return await asyncio.to_thread(lambda: self._keep(path.read_bytes()))
        return await asyncio.to_thread(lambda: self._keep(decoded(given)))

    def path(self, name: str) -> Path:
        """Where a kept picture lies."""
        return self._directory / name

    def _keep(self, content: bytes) -> InputPicture:
        width, height = _size(content)
        name = hashlib.sha256(content).hexdigest()
        self._directory.mkdir(parents=True, exist_ok=True)
        part = self._directory / f"{name}.{secrets.token_hex(4)}.part"
        part.write_bytes(content)
        part.replace(self.path(name))
        return InputPicture(name, width, height)


def decoded(text: str) -> bytes:
    """The bytes that are given in base64; UnreadableInputError when it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UnreadableInputError("Neither base64 nor an address") from exc


def _size(content: bytes) -> tuple[int, int]:
    """Width and height of a picture that is whole and not too large."""
    from PIL import Image, ImageOps

    if len(content) > _MOST_BYTES:
        raise UnreadableInputError("An input image must have at most 20 MB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow thinks of a picture's size is decided below
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise UnreadableInputError("An input image must have at most 20 megapixels")
                return ImageOps.exif_transpose(picture).size
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as exc:
        raise UnreadableInputError("cannot identify image file") from exc
