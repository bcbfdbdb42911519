"""Black Forest Labs' side of the sandbox as a program of its own."""

import subprocess
import sys
from pathlib import Path

import httpx


def test_it_is_served_on_the_same_port(tmp_path: Path) -> None:
    options = ["--port", "0", "--pace", "0", "--directory", str(tmp_path)]
    command = [sys.executable, "-m", "app.sandbox", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(4)]
            base = lines[3].partition("BFL_BASE_URL=")[2].split()[0]
            created = httpx.post(
                f"{base}/v1/flux-dev", json={"prompt": "a cat", "width": 256}, headers={"x-key": "bfl_x"}
            ).json()
            assert created["polling_url"].startswith(f"{base}/v1/get_result?id=")
            address = httpx.get(created["polling_url"]).json()["result"]["sample"]
            assert address.startswith(f"{base}/bfl-delivery/results/")
            assert httpx.get(address).headers["content-type"] == "image/jpeg"
            assert httpx.get(f"{base}/sandbox").json()["bfl_tasks"] == 1
        finally:
            process.terminate()
