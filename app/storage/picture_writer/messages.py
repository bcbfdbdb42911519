"""What goes over the socket between the service and the process that writes its pictures."""

from dataclasses import dataclass
from struct import Struct

LARGEST_BODY = 2 * 1024 * 1024
"""Bytes of the largest picture that is handed over; what is larger is written by threads."""

_PARCEL = Struct("<QHI")  # number, bytes of the name, bytes of the body
_RECEIPT = Struct("<Qi32s")  # number, errno or 0, SHA-256

PARCEL_BYTES = _PARCEL.size
RECEIPT_BYTES = _RECEIPT.size


@dataclass(frozen=True, slots=True)
class Parcel:
    """What comes before a picture: its number, and how long its name and its body are."""

    number: int
    name_bytes: int
    body_bytes: int

    def packed(self) -> bytes:
        """As it is sent; name and body follow."""
        return _PARCEL.pack(self.number, self.name_bytes, self.body_bytes)

    @classmethod
    def of(cls, packed: bytes | memoryview) -> "Parcel":
        """What was sent."""
        return cls(*_PARCEL.unpack(packed))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a picture: it is on disk, or the system refused with `errno`."""

    number: int
    errno: int
    sha256: bytes = bytes(32)

    def packed(self) -> bytes:
        """As it is sent."""
        return _RECEIPT.pack(self.number, self.errno, self.sha256)

    @classmethod
    def of(cls, packed: bytes | memoryview) -> "Receipt":
        """What was sent."""
        return cls(*_RECEIPT.unpack(packed))
