"""The OpenAPI description: what FastAPI writes, with our bodies, problems and keys put in."""

from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.callers import Scope
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
                for parameter in operation.get("parameters", ()):
                    _without_null(parameter["schema"])
                schemas.update(operation.pop(SCHEMAS_OF_BODIES, {}))
        for route in iter_route_contexts(app.routes):
            operations = description["paths"].get(route.path_format, {})  # Empty for what is not described.
            for method in [method.lower() for method in route.methods or ()]:
                if method in operations and (scopes := needed_scopes(route.dependant)):
                    _tell_scopes(operations[method], scopes)
        return description

    app.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI documents


def needed_scopes(dependant: Dependant) -> set[Scope]:
    """The scopes of which a route with these dependencies wants one; empty if it is for everybody."""
    found = set(getattr(dependant.call, "scopes", ()))
    for dependency in dependant.dependencies:
        found |= needed_scopes(dependency)
    # Every scope includes this one, which says nothing where there is another.
    return found - {Scope.READ} or found


def _tell_scopes(operation: dict[str, Any], scopes: set[Scope]) -> None:
    either = [scope for scope in Scope if scope in scopes]
    # OpenAPI 3.1 has a place for the roles that a key needs; pages for people do not show it.
    operation["security"] = [{}, *({name: [scope.value]} for scope in either for name in _SECURITY_SCHEMES)]
    sentence = f"An API key needs the scope {' or '.join(f'`{scope}`' for scope in either)}."
    told = operation.get("description", "")
    if sentence not in told:
        operation["description"] = f"{told}\n\n{sentence}".strip()


def _without_null(schema: dict[str, Any]) -> None:
    """Nobody can send null in a query, a path or a header: one choice is left, in place of `anyOf`."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del schema["anyOf"]
        schema.update(choices[0])
