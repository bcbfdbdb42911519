"""The whole main job, once, as any client would do it: fine-tune, watch, generate, fetch.

Starts a server of its own on a free port with the settings of `.env`; without a token that is the sandbox.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
from dotenv import dotenv_values

from examples.make_training_pictures import make_zip

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "examples" / "training_pictures.zip"
TRIGGER_WORD = "FLXGT"
PROMPT = f"{TRIGGER_WORD} on a hill above the sea at sunset"
STEPS = 1000
BAR_WIDTH = 30
BARS = "▁▂▃▄▅▆▇█"
START_SECONDS = 30
TRAINING_SECONDS = 3 * 3600
PICTURES_SECONDS = 1800


class DemoError(Exception):
    """Something that ends the demonstration; the message is for the person watching."""


def main() -> int:
    """Run the demonstration; 1 when something went wrong, with one sentence that says what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=PICTURES, help="a zip of training pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "demo_pictures", help="where to put the pictures")
    arguments = parser.parse_args()
    try:
        if arguments.images != PICTURES and not arguments.images.is_file():
            raise DemoError(f"there is no file {arguments.images}.")
        with tempfile.TemporaryDirectory() as scratch, _server(Path(scratch)) as client:
            run(client, arguments.images, arguments.out)
    except DemoError as exc:
        print(f"\nThe demo stopped: {exc}", file=sys.stderr)
        return 1
    except httpx.HTTPError as exc:
        print(f"\nThe demo stopped: the server does not answer ({exc}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe demo was interrupted.", file=sys.stderr)
        return 130
    return 0


def run(client: httpx.Client, images: Path, out: Path) -> None:
    """Train on the zip `images` and put two pictures into the folder `out`; raises `DemoError`."""
    took: dict[str, float] = {}
    print(_provider(client))
    # Asks the provider: a wrong token shows here, and not after an upload.
    _answer(client.get("/models"))

    with _timed(took, "training set"):
        if not images.is_file():
            print("Drawing a training set...")
            make_zip(images)
        print(f"Training set: {images.name}, {images.stat().st_size // 1024} kB")

    with _timed(took, "fine-tune"):
        with images.open("rb") as file:
            training = _answer(
                client.post(
                    "/fine-tune/",
                    data={"trigger_word": TRIGGER_WORD, "steps": str(STEPS)},
                    files={"training_images": (images.name, file, "application/zip")},
                )
            )
        for line in _report(client, training):
            print(f"  {line}")
        print(f"{training['status']}: {training['training_id']}, into {training['destination_model']}")
        model = _watch(client, str(training["training_id"]))
        # By its name in the list, which stands for exactly this training's version.
        model = next((alias for alias, of in _fine_tunes(client) if of == training["training_id"]), model)

    with _timed(took, "generate"):
        made = _answer(
            client.post("/generate-image/", data={"prompt": PROMPT, "model": model, "num_outputs": "2"})
        )
        until = time.monotonic() + PICTURES_SECONDS
        while not made.get("generated_image_urls"):
            # The pictures took longer than the service waits: they are at their job.
            if made["status"] in ("failed", "canceled") or time.monotonic() > until:
                raise DemoError(f"there are no pictures: {_why(made.get('failure'), made['status'])}")
            time.sleep(1)
            made = _answer(client.get(f"/jobs/{made['job_id']}"))

    with _timed(took, "fetch"):
        out.mkdir(parents=True, exist_ok=True)
        paths = []
        for url in made["generated_image_urls"]:  # type: ignore[attr-defined]  # a list of addresses
            response = client.get(str(url))
            if response.is_error:
                raise DemoError(f"{url} answered {response.status_code}.")
            path = out / str(url).rpartition("/")[2]
            path.write_bytes(response.content)
            paths.append(path)

    print(f"\nPrompt: {PROMPT}\nSeed:   {made['seed']}\nModel:  {model}")
    for warning in _texts(made.get("warnings")):
        print(f"Warning: {warning}")
    for path in paths:
        print(f"  {path}")
    print("\nModels that can be used:")
    for line in _model_list(client):
        print(f"  {line}")
    print("\n" + "\n".join(f"  {stage:<14}{seconds:7.1f} s" for stage, seconds in took.items()))


def _watch(client: httpx.Client, training_id: str) -> str:
    """Follow a training to its end; the name of the model that it made."""
    is_terminal = sys.stdout.isatty()
    shown = -1
    until = time.monotonic() + TRAINING_SECONDS
    while time.monotonic() < until:
        status = _answer(client.get(f"/training-status/{training_id}"))
        percent = int(str(status.get("percent") or 0))
        line = f"{'#' * (percent * BAR_WIDTH // 100):<{BAR_WIDTH}} {percent:3d} %  {_position(status)}"
        if is_terminal:
            print(f"\r[{line:<100}", end="", flush=True)
        elif percent // 10 > shown // 10 or shown < 0:
            print(f"[{line}", flush=True)
            shown = percent
        if status["status"] == "succeeded":
            print(f"\nTrained: {status['model']}")
            for line in _account(status):
                print(f"  {line}")
            return str(status["model"])
        if status["status"] in ("failed", "canceled"):
            raise DemoError(f"the training did not succeed: {_why(status.get('error'), status['status'])}")
        time.sleep(0.5)
    raise DemoError("the training did not end in time; it goes on, see /training-status/.")


