"""Every expected failure: its code, its title, its status, and the sentence for the caller.

Tree: `AppError` > `InvalidRequestError`, `NotFoundError`s, `ConflictError`s, `AccessError`s,
`ProviderError` > (`ProviderUnavailableError`, `ProviderRefusedError`, `ProviderAnswerLostError`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `message` names the value and what is allowed."""

    field: str
    message: str


class AppError(Exception):
    """An expected failure. `detail` is written for the caller, not for us.

    `provider_details` is what an image provider says of it itself, as JSON, where it says something.
    """

    code: str = "internal_error"
    title: str = "Internal error"
    status_code: int = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        job_id: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.job_id = job_id
        self.retry_after = retry_after
        self.provider_details: object = None


class InvalidRequestError(AppError):
    """The request cannot be carried out as it is; `errors` says which fields and why.

    `report` is what the check of training pictures found, as it is shown, where they came with the request.
    """

    code = "invalid_request"
    title = "The request is not valid"
    status_code = 422

    def __init__(
        self,
        errors: Sequence[FieldError],
        *,
        detail: str | None = None,
        report: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or " ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)
        self.report = report


class TrainingSetRefusedError(InvalidRequestError):
    """Nothing can be trained with these pictures; `report` says why."""

    code = "training_set_refused"
    title = "The training set was refused"


class DatasetNotFoundError(AppError):
    code = "dataset_not_found"
    title = "Dataset not found"
    status_code = 404

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"No dataset with id {dataset_id[:80]!r}.")


class DatasetInUseError(AppError):
    """A training that has not ended may still need the dataset."""

    code = "dataset_in_use"
    title = "The dataset is in use"
    status_code = 409

    def __init__(self, dataset_id: str, job_id: str) -> None:
        super().__init__(
            f"The dataset {dataset_id[:12]}… belongs to the training {job_id}, which has not ended yet; "
            "wait for its end, or cancel it.",
            job_id=job_id,
        )


class PayloadTooLargeError(AppError):
    """The body is larger than the service takes."""

    code = "payload_too_large"
    title = "The upload is too large"
    status_code = 413


class JobNotFoundError(AppError):
    code = "job_not_found"
    title = "Job not found"
    status_code = 404

    def __init__(self, job_id: str) -> None:
        shown = job_id if len(job_id) <= 80 else f"{job_id[:80]}…"
        super().__init__(f"No job with id {shown!r}.")


class EventNotFoundError(AppError):
    """The job has no such event, or was started without a webhook."""

    code = "event_not_found"
    title = "Event not found"
    status_code = 404

    def __init__(self, event_id: str) -> None:
        super().__init__(f"The job has no event with id {event_id[:80]!r}.")


class ImageNotFoundError(AppError):
    code = "image_not_found"
    title = "Image not found"
    status_code = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"No image with the name {name!r}.")


class TrainingSetMissingError(AppError):
    """A stored training set that is needed is not on the disk any more."""

    code = "training_set_missing"
    title = "Training set not found"
    status_code = 404

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The training set {sha256[:12]}… is no longer on the disk; upload it again.")


class ModelNotFoundError(AppError):
    """The provider knows no model of that name, or it has no version that can be run."""

    code = "model_not_found"
    title = "Model not found"
    status_code = 404


class ProviderNotFoundError(AppError):
    """No provider of that name keeps a list of fine-tunes."""

    code = "provider_not_found"
    title = "Provider not found"
    status_code = 404

    def __init__(self, provider: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No provider called {provider[:80]!r} keeps fine-tunes of its own; there is {', '.join(known)}."
        )


class FineTuneNotFoundError(ModelNotFoundError):
    """The list of fine-tunes has none of that name."""

    code = "fine_tune_not_found"
    title = "Fine-tune not found"

    def __init__(self, alias: str) -> None:
        super().__init__(f"No fine-tune in the list is called {alias[:80]!r}.")


class AliasTakenError(AppError):
    code = "alias_taken"
    title = "The name is taken"
    status_code = 409

    def __init__(self, alias: str) -> None:
        super().__init__(f"Another fine-tune is called {alias!r}; give a name that is free.")


class StorageUnavailableError(AppError):
    """Our own records cannot be read or written at present."""

    code = "storage_unavailable"
    title = "The service cannot keep its records"
    status_code = 503


class IdempotencyKeyReusedError(AppError):
    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"
    status_code = 422

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used with a different request; take a new key for this one."
        )


