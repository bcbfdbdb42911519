"""`/providers/{provider}/fine-tunes`: what a provider keeps for its account, wherever it was trained."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from app.dependencies import GUARDED_READ, GUARDED_TRAIN, FineTuneLibraries
from app.errors import ModelNotFoundError, ProviderNotFoundError
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.provider_fine_tunes import ProviderFineTuneOut, ProviderFineTunesOut
from app.services.provider_fine_tunes import FineTuneLibrary

router = APIRouter(tags=["models"])

ProviderName = Annotated[str, Path(description="`bfl` for Black Forest Labs.")]
FineTuneId = Annotated[str, Path(description="Its id at the provider.")]

_NOT_FOUND = ModelNotFoundError("Black Forest Labs has no fine-tune '4f1c' of this service.")


@router.get("/providers/{provider}/fine-tunes/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/providers/{provider}/fine-tunes",
    summary="List a provider's fine-tunes",
    response_model=ProviderFineTunesOut,
    responses=problems(401, 403, 422, 502, 503, ProviderNotFoundError("acme", ["bfl"])),
    dependencies=GUARDED_READ,
)
async def list_provider_fine_tunes(provider: ProviderName, libraries: FineTuneLibraries) -> Response:
    """All of the account, those included that were made elsewhere."""
    library = _library(libraries, provider)
    return answer(ProviderFineTunesOut(fine_tunes=list(await library.fine_tunes())))


@router.get(
    "/providers/{provider}/fine-tunes/{fine_tune_id}/", include_in_schema=False, dependencies=GUARDED_READ
)
@router.get(
    "/providers/{provider}/fine-tunes/{fine_tune_id}",
    summary="Look at a provider's fine-tune",
    response_model=ProviderFineTuneOut,
    responses=problems(401, 403, 422, 502, 503, _NOT_FOUND),
    dependencies=GUARDED_READ,
)
async def get_provider_fine_tune(
    provider: ProviderName, fine_tune_id: FineTuneId, libraries: FineTuneLibraries
) -> Response:
    """What it was trained with, and by which names it can be used."""
    library = _library(libraries, provider)
    return answer(ProviderFineTuneOut.of(await library.fine_tune(fine_tune_id)))


@router.delete(
    "/providers/{provider}/fine-tunes/{fine_tune_id}/", include_in_schema=False, dependencies=GUARDED_TRAIN
)
@router.delete(
    "/providers/{provider}/fine-tunes/{fine_tune_id}",
    summary="Delete a provider's fine-tune",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 422, 502, 503, _NOT_FOUND),
    dependencies=GUARDED_TRAIN,
)
async def delete_provider_fine_tune(
    provider: ProviderName, fine_tune_id: FineTuneId, libraries: FineTuneLibraries
) -> Response:
    """At the provider, for good."""
    await _library(libraries, provider).delete_fine_tune(fine_tune_id)
    return Response(status_code=204)


def _library(libraries: FineTuneLibraries, provider: str) -> FineTuneLibrary:
    if provider not in libraries:
        raise ProviderNotFoundError(provider, sorted(libraries))
    return libraries[provider]