def _position(status: dict[str, object]) -> str:
    parts = [str(status.get("phase") or status["status"])]
    if status.get("step") is not None:
        parts.append(f"step {status['step']} of {status['total_steps']}")
    if status.get("eta_seconds") is not None:
        parts.append(f"{status['eta_seconds']} s left")
    if status.get("loss") is not None:
        parts.append(f"loss {status['loss']}")
    return ", ".join(parts)


def _report(client: httpx.Client, training: dict[str, object]) -> Iterator[str]:
    """What the service found in the pictures."""
    if training.get("dataset_id"):
        report = _answer(client.get(f"/datasets/{training['dataset_id']}"))["report"]
        if isinstance(report, dict):
            yield f"checked: {report['pictures']} pictures, {report['captions']} captions"
    for warning in _texts(training.get("warnings")):
        yield f"warning: {warning}"


def _account(status: dict[str, object]) -> Iterator[str]:
    """How the loss fell, and what the training took."""
    history = status.get("loss_history")
    if isinstance(history, list) and history:
        losses = [float(loss) for _, loss in history]
        yield f"loss {losses[0]:.3f} {_curve(losses)} {losses[-1]:.3f}"
    if isinstance(status.get("cost_so_far"), float):
        cost = f"{status['cost_so_far']:.4f} {status['currency']}"
        yield f"{status['seconds_so_far']} s, {cost}. {status['cost_note']}"


def _curve(losses: list[float]) -> str:
    """The losses as bars, each the mean of its share of them."""
    bars = min(BAR_WIDTH, len(losses))
    edges = [round(place * len(losses) / bars) for place in range(bars + 1)]
    means = [sum(losses[low:high]) / (high - low) for low, high in pairwise(edges)]
    lowest, height = min(means), max(means) - min(means)
    top = len(BARS) - 1
    return "".join(BARS[round((mean - lowest) / height * top) if height else 0] for mean in means)


def _fine_tunes(client: httpx.Client) -> list[tuple[str, str]]:
    """The aliases in the list, each with the training that made it."""
    return [(model["alias"], model["training_id"]) for model in _models(client) if model.get("alias")]


def _model_list(client: httpx.Client) -> Iterator[str]:
    models = _models(client)
    trainable = [model for model in models if model.get("provider", "replicate") == "replicate"]
    for model in trainable:
        yield f"{model['name']:<36} {model.get('description') or ''}".rstrip()
    if others := len(models) - len(trainable):
        yield f"... and {others} of other providers: GET /models lists them."


def _models(client: httpx.Client) -> list[dict[str, str]]:
    models = _answer(client.get("/models"))["models"]
    return models if isinstance(models, list) else []


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _provider(client: httpx.Client) -> str:
    """Who makes the pictures; raises `DemoError` if the service is not well."""
    response = client.get("/health")
    health: dict[str, str] = response.json()
    provider = health.get("provider", "")
    if response.is_error:
        parts = {name: said for name, said in health.items() if name not in ("status", "provider")}
        bad = [f"{name.replace('_', ' ')}: {said}" for name, said in parts.items() if said != "ok"]
        raise DemoError(f"the service is not well ({'; '.join(bad) or response.status_code}).")
    return provider


def _why(failure: object, otherwise: object) -> str:
    """The sentence in a failure, as jobs and trainings tell it."""
    return str(failure["detail"] if isinstance(failure, dict) and "detail" in failure else otherwise)


def _answer(response: httpx.Response) -> dict[str, object]:
    """The JSON of an answer; a problem becomes the sentence that it carries."""
    body: dict[str, object] = response.json()
    if response.is_error:
        raise DemoError(str(body.get("detail") or body))
    return body


@contextmanager
def _timed(took: dict[str, float], stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took[stage] = time.monotonic() - began


@contextmanager
def _server(scratch: Path) -> Iterator[httpx.Client]:
    """A running service of our own, and a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = scratch / "server.log"
    environment = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "WORKERS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    key = (dotenv_values(ROOT / ".env") | dict(os.environ)).get("API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=120, headers=headers, trust_env=False
        ) as client:
            _wait_until_up(client, process, log)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_up(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            said = [
                line.removeprefix("ERROR:").strip()
                for line in log.read_text(errors="replace").splitlines()
                if line.strip() and not line.endswith("Exiting.")
            ]
            raise DemoError(f"the server did not start: {said[-1] if said else 'it said nothing'}")
        try:
            client.get("/ping")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise DemoError(f"the server did not answer within {START_SECONDS} s.")


if __name__ == "__main__":
    sys.exit(main())
