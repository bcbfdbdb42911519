"""Request bodies as forms or JSON, with the same field names and the same checks."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import FieldError, InvalidRequestError, PayloadTooLargeError, StorageUnavailableError
from app.field_errors import allowed_by_schema, field_errors, shown
from app.models import JsonValue

BODY_LIMIT = 1024 * 1024
"""How many bytes a body without files may have."""

BODY_LIMIT_WITH_PICTURES = 32 * 1024 * 1024
"""The same where pictures come as text, in base64."""

SCHEMAS_OF_BODIES = "x-body-schemas"
"""Where an operation carries the schemas that its body refers to, until the API description collects them."""

_JSON = "application/json"
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_FIELD_LIMIT = 200
_FILE_LIMIT = 1000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

BodyT = TypeVar("BodyT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BodyWithFiles(Generic[BodyT]):
    """A body and the files that came with it; the files are closed when the request is over."""

    fields: BodyT
    files: list[UploadFile]


def body_of(model: type[BodyT], *, limit: int = BODY_LIMIT) -> Callable[[Request], Awaitable[BodyT]]:
    """A dependency that reads the request's body, in whichever form it comes, into `model`.

    `limit` is how many bytes it may have.
    """
    validated = _validator(model)

    async def read(request: Request) -> BodyT:
        media_type = _media_type(request)
        if media_type == _MULTIPART:
            form = await _multipart(request, limit)
            files = [name for name, value in form.multi_items() if isinstance(value, UploadFile)]
            await form.close()
            if files:
                raise InvalidRequestError([FieldError(name, "a file, but text is wanted.") for name in files])
            return validated(_without_repeats(_texts(form)))
        return validated(await _plain_fields(request, media_type, limit))

    return read


def body_with_files_of(
    model: type[BodyT], file_field: str, *, limit: Callable[[Request], int]
) -> Callable[[Request], AsyncIterator[BodyWithFiles[BodyT]]]:
    """The same with files under the name `file_field`; `limit` says how many bytes they may have."""
    validated = _validator(model)

    async def read(request: Request) -> AsyncIterator[BodyWithFiles[BodyT]]:
        media_type = _media_type(request)
        if media_type != _MULTIPART:
            fields = await _plain_fields(request, media_type)
            _refuse_text_for_files(fields, file_field)
            yield BodyWithFiles(validated(fields), [])
            return
        form = await _multipart(request, limit(request) + BODY_LIMIT)
        try:
            files = _files(form, file_field)
            fields = _without_repeats(_texts(form))
            _refuse_text_for_files(fields, file_field)
            yield BodyWithFiles(validated(fields), files)
        finally:
            await form.close()

    return read


async def raw_body(request: Request, limit: int) -> bytes:
    """The body as it came; `PayloadTooLargeError` beyond `limit` bytes."""
    return b"".join([chunk async for chunk in _limited(request, limit)])


def documented_body(model: type[BaseModel], *, file_field: str | None = None) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body with one of the dependencies above."""
    schemas = component_schemas(model)
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    if file_field is None:
        content = {_URLENCODED: reference, _MULTIPART: reference, _JSON: reference}
    else:
        with_files = f"{model.__name__}WithFiles"
        schema = schemas[model.__name__]
        upload = {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "A zip, or several pictures.",
        }
        schemas[with_files] = {
            **schema,
            "title": with_files,
            "properties": {file_field: upload, **schema["properties"]},
        }
        content = {
            _MULTIPART: {"$ref": f"#/components/schemas/{with_files}"},
            _URLENCODED: reference,
            _JSON: reference,
        }
    return {
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": ref} for kind, ref in content.items()},
        },
        SCHEMAS_OF_BODIES: schemas,
    }


