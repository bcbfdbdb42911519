"""`/files`."""

import json
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.sandbox.files import MAX_BYTES, StoredFile, too_large
from app.sandbox.input_schema import JSONObject
from app.sandbox.paging import Cursor, page
from app.sandbox.problems import InvalidField, ProblemError, invalid_input
from app.sandbox.sandbox import sandbox_of

_ENVELOPE_BYTES = 2**20  # room for the other parts and the boundaries
_MAX_NAME_BYTES = 255


async def create(request: Request) -> Response:
    """POST /files"""
    sandbox = sandbox_of(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BYTES + _ENVELOPE_BYTES:
        raise too_large()
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ProblemError(400, "The content type must be multipart/form-data.", title="Bad request")
    try:
        async with request.form(max_files=1) as form:
            content = form.get("content")
            if not isinstance(content, UploadFile):
                missing = "content is required" if content is None else "content must be a file"
                raise invalid_input([InvalidField("required", "content", missing)])
            found = await sandbox.files.add(
                content.file,
                name=_name(_text(form.get("filename")) or content.filename or "file"),
                content_type=_text(form.get("type")) or content.content_type or "application/octet-stream",
                metadata=_metadata(_text(form.get("metadata"))),
            )
    except MultiPartException as exc:
        raise ProblemError(400, f"The form could not be read: {exc.message}", title="Bad request") from exc
    return JSONResponse(sandbox.files.show(found), 201)


async def get(request: Request) -> Response:
    """GET /files/{id}"""
    sandbox = sandbox_of(request)
    return JSONResponse(sandbox.files.show(await sandbox.files.get(request.path_params["id"])))


async def listing(request: Request) -> Response:
    """GET /files"""
    sandbox = sandbox_of(request)

    async def fetch(limit: int, cursor: Cursor) -> list[tuple[int, StoredFile]]:
        return await sandbox.files.newest(limit, before=cursor.before, after=cursor.after)

    return JSONResponse(await page(request, f"{sandbox.addresses.api_url}/files", fetch, sandbox.files.show))


async def delete(request: Request) -> Response:
    """DELETE /files/{id}"""
    await sandbox_of(request).files.delete(request.path_params["id"])
    return Response(status_code=204)


async def download(request: Request) -> Response:
    """GET /files/{id}/download"""
    query = request.query_params
    found, path = await sandbox_of(request).files.signed_path(
        request.path_params["id"],
        owner=query.get("owner", ""),
        expiry=query.get("expiry", ""),
        signature=query.get("signature", ""),
    )
    disposition = f"attachment; filename*=utf-8''{quote(found.name)}"
    return FileResponse(path, media_type=found.content_type, headers={"content-disposition": disposition})


def _text(value: UploadFile | str | None) -> str | None:
    return value if isinstance(value, str) else None


def _name(text: str) -> str:
    if len(text.encode()) > _MAX_NAME_BYTES:
        wrong = f"Must be at most {_MAX_NAME_BYTES} bytes of UTF-8"
        raise invalid_input([InvalidField("string_lte", "filename", wrong)])
    return text


def _metadata(text: str | None) -> JSONObject:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid_input([InvalidField("format", "metadata", "Must be a JSON object")])
    return found


ROUTES = [
    Route("/files", listing, methods=["GET"]),
    Route("/files", create, methods=["POST"]),
    Route("/files/{id}", get, methods=["GET"]),
    Route("/files/{id}", delete, methods=["DELETE"]),
    Route("/files/{id}/download", download, methods=["GET"]),
]
