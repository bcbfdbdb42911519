"""Make a zip of training pictures: a ceramic toy robot in twelve poses and rooms.

python examples/make_training_pictures.py training_pictures.zip
"""

import io
import math
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

SIDE = 768  # pixels, of every picture
_SCALE = 2  # everything is drawn larger and then reduced, for smooth edges
_ROOM = 1000  # the drawing's own units, left to right and top to bottom

_UNIT = SIDE * _SCALE / _ROOM  # pixels

RED, DEEP_RED = (216, 66, 54), (150, 36, 40)
TEAL, DEEP_TEAL = (30, 138, 138), (14, 84, 92)
CREAM, YELLOW, INK = (250, 238, 214), (246, 190, 72), (38, 30, 40)


@dataclass(frozen=True)
class View:
    """One picture: how the robot stands, and where.  Angles are degrees, lengths thousandths of a side."""

    caption: str
    arms: tuple[float, float]  # left and right; 90 hangs down, 0 points outwards, -90 points up
    lean: float
    size: float
    at: tuple[int, int]
    eyes: str
    room: str


VIEWS = (
    View("waving, on a yellow wall", (60, -125), -4, 1.0, (500, 560), "open", "sun"),
    View("arms raised, among confetti", (-140, -140), 0, 0.95, (500, 580), "happy", "confetti"),
    View("close up, looking at the viewer", (70, 70), 0, 1.75, (500, 880), "open", "plain"),
    View("asleep at night under a window", (75, 75), 9, 0.95, (440, 580), "closed", "window"),
    View("winking in a garden", (20, 100), 6, 0.9, (540, 590), "wink", "plants"),
    View("small, on a wide striped carpet", (60, 60), 0, 0.62, (340, 640), "open", "stripes"),
    View("dancing on a chequered floor", (-30, -160), -13, 0.92, (500, 570), "happy", "chequers"),
    View("in the rain, looking up", (80, -60), -7, 0.92, (520, 590), "open", "rain"),
    View("on a shelf with pots", (65, 65), 0, 0.8, (500, 500), "open", "shelf"),
    View("close up from the left, smiling", (-120, 50), 12, 1.5, (600, 820), "happy", "sun"),
    View("on the moon, among stars", (-70, 110), 8, 0.8, (480, 560), "open", "stars"),
    View("shy, arms down, before a large teal disc", (85, 85), -3, 1.05, (500, 570), "closed", "disc"),
)


def make_zip(path: Path, count: int = 12) -> None:
    """Write `count` (1 to 12) pictures and some captions flat into a zip; always the same bytes."""
    if not 1 <= count <= len(VIEWS):
        raise ValueError(f"count is {count}; it must be from 1 to {len(VIEWS)}.")
    with zipfile.ZipFile(path, "w") as archive:
        for number, view in enumerate(VIEWS[:count], start=1):
            file = io.BytesIO()
            picture(view).save(file, "JPEG", quality=86, optimize=True)
            _add(archive, f"robot_{number:02}.jpg", file.getvalue())
            if number % 3 == 1:
                caption = f"TOK, a red and teal ceramic toy robot, {view.caption}\n"
                _add(archive, f"robot_{number:02}.txt", caption.encode())


