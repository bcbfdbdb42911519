"""How much memory the check of a large set takes, measured as the operating system sees it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.services.training_sets.photos import encoded, exif_of, photo

ENTRIES = 5_000
MOST_BYTES = 300 * 1024**2
ROOT = Path(__file__).parents[3]

CHECK = r"""
import asyncio, re, sys
from pathlib import Path
from app.clock import SystemClock
from app.services.training_sets import TrainingSets

class Upload:
    filename = "set.zip"
    def __init__(self, path): self._file = open(path, "rb")
    async def read(self, size=-1): return self._file.read(size)

async def main():
    sets = TrainingSets(directory=Path(sys.argv[2]), limit_bytes=10**9, clock=SystemClock())
    taken = await sets.take_in([Upload(sys.argv[1])])
    # What getrusage tells includes the memory of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(taken.report.pictures, int(peak[1]) * 1024)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_five_thousand_pictures_with_huge_ones_among_them_stay_below_300_mb(tmp_path: Path) -> None:
    small = [encoded(photo(n, (96, 96))) for n in range(20)]
    huge = {
        "turned.jpg": encoded(Image.new("RGB", (8900, 8900), "teal"), exif=exif_of(orientation=6)),
        "large.png": encoded(Image.new("RGBA", (4500, 4400), "teal"), "PNG", compress_level=1),
        "large.webp": encoded(Image.new("RGB", (4000, 3000), "teal"), "WEBP", method=0, quality=20),
    }
    upload = tmp_path / "set.zip"
    with zipfile.ZipFile(upload, "w") as archive:
        for name, content in huge.items():
            archive.writestr(name, content)
        for number in range(ENTRIES - len(huge)):
            archive.writestr(f"{number}.jpg", small[number % len(small)])

    run = subprocess.run(
        [sys.executable, "-c", CHECK, str(upload), str(tmp_path / "sets")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    pictures, peak = map(int, run.stdout.split())
    assert pictures == ENTRIES
    assert peak < MOST_BYTES, f"{peak / 1024**2:.0f} MB"
