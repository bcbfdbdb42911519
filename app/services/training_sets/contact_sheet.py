"""All pictures of a set on one small picture."""

import io
import zipfile
from pathlib import Path

from app.services.training_sets.members import suffix_of
from app.services.training_sets.picture_headers import FORMATS, SUFFIXES

COLUMNS = 6
MOST_PICTURES = 60
TILE = 160
_GAP = 8
_PAPER = (244, 244, 242)
_QUALITY = 80


def draw_contact_sheet(archive_path: Path) -> bytes:
    """The first pictures of a rebuilt zip as WebP, in the zip's order. Blocks."""
    from PIL import Image

    with zipfile.ZipFile(archive_path) as archive:
        names = [name for name in archive.namelist() if suffix_of(name) in SUFFIXES][:MOST_PICTURES]
        columns = max(1, min(COLUMNS, len(names)))
        rows = -(-len(names) // columns)
        step = TILE + _GAP
        sheet = Image.new("RGB", (columns * step + _GAP, rows * step + _GAP), _PAPER)
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            with Image.open(io.BytesIO(archive.read(name)), formats=FORMATS) as picture:
                picture.draft(None, (TILE, TILE))
                picture.thumbnail((TILE, TILE))
                x = _GAP + column * step + (TILE - picture.width) // 2
                y = _GAP + row * step + (TILE - picture.height) // 2
                sheet.paste(picture.convert("RGB"), (x, y))
    drawn = io.BytesIO()
    sheet.save(drawn, "WEBP", quality=_QUALITY)
    return drawn.getvalue()
