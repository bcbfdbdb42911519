"""The processes that write pictures, as the system lists them."""

import os
from pathlib import Path


def picture_writers(folder: Path) -> list[int]:
    """The ids of those that write into `folder`."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:  # It ended while we looked.
            continue
        if b"app.storage.picture_writer" in words and os.fsencode(folder) in words:
            pids.append(int(entry.name))
    return pids
