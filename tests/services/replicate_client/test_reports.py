"""Replicate's objects, as found on its wire and as they might be, read into reports."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.models import FailureCode, JobKind, JobStatus, TrainingResult
from app.services.provider import Report
from app.services.provider_wire.secrecy import Scrubber
from app.services.replicate_client.reports import report_of
from tests.services.replicate_client.scripted import RUN, TOKEN

GENERATION, TRAINING = JobKind.GENERATION, JobKind.TRAINING


def read(kind: JobKind = GENERATION, *, expected_outputs: int | None = None, **changed: Any) -> Report:
    return report_of({**RUN, **changed}, kind, Scrubber(TOKEN), expected_outputs=expected_outputs)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("starting", JobStatus.STARTING),
        ("processing", JobStatus.PROCESSING),
        ("succeeded", JobStatus.SUCCEEDED),
        ("failed", JobStatus.FAILED),
        ("canceled", JobStatus.CANCELED),
        ("aborted", JobStatus.CANCELED),
        ("hibernating", JobStatus.PROCESSING),
        (None, JobStatus.PROCESSING),
        (["failed"], JobStatus.PROCESSING),
    ],
)
def test_every_status_has_its_place(word: object, status: JobStatus) -> None:
    assert read(status=word).status is status


@pytest.mark.parametrize(
    ("output", "expected", "status"),
    [
        (None, 1, JobStatus.PROCESSING),
        ("https://x/0", 1, JobStatus.SUCCEEDED),
        (["data:image/webp;base64,AAAA"], 1, JobStatus.SUCCEEDED),
        (["https://x/0"], 2, JobStatus.PROCESSING),
        (["https://x/0", "https://x/1"], 2, JobStatus.SUCCEEDED),
        ([], 0, JobStatus.PROCESSING),
        (["https://x/0"], None, JobStatus.PROCESSING),
    ],
)
def test_a_run_with_all_its_outputs_is_done_though_it_says_processing(
    output: object, expected: int | None, status: JobStatus
) -> None:
    assert read(status="processing", output=output, expected_outputs=expected).status is status


def test_outputs_of_a_run_that_is_starting_finish_nothing() -> None:
    assert read(status="starting", output="https://x/0", expected_outputs=1).status is JobStatus.STARTING


@pytest.mark.parametrize(
    ("output", "addresses"),
    [
        (None, ()),
        ("https://x/0", ("https://x/0",)),
        (["http://x/0", "data:image/png;base64,AA"], ("http://x/0", "data:image/png;base64,AA")),
        ({"image": "https://x/0", "more": ["https://x/1"], "seed": 4}, ("https://x/0", "https://x/1")),
        (["a word", 5, None], ()),
        (True, ()),
    ],
)
def test_outputs_of_every_shape_are_addresses(output: object, addresses: tuple[str, ...]) -> None:
    assert read(status="succeeded", output=output).outputs == addresses


def test_removed_data_is_noticed() -> None:
    report = read(status="succeeded", output=None, data_removed=True, input={})
    assert (report.outputs, report.outputs_removed) == ((), True)


@pytest.mark.parametrize(
    ("written", "microsecond"),
    [
        ("2026-01-01T12:00:00Z", 0),
        ("2026-01-01T12:00:00.1Z", 100_000),
        ("2026-01-01T12:00:00.123Z", 123_000),
        ("2026-01-01T12:00:00.123456Z", 123_456),
        ("2026-01-01T12:00:00.123456789Z", 123_456),
        ("2026-01-01T13:00:00.5+01:00", 500_000),
        ("2026-01-01T12:00:00", 0),
    ],
)
def test_times_of_every_precision_are_read(written: str, microsecond: int) -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, microsecond, tzinfo=UTC)
    report = read(started_at=written, completed_at=written)
    assert (report.started_at, report.completed_at) == (moment, moment)


def test_nonsense_in_the_lesser_members_is_passed_over() -> None:
    report = read(started_at="yesterday", completed_at=5, metrics="fast", logs=7, version=None, input="x")
    assert (report.started_at, report.completed_at, report.predict_seconds) == (None, None, None)
    assert (report.logs, report.version) == (None, None)


def test_the_version_and_the_time_taken_are_reported() -> None:
    report = read(version="a" * 64, metrics={"predict_time": 2.5, "total_time": 3})
    assert (report.version, report.predict_seconds) == ("a" * 64, 2.5)
    assert read(version="hidden").version is None


@pytest.mark.parametrize(
    ("error", "code", "reruns"),
    [
        ("Prediction interrupted; please retry (code: PA)", FailureCode.INTERRUPTED, 2),
        ("Director: unexpected error handling prediction (E9828)", FailureCode.INTERRUPTED, 2),
        ("Unknown error (E1000) (uIJ6l3ruRD)", FailureCode.INTERRUPTED, 1),
        ("Model start timed out (E6716)", FailureCode.INTERRUPTED, 1),
        ("Prediction stopped (E8367)", FailureCode.INTERRUPTED, 1),
        ("Failed to upload file (E9825)", FailureCode.INTERRUPTED, 1),
        (
            "Service is temporarily unavailable. Please try again later. (E004) (x)",
            FailureCode.PROVIDER_UNAVAILABLE,
            2,
        ),
        ("Health check failing (E8765)", FailureCode.PROVIDER_UNAVAILABLE, 0),
        ("Failed to start (E9243)", FailureCode.PREDICTION_FAILED, 0),
        ("Out of memory (E1001)", FailureCode.OUT_OF_MEMORY, 0),
        ("CUDA out of memory. Tried to allocate 20.00 MiB", FailureCode.OUT_OF_MEMORY, 0),
        ("CUDA error: out of memory", FailureCode.OUT_OF_MEMORY, 0),
        ("The input was invalid. Please try again. (E006)", FailureCode.PREDICTION_FAILED, 0),
        (
            "The input or output was flagged as sensitive. Please try again. (E005) (uIJ6l3ruRD)",
            FailureCode.CONTENT_MODERATED,
            0,
        ),
        (
            "NSFW content detected. Try running it again, or try a different prompt.",
            FailureCode.CONTENT_MODERATED,
            0,
        ),
        (
            "All generated images contained NSFW content. Try running it again with a different prompt.",
            FailureCode.CONTENT_MODERATED,
            0,
        ),
        ("No .safetensors file found in tarball", FailureCode.PREDICTION_FAILED, 0),
        ("input_images must be a zip file", FailureCode.TRAINING_SET_REFUSED, 0),
        ("list index out of range", FailureCode.PREDICTION_FAILED, 0),
        ("", FailureCode.PREDICTION_FAILED, 0),
        (None, FailureCode.PREDICTION_FAILED, 0),
        ({"odd": 1}, FailureCode.PREDICTION_FAILED, 0),
    ],
)
def test_the_error_text_says_why_and_whether_to_try_again(
    error: object, code: FailureCode, reruns: int
) -> None:
    report = read(status="failed", error=error)
    assert report.failure is not None
    assert (report.failure.code, report.reruns) == (code, reruns)
    assert report.failure.detail.endswith((".", ")", str(error)))


def test_the_providers_words_help_where_ours_cannot() -> None:
    report = read(status="failed", error=f"list index\n  out of range {TOKEN} hf_abcdefghij")
    assert report.failure is not None
    assert report.failure.detail == (
        "The run failed at Replicate. It says: list index out of range [hidden] [hidden]"
    )


def test_account_matters_are_not_passed_on() -> None:
    report = read(status="failed", error="You have insufficient credit, see https://replicate.com/account")
    assert report.failure is not None
    assert report.failure.detail == "The run failed at Replicate."


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"status": "aborted", "deadline": "2026-01-01T12:00:05Z"}, FailureCode.DEADLINE_EXCEEDED),
        ({"status": "aborted"}, FailureCode.INTERRUPTED),
        (
            {
                "status": "canceled",
                "deadline": "2026-01-01T12:00:05Z",
                "completed_at": "2026-01-01T12:00:05.1Z",
            },
            FailureCode.DEADLINE_EXCEEDED,
        ),
        (
            {
                "status": "canceled",
                "deadline": "2026-01-01T12:00:05Z",
                "completed_at": "2026-01-01T12:00:04Z",
            },
            None,
        ),
        ({"status": "canceled"}, None),
        ({"status": "succeeded"}, None),
    ],
)
def test_a_run_that_was_ended_says_by_what(changed: dict[str, Any], code: FailureCode | None) -> None:
    failure = read(**changed).failure
    assert (failure.code if failure else None) is code


def test_a_training_reports_progress_and_hides_secrets() -> None:
    bar = (
        "flux_train_replicate:  45%|████▌     | 450/1000 [05:12<06:20,  1.45it/s, lr: 4.0e-04 loss: 3.4e-01]"
    )
    report = read(
        TRAINING,
        status="processing",
        input={"steps": 1000, "wandb_api_key": "0123456789abcdef", "trigger_word": "TOK"},
        logs=f"login with 0123456789abcdef and hf_abcdefgh for TOK\n{bar}",
    )
    assert report.logs is not None
    assert report.logs.startswith("login with [hidden] and [hidden] for TOK\n")
    assert report.progress is not None
    assert (report.progress.phase, report.progress.step) == ("training", 450)


@pytest.mark.parametrize(
    ("output", "result"),
    [
        (
            {"version": f"zoe/cat:{'a' * 64}", "weights": "https://x/t.tar"},
            TrainingResult(f"zoe/cat:{'a' * 64}", "https://x/t.tar"),
        ),
        ({"version": f"zoe/cat:{'a' * 64}"}, TrainingResult(f"zoe/cat:{'a' * 64}")),
        ({"weights": "https://x/t.tar"}, None),
        ("https://x/t.tar", None),
        (None, None),
    ],
)
def test_a_training_leaves_a_version_behind(output: object, result: TrainingResult | None) -> None:
    report = read(TRAINING, status="succeeded", output=output)
    assert (report.result, report.outputs) == (result, ())
