"""`/get-image/{image_filename}`: the pictures themselves."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.routing import APIRoute

from app.dependencies import (
    Images,
    ImagesArePrivate,
    MayFetchImages,
    check_for_images,
    image_service,
    images_are_private,
)
from app.errors import FieldError, ImageNotFoundError, InvalidRequestError
from app.problem_details import problems
from app.routers.byte_serving import picture_response

PATH = "/get-image/{image_filename:path}"
"""The name may hold slashes, so that whatever is no picture's name gets the same answer."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PICTURE = {kind: _BINARY for kind in ("image/png", "image/jpeg", "image/webp", "image/gif")}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": _PICTURE},
    206: {"description": "The part of it that `Range` asks for.", "content": _PICTURE},
    304: {"description": "The caller's copy is still good (`If-None-Match`, `If-Modified-Since`)."},
    **problems(
        *(401, 403, 416, 503),
        ImageNotFoundError("generated_image_4f1c_1.webp"),
        InvalidRequestError([FieldError("width", "5 is too small; 16 to 2048 is allowed.")]),
    ),
}

ImageFilename = Annotated[
    str, Path(description="The last part of a `generated_image_url`, as in generated_image_4f1c_1.webp.")
]
Width = Annotated[
    int | None,
    Query(
        ge=16,
        le=2048,
        description="A smaller copy in WebP, this wide or of the next width that is kept: 64, 128, 256, 384, "
        "512, 768, 1024, 1536, 2048. Where the picture itself is not larger, it is given as it is.",
    ),
]
Download = Annotated[bool, Query(description="Let browsers save the picture instead of showing it.")]


class _ImageRoute(APIRoute):
    """Answers requests without a query, which are nearly all, past FastAPI's handling of parameters.

    That costs more than everything else in serving a picture that is in memory. Whoever gives these routes
    a further dependency has to call it in `_plain_image` too.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        thorough = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                return await thorough(request)
            return await _plain_image(request)

        return handle


async def _plain_image(request: Request) -> Response:
    await check_for_images(request)
    images = await image_service(request)
    stored = await images.open(request.path_params["image_filename"], width=None)
    private = await images_are_private(request)
    return picture_response(request, stored, images.stream, download=False, private=private)


router = APIRouter(tags=["images"], route_class=_ImageRoute)


@router.head(PATH, response_class=Response, include_in_schema=False)
@router.get(PATH, summary="Fetch a picture", response_class=Response, responses=_RESPONSES)
async def get_image(
    request: Request,
    image_filename: ImageFilename,
    may_fetch: MayFetchImages,
    images: Images,
    private: ImagesArePrivate,
    width: Width = None,
    download: Download = False,
) -> Response:
    """It never changes, so caches may keep it for good."""
    stored = await images.open(image_filename, width=width)
    return picture_response(request, stored, images.stream, download=download, private=private)
