"""The limit: a bare pass-through.  In, out, one file written, no records, nothing checked."""

import argparse
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

_SESSION = web.AppKey("session", aiohttp.ClientSession)
_FOLDER = web.AppKey("folder", Path)


async def _upstream(app: web.Application) -> AsyncIterator[None]:
    headers = {"Authorization": f"Bearer {os.environ['REPLICATE_API_TOKEN']}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        app[_SESSION] = session
        yield


def _write(path: Path, picture: bytes) -> None:
    """Straight into the page cache, on the event loop: cheaper than a thread for 200 kB."""
    path.write_bytes(picture)


async def _ping(_request: web.Request) -> web.Response:
    return web.json_response("pong")


async def _generate_image(request: web.Request) -> web.Response:
    form = await request.post()
    session = request.app[_SESSION]
    url = f"{os.environ['REPLICATE_BASE_URL']}/models/black-forest-labs/flux-dev/predictions"
    body = {"input": {"prompt": form["prompt"]}}
    async with session.post(url, json=body, headers={"Prefer": "wait"}, raise_for_status=True) as answer:
        prediction = await answer.json()
    async with session.get(prediction["output"][0], raise_for_status=True) as answer:
        picture = await answer.read()
    name = f"{prediction['id']}.webp"
    _write(request.app[_FOLDER] / name, picture)
    return web.json_response({"generated_image_url": f"/get-image/{name}"})


async def _get_image(request: web.Request) -> web.FileResponse:
    return web.FileResponse(request.app[_FOLDER] / request.match_info["name"])


def main() -> None:
    """Serve on 127.0.0.1 until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app = web.Application()
    app[_FOLDER] = Path(os.environ["IMAGE_STORE"])
    app.cleanup_ctx.append(_upstream)
    app.add_routes(
        [
            web.get("/ping", _ping),
            web.post("/generate-image/", _generate_image),
            web.get("/get-image/{name}", _get_image),
        ]
    )
    web.run_app(
        app,
        host="127.0.0.1",
        port=options.port,
        access_log=None,
        backlog=4096,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
