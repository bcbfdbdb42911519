"""Serves the sandbox alone: `python -m app.sandbox --port 9000`."""

import argparse
import os
import socket
from datetime import timedelta
from pathlib import Path

import uvicorn

from app.sandbox.app import create_sandbox
from app.sandbox.pace import Pace

_STOP_SECONDS = 2  # for requests that are still being answered


def main() -> None:
    """Parse the command line and serve until interrupted."""
    options = _options()
    try:
        listener = socket.create_server((options.host, options.port))
    except OSError as exc:
        raise SystemExit(f"Cannot listen on {options.host}:{options.port}: {exc.strerror or exc}") from exc
    shown = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104 -- only compared
    url = options.url.rstrip("/") if options.url else f"http://{shown}:{listener.getsockname()[1]}"
    app = create_sandbox(
        directory=options.directory,
        api_url=f"{url}/v1",
        output_url=f"{url}/delivery",
        bfl_url=url,
        bfl_cluster_url=url,
        bfl_delivery_url=f"{url}/bfl-delivery",
        pace=Pace().scaled(options.pace),
        account=options.account,
        output_ttl=timedelta(minutes=options.output_minutes),
        allow_http_webhooks=not options.https_webhooks_only,
        creates_per_minute=options.creates_per_minute,
    )
    print(f"The sandbox listens on {url}/v1 and keeps its state in {options.directory}.", flush=True)
    print(f"Use it with REPLICATE_BASE_URL={url}/v1 REPLICATE_API_TOKEN=r8_sandbox", flush=True)
    print(f"What has happened so far, and words that make it fail: {url}/sandbox", flush=True)
    print(f"It is Black Forest Labs, too: BFL_BASE_URL={url} BFL_API_KEY=bfl_sandbox", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_STOP_SECONDS)
    uvicorn.Server(config).run(sockets=[listener])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m app.sandbox",
        description="A small Replicate and a small Black Forest Labs of your own.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=9000, help="0 takes a free one (%(default)s)")
    parser.add_argument("--url", help="address under which others reach it, when that is another one")
    parser.add_argument(
        "--directory", type=Path, default=Path("data/sandbox"), help="where its state is kept (%(default)s)"
    )
    parser.add_argument(
        "--pace",
        type=_not_negative,
        default=os.environ.get("SANDBOX_PACE", "1.0"),
        help="0 is instant, 2 twice as slow (SANDBOX_PACE, otherwise 1.0)",
    )
    parser.add_argument("--account", default="sandbox", help="the account's name (%(default)s)")
    parser.add_argument(
        "--output-minutes", type=_not_negative, default="60", help="how long outputs are kept (%(default)s)"
    )
    parser.add_argument(
        "--https-webhooks-only", action="store_true", help="refuse http webhooks, as Replicate does"
    )
    parser.add_argument("--creates-per-minute", type=int, help="refuse more with 429 (no limit)")
    return parser.parse_args()


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, not {text}")
    return number


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be zero or more, not {text}")
    return number


if __name__ == "__main__":
    main()
