"""What the models of request bodies share."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.models import JsonValue


def _for_forms(schema: dict[str, Any]) -> None:
    """Leave out what makes Swagger UI's form unusable: `null` as a choice, and boxes for unnamed fields.

    Swagger UI fills every box. A field that may be left out is shown empty, which counts as not given.
    """
    schema.pop("additionalProperties", None)
    for facts in schema["properties"].values():
        if facts.get("default", ...) is None:
            del facts["default"]
            facts["examples"] = [""]
        if "anyOf" in facts:
            [choice] = [choice for choice in facts.pop("anyOf") if choice != {"type": "null"}]
            facts.update(choice)


class OpenBody(BaseModel):
    """A body whose further fields are kept, as options for the model that will run."""

    model_config = ConfigDict(
        extra="allow", frozen=True, allow_inf_nan=False, json_schema_extra=_for_forms, protected_namespaces=()
    )

    def given(self, *, without: frozenset[str]) -> dict[str, JsonValue]:
        """The fields that the caller sent, by name, but for those in `without`."""
        values: dict[str, JsonValue] = {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }
        values.update(self.model_extra or {})
        return {name: value for name, value in values.items() if name not in without}