def picture(view: View) -> Image.Image:
    """One picture of the robot."""
    pixels = SIDE * _SCALE
    wall, floor, furnish = _ROOMS[view.room]
    scene = Image.new("RGB", (pixels, pixels), wall)
    floor_at = view.at[1] + 330 * view.size
    room = Pen(scene)
    room.box(0, floor_at - 60, _ROOM, _ROOM + 400, floor)
    furnish(room, floor_at)
    _light(scene)

    # The robot's own sheet is larger than the room, so that what leans into view is not cut off.
    edge = pixels // 4
    robot = Image.new("RGBA", (pixels + 2 * edge, pixels + 2 * edge), (0, 0, 0, 0))
    _robot(Pen(robot, origin=(view.at[0] + 250, view.at[1] + 250), size=view.size), view)
    centre = (view.at[0] * pixels / _ROOM + edge, floor_at * pixels / _ROOM + edge)
    robot = robot.rotate(view.lean, Image.Resampling.BICUBIC, center=centre)
    robot = robot.crop((edge, edge, edge + pixels, edge + pixels))

    shadow = Image.new("L", (pixels, pixels))
    Pen(shadow).oval(view.at[0] + 25, floor_at + 2, 235 * view.size, 34 * view.size, 120)
    scene.paste((30, 16, 34), mask=shadow.filter(ImageFilter.BoxBlur(20)).filter(ImageFilter.BoxBlur(14)))
    scene.paste(robot, mask=robot.getchannel("A"))
    return scene.reduce(_SCALE)


