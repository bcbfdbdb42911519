"""Whether the service can start at all, and a sentence for the operator when it cannot."""

import tempfile
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings, SettingsError
from app.errors import AppError


def check_places(settings: Settings) -> None:
    """Make the folders that the settings name, and see that they can be written to. Blocks.

    Raises `SettingsError` with a line for each that cannot.
    """
    places = [
        ("DATA_DIR", settings.data_dir),
        ("IMAGE_STORE", settings.image_store),
        ("TRAINING_IMAGES_DIR", settings.training_images_dir),
    ]
    if settings.uses_sandbox:
        places.append(("DATA_DIR", settings.data_dir / "sandbox"))
    if settings.database_url is not None:
        places.append(("DATABASE_URL", settings.database_path.parent))
    faults: dict[str, str] = {}
    for name, folder in places:
        reason = _why_unusable(folder)
        if reason is not None:
            faults.setdefault(
                name,
                f"{name}: nothing can be kept in {str(folder)!r} ({reason}); "
                "a folder that this program may write to is allowed.",
            )
    if faults:
        raise SettingsError("\n".join(faults.values()))


class StartUpFaults:
    """ASGI middleware that tells the server an expected fault at start as a sentence, not as a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failure: Message | None = None

        async def send_later(message: Message) -> None:
            nonlocal failure
            if message["type"] == "lifespan.startup.failed":
                failure = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, send_later)
        except (SettingsError, AppError) as exc:
            if failure is not None:
                await send({**failure, "message": str(exc)})
            raise
        except BaseException:
            if failure is not None:
                await send(failure)
            raise


def _why_unusable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as exc:
        return exc.strerror or str(exc)
