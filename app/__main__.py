"""`python -m app`: serve with the host, port and workers of the settings, and say what is served.

`python -m app keys ...` manages API keys instead.
"""

import errno
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from app.config import Settings, SettingsError, read_settings
from app.start_up import check_places

SHUTDOWN_SECONDS = 20
CANNOT_START = 2


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until interrupted; `CANNOT_START` with a sentence for each setting that stands in the way.

    `keys` and what follows it in `arguments` is carried out instead.
    """
    if arguments:
        if arguments[0] == "keys":
            from app import key_commands

            return key_commands.main(arguments[1:])
        print(
            f"{arguments[0]!r} is not possible: python -m app serves, python -m app keys manages API keys.",
            file=sys.stderr,
        )
        return CANNOT_START
    try:
        settings = read_settings()
        check_places(settings)
        listeners = listen(settings.host, settings.port)
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return CANNOT_START
    print("\n".join(greeting(settings, listeners)), flush=True)
    return _serve(listeners, workers=settings.workers)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at all addresses of `host`; raises `SettingsError`."""
    listeners: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, address in dict.fromkeys(addresses):
            # For port 0 the system chooses one, which the further addresses get too.
            chosen = listeners[0].getsockname()[1] if listeners else port
            listeners.append(socket.create_server((address[0], chosen), family=family))
    except (OSError, UnicodeError) as exc:
        for listener in listeners:
            listener.close()
        raise SettingsError(_why_not_listening(host, port, exc)) from None
    return listeners


def greeting(settings: Settings, listeners: list[socket.socket]) -> list[str]:
    """What to tell the operator: where the service is, who makes its pictures, who is served."""
    host, port = listeners[0].getsockname()[:2]
    everywhere = ipaddress.ip_address(host).is_unspecified
    if everywhere:
        host = "::1" if ":" in host else "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    lines = [
        f"Fluxgate is at {address}{' and at every other address of this machine' if everywhere else ''}",
        f"Try every route at {address}/docs",
        settings.provider_note,
    ]
    local = all(ipaddress.ip_address(one.getsockname()[0]).is_loopback for one in listeners)
    if settings.api_key is None and not settings.allow_open and not local:
        lines.append(
            "Without an API key only programs on this machine are served, others get 403: set API_KEY, or "
            "make a key with `python -m app keys create`, or set ALLOW_OPEN=true to serve everybody."
        )
    return lines


def _serve(listeners: list[socket.socket], *, workers: int) -> int:
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "app.main:app",
        workers=workers,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        log_level="warning",
    )
    if workers > 1:
        supervisor = Multiprocess(config, sockets=listeners)
        with tempfile.TemporaryDirectory(prefix="fluxgate-metrics-") as shared:
            # Whichever of them is asked for /metrics answers for all, by what they write there.
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", shared)
            supervisor.run()
        failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
        return STARTUP_FAILURE if failed else 0
    # When it has stopped in good order, uvicorn hands the signal on.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=listeners)
    return 0


def _why_not_listening(host: str, port: int, exc: OSError | UnicodeError) -> str:
    match exc:
        case OSError(errno=errno.EADDRINUSE):
            return f"PORT: {port} is taken by another program; set another PORT, or 0 for any free one."
        case OSError(errno=errno.EACCES):
            return f"PORT: {port} is not for everybody to listen on; set another PORT, above 1023."
        case socket.gaierror():
            why = exc.strerror
        case OSError(errno=int(number)):
            why = os.strerror(number)
        case _:
            why = "that is not a name"
    return (
        f"HOST: it is not possible to listen at {host!r} ({why}); an address of this machine is allowed, "
        "such as 127.0.0.1 for itself alone or 0.0.0.0 for all."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
