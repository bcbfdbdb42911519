"""The sandbox as a program of its own."""

import subprocess
import sys
from pathlib import Path

import httpx


def test_it_serves_on_a_free_port_and_says_where(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "app.sandbox",
        "--port",
        "0",
        "--pace",
        "0",
        "--directory",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            base = lines[0].split()[4]
            assert f"REPLICATE_BASE_URL={base}" in lines[1]
            made = httpx.post(
                f"{base}/models/black-forest-labs/flux-schnell/predictions",
                json={"input": {"prompt": "a cat sandbox:truncated", "megapixels": "0.25"}},
                headers={"Authorization": "Bearer r8_x", "Prefer": "wait"},
            )
            address = made.json()["output"][0]
            assert address.startswith(base.removesuffix("/v1") + "/delivery/xezq/")
            try:
                httpx.get(address)
            except httpx.RemoteProtocolError:
                assert httpx.get(address).headers["content-type"] == "image/webp"
            else:
                raise AssertionError("the first download did not break off")
            assert httpx.get(lines[2].split()[-1]).json()["predictions"] == 1
        finally:
            process.terminate()
    assert (tmp_path / "sandbox.sqlite3").exists()
