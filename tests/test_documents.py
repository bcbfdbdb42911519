"""Documents that cannot rot: what they list is compared with what there is."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import AliasChoices
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app.config import Settings
from app.datasets import FindingCode
from app.main import create_app
from app.models import JobStatus
from app.sandbox.faults import Fault
from app.storage import migrations
from app.storage.database import Database
from app.storage.tables import metadata

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / ".env.example"
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("**/*.md"))


class ShownSettings(Settings):
    """Settings that come from .env.example alone, whatever the environment says."""

    model_config = SettingsConfigDict(env_file=EXAMPLE)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (dotenv_settings,)


@pytest.fixture
def settings_by_name() -> dict[str, object]:
    """The default of every setting, by the name it has in the environment."""
    defaults: dict[str, object] = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        main_name = alias.choices[0] if isinstance(alias, AliasChoices) else name.upper()
        defaults[str(main_name)] = field.default
    return defaults


@pytest.fixture
def shown_settings() -> dict[str, tuple[str, str]]:
    """What .env.example shows: value and explanation, by name. Neighbours share an explanation."""
    shown: dict[str, tuple[str, str]] = {}
    explanation = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            explanation = f"{explanation} {line.lstrip('# ')}".strip()
        elif line:
            name, is_setting, value = line.partition("=")
            assert is_setting, line
            assert name not in shown
            shown[name] = (value, explanation)
        else:
            explanation = ""
    return shown


def test_every_setting_is_in_the_example_and_no_other(
    settings_by_name: dict[str, object], shown_settings: dict[str, tuple[str, str]]
) -> None:
    assert list(shown_settings) == list(settings_by_name)


def test_every_setting_in_the_example_is_explained(shown_settings: dict[str, tuple[str, str]]) -> None:
    assert [name for name, (_, explanation) in shown_settings.items() if len(explanation) < 20] == []


def test_the_example_shows_every_default(
    settings_by_name: dict[str, object], shown_settings: dict[str, tuple[str, str]]
) -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert ShownSettings().model_dump() == defaults
    # An empty value leaves the default as it is, whatever it is: it may only stand for "not set".
    empty = {name for name, (value, _) in shown_settings.items() if not value}
    assert empty == {name for name, default in settings_by_name.items() if default in (None, "", {})}


def test_every_other_name_of_a_setting_is_in_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for field in Settings.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            assert [name for name in field.validation_alias.choices if str(name) not in text] == []


def test_readme_names_no_setting_that_does_not_exist(settings_by_name: dict[str, object]) -> None:
    section = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    names = set(re.findall(r"`([A-Z][A-Z_]{3,})\b", section))

    assert {"REPLICATE_API_TOKEN", "API_KEY"} <= names
    assert names - set(settings_by_name) == set()


def test_every_route_is_in_the_readme() -> None:
    paths = list(create_app().openapi()["paths"])
    patterns = {path: re.sub(r"\\{\w+\\}", r"[^\\s/`\"']+", re.escape(path)) for path in paths}
    unmentioned = [
        path for path, pattern in patterns.items() if not re.search(rf"{pattern}(?![\w/-]*[\w-])", README)
    ]

    assert len(paths) > 5
    assert unmentioned == []


def test_every_fault_of_the_sandbox_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `sandbox:([a-z-]+)` \|", page, re.MULTILINE)

    assert rows == [fault.value for fault in Fault]


def test_every_status_of_a_job_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)

    assert rows == [status.value for status in JobStatus]


def test_every_finding_of_a_check_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)

    assert rows == [code.value for code in FindingCode]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text)

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.fixture
def places() -> Iterator[Path]:
    """Every file and folder in the map of README's section "How it is built"."""
    drawing = README.partition("\n## How it is built\n")[2].partition("```\n")[2].partition("```")[0]
    above: list[str] = []
    found = []
    for line in drawing.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], line.split()[0]]
        found.append(ROOT.joinpath(*above))
    return iter(found)


def test_every_place_on_the_map_exists(places: Iterator[Path]) -> None:
    on_map = list(places)

    assert ROOT / "app" / "services" / "reconciler.py" in on_map
    assert [str(place) for place in on_map if not place.exists()] == []


def test_every_part_of_the_service_is_on_the_map(places: Iterator[Path]) -> None:
    on_map = set(places)
    layers = {place for place in (ROOT / "app").iterdir() if place.is_dir() and place.name[0] not in "_."}

    assert layers - on_map == set()


def test_make_knows_every_target_that_is_mentioned() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    mentioned: set[str] = set()
    for page in PAGES:
        mentioned |= set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))

    assert {"run", "demo", "test"} <= mentioned
    assert mentioned - targets == set()


def test_the_newest_migration_is_the_one_that_is_expected() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))

    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


async def test_all_migrations_together_make_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    database = Database(f"sqlite:///{path}")
    await database.start()
    await database.aclose()

    # Asked of the file itself, too: a comparison that sees nothing would find no difference either.
    connection = sqlite3.connect(path)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert names == {*metadata.tables, "alembic_version"}

    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as seen:
        context = MigrationContext.configure(seen, opts={"compare_type": True})
        assert context.get_current_revision() == migrations.HEAD
        assert compare_metadata(context, metadata) == []
