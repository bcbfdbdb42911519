"""`python -m app keys`, beside a running service and without one."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.key_commands import REFUSED, main
from tests.conftest import Serve
from tests.manual_clock import ManualClock

ROOT = Path(__file__).resolve().parents[1]
Captured = pytest.CaptureFixture[str]


def test_the_key_alone_goes_to_the_standard_output(settings: Settings, capsys: Captured) -> None:
    assert main(["create", "laptop", "--scopes", "read, generate"], settings=settings) == 0

    shown = capsys.readouterr()
    key = shown.out.strip()
    assert key.startswith("fg_")
    assert key.split("_")[1] in shown.err
    assert key not in shown.err
    assert "the scopes read, generate" in shown.err
    assert str(settings.database_path) in shown.err
    assert "a running server serves nobody without a key" in shown.err


def test_the_list_tells_everything_but_the_keys(
    settings: Settings, capsys: Captured, clock: ManualClock
) -> None:
    main(["create", "laptop", "--scopes", "read"], settings=settings, clock=clock)
    clock.advance(90)
    main(["create", "ci", "--scopes", "train,generate"], settings=settings, clock=clock)
    laptop, ci = capsys.readouterr().out.split()
    main(["revoke", laptop.split("_")[1]], settings=settings, clock=clock)
    capsys.readouterr()
    named = settings.model_copy(update={"api_key": SecretStr("phone:open sesame")})

    assert main(["list"], settings=named, clock=clock) == 0

    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines == [
        "id name scopes created revoked",
        "API_KEY phone read, generate, train, admin - -",
        f"{laptop.split('_')[1]} laptop read 2026-01-01 12:00:00Z 2026-01-01 12:01:30Z",
        f"{ci.split('_')[1]} ci generate, train 2026-01-01 12:01:30Z -",
    ]
    for secret in ("sesame", laptop.split("_")[2], ci.split("_")[2]):
        assert secret not in shown


def test_without_keys_the_list_says_so(settings: Settings, capsys: Captured) -> None:
    assert main(["list"], settings=settings) == 0
    assert capsys.readouterr() == ("", "There is no API key.\n")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "programs on this machine are served without one"),
        ({"allow_open": True}, "everybody is served without one"),
        ({"api_key": SecretStr("open sesame")}, None),
    ],
)
def test_who_revokes_the_last_key_is_told_what_that_opens(
    settings: Settings, capsys: Captured, changed: dict[str, object], told: str | None
) -> None:
    settings = settings.model_copy(update=changed)
    main(["create", "laptop", "--scopes", "admin"], settings=settings)
    key_id = capsys.readouterr().out.split("_")[1]

    assert main(["revoke", key_id], settings=settings) == 0

    shown = capsys.readouterr().err
    assert f"The key 'laptop' ({key_id}) is revoked; a running server refuses it within 5 s." in shown
    assert (told in shown) if told else ("No key is left" not in shown)


def test_what_cannot_be_is_a_sentence(settings: Settings, capsys: Captured) -> None:
    assert main(["revoke", "nobody"], settings=settings) == REFUSED
    assert capsys.readouterr() == ("", "No API key with id 'nobody'.\n")
    assert main(["create", "a:b", "--scopes", "read"], settings=settings) == REFUSED
    assert "'a:b' is not possible; allowed are 1 to 64 letters" in capsys.readouterr().err
    unusable = settings.model_copy(update={"database_url": "sqlite:////proc/nowhere.db"})
    assert main(["list"], settings=unusable) == REFUSED
    assert "its file cannot be opened" in capsys.readouterr().err
    nowhere = settings.model_copy(update={"data_dir": Path("/dev/null/data")})
    assert main(["list"], settings=nowhere) == REFUSED
    assert "The database cannot be opened (Not a directory: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "create|list|revoke"),
        (["create", "laptop"], "--scopes"),
        (["create", "laptop", "--scopes", "read,fly"], "'fly' is not a scope; read, generate, train, admin"),
        (["create", "laptop", "--scopes", ""], "'' is not a scope"),
        (["revoke"], "id"),
        (["destroy"], "destroy"),
    ],
)
def test_a_command_that_cannot_be_read_is_explained(
    settings: Settings, capsys: Captured, arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments, settings=settings)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


async def test_keys_are_made_and_revoked_beside_a_running_service(
    serve: Serve, settings: Settings, clock: ManualClock, capsys: Captured
) -> None:
    async with serve(client_host="203.0.113.9") as client:
        assert (await client.get("/jobs")).status_code == 403

        create = ["create", "laptop", "--scopes", "generate"]
        assert await asyncio.to_thread(main, create, settings=settings, clock=clock) == 0
        key = capsys.readouterr().out.strip()
        clock.advance(5)
        assert (await client.get("/jobs")).status_code == 401
        shown = {"X-API-Key": key}
        assert (await client.get("/jobs", headers=shown)).status_code == 200
        made = await client.post("/generate-image/", data={"prompt": "a cat"}, headers=shown)
        assert made.status_code == 200

        await asyncio.to_thread(main, ["revoke", key.split("_")[1]], settings=settings, clock=clock)
        clock.advance(5)
        assert (await client.get("/jobs", headers=shown)).status_code == 403


def test_it_is_a_part_of_the_program(tmp_path: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "SANDBOX": "on"},
            capture_output=True,
            text=True,
            check=False,
        )

    made = run("keys", "create", "laptop", "--scopes", "read")
    assert (made.returncode, made.stdout[:3]) == (0, "fg_")
    assert "laptop" in run("keys", "list").stdout
    unknown = run("key")
    assert unknown.returncode == 2
    assert unknown.stderr == (
        "'key' is not possible: python -m app serves, python -m app keys manages API keys.\n"
    )
