"""What keeps the service from starting is told in a sentence."""

import warnings
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.types import Message, Scope

from app.config import Settings, SettingsError
from app.main import create_app
from app.start_up import check_places

Change = Callable[[Settings, Path], Settings]


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """A file where a folder is wanted."""
    path = tmp_path / "a_file"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("data_dir", "DATA_DIR"),
        ("image_store", "IMAGE_STORE"),
        ("training_images_dir", "TRAINING_IMAGES_DIR"),
    ],
)
def test_a_folder_that_refuses_is_named(settings: Settings, in_the_way: Path, field: str, name: str) -> None:
    with pytest.raises(SettingsError) as fault:
        check_places(settings.model_copy(update={field: in_the_way}))
    assert str(fault.value) == (
        f"{name}: nothing can be kept in {str(in_the_way)!r} (File exists); "
        "a folder that this program may write to is allowed."
    )


def test_a_database_in_no_folder_is_named(settings: Settings, in_the_way: Path) -> None:
    url = f"sqlite:///{in_the_way}/fluxgate.db"
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: nothing can be kept in .*a_file"):
        check_places(settings.model_copy(update={"database_url": url}))


def test_the_sandbox_needs_its_place_too(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "sandbox").touch()
    with pytest.raises(SettingsError, match=r"^DATA_DIR: nothing can be kept in .*sandbox'"):
        check_places(settings)


def test_places_that_will_do_are_made_and_left_empty(settings: Settings) -> None:
    check_places(settings)
    places = (settings.data_dir, settings.image_store, settings.training_images_dir)
    assert [list(place.iterdir()) for place in places] == [[settings.data_dir / "sandbox"], [], []]


async def test_a_server_is_told_the_sentence_and_no_traceback(settings: Settings, in_the_way: Path) -> None:
    app = create_app(settings=settings.model_copy(update={"image_store": in_the_way}))
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        told.append(message)

    with pytest.raises(SettingsError) as fault:
        await app(scope, receive, send)
    assert told == [{"type": "lifespan.startup.failed", "message": str(fault.value)}]
    assert str(fault.value).startswith("IMAGE_STORE: nothing can be kept in ")


async def test_what_is_loaded_in_the_background_lets_no_warning_through(client: httpx.AsyncClient) -> None:
    await client.get("/ping")
    # FastAPI silences it for a moment only, which an import in another thread may cut short.
    warnings.warn("an alias without effect", UnsupportedFieldAttributeWarning, stacklevel=1)
