"""The settings of those who make the pictures: Replicate, its sandbox, Black Forest Labs, local models."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from app.services.local_diffusers.model_settings import (
    DeviceChoice,
    LocalModelSettings,
    ModelConfig,
    Offload,
    Precision,
)

_CREDENTIALS = re.compile(r"//[^/]*@")
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALIASES_ALLOWED = (
    "names with models are allowed, as in FLUX=bfl/flux-dev,black-forest-labs/flux-dev; FAST=schnell"
)


OTHER_PROVIDERS = ("bfl", "local")
"""What the names of models begin with that are not at Replicate."""

USUAL_MODEL = "black-forest-labs/flux-dev"


class SandboxMode(StrEnum):
    """Whether the embedded stand-in for the providers is used; `AUTO`: when there is no token at all."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as exc:
        raise ValueError(
            f"not JSON ({exc}); an object is allowed, as in "
            '{"my_model": {"prediction_type": "v_prediction"}}.'
        ) from None


class ProviderSettings(BaseSettings):
    """What can be set about providers and models."""

    replicate_api_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REPLICATE_API_TOKEN", "REPLICATE_TOKEN")
    )
    replicate_base_url: str = "https://api.replicate.com/v1"
    replicate_model_name: str = USUAL_MODEL
    replicate_trainer: str = "ostris/flux-dev-lora-trainer"
    bfl_api_key: SecretStr | None = None
    bfl_base_url: str = "https://api.bfl.ai"
    bfl_fine_tuning: bool = False
    model_aliases: str = ""
    sandbox: SandboxMode = SandboxMode.AUTO
    sandbox_pace: float = Field(default=1.0, ge=0, le=1000)
    load_models_from_local: bool = True
    local_models_dir: Path = Path("models")
    local_loras_dir: Path | None = None
    local_configs_dir: Path | None = None
    local_model_configs: Annotated[dict[str, ModelConfig], NoDecode, BeforeValidator(_from_json)] = Field(
        default={}
    )
    local_allow_downloads: bool = False
    default_model_identifier: str | None = None
    torch_dtype: Precision = Precision.FLOAT16
    variant: str | None = None
    local_device: DeviceChoice = DeviceChoice.AUTO
    local_offload: Offload = Offload.AUTO
    local_batch: int | None = Field(default=None, ge=1, le=64)
    local_memory_mb: int | None = Field(default=None, ge=1)

    @field_validator("replicate_base_url", "bfl_base_url")
    @classmethod
    def _of_an_api(cls, value: str, info: ValidationInfo) -> str:
        address = value.strip().rstrip("/")
        if not is_web_address(address):
            usual = cls.model_fields[info.field_name or ""].default
            raise ValueError(
                f"{without_credentials(value)!r} is not the address of an API; "
                f"one that begins with https:// or http:// is allowed, as in {usual}."
            )
        return address

    @field_validator("replicate_base_url")
    @classmethod
    def _with_version(cls, address: str) -> str:
        """The API's address in one form, ending in `/v1`, however it was written."""
        return address if address.endswith("/v1") else f"{address}/v1"

    @field_validator("bfl_base_url")
    @classmethod
    def _without_version(cls, address: str) -> str:
        return address.removesuffix("/v1")

    @field_validator("model_aliases")
    @classmethod
    def _names_and_models(cls, value: str) -> str:
        _aliases(value)
        return value

    @property
    def aliases(self) -> dict[str, tuple[str, ...]]:
        """What the operator's own names for models stand for, the preferred one first."""
        return _aliases(self.model_aliases)

    @property
    def default_is_replicates(self) -> bool:
        """Whether `REPLICATE_MODEL_NAME` is a model at Replicate, and no alias or another provider's."""
        owner, slash, _ = self.replicate_model_name.partition("/")
        named = {name.lower() for name in self.aliases}
        return not (slash and owner in OTHER_PROVIDERS) and self.replicate_model_name.lower() not in named

    @property
    def uses_sandbox(self) -> bool:
        """Whether the embedded sandbox stands in for the providers."""
        if self.sandbox is SandboxMode.AUTO:
            return self.replicate_api_token is None and self.bfl_api_key is None
        return self.sandbox is SandboxMode.ON

    @property
    def provider_note(self) -> str:
        """One sentence on where pictures come from, and how to change that; holds no secret."""
        if self.uses_sandbox:
            return (
                "Pictures come from the embedded sandbox: no token, no network, no cost. "
                "Set REPLICATE_API_TOKEN (and SANDBOX=auto) to use Replicate, BFL_API_KEY for Black Forest "
                "Labs."
            )
        if self.replicate_api_token is None and self.bfl_api_key is None:
            return "There is no token: set REPLICATE_API_TOKEN, or SANDBOX=on to try the service without one."
        from_where = []
        if self.replicate_api_token is not None:
            from_where.append(f"Replicate at {without_credentials(self.replicate_base_url)}")
        if self.bfl_api_key is not None:
            from_where.append(f"Black Forest Labs at {without_credentials(self.bfl_base_url)}")
        return f"Pictures come from {' and from '.join(from_where)}. Set SANDBOX=on to try without cost."

    @property
    def local_models(self) -> LocalModelSettings:
        """What there is to know about models on this machine.

        That the usual folder is not there is no fault; that one is not there which was named would be.
        """
        wanted = "local_models_dir" in self.model_fields_set or self.local_models_dir.is_dir()
        return LocalModelSettings(
            models_dir=self.local_models_dir if self.load_models_from_local and wanted else None,
            loras_dir=self.local_loras_dir or self.local_models_dir / "loras",
            configs_dir=self.local_configs_dir or self.local_models_dir / "configs",
            default_model=self.default_model_identifier,
            allow_downloads=self.local_allow_downloads,
            precision=self.torch_dtype,
            variant=self.variant,
            device=self.local_device,
            offload=self.local_offload,
            configs=self.local_model_configs,
        )


def is_web_address(text: str) -> bool:
    """Whether `text` is an http(s) address with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def without_credentials(address: str) -> str:
    """The same address without a user name and password, to be shown."""
    return _CREDENTIALS.sub("//…@", address)


def _aliases(text: str) -> dict[str, tuple[str, ...]]:
    aliases: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, listed = entry.partition("=")
        name, models = name.strip(), tuple(model.strip() for model in listed.split(","))
        if not equals or not _ALIAS.fullmatch(name) or not all(models):
            raise ValueError(f"{entry[:80]!r} cannot be read; {_ALIASES_ALLOWED}.")
        if name.lower() in {known.lower() for known in aliases}:
            raise ValueError(f"{name!r} is there twice; {_ALIASES_ALLOWED}.")
        aliases[name] = models
    return aliases
