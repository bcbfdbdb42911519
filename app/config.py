"""The settings, read once at start from the environment and `.env`."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from app.callers import KEY_NAME, KEY_NAME_ALLOWED
from app.field_errors import allowed_by_schema, field_errors
from app.provider_settings import ProviderSettings, SandboxMode, is_web_address, without_credentials
from app.signing import is_secret

_DATABASE_URL = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)")


class SettingsError(Exception):
    """The service cannot start with these settings; the message is for the operator, a line a fault."""


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """From which weight on a record is written to the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(ProviderSettings):
    """Everything that can be set from outside; `.env.example` explains each one."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    data_dir: Path = Path("data")
    database_url: str | None = None
    image_store: Path = Path("generated_images")
    training_images_dir: Path = Path("training_images")
    training_upload_limit_mb: int = Field(default=100, ge=1)
    training_price_per_second: float = Field(default=0.001525, ge=0, allow_inf_nan=False)
    api_key: SecretStr | None = None
    allow_open: bool = False
    public_images: bool = False
    docs_username: str | None = None
    docs_password: SecretStr | None = Field(default=None, validate_default=True)
    cors_origins: str = ""
    allow_private_webhooks: bool = False
    webhook_url: str | None = None
    replicate_webhook_secret: SecretStr | None = None
    sync_wait_seconds: float = Field(default=55, ge=0, le=3600)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1)
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel = LogLevel.INFO
    access_log: bool = True
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str = "fluxgate"
    dd_agent_host: str | None = None
    dd_trace_agent_port: int = Field(default=8126, ge=1, le=65535)
    datadog_service_name: str = Field(
        default="fluxgate", validation_alias=AliasChoices("DATADOG_SERVICE_NAME", "DD_SERVICE")
    )

    @field_validator("database_url")
    @classmethod
    def _in_a_file(cls, value: str | None) -> str | None:
        found = _DATABASE_URL.fullmatch(value.partition("?")[0]) if value is not None else None
        if value is not None and (found is None or found["path"] == ":memory:"):
            raise ValueError(
                f"{without_credentials(value)!r} is not possible; a SQLite file is allowed, as in "
                "sqlite:///data/fluxgate.db (four slashes for a path from the root)."
            )
        return value

    @field_validator("webhook_url")
    @classmethod
    def _of_this_service(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        address = value.strip().rstrip("/")
        if not is_web_address(address) or any(sign in address for sign in "?#@"):
            raise ValueError(
                f"{without_credentials(value)!r} is not the address of this service; one that begins with "
                "https:// and has no query is allowed, as in https://fluxgate.example.com."
            )
        mode = info.data.get("sandbox")
        token = info.data.get("replicate_api_token") or info.data.get("bfl_api_key")
        sandbox = mode is SandboxMode.ON or (mode is SandboxMode.AUTO and token is None)
        provider = info.data.get("replicate_base_url", "")
        if address.startswith("http:") and not sandbox and provider.startswith("https:"):
            raise ValueError(
                f"{value!r} begins with http://, to which Replicate sends nothing; "
                "an address that begins with https:// is allowed."
            )
        return address

    @field_validator("replicate_webhook_secret")
    @classmethod
    def _signs(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_secret(value.get_secret_value()):
            raise ValueError("not a signing secret; whsec_ and a key in base64 is allowed.")
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _of_a_collector(cls, value: str | None) -> str | None:
        if value is not None and not is_web_address(value):
            raise ValueError(
                f"{without_credentials(value)!r} is not the address of a collector; "
                "one that begins with https:// or http:// is allowed, as in http://127.0.0.1:4318."
            )
        return value

    @field_validator("api_key")
    @classmethod
    def _names_and_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _named_keys(value)
        return value

    @field_validator("docs_username")
    @classmethod
    def _without_colon(cls, value: str | None) -> str | None:
        if value is not None and ":" in value:
            raise ValueError(f"{value!r} is not possible; any text without a colon is allowed.")
        return value

    @field_validator("docs_password")
    @classmethod
    def _with_username(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A user name that was refused is not in the data; then that is told, and nothing else.
        if "docs_username" in info.data and (value is None) != (info.data["docs_username"] is None):
            fault = "missing, while there is a" if value is None else "given without a"
            raise ValueError(f"{fault} DOCS_USERNAME; both or neither are allowed.")
        return value

    @property
    def secrets(self) -> list[str]:
        """Everything that must be seen nowhere, with the single keys and headers in lists of them."""
        whole = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        keys = [key.get_secret_value() for key in self.api_keys.values()]
        headers = self.otel_exporter_otlp_headers
        pairs = headers.get_secret_value().split(",") if headers is not None else []
        return [*whole, *keys, *(pair.partition("=")[2].strip() for pair in pairs)]

    @property
    def api_keys(self) -> dict[str, SecretStr]:
        """The keys of `API_KEY` by name."""
        return _named_keys(self.api_key) if self.api_key is not None else {}

    @property
    def database_path(self) -> Path:
        """The file with the records."""
        if self.database_url is None:
            return self.data_dir / "fluxgate.db"
        return Path(self.database_url.partition(":///")[2].partition("?")[0])

    @property
    def sync_wait(self) -> timedelta:
        """How long a caller is kept waiting for a picture before being sent to its job."""
        return timedelta(seconds=self.sync_wait_seconds)

    @property
    def origins(self) -> list[str]:
        """The origins that browsers may call from."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


def read_settings() -> Settings:
    """The settings of this process; raises `SettingsError`."""
    try:
        return Settings()
    except ValidationError as exc:
        allowed = allowed_by_schema(Settings.model_json_schema(by_alias=False))
        faults = field_errors(exc.errors(include_url=False), allowed)
        lines = [f"{fault.field.upper()}: {fault.message}" for fault in faults]
        raise SettingsError("\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"The file .env cannot be read: {reason}.") from None


def _named_keys(setting: SecretStr) -> dict[str, SecretStr]:
    """The keys of `API_KEY` by name. Errors show nothing of it: a part in the wrong place is a secret."""
    text = setting.get_secret_value()
    given = [part.partition(":")[::2] for part in text.split(",")]
    if "," not in text and ":" not in text:
        given = [("default", text)]
    keys: dict[str, SecretStr] = {}
    for number, (name, secret) in enumerate(((n.strip(), s.strip()) for n, s in given), start=1):
        sound = secret and secret.isprintable() and ":" not in secret
        if KEY_NAME.fullmatch(name) is None or not sound:
            raise ValueError(
                f"key {number} cannot be read; a secret is allowed, or several as in "
                "laptop:secret,phone:secret. A secret has no comma and no colon; a name has "
                f"{KEY_NAME_ALLOWED}."
            )
        if name in keys:
            raise ValueError(f"key {number} has the name of another one; different names are allowed.")
        keys[name] = SecretStr(secret)
    return keys
