"""How much memory there is in all: the device's own, or this machine's."""

import os
import sys
from pathlib import Path

from app.services.local_diffusers import libraries
from app.services.local_diffusers.devices import Device
from app.services.local_diffusers.model_settings import DeviceChoice

# Where Linux says how much a container may have, in the second and the first version of its control groups.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def total_bytes(device: Device) -> int:
    """The memory that models on the device have. Needs the packages that run models."""
    match device.kind:
        case DeviceChoice.CUDA:
            _, total = libraries.torch().cuda.mem_get_info()
            return int(total)
        case DeviceChoice.MPS:
            return int(libraries.torch().mps.recommended_max_memory())
    return main_memory_bytes()


def main_memory_bytes() -> int:
    """What this machine has, or this container may use of it; no bound where the system does not tell."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CONTAINER_LIMITS:
        try:
            return min(there, int(file.read_text()))
        except (OSError, ValueError):
            continue  # No such file, or the word "max".
    return there
