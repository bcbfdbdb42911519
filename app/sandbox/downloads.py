"""Serves outputs: pictures are drawn and weights are packed when somebody fetches them."""

import asyncio
import base64
import hashlib
import io
import json
import random
import re
import sqlite3
import tarfile
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from app.sandbox.addresses import Addresses, weights_name
from app.sandbox.clock import Clock
from app.sandbox.database import Database, count
from app.sandbox.models import Models
from app.sandbox.partial_content import HalfResponse, ranged
from app.sandbox.problems import not_found
from app.sandbox.progress import JOB, caption, caption_files
from app.sandbox.rendering import Renderer
from app.sandbox.runner import Runner
from app.sandbox.runs import Lessons, Pictures, Run, Status, standing

MEDIA_TYPES = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png", "tar": "application/x-tar"}
_HEADERS = {"access-control-allow-origin": "*", "cache-control": "public, max-age=3600"}
_PICTURE = re.compile(r"out-(\d+)\.(?:webp|jpg|png)")


class Downloads:
    """What lies under the outputs' address."""

    def __init__(
        self,
        *,
        runner: Runner,
        models: Models,
        renderer: Renderer,
        addresses: Addresses,
        database: Database,
        clock: Clock,
    ) -> None:
        self._runner = runner
        self._models = models
        self._renderer = renderer
        self._addresses = addresses
        self._database = database
        self._clock = clock

    async def serve(self, request: Request) -> Response:
        """The output that the request's path names; 404 when there is none, or none any more."""
        token, name = request.path_params["token"], request.path_params["name"]
        run = await self._runner.by_token(token)
        made = run.plan.pictures or run.plan.lessons
        now = self._clock.now()
        if made is None or made.expired or self._renderer.removed(run, now):
            raise not_found()
        if standing(run, now).status is not Status.SUCCEEDED:
            raise not_found()
        content = await self._content(run, name)
        response = ranged(request, content, MEDIA_TYPES[name.rpartition(".")[2]], _HEADERS)
        if request.method == "GET":
            times = await self._database.write(lambda connection: self._counted(connection, request.url.path))
            if times == 1 and made.truncated:
                return HalfResponse(response)
        return response

    async def as_data(self, run: Run) -> list[str]:
        """The pictures of a prediction as `data:` URIs."""
        pictures = cast(Pictures, run.plan.pictures)
        media_type = MEDIA_TYPES[pictures.output_format]
        names = [address.rpartition("/")[2] for address in self._addresses.pictures(run)]
        contents = [await self._content(run, name) for name in names]
        return [f"data:{media_type};base64,{base64.b64encode(content).decode()}" for content in contents]

    @staticmethod
    def _counted(connection: sqlite3.Connection, path: str) -> int:
        count(connection, "downloads")
        return count(connection, f"download:{path}")

    async def _content(self, run: Run, name: str) -> bytes:
        if run.plan.lessons is not None and name == weights_name(run):
            return await asyncio.to_thread(_weights, run, run.plan.lessons)
        found = _PICTURE.fullmatch(name)
        address = f"{self._addresses.output_url}/xezq/{run.token}/{name}"
        if run.plan.pictures is None or found is None or address not in self._addresses.pictures(run):
            raise not_found()
        pictures = run.plan.pictures
        trigger, style = "", None
        if pictures.style_version is not None:
            trigger, style = await self._models.style(pictures.style_version)
        # The style shows only when it is called by its name.
        shown = style if trigger.lower() in pictures.prompt.lower() else None
        return await asyncio.to_thread(_draw, pictures, int(found[1]) + pictures.skipped, shown)


def _draw(pictures: Pictures, index: int, style: str | None) -> bytes:
    """One picture.  Blocks."""
    from app.sandbox.pictures import draw
    from app.sandbox.style import Style

    return draw(
        pictures.prompt,
        pictures.seed,
        (pictures.width, pictures.height),
        pictures.output_format,
        pictures.quality,
        index=index,
        style=None if style is None else Style.from_json(style),
    )


def _weights(run: Run, lessons: Lessons) -> bytes:
    """The archive that a trainer leaves behind.  Blocks."""
    config = {"job": "extension", "config": {"name": JOB, "trigger_word": lessons.trigger_word}}
    files = {
        f"output/{JOB}/lora.safetensors": _safetensors(run.id, lessons.rank),
        # JSON is YAML, too.
        f"output/{JOB}/config.yaml": json.dumps(config, indent=2).encode(),
    }
    for name, text in zip(caption_files(lessons), lessons.names, strict=False):
        files[f"output/{JOB}/captions/{name}"] = caption(lessons, text).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(content), int(run.created.timestamp())
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _safetensors(run_id: str, rank: int) -> bytes:
    """A well-formed file with two small matrices that follow from the run's id."""
    layer = "transformer.single_transformer_blocks.0.attn.to_q"
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    content = b""
    for half, shape in (("lora_A", [rank, 64]), ("lora_B", [64, rank])):
        size = rank * 64 * 2
        offsets = [len(content), len(content) + size]
        header[f"{layer}.{half}.weight"] = {"dtype": "F16", "shape": shape, "data_offsets": offsets}
        seed = int.from_bytes(hashlib.sha256(f"{run_id}{half}".encode()).digest())
        content += random.Random(seed).randbytes(size)  # noqa: S311 -- made-up weights, no secret
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content
