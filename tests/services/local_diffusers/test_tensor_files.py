"""Headers of `.safetensors` files, whole and broken."""

import json
from pathlib import Path

import pytest

from app.services.local_diffusers.tensor_files import Tensor, UnreadableTensorFileError, read_tensor_file
from tests.services.local_diffusers.headers import write_header


def with_header(path: Path, header: object, weights: bytes = b"") -> Path:
    """A file with any header at all."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + weights)
    return path


def test_names_shapes_and_metadata_are_read(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m.safetensors", {"a": (2, 3), "b": (4,)}, {"modelspec.title": "M"})

    file = read_tensor_file(path)

    assert file.tensors == {"a": Tensor("F16", (2, 3)), "b": Tensor("F16", (4,))}
    assert (file.metadata, file.numbers) == ({"modelspec.title": "M"}, 10)


def test_a_file_that_is_cut_off_says_how_much_is_missing(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m.safetensors", {"a": (1000,)})
    path.write_bytes(path.read_bytes()[:-500])

    with pytest.raises(UnreadableTensorFileError, match="is cut off: its weights need 2,000 bytes and 1,500"):
        read_tensor_file(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"1234", "is cut off in its header"),
        ((100).to_bytes(8, "little") + b'{"a": {', "is cut off in its header"),
        (b"\x80\x02}q\x00X\x05\x00\x00\x00epoch", "is not a safetensors file"),
        (b"PK\x03\x04" + bytes(60), "is not a safetensors file"),
        (b"<!DOCTYPE html><title>Log in</title>", "is not a safetensors file"),
        ((2**62).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        ((2).to_bytes(8, "little") + b"{}", "holds no tensors"),
        ((4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc", "is not a safetensors file"),
        ((100_000).to_bytes(8, "little") + b"[" * 100_000, "is not a safetensors file"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)

    with pytest.raises(UnreadableTensorFileError, match=complaint):
        read_tensor_file(path)


@pytest.mark.parametrize(
    "described",
    [
        7,
        {"dtype": "F16", "shape": [1]},
        {"dtype": "F16", "shape": ["1"], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]},
        {"dtype": "F16", "shape": [1], "data_offsets": [0]},
    ],
)
def test_a_tensor_that_makes_no_sense_is_refused(tmp_path: Path, described: object) -> None:
    path = with_header(tmp_path / "m.safetensors", {"a": described}, bytes(2))

    with pytest.raises(UnreadableTensorFileError, match="is not a safetensors file"):
        read_tensor_file(path)


def test_bytes_that_belong_to_no_tensor_are_refused(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m.safetensors", {"a": (1,)})
    path.write_bytes(path.read_bytes() + b"more")

    with pytest.raises(UnreadableTensorFileError, match="is damaged: 4 bytes follow"):
        read_tensor_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTensorFileError, match=r"cannot be read \(No such file"):
        read_tensor_file(tmp_path / "m.safetensors")
