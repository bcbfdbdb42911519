"""Settings, and the sentences about those that cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.config import Settings, SettingsError, read_settings
from tests.conftest import GivenSettings

Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Sets what is given, in a folder without `.env`, and nothing of the developer's."""
    monkeypatch.chdir(tmp_path)
    for name in (*Settings.model_fields, "replicate_token"):
        monkeypatch.delenv(name.upper(), raising=False)

    def give(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    return give


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "PORT: 'abc' is not a whole number; 0 to 65535 is allowed."),
        ("PORT", "70000", "PORT: 70000 is too large; 0 to 65535 is allowed."),
        ("WORKERS", "0", "WORKERS: 0 is too small; 1 or more is allowed."),
        (
            "SANDBOX",
            "maybe",
            "SANDBOX: 'maybe' is not one of the choices; 'auto', 'on' or 'off' is allowed.",
        ),
        ("ALLOW_OPEN", "2", "ALLOW_OPEN: '2' is not true or false; true or false is allowed."),
        ("SYNC_WAIT_SECONDS", "inf", "SYNC_WAIT_SECONDS: inf is too large; 0 to 3600 is allowed."),
        (
            "REPLICATE_BASE_URL",
            "foo",
            "REPLICATE_BASE_URL: 'foo' is not the address of an API; one that begins with https:// or "
            "http:// is allowed, as in https://api.replicate.com/v1.",
        ),
        (
            "DATABASE_URL",
            "postgresql://me:secret@db/records",
            "DATABASE_URL: 'postgresql://…@db/records' is not possible; a SQLite file is allowed, as in "
            "sqlite:///data/fluxgate.db (four slashes for a path from the root).",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value_and_what_can(
    environment: Environment, name: str, value: str, sentence: str
) -> None:
    environment(**{name: value})
    with pytest.raises(SettingsError) as fault:
        read_settings()
    assert str(fault.value) == sentence


def test_every_fault_has_a_line(environment: Environment) -> None:
    environment(PORT="abc", WORKERS="none")
    with pytest.raises(SettingsError) as fault:
        read_settings()
    assert [line.split(":")[0] for line in str(fault.value).splitlines()] == ["PORT", "WORKERS"]


@pytest.mark.parametrize("value", ["", "ftp://example.com", "https://", "http://[::1", "http://h:99999999"])
def test_an_api_has_a_web_address(value: str) -> None:
    with pytest.raises(ValueError, match="is not the address of an API"):
        GivenSettings(replicate_base_url=value)


@pytest.mark.parametrize(
    "written", ["http://127.0.0.1:9000", "http://127.0.0.1:9000/", "http://127.0.0.1:9000/v1/"]
)
def test_an_address_may_be_written_with_its_version_or_without(written: str) -> None:
    assert GivenSettings(replicate_base_url=written).replicate_base_url == "http://127.0.0.1:9000/v1"


@pytest.mark.parametrize(
    "value", ["nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///", "mysql://h/db"]
)
def test_records_are_kept_in_a_file(value: str) -> None:
    with pytest.raises(ValueError, match="a SQLite file is allowed"):
        GivenSettings(database_url=value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///x/y.db", "x/y.db"),
        ("sqlite+pysqlite:////srv/y.db?timeout=5", "/srv/y.db"),
        (None, "data/fluxgate.db"),
    ],
)
def test_the_file_of_records_is_known(url: str | None, path: str) -> None:
    assert GivenSettings(database_url=url).database_path == Path(path)


def test_a_file_of_settings_that_is_no_text_is_told(environment: Environment, tmp_path: Path) -> None:
    environment()
    (tmp_path / ".env").write_bytes(b"PORT=\xff")
    with pytest.raises(SettingsError, match=r"The file \.env cannot be read: it is not UTF-8 text\."):
        read_settings()


def test_secrets_stay_out_of_the_note_on_the_provider() -> None:
    settings = GivenSettings(
        REPLICATE_API_TOKEN="r8_secret",  # type: ignore[call-arg]  # noqa: S106 - its name there, no secret
        replicate_base_url="http://me:secret@127.0.0.1:9000",
    )
    assert "secret" not in settings.provider_note
    assert "http://…@127.0.0.1:9000/v1" in settings.provider_note
