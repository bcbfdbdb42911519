"""Replicate's lists of runs, as a script has them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx

from app.models import JobKind, Order
from tests.services.replicate_client.scripted import RUN

SINCE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDER = Order(
    "replicate",
    JobKind.GENERATION,
    "owner/name",
    None,
    {"prompt": "a cat", "seed": 7, "guidance_scale": 3},
    expected_outputs=1,
)
SEEDLESS = replace(ORDER, input={"prompt": "a cat", "guidance_scale": 3})
INPUT = {"prompt": "a cat", "seed": 7, "guidance_scale": 3.0, "output_format": "webp"}


def run(id_: str, seconds: float = 1, **changed: Any) -> dict[str, Any]:
    created = (SINCE + timedelta(seconds=seconds)).isoformat()
    return {**RUN, "id": id_, "input": INPUT, "created_at": created, **changed}


def page(runs: Sequence[object], following: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"next": following, "previous": None, "results": list(runs)})


def date(seconds: float) -> dict[str, str]:
    """The header of an answer that Replicate gives when its clock is so far from ours."""
    return {"Date": format_datetime(SINCE + timedelta(seconds=seconds), usegmt=True)}


def listed(
    *runs: dict[str, Any], headers: dict[str, str] | None = None
) -> Callable[[httpx.Request], httpx.Response]:
    """The runs that were created after what is asked for, newest first."""

    def answer(request: httpx.Request) -> httpx.Response:
        after = datetime.fromisoformat(request.url.params["created_after"])
        wanted = [run for run in runs if datetime.fromisoformat(run["created_at"]) > after]
        return httpx.Response(200, headers=headers, json={"next": None, "results": wanted})

    return answer
