"""What Replicate says about models and about the account, remembered for a minute."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from app.clock import Clock
from app.errors import (
    FieldError,
    InvalidRequestError,
    ModelNotFoundError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import JsonValue
from app.services.model_inputs.schema import InputSchema
from app.services.replicate_client.shared_lookups import SharedLookups
from app.services.replicate_client.wire import Wire

_OWNER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_REFERENCE = re.compile(
    rf"(?:(?P<owner>{_OWNER})/)?(?P<name>{_NAME})(?::(?P<version>[0-9a-f]{{64}}))?", re.ASCII
)
_ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class RunnableModel:
    """A model or a trainer: run by `version`, or by name alone where that is None."""

    name: str
    version: str | None
    official: bool
    description: str | None
    schema: InputSchema


class Catalogue:
    """Looks up models, their input schemas and the account's name."""

    def __init__(self, *, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._models = SharedLookups[RunnableModel](clock=clock, good_for=timedelta(minutes=1))
        self._usernames = SharedLookups[str](clock=clock, good_for=timedelta(hours=1))

    async def model(self, reference: str, *, training: bool = False) -> RunnableModel:
        """The model that `owner/name`, `name` (of the account's own) or `owner/name:version` stands for.

        Raises `InvalidRequestError` for what cannot be a name, `ModelNotFoundError` where there is no such
        model or nothing in it to run.
        """
        found = _REFERENCE.fullmatch(reference)
        if found is None:
            raise InvalidRequestError(
                [
                    FieldError(
                        "model",
                        f"{reference[:200]!r} is not the name of a model; give dev, schnell, owner/name,"
                        " owner/name:version with the version's 64 digits, or the name of an own model.",
                    )
                ]
            )
        owner = found["owner"] or await self.username()
        name, version = f"{owner}/{found['name']}", found["version"]

        async def ask() -> RunnableModel:
            if version is None:
                return await self._newest(name, training=training)
            return await self._pinned(name, version, training=training)

        return await self._models.get(f"{name.lower()}:{version}:{training}", ask)

    def forget_model(self, name: str) -> None:
        """Ask anew for the model `owner/name` when it is next wanted."""
        self._models.forget(lambda key: key.startswith(f"{name.lower()}:"))

    async def username(self) -> str:
        """The account's name, as it was within the last hour."""
        return await self._usernames.get(_ACCOUNT, self._ask_username)

    async def _ask_username(self) -> str:
        account = await self._wire.look_up("/account")
        username = account.get("username") if isinstance(account, dict) else None
        if not isinstance(username, str) or not username:
            raise ProviderUnavailableError("Replicate does not say whose token this is.")
        return username

    async def _newest(self, name: str, *, training: bool) -> RunnableModel:
        model = await self._object(f"/models/{name}", f"Replicate has no model {name!r} for this service.")
        official = model.get("is_official") is True
        description = model.get("description")
        latest = model.get("latest_version")
        latest = latest if isinstance(latest, dict) else {}
        version = latest.get("id")
        by_name_alone = official and not training  # A training is always started by its trainer's version.
        if not by_name_alone and not isinstance(version, str):
            raise ModelNotFoundError(
                f"The model {name!r} has no version yet; its training may not be finished."
            )
        return RunnableModel(
            name=name,
            version=None if by_name_alone else str(version),
            official=official,
            description=description if isinstance(description, str) else None,
            schema=await _schema(latest, name, training=training),
        )

    async def _pinned(self, name: str, version: str, *, training: bool) -> RunnableModel:
        found = await self._object(
            f"/models/{name}/versions/{version}", f"Replicate has no version {version!r} of {name!r}."
        )
        return RunnableModel(
            name=name,
            version=version,
            official=False,
            description=None,
            schema=await _schema(found, name, training=training),
        )

    async def _object(self, path: str, absent: str) -> dict[str, object]:
        try:
            found = await self._wire.look_up(path)
        except ProviderRefusedError as exc:
            if exc.upstream_status == HTTPStatus.NOT_FOUND:
                raise ModelNotFoundError(absent) from exc
            raise
        if not isinstance(found, dict):
            raise ProviderUnavailableError(f"Replicate's answer for {path} made no sense.")
        return found


async def _schema(version: Mapping[str, object], name: str, *, training: bool) -> InputSchema:
    document: object = version.get("openapi_schema")
    openapi: Mapping[str, JsonValue] | None = document if isinstance(document, dict) else None
    # Compiling a schema takes a moment, and loads jsonschema from disk the first time.
    return await asyncio.to_thread(InputSchema.from_openapi, openapi, training=training, model=name)
