"""Pictures and options that are refused together, so that a caller learns of everything at once."""

from app.errors import AppError, InvalidRequestError, TrainingSetRefusedError
from app.models import TrainingRequest
from app.services.jobs import JobService
from app.services.training_sets import with_more_refused


async def refused_altogether(
    refusal: TrainingSetRefusedError, request: TrainingRequest | None, jobs: JobService
) -> TrainingSetRefusedError:
    """The refusal of the pictures, with that of the options of `request` where those are wrong, too."""
    if request is None:
        return refusal
    try:
        await jobs.check_training(request)
    except InvalidRequestError as exc:
        return with_more_refused(refusal, exc)
    except AppError:
        # Whether the provider can be asked or not, the pictures are refused.
        return refusal
    return refusal
