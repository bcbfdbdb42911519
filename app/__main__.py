"""`python -m app`: serve with the host, port and workers of the settings, and say what is served."""

import sys

from pydantic import ValidationError

from app.config import Settings

SHUTDOWN_SECONDS = 20


def main() -> int:
    """Serve until interrupted; 2 if the settings are not valid."""
    try:
        settings = Settings()
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False, include_context=False):
            name = ".".join(str(part) for part in error["loc"]).upper()
            print(f"{name}: {error['msg']}.", file=sys.stderr)
        return 2

    import uvicorn

    address = f"http://{settings.host}:{settings.port}"
    print(f"Fluxgate is at {address}")
    print(f"Try every route at {address}/docs")
    print(settings.provider_note, flush=True)
    uvicorn.run(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        log_level="warning",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
