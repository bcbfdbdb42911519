"""The header of a `.safetensors` file: names, shapes and metadata, without reading a weight."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".safetensors"

# The format's own bound for a header; the largest real ones have less than a megabyte.
_MOST_HEADER_BYTES = 100_000_000
_LENGTH_BYTES = 8


class UnreadableTensorFileError(Exception):
    """The file is no whole `.safetensors` file; the message is the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header describes it; `dtype` in the format's words, as in `F16`."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What the header of a file tells."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    @property
    def numbers(self) -> int:
        """How many numbers all tensors hold together."""
        return sum(tensor.numbers for tensor in self.tensors.values())


def read_tensor_file(path: Path) -> TensorFile:
    """The header of the file at `path`. Blocks, for milliseconds.

    Raises `UnreadableTensorFileError`, also where the weights behind the header are cut off.
    """
    try:
        with path.open("rb") as file:
            header, behind = _header_of(file, path.stat().st_size)
    except OSError as exc:
        raise UnreadableTensorFileError(f"cannot be read ({exc.strerror})") from exc
    metadata = header.pop("__metadata__", None)
    tensors = {}
    end = 0
    for name, described in header.items():
        tensor, stop = _tensor(described)
        tensors[name] = tensor
        end = max(end, stop)
    if end > behind:
        raise UnreadableTensorFileError(
            f"is cut off: its weights need {end:,} bytes and {behind:,} are there; copy the file again"
        )
    if end < behind:
        raise UnreadableTensorFileError(
            f"is damaged: {behind - end:,} bytes follow its weights that belong to none"
        )
    if not tensors:
        raise UnreadableTensorFileError("holds no tensors")
    return TensorFile(tensors, _texts(metadata))


def _header_of(file: BinaryIO, size: int) -> tuple[dict[str, object], int]:
    """The parsed header, and how many bytes lie behind it."""
    if size < _LENGTH_BYTES:
        raise UnreadableTensorFileError("is empty" if size == 0 else "is cut off in its header")
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > _MOST_HEADER_BYTES:
        raise _not_safetensors()
    if length > size - _LENGTH_BYTES:
        start = file.read(1)
        raise UnreadableTensorFileError("is cut off in its header") if start == b"{" else _not_safetensors()
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as exc:
        raise _not_safetensors() from exc
    if not isinstance(header, dict):
        raise _not_safetensors()
    return header, size - _LENGTH_BYTES - length


def _tensor(described: object) -> tuple[Tensor, int]:
    """The tensor, and the offset at which its bytes end."""
    match described:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(stop)]} if (
            0 <= start <= stop and all(isinstance(side, int) and side >= 0 for side in shape)
        ):
            return Tensor(dtype, tuple(shape)), stop
    raise _not_safetensors()


def _texts(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict):
        return {}
    return {name: value for name, value in metadata.items() if isinstance(value, str)}


def _not_safetensors() -> UnreadableTensorFileError:
    return UnreadableTensorFileError("is not a safetensors file, whatever its name says")
