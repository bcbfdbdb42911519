"""`python -m app keys`: make API keys, list them and revoke them, beside a running server or without one."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from app.callers import ApiKey, Scope
from app.clock import Clock, SystemClock
from app.config import Settings, SettingsError, read_settings
from app.errors import AppError
from app.services.api_keys import LOOKED_UP_EVERY, ApiKeys

REFUSED = 1


def main(arguments: Sequence[str], *, settings: Settings | None = None, clock: Clock | None = None) -> int:
    """Carry out what follows `keys` on the command line, and return the exit status.

    A new key goes to the standard output and everything about it to the other one, so that a script can take
    the key. Without `settings`, they come from the environment, as the server's do.
    """
    command = _parser().parse_args(arguments)
    try:
        asyncio.run(_carry_out(command, settings or read_settings(), clock or SystemClock()))
    except (SettingsError, AppError) as exc:
        _note(str(exc))
        return REFUSED
    except OSError as exc:
        _note(f"The database cannot be opened ({exc.strerror}: {exc.filename!r}); DATA_DIR says where it is.")
        return REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app keys", description=__doc__)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="create|list|revoke")
    create = commands.add_parser("create", help="make a key and show it, this once")
    create.add_argument("name", help="who or what will use it")
    create.add_argument(
        "--scopes",
        required=True,
        type=_scopes,
        help=f"what it may do, of {', '.join(Scope)}, separated by commas; "
        "every one includes read, and admin includes all",
    )
    commands.add_parser("list", help="list the keys; what callers have to send is not kept")
    revoke = commands.add_parser("revoke", help="take a key out of use, for good")
    revoke.add_argument("id", help="its id, as `list` shows it")
    return parser


def _scopes(text: str) -> list[Scope]:
    scopes = []
    for word in (part.strip() for part in text.split(",")):
        if word not in list(Scope):
            allowed = f"{', '.join(Scope)} are allowed, separated by commas"
            raise argparse.ArgumentTypeError(f"{word!r} is not a scope; {allowed}.")
        scopes.append(Scope(word))
    return scopes


async def _carry_out(command: argparse.Namespace, settings: Settings, clock: Clock) -> None:
    from app.storage.api_keys import ApiKeyRows
    from app.storage.database import Database

    database = Database(settings.database_url or f"sqlite:///{settings.database_path}")
    try:
        await database.start()
        keys = ApiKeys(rows=ApiKeyRows(database), clock=clock)
        match command.verb:
            case "create":
                await _create(keys, command.name, command.scopes, settings)
            case "revoke":
                await _revoke(keys, command.id, settings)
            case _:
                _show(await keys.all(), settings)
    finally:
        await database.aclose()


async def _create(keys: ApiKeys, name: str, scopes: Sequence[Scope], settings: Settings) -> None:
    first = not settings.api_keys and not any(key.revoked_at is None for key in await keys.all())
    new = await keys.create(name, scopes)
    _note(
        f"The key {name!r} has the id {new.key.id} and the scopes {', '.join(new.key.scopes)}. "
        f"Only a hash of it is kept, in {settings.database_path}; it is shown this once:"
    )
    print(new.text, flush=True)
    if first:
        _note("It is the first one: within seconds, a running server serves nobody without a key.")


async def _revoke(keys: ApiKeys, key_id: str, settings: Settings) -> None:
    key = await keys.revoke(key_id)
    within = LOOKED_UP_EVERY.total_seconds()
    _note(f"The key {key.name!r} ({key.id}) is revoked; a running server refuses it within {within:.0f} s.")
    if not settings.api_keys and all(one.revoked_at is not None for one in await keys.all()):
        served = "everybody is" if settings.allow_open else "programs on this machine are"
        _note(f"No key is left, and API_KEY is empty: {served} served without one now.")


def _show(keys: Sequence[ApiKey], settings: Settings) -> None:
    if not keys and not settings.api_keys:
        _note("There is no API key.")
        return
    rows = [("id", "name", "scopes", "created", "revoked")]
    rows += [("API_KEY", name, ", ".join(Scope), "-", "-") for name in settings.api_keys]
    rows += [
        (key.id, key.name, ", ".join(key.scopes), _shown(key.created_at), _shown(key.revoked_at))
        for key in keys
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _shown(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment is not None else "-"


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