def component_schemas(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `model` and of what it refers to, by their names among the API's components."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _validator(model: type[BodyT]) -> Callable[[Mapping[str, JsonValue]], BodyT]:
    """Checks fields and makes a `model` of them; what depends on the model alone is worked out once."""
    allowed = allowed_by_schema(model.model_json_schema())
    required = frozenset(name for name, field in model.model_fields.items() if field.is_required())
    declared = frozenset(model.model_fields)
    numbers = frozenset(
        name
        for name, facts in model.model_json_schema()["properties"].items()
        if facts.get("type") in {"integer", "number"}
    )

    def validated(fields: Mapping[str, JsonValue]) -> BodyT:
        given: dict[str, JsonValue] = {}
        errors: list[FieldError] = []
        for name, value in fields.items():
            if value is None and name not in required:
                continue
            if value == "" and name in declared and name not in required:
                continue
            message = _unusable(name, value)
            if message is None and isinstance(value, bool) and name in numbers:
                message = f"{shown(name, value)} is not a number; {allowed[name]} is allowed."
            if message is not None:
                errors.append(FieldError(name[:80], message))
            given[name] = value
        if errors:
            raise InvalidRequestError(errors)
        try:
            return model.model_validate(given)
        except ValidationError as exc:
            raise InvalidRequestError(field_errors(exc.errors(include_url=False), allowed)) from None

    return validated


def _unusable(name: str, value: JsonValue) -> str | None:
    """Why a value cannot be passed on to anybody, whatever its field is for."""
    if not name.isprintable() or len(name) > 100:
        return "this is not a possible name of a field."
    match value:
        case str():
            return "the text holds a null byte, which is not allowed." if "\0" in value else None
        case float():
            return None if math.isfinite(value) else f"{value} is not a finite number."
        case list():
            return next(filter(None, (_unusable(name, item) for item in value)), None)
        case dict():
            return next(filter(None, (_unusable(key, item) for key, item in value.items())), None)
    return None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _plain_fields(
    request: Request, media_type: str, limit: int = BODY_LIMIT
) -> Mapping[str, JsonValue]:
    """The fields of a body that is not multipart."""
    body = b"".join([chunk async for chunk in _limited(request, limit)])
    if media_type == _URLENCODED or not (media_type or body):
        return _without_repeats(_urlencoded(body))
    if media_type == _JSON or (media_type.startswith("application/") and media_type.endswith("+json")):
        return _json_object(body)
    raise HTTPException(
        415,
        f"A body of the kind {media_type[:100]!r} is not accepted; "
        f"send {_URLENCODED}, {_MULTIPART} or {_JSON}, and say so in Content-Type.",
    )


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body's bytes as they come, as long as they are not too many."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else 0
    received = 0
    async with aclosing(request.stream()) as stream:
        if size <= limit:
            async for chunk in stream:
                received += len(chunk)
                if received > limit:
                    break
                yield chunk
    if max(size, received) > limit:
        raise PayloadTooLargeError(f"The body has more than {limit:,} bytes, the most that is taken here.")


def _json_object(body: bytes) -> Mapping[str, JsonValue]:
    try:
        value = from_json(body.removeprefix(_BYTE_ORDER_MARK), allow_inf_nan=False)
    except ValueError as exc:
        raise InvalidRequestError([], detail=f"The body is not valid JSON: {exc}.") from None
    if not isinstance(value, dict):
        raise InvalidRequestError(
            [], detail="The body must be a JSON object, with the fields by their names."
        )
    return value


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_FIELD_LIMIT
        )
    except UnicodeDecodeError:
        raise InvalidRequestError([], detail="The form's text is not valid UTF-8.") from None
    except ValueError:
        raise InvalidRequestError([], detail=f"The form has more than {_FIELD_LIMIT} fields.") from None


class _StrictMultiPartParser(MultiPartParser):
    """Refuses text that is not UTF-8 instead of guessing an encoding for it."""

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            part.data.decode("utf-8")
        super().on_part_end()


async def _multipart(request: Request, limit: int) -> FormData:
    stream = _limited(request, limit)
    parser = _StrictMultiPartParser(
        request.headers, stream, max_files=_FILE_LIMIT, max_fields=_FIELD_LIMIT, max_part_size=limit
    )
    try:
        return await parser.parse()
    except UnicodeDecodeError:
        raise InvalidRequestError([], detail="The form's text is not valid UTF-8.") from None
    except MultiPartException as exc:
        raise InvalidRequestError([], detail=f"The form cannot be read: {exc.message}") from None
    except OSError as exc:
        raise StorageUnavailableError(
            f"The upload finds no place while it is being read ({exc.strerror or exc}); nothing was sent."
        ) from exc
    finally:
        await stream.aclose()


def _texts(form: FormData) -> list[tuple[str, str]]:
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _files(form: FormData, file_field: str) -> list[UploadFile]:
    """The files of a form; a file input that was left empty counts as none."""
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    elsewhere = [name for name, file in files if name != file_field and file.filename]
    if elsewhere:
        message = f"files are taken as {file_field!r} only."
        raise InvalidRequestError([FieldError(name[:80], message) for name in elsewhere])
    return [file for _, file in files if file.filename]


def _refuse_text_for_files(fields: Mapping[str, JsonValue], file_field: str) -> None:
    if fields.get(file_field):
        raise InvalidRequestError(
            [
                FieldError(
                    file_field,
                    "text, but a file is wanted, sent as multipart/form-data "
                    f"(with curl: -F '{file_field}=@pictures.zip').",
                )
            ]
        )


def _without_repeats(pairs: list[tuple[str, str]]) -> Mapping[str, JsonValue]:
    fields: dict[str, JsonValue] = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise InvalidRequestError(
            [FieldError(name[:80], "given more than once; only one value is possible.") for name in repeated]
        )
    return fields
