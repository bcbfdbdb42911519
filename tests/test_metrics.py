"""`/metrics`: what is counted, and that no caller can make it grow."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.config import Settings
from app.errors import StorageUnavailableError
from app.metrics import COUNTED_FOR, Metrics
from app.storage.statistics import Statistics
from tests.conftest import Serve
from tests.manual_clock import ManualClock

OPERATIONS = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")

Numbers = dict[tuple[str, ...], float]


@pytest.fixture
def numbers_of() -> Callable[[str, str], Numbers]:
    """The values of one name on a page, by the values of its labels in alphabetical order of their names."""

    def read(page: str, name: str) -> Numbers:
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name
        }

    return read


NumbersOf = Callable[[str, str], Numbers]


async def test_a_generation_is_seen_from_request_to_disk(
    client: httpx.AsyncClient, numbers_of: NumbersOf
) -> None:
    made = await client.post("/generate-image/", data={"prompt": "a cat"})
    picture = await client.get(made.json()["generated_image_url"])

    response = await client.get("/metrics")

    page = response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert numbers_of(page, "fluxgate_http_requests_total") == {
        ("POST", "/generate-image/", "200"): 1,
        ("GET", "/get-image/{image_filename}", "200"): 1,
    }
    assert numbers_of(page, "fluxgate_http_request_seconds_count")[("POST", "/generate-image/")] == 1
    sent = numbers_of(page, "fluxgate_http_response_bytes_total")
    assert sent[("GET", "/get-image/{image_filename}")] == len(picture.content)
    jobs = numbers_of(page, "fluxgate_jobs")
    assert jobs[("generation", "replicate", "succeeded")] == 1
    assert sum(jobs.values()) == 1
    assert len(jobs) == 12
    calls = numbers_of(page, "fluxgate_provider_call_seconds_count")
    assert calls[("create", "ok", "replicate")] == 1
    assert calls[("download", "ok", "replicate")] == 1
    assert numbers_of(page, "fluxgate_provider_download_bytes_total") == {
        ("replicate",): len(picture.content)
    }
    assert numbers_of(page, "fluxgate_pictures") == {(): 1}
    assert numbers_of(page, "fluxgate_picture_bytes") == {(): len(picture.content)}
    assert numbers_of(page, "fluxgate_queue_age_seconds") == {(): 0}
    assert numbers_of(page, "fluxgate_sending_room")[("replicate",)] == 8
    assert numbers_of(page, "fluxgate_database_readable") == {(): 1}


async def test_what_callers_make_up_becomes_no_label(
    client: httpx.AsyncClient, numbers_of: NumbersOf
) -> None:
    for number in range(20):
        await client.get(f"/made/up/{number}")
        await client.get(f"/jobs/{number}")
        await client.request(f"BREW{number}", "/jobs")

    page = (await client.get("/metrics")).text

    assert numbers_of(page, "fluxgate_http_requests_total") == {
        ("GET", "-", "404"): 20,
        ("GET", "/jobs/{job_id}", "404"): 20,
        ("OTHER", "/jobs", "405"): 20,
    }


async def test_every_name_is_explained_and_begins_alike(client: httpx.AsyncClient) -> None:
    await client.get("/ping")

    page = (await client.get("/metrics")).text

    names = {family.name for family in text_string_to_metric_families(page)}
    assert {name.partition("_")[0] for name in names} == {"fluxgate", "process"}
    assert all(re.search(rf"^# HELP {name}(_total)? \S+ ", page, re.MULTILINE) for name in names)
    assert "_created" not in page


async def test_every_number_is_documented_and_no_other(client: httpx.AsyncClient) -> None:
    await client.post("/generate-image/", data={"prompt": "a cat"})
    page = (await client.get("/metrics")).text
    rows: list[tuple[str, str]] = re.findall(r"^\| `(fluxgate_\w+)` \|([^|]*)\|", OPERATIONS, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}

    shown = {
        f"{family.name}{'_total' if family.type == 'counter' else ''}": {*family.samples[0].labels} - {"le"}
        for family in text_string_to_metric_families(page)
        if family.name.startswith("fluxgate")
    }
    assert documented == shown


async def test_open_metrics_come_where_they_are_asked_for(client: httpx.AsyncClient) -> None:
    response = await client.get(
        "/metrics/", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


async def test_where_keys_are_needed_a_scraper_shows_one(serve: Serve, settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_key": SecretStr("a-long-secret")})
    async with serve(guarded) as client:
        refused = await client.get("/metrics")
        shown = await client.get("/metrics", headers={"Authorization": "Bearer a-long-secret"})

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert shown.status_code == 200


async def test_without_keys_only_this_machine_may_look(serve: Serve) -> None:
    async with serve(client_host="192.0.2.7") as client:
        assert (await client.get("/metrics")).status_code == 403


async def test_the_queue_is_as_old_as_its_oldest_job(clock: ManualClock, numbers_of: NumbersOf) -> None:
    began = clock.now()

    async def one_waits() -> Statistics:
        return Statistics(oldest_unsent=began)

    metrics = Metrics(statistics=one_waits, rooms=lambda: {"replicate": 0}, clock=clock)
    clock.advance(90)

    page = (await metrics.page(""))[0].decode()
    assert numbers_of(page, "fluxgate_queue_age_seconds") == {(): 90}
    assert numbers_of(page, "fluxgate_sending_room") == {("replicate",): 0}


async def test_the_database_is_asked_only_every_few_seconds(clock: ManualClock) -> None:
    asked = []

    async def count() -> Statistics:
        asked.append(clock.now())
        return Statistics()

    metrics = Metrics(statistics=count, rooms=lambda: {"replicate": 8}, clock=clock)
    for _ in range(3):
        await metrics.page("")
    clock.advance((COUNTED_FOR + timedelta(seconds=1)).total_seconds())
    await metrics.page("")

    assert len(asked) == 2


async def test_without_the_database_the_rest_is_shown(clock: ManualClock, numbers_of: NumbersOf) -> None:
    async def fails() -> Statistics:
        raise StorageUnavailableError("The disk is gone.")

    metrics = Metrics(statistics=fails, rooms=lambda: {"replicate": 8}, clock=clock)
    metrics.request_served("GET", "/jobs", 503, 0.1, 0)

    page = (await metrics.page(""))[0].decode()
    assert numbers_of(page, "fluxgate_database_readable") == {(): 0}
    assert numbers_of(page, "fluxgate_jobs") == {}
    assert numbers_of(page, "fluxgate_http_requests_total") == {("GET", "/jobs", "503"): 1}
