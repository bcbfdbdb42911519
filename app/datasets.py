"""Datasets: training pictures that were checked and rebuilt, and what the check found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class FindingCode(StrEnum):
    """What a check can find; the documentation of datasets has a row for each."""

    NOT_A_ZIP = "not_a_zip"
    DAMAGED_ZIP = "damaged_zip"
    SEVERAL_ZIPS = "several_zips"
    ENCRYPTED = "encrypted"
    COMPRESSION_METHOD = "compression_method"
    TOO_MANY_FILES = "too_many_files"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    ZIP_BOMB = "zip_bomb"
    NO_PICTURE = "no_picture"
    DESTINATION_REFUSED = "destination_refused"
    OPTION_REFUSED = "option_refused"

    UNDECODABLE = "undecodable"
    TOO_SMALL = "too_small"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    BLURRED = "blurred"
    EXTREME_RATIO = "extreme_ratio"
    CAPTION_WITHOUT_PICTURE = "caption_without_picture"
    CAPTION_UNUSABLE = "caption_unusable"
    FEW_PICTURES = "few_pictures"

    CLIMBING_PATH = "climbing_path"
    LINK = "link"
    DESKTOP_FILE = "desktop_file"
    OTHER_FILE = "other_file"


@dataclass(frozen=True, slots=True)
class FileFinding:
    """One thing found; `message` is a sentence, `file` the file's name in the set where it is about one."""

    code: FindingCode
    message: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What the check of a set found.

    With `errors` the set cannot be trained on; `warnings` say what makes the result worse; `ignored` names
    the files that play no part. `pictures` and `captions` count what is sent.
    """

    pictures: int
    captions: int
    errors: tuple[FileFinding, ...] = ()
    warnings: tuple[FileFinding, ...] = ()
    ignored: tuple[FileFinding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as it is stored and shown."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The report that `as_json` gave."""
        return cls(
            pictures=stored["pictures"],
            captions=stored["captions"],
            errors=_findings(stored["errors"]),
            warnings=_findings(stored["warnings"]),
            ignored=_findings(stored["ignored"]),
        )


def _findings(stored: list[dict[str, Any]]) -> tuple[FileFinding, ...]:
    return tuple(FileFinding(FindingCode(each["code"]), each["message"], each["file"]) for each in stored)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set that can be trained on. `id` is the SHA-256 of its zip, `name` what its owner called it."""

    id: str
    name: str
    created_at: datetime
    size_bytes: int
    report: DatasetReport


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """A file that lies at a provider, until `expires_at`."""

    address: str
    expires_at: datetime
