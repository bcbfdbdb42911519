"""The settings, read once at start from the environment and `.env`."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SandboxMode(StrEnum):
    """Whether the embedded stand-in for Replicate is used; `AUTO` means: when there is no token."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Settings(BaseSettings):
    """Everything that can be set from outside; `.env.example` explains each one."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    replicate_api_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REPLICATE_API_TOKEN", "REPLICATE_TOKEN")
    )
    replicate_base_url: str = "https://api.replicate.com/v1"
    replicate_model_name: str = "black-forest-labs/flux-dev"
    replicate_trainer: str = "ostris/flux-dev-lora-trainer"
    sandbox: SandboxMode = SandboxMode.AUTO
    sandbox_pace: float = Field(default=1.0, ge=0)
    data_dir: Path = Path("data")
    database_url: str | None = None
    image_store: Path = Path("generated_images")
    training_images_dir: Path = Path("training_images")
    training_upload_limit_mb: int = Field(default=100, ge=1)
    api_key: SecretStr | None = None
    allow_open: bool = False
    cors_origins: str = ""
    sync_wait_seconds: float = Field(default=55, ge=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1)

    @field_validator("replicate_base_url")
    @classmethod
    def _with_version(cls, value: str) -> str:
        """The API's address in one form, ending in `/v1`, however it was written."""
        address = value.strip().rstrip("/")
        return address if address.endswith("/v1") else f"{address}/v1"

    @property
    def uses_sandbox(self) -> bool:
        """Whether the embedded sandbox stands in for Replicate."""
        if self.sandbox is SandboxMode.AUTO:
            return self.replicate_api_token is None
        return self.sandbox is SandboxMode.ON

    @property
    def provider_note(self) -> str:
        """One sentence on where pictures come from, and how to change that; holds no secret."""
        if self.uses_sandbox:
            return (
                "Pictures come from the embedded sandbox: no token, no network, no cost. "
                "Set REPLICATE_API_TOKEN (and SANDBOX=auto) to use Replicate."
            )
        if self.replicate_api_token is None:
            return "There is no token: set REPLICATE_API_TOKEN, or SANDBOX=on to try the service without one."
        return (
            f"Pictures come from Replicate at {self.replicate_base_url}. Set SANDBOX=on to try without cost."
        )

    @property
    def sync_wait(self) -> timedelta:
        """How long a caller is kept waiting for a picture before being sent to its job."""
        return timedelta(seconds=self.sync_wait_seconds)

    @property
    def origins(self) -> list[str]:
        """The origins that browsers may call from."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
