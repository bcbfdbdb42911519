"""Telling a lack of memory from other faults: every device of torch says it in its own way."""

from app.services.local_diffusers import libraries

# What the processor's and Metal's allocators say, as RuntimeError.
_SAYINGS = ("can't allocate memory", "not enough memory", "out of memory", "invalid buffer size")


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether the device, or main memory, had not enough room."""
    if isinstance(exc, MemoryError | libraries.torch().OutOfMemoryError):
        return True
    return isinstance(exc, RuntimeError) and any(saying in str(exc).lower() for saying in _SAYINGS)
