"""How one would write it first: a synchronous route around `replicate.run`.

Run as `uvicorn benchmarks.obvious:app`.
"""

import os
import uuid
from pathlib import Path
from typing import Annotated

import replicate
from fastapi import FastAPI, Form
from fastapi.responses import FileResponse

app = FastAPI()
_client = replicate.Replicate()
_folder = Path(os.environ["IMAGE_STORE"])


@app.get("/ping")
def ping() -> str:
    """Tell that the server answers."""
    return "pong"


@app.post("/generate-image/")
def generate_image(prompt: Annotated[str, Form()]) -> dict[str, str]:
    """Generate one picture and keep it."""
    output = _client.run("black-forest-labs/flux-dev", input={"prompt": prompt})
    # `run` makes a FileOutput of an https address by itself; the upstream here has http ones.
    picture = replicate.FileOutput(output[0], _client).read()
    name = f"{uuid.uuid4().hex}.webp"
    (_folder / name).write_bytes(picture)
    return {"generated_image_url": f"/get-image/{name}"}


@app.get("/get-image/{name}")
def get_image(name: str) -> FileResponse:
    """Hand out a picture."""
    return FileResponse(_folder / name)