class AccessDeniedError(AppError):
    """The caller may not use the service from where it is."""

    code = "access_denied"
    title = "Access denied"
    status_code = 403


class UnauthenticatedError(AppError):
    """The API key is missing or wrong. `challenge` is the `WWW-Authenticate` of the answer."""

    code = "unauthenticated"
    title = "An API key is needed"
    status_code = 401
    challenge = "Bearer"


class DocsLoginNeededError(UnauthenticatedError):
    """The documentation is for those who have its user name and password."""

    code = "docs_login_needed"
    title = "A user name and a password are needed"
    challenge = 'Basic realm="Documentation", charset="UTF-8"'


class WebhookNotVerifiedError(UnauthenticatedError):
    """A webhook that does not come from the provider, or has been on its way for too long."""

    code = "webhook_not_verified"
    title = "The webhook's signature is not right"
    challenge = "Standard-Webhooks"


class WebhookRepeatedError(AppError):
    code = "webhook_repeated"
    title = "The webhook has been here before"
    status_code = 409

    def __init__(self, message_id: str) -> None:
        super().__init__(f"The webhook {message_id[:80]!r} was taken in before; it changes nothing.")


class ScopeMissingError(AppError):
    """The API key is right, but not for this."""

    code = "scope_missing"
    title = "The API key may not do this"
    status_code = 403

    def __init__(self, scope: str, *, key_name: str, held: Sequence[str]) -> None:
        super().__init__(
            f"This needs the scope {scope!r}, and the API key {key_name!r} has only: "
            f"{', '.join(held) or 'none'}."
        )


class ApiKeyNotFoundError(AppError):
    code = "api_key_not_found"
    title = "API key not found"
    status_code = 404

    def __init__(self, key_id: str) -> None:
        super().__init__(f"No API key with id {key_id[:80]!r}.")


class ProviderError(AppError):
    """Something between us and the provider."""

    code = "provider_error"
    title = "The image provider has a problem"
    status_code = 502


class ProviderUnavailableError(ProviderError):
    """Not reachable or overloaded; the request surely did not run. `retry_after` where it is known."""

    code = "provider_unavailable"
    title = "The image provider is not available"
    status_code = 503


class ProviderRefusedError(ProviderError):
    """The provider understood and declined: our request, our token or our account is at fault.

    `failure_code` is the `FailureCode` that a job gets from it, `upstream_status` the HTTP status seen,
    `provider_details` what the provider says itself, as JSON.
    """

    code = "provider_refused"
    title = "The image provider refused the request"
    status_code = 502

    def __init__(
        self,
        detail: str,
        *,
        failure_code: str,
        upstream_status: int,
        errors: Sequence[FieldError] = (),
        provider_details: object = None,
    ) -> None:
        super().__init__(detail, errors=errors)
        self.code = failure_code
        self.status_code, self.title = _FAILED_JOBS.get(failure_code, (self.status_code, self.title))
        self.failure_code = failure_code
        self.upstream_status = upstream_status
        self.provider_details = provider_details


class ProviderAnswerLostError(ProviderError):
    """No answer, or one that made no sense: the request may or may not have run."""

    code = "provider_answer_lost"
    title = "The image provider gave no usable answer"
    status_code = 502


class DownloadError(ProviderError):
    """A finished picture could not be fetched. `gone` says that trying again is of no use."""

    code = "download_failed"
    title = "A picture could not be fetched"
    status_code = 502

    def __init__(self, detail: str, *, gone: bool = False) -> None:
        super().__init__(detail)
        self.gone = gone


class JobFailedError(AppError):
    """A job that a caller waited for did not succeed; status and title follow from why."""

    def __init__(self, job_id: str, failure_code: str, detail: str, provider_details: object = None) -> None:
        super().__init__(detail, job_id=job_id)
        self.code = failure_code
        self.provider_details = provider_details
        self.status_code, self.title = _FAILED_JOBS.get(failure_code, _FAILED_JOB_OTHERWISE)


_FAILED_JOBS = {
    "content_moderated": (400, "The picture was withheld by the provider's safety filter"),
    "input_refused": (422, "The provider refused the input"),
    "training_set_refused": (422, "The training set was refused"),
    "canceled": (409, "The job was canceled"),
    "answer_lost": (502, "The provider's answer was lost"),
    "provider_token_refused": (503, "The provider refused this service's token"),
    "provider_out_of_credit": (503, "The provider takes no more work from this service"),
    "provider_unavailable": (503, "The image provider is not available"),
}
_FAILED_JOB_OTHERWISE = (502, "The run failed at the provider")
