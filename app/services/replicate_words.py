"""What callers mean who know runs and versions by Replicate's words: addresses, bare ids."""

import re
from urllib.parse import unquote

from app.errors import FieldError, InvalidRequestError, ModelNotFoundError
from app.services.provider import Provider
from app.storage.jobs import JobStore

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_VERSION_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN = 120


class ReplicateWords:
    """Reads them; `provider_url` is the provider's API, as in `https://api.replicate.com/v1`."""

    def __init__(self, *, store: JobStore, provider: Provider, provider_url: str) -> None:
        self._store = store
        self._provider = provider
        self._provider_url = provider_url

    def prediction_id(self, given: str, *, own_url: str) -> str:
        """The id in an address of a prediction, at the provider's or under `own_url`; or `given` itself.

        Nothing is ever asked of an address: only its id is used. Raises `InvalidRequestError` for the field
        `url`, for every other address.
        """
        for base in (self._provider_url, own_url):
            prefix = f"{base.rstrip('/')}/predictions/"
            if given.startswith(prefix):
                run_id = unquote(given.removeprefix(prefix).removesuffix("/"))
                break
        else:
            run_id = given
        if _RUN_ID.fullmatch(run_id) is None:
            message = (
                f"{given[:_SHOWN]!r} is no prediction's address; an id is allowed, or an address that begins "
                f"with {self._provider_url}/predictions/ or {own_url.rstrip('/')}/predictions/."
            )
            raise InvalidRequestError([FieldError("url", message)])
        return run_id

    async def model(self, version: str) -> str:
        """The model that `version` stands for: a model's name, or a bare version id with its name put before.

        Replicate tells nothing about a bare version, so it has to be a fine-tune of ours or a model in use.
        """
        if _VERSION_ID.fullmatch(version) is None:
            return version
        training = await self._store.with_result(version)
        if training is not None and training.result is not None:
            return training.result.version
        for model in await self._provider.models():
            if model.version == version:
                return f"{model.name}:{version}"
        raise ModelNotFoundError(
            f"No model here has the version {version[:12]}…; give it with its model, as owner/name:version."
        )