class Pen:
    """Draws on an image in the drawing's own units, moved to `origin` and enlarged by `size`."""

    def __init__(self, image: Image.Image, origin: tuple[int, int] = (0, 0), size: float = 1) -> None:
        self.image, self._draw = image, ImageDraw.Draw(image)
        self._origin, self._size = origin, size

    def _place(self, x: float, y: float) -> tuple[float, float]:
        across, down = self._origin[0] + x * self._size, self._origin[1] + y * self._size
        return across * _UNIT, down * _UNIT

    def _length(self, length: float) -> float:
        return length * self._size * _UNIT

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0
    ) -> None:
        corners = (*self._place(left, top), *self._place(right, bottom))
        self._draw.rounded_rectangle(corners, self._length(radius), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour | int) -> None:
        self._draw.ellipse((*self._place(x - rx, y - ry), *self._place(x + rx, y + ry)), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self.oval(x, y, radius, radius, fill)

    def line(self, points: list[tuple[float, float]], width: float, fill: Colour) -> None:
        placed = [self._place(*point) for point in points]
        self._draw.line(placed, fill=fill, width=max(1, round(self._length(width))), joint="curve")

    def arc(
        self, x: float, y: float, radius: float, start: float, end: float, width: float, fill: Colour
    ) -> None:
        box = (*self._place(x - radius, y - radius), *self._place(x + radius, y + radius))
        self._draw.arc(box, start, end, fill=fill, width=max(1, round(self._length(width))))

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        self._draw.polygon([self._place(*point) for point in points], fill=fill)

    def glazed(
        self, left: float, top: float, right: float, bottom: float, radius: float, lit: Colour, deep: Colour
    ) -> None:
        """A rounded box of ceramic: lit from the left, deeper on the right, with a highlight."""
        x1, y1 = (round(value) for value in self._place(left, top))
        x2, y2 = (round(value) for value in self._place(right, bottom))
        size = (x2 - x1, y2 - y1)
        shape = Image.new("L", size)
        ImageDraw.Draw(shape).rounded_rectangle(
            (0, 0, size[0] - 1, size[1] - 1), self._length(radius), fill=255
        )
        turn = (
            Image.linear_gradient("L")
            .rotate(90)
            .resize(size)
            .point([int((v / 255) ** 2 * 255) for v in range(256)])
        )
        body = Image.composite(Image.new("RGB", size, deep), Image.new("RGB", size, lit), turn)
        self.image.paste(body, (x1, y1), shape)
        shine = Image.new("L", size)
        inset = min(size) * 0.09
        ImageDraw.Draw(shine).rounded_rectangle(
            (inset, inset * 1.3, inset * 1.9, size[1] * 0.6), inset * 0.45, fill=130
        )
        shine = ImageChops.darker(shine.filter(ImageFilter.BoxBlur(max(1, inset * 0.12))), shape)
        self.image.paste((255, 255, 255), (x1, y1), shine)


def _robot(pen: Pen, view: View) -> None:
    for side in (-1, 1):
        pen.glazed(side * 75 - 34, 190, side * 75 + 34, 300, 20, TEAL, DEEP_TEAL)
        pen.glazed(side * 85 - 68, 268, side * 85 + 68, 330, 30, RED, DEEP_RED)
    for side, angle in ((-1, view.arms[0]), (1, view.arms[1])):
        _arm(pen, side, angle)
    pen.box(-44, -70, 44, 0, DEEP_TEAL)
    pen.glazed(-160, -40, 160, 225, 62, RED, DEEP_RED)
    pen.box(-96, 15, 96, 165, CREAM, 28)
    pen.arc(-34, 98, 44, 180, 360, 12, TEAL)
    pen.line([(-34, 98), (-10, 66)], 7, RED)
    pen.disc(-34, 98, 9, INK)
    for row, colour in enumerate((YELLOW, TEAL, RED)):
        pen.disc(56, 52 + 38 * row, 14, colour)
    pen.line([(0, -275), (0, -345)], 12, DEEP_TEAL)
    pen.disc(0, -362, 28, YELLOW)
    pen.disc(-9, -371, 8, (255, 244, 214))
    for side in (-1, 1):
        pen.glazed(side * 176 - 32, -212, side * 176 + 32, -112, 24, TEAL, DEEP_TEAL)
    pen.glazed(-170, -285, 170, -45, 86, RED, DEEP_RED)
    pen.box(-130, -245, 130, -85, CREAM, 66)
    for side in (-1, 1):
        winks = ("open", "closed")[side > 0]
        _eye(pen, side * 60, -176, winks if view.eyes == "wink" else view.eyes)
        pen.oval(side * 98, -128, 20, 12, (244, 158, 138))
    pen.arc(0, -150, 34, 25, 155, 8, INK)


def _arm(pen: Pen, side: int, angle: float) -> None:
    """An arm from shoulder to hand."""
    turn = math.radians(angle)
    across, down = (
        side * abs(math.cos(turn)),
        math.sin(turn),
    )
    shoulder = (side * 160.0, 20.0)
    hand = (shoulder[0] + across * 150 + side * 10, shoulder[1] + down * 165)
    elbow = ((shoulder[0] + hand[0]) / 2 + side * 26, (shoulder[1] + hand[1]) / 2)
    pen.line([shoulder, elbow, hand], 46, DEEP_TEAL)
    pen.line([(x - 6, y - 6) for x, y in (shoulder, elbow, hand)], 30, TEAL)
    pen.disc(*shoulder, 40, DEEP_RED)
    pen.disc(shoulder[0] - 4, shoulder[1] - 4, 34, RED)
    pen.disc(*hand, 46, DEEP_RED)
    pen.disc(hand[0] - 4, hand[1] - 4, 39, RED)
    pen.disc(hand[0] - 14, hand[1] - 16, 9, (244, 160, 146))


def _eye(pen: Pen, x: float, y: float, look: str) -> None:
    if look == "open":
        pen.disc(x, y, 30, INK)
        pen.disc(x - 9, y - 10, 10, (255, 255, 255))
    elif look == "happy":
        pen.arc(x, y + 14, 28, 200, 340, 11, INK)
    else:
        pen.arc(x, y - 14, 28, 20, 160, 10, INK)


def _light(scene: Image.Image) -> None:
    """Daylight from the upper left."""
    glow = Image.radial_gradient("L").resize((scene.width * 2, scene.height * 2))
    glow = glow.crop(
        (scene.width * 3 // 4, scene.height * 3 // 4, scene.width * 7 // 4, scene.height * 7 // 4)
    )
    scene.paste((60, 30, 60), mask=glow.point([value // 4 for value in range(256)]))


def _plain(pen: Pen, floor_at: float) -> None:
    pen.box(0, 90, _ROOM, 104, CREAM)


def _sun(pen: Pen, floor_at: float) -> None:
    pen.disc(770, 240, 130, (255, 240, 200))


def _disc(pen: Pen, floor_at: float) -> None:
    pen.disc(500, 430, 370, (116, 186, 180))


def _confetti(pen: Pen, floor_at: float) -> None:
    for index in range(70):
        x, y = index * 377 % 1000, index * 613 % int(floor_at - 60)
        pen.disc(x, y, 9 + index % 3 * 4, (RED, TEAL, YELLOW, CREAM)[index % 4])


def _window(pen: Pen, floor_at: float) -> None:
    pen.box(610, 110, 900, 450, CREAM, 20)
    pen.box(632, 132, 878, 428, (72, 92, 150), 8)
    pen.disc(800, 230, 52, (252, 240, 200))
    pen.disc(778, 216, 46, (72, 92, 150))
    pen.box(748, 120, 762, 440, CREAM)
    pen.box(620, 273, 890, 287, CREAM)


def _plants(pen: Pen, floor_at: float) -> None:
    pen.disc(180, 200, 90, (255, 244, 206))
    for index in range(26):
        x = index * 41
        tip = (x + 30 * math.sin(index * 2.1), floor_at - 190 - 70 * math.sin(index * 1.3))
        pen.polygon([(x - 24, floor_at + 10), tip, (x + 24, floor_at + 10)], (64 + index % 3 * 22, 138, 92))
        if index % 3 == 0:
            pen.disc(*tip, 22, (RED, YELLOW, CREAM)[index // 3 % 3])


def _stripes(pen: Pen, floor_at: float) -> None:
    for index in range(6):
        top = floor_at - 60 + index * 46
        pen.box(0, top, _ROOM, top + 23, (TEAL, RED, YELLOW)[index % 3])


def _chequers(pen: Pen, floor_at: float) -> None:
    for row in range(5):
        for column in range(-row % 2, 12, 2):
            top = floor_at - 60 + row * 60
            pen.box(column * 90, top, column * 90 + 90, top + 60, (92, 166, 160))


def _rain(pen: Pen, floor_at: float) -> None:
    for index in range(90):
        x, y = index * 397 % 1040, index * 211 % 1000
        pen.line([(x, y), (x - 16, y + 54)], 5, (196, 212, 224))


def _shelf(pen: Pen, floor_at: float) -> None:
    for x, tall, colour in ((120, 170, TEAL), (880, 220, YELLOW), (250, 90, CREAM)):
        pen.glazed(x - 62, floor_at - 50 - tall, x + 62, floor_at - 44, 40, colour, (110, 78, 70))
    pen.box(0, floor_at + 60, _ROOM, _ROOM, (206, 172, 142))


def _stars(pen: Pen, floor_at: float) -> None:
    for index in range(80):
        pen.disc(index * 389 % 1000, index * 227 % 760, 3 + index % 4 * 1.5, (250, 240, 214))
    pen.disc(800, 220, 96, (86, 160, 190))
    pen.oval(0, floor_at + 240, 520, 300, (206, 204, 214))
    pen.oval(840, floor_at + 260, 520, 280, (176, 174, 190))


# Wall, floor and what else is in the room.
_ROOMS: dict[str, tuple[Colour, Colour, Callable[[Pen, float], None]]] = {
    "sun": ((249, 206, 120), (214, 142, 74), _sun),
    "confetti": ((252, 226, 214), (236, 180, 164), _confetti),
    "plain": ((176, 214, 208), (120, 176, 170), _plain),
    "window": ((36, 44, 84), (58, 46, 78), _window),
    "plants": ((196, 226, 222), (116, 164, 98), _plants),
    "stripes": ((244, 236, 222), (226, 214, 196), _stripes),
    "chequers": ((240, 176, 160), (250, 238, 220), _chequers),
    "rain": ((140, 164, 182), (96, 116, 136), _rain),
    "shelf": ((226, 196, 168), (164, 112, 76), _shelf),
    "stars": ((22, 26, 56), (190, 188, 200), _stars),
    "disc": ((246, 226, 200), (222, 186, 150), _disc),
}


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "training_pictures.zip")
    make_zip(target)
    print(f"{len(VIEWS)} pictures in {target}, {target.stat().st_size // 1024} KiB. Trigger word: TOK")
