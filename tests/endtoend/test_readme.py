"""The lines of README's section "Use it", run as they are pasted, against a real server."""

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.endtoend.processes import ROOT, Server, free_port

pytestmark = pytest.mark.endtoend

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Use it\n")[2].partition("\n## ")[0]
WRITTEN_FOR = "http://127.0.0.1:8000"
BLOCK_SECONDS = 60
TRAINING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Pasted:
    """A block of lines and what came of it."""

    lines: str
    status: int
    output: str
    complaints: str


@dataclass(frozen=True, slots=True)
class Session:
    """What a reader has who pasted everything, from top to bottom, into one folder."""

    folder: Path
    client: httpx.Client
    paste: Callable[[str], Pasted]
    blocks: tuple[Pasted, ...]

    def output_of(self, words: str) -> str:
        """What the only block with these words printed."""
        [block] = [block for block in self.blocks if words in block.lines]
        return block.output

    def picture(self, url: str) -> Image.Image:
        """The picture at this address of the service, decoded."""
        answer = self.client.get(url)
        assert answer.status_code == 200
        picture = Image.open(io.BytesIO(answer.content))
        picture.load()
        return picture


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server with the sandbox, and every block pasted in turn into a folder with the examples."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples")
    port = free_port()
    settings = {"SANDBOX": "on", "SANDBOX_PACE": "0.1", "PORT": str(port)}
    server = Server(["-m", "app"], port=port, directory=folder, settings=settings)

    def paste(lines: str) -> Pasted:
        # Nothing of the developer's: neither a proxy nor curl's own settings.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", lines],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
        )
        return Pasted(lines, done.returncode, done.stdout, done.stderr)

    blocks = re.findall(r"^```sh\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    assert all(WRITTEN_FOR in block for block in blocks)
    try:
        asyncio.run(server.until_up("/ping"))
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
            pasted = tuple(paste(block.replace(WRITTEN_FOR, server.url)) for block in blocks)
            yield Session(folder, client, paste, pasted)
    finally:
        asyncio.run(server.kill())


@pytest.fixture
def trained(session: Session) -> dict[str, Any]:
    """The status of the training that was pasted, once it has ended."""
    training_id = json.loads(session.output_of("/fine-tune/"))["training_id"]
    until = time.monotonic() + TRAINING_SECONDS
    while time.monotonic() < until:
        status: dict[str, Any] = session.client.get(f"/training-status/{training_id}").json()
        if status["status"] in ("succeeded", "failed", "canceled"):
            return status
        time.sleep(0.1)
    raise AssertionError(f"the training did not end: {status}")


def test_every_line_works_as_pasted(session: Session) -> None:
    assert len(session.blocks) >= 8
    for block in session.blocks:
        assert (block.status, block.complaints) == (0, ""), block
        assert "problem+json" not in block.output
        assert "urn:fluxgate:error" not in block.output


def test_the_answer_looks_as_it_is_shown(session: Session) -> None:
    shown = re.search(r"^```json\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    assert shown is not None
    example = json.loads(shown[1])
    answer = json.loads(session.output_of("seed=7"))

    assert list(answer) == list(example)
    assert list(answer["timings"]) == list(example["timings"])
    for name in ("status", "seed", "model", "version", "ignored", "notice"):
        assert answer[name] == example[name]
    assert re.sub(r"[0-9a-f]{32}", "", answer["generated_image_url"]) == re.sub(
        r"[0-9a-f]{32}", "", example["generated_image_url"]
    )
    assert session.picture(answer["generated_image_url"]).format == "WEBP"


def test_what_json_asks_for_is_what_comes(session: Session) -> None:
    answer = json.loads(session.output_of("a city at night"))
    pictures = [session.picture(url) for url in answer["generated_image_urls"]]

    assert answer["model"] == "black-forest-labs/flux-schnell"
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", (1344, 768))] * 2


def test_a_picture_is_fetched_whole_and_small_and_under_its_name(session: Session) -> None:
    [saved] = session.folder.glob("generated_image_*.webp")
    with Image.open(session.folder / "picture.webp") as picture, Image.open(saved) as same:
        assert picture.size == (512, 512)
        assert picture.tobytes() == same.tobytes()
    with Image.open(session.folder / "thumbnail.webp") as thumbnail:
        assert thumbnail.size == (256, 256)
        thumbnail.load()


def test_who_does_not_wait_is_told_where_the_job_is(session: Session) -> None:
    head, _, body = session.output_of("Idempotency-Key").partition("\n\n")
    fields = [line.partition(": ") for line in head.splitlines()[1:]]
    headers = httpx.Headers({name: value for name, _, value in fields})

    assert head.split()[1] == "202"
    assert headers["Location"] == f"/jobs/{json.loads(body)['id']}"
    assert session.client.get(headers["Location"]).json()["id"] == json.loads(body)["id"]


def test_events_end_with_the_job_and_canceling_leaves_it_as_it_is(session: Session) -> None:
    output = session.output_of("/events")
    events = [json.loads(data) for data in re.findall(r"^event: job\ndata: (.*)$", output, re.MULTILINE)]
    after_canceling = json.loads(output.rpartition("\n\n")[2])

    assert '"jobs":[{' in output
    assert events[-1]["status"] == "succeeded"
    assert [event["revision"] for event in events] == sorted({event["revision"] for event in events})
    assert after_canceling == events[-1]


def test_the_training_succeeds_and_use_it_generates_with_it(
    session: Session, trained: dict[str, Any]
) -> None:
    assert trained["status"] == "succeeded", trained["error"]
    used = session.paste(trained["use_it"])
    answer = json.loads(used.output)

    assert used.status == 0
    assert f"{answer['model']}:{answer['version']}" == trained["version"]
    assert session.picture(answer["generated_image_url"]).size == (512, 512)


def test_the_new_model_is_listed_renamed_and_taken_off_the_list(
    session: Session, trained: dict[str, Any]
) -> None:
    before = json.loads(session.output_of("/models; echo"))["models"]
    renamed = json.loads(session.output_of("alias=my-first").splitlines()[-1])
    after = session.client.get("/models").json()["models"]

    assert "black-forest-labs/flux-dev" in [model["name"] for model in before]
    assert (renamed["alias"], f"{renamed['model']}:{renamed['version']}") == ("my-first", trained["version"])
    assert "my-first" not in [model["alias"] for model in after]


def test_it_says_that_it_is_there_and_well(session: Session) -> None:
    pong, health, *numbers = session.output_of("/health").splitlines()

    assert pong == "pong"
    assert json.loads(health)["status"] == "ok"
    assert any(line.startswith("fluxgate_") for line in numbers)
