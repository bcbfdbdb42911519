"""The OpenAPI description: what FastAPI writes, with our bodies, problems and keys put in."""

from typing import Any

from fastapi import FastAPI

from app.request_bodies import SCHEMAS_OF_BODIES, component_schemas
from app.schemas.problems import Problem

_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The API key, if the service has one."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def complete_description(app: FastAPI) -> None:
    """Let `app.openapi()` include everything that `$ref`s in our routes point to."""
    written_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        description = written_by_fastapi()
        components = description.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(component_schemas(Problem))
        components["securitySchemes"] = _SECURITY_SCHEMES
        # An empty requirement comes first: without API_KEY the service asks for none.
        description["security"] = [{}, *({name: []} for name in _SECURITY_SCHEMES)]
        for operations in description["paths"].values():
            for operation in operations.values():
                schemas.update(operation.pop(SCHEMAS_OF_BODIES, {}))
        return description

    app.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI documents
