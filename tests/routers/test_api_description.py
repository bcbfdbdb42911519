"""What the OpenAPI document tells people and Swagger UI."""

from typing import Any

import pytest

from app.main import create_app

DESCRIPTION = create_app().openapi()
OPERATIONS = {
    f"{method} {path}": operation
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
}
PROBLEM = "application/problem+json"


@pytest.mark.parametrize("name", ["GenerateImageIn", "FineTuneIn", "FineTuneInWithFiles"])
def test_swagger_ui_leaves_fields_empty_that_need_not_be_given(name: str) -> None:
    schema = DESCRIPTION["components"]["schemas"][name]
    for field, facts in schema["properties"].items():
        if field == "training_images":
            continue
        # Swagger UI fills a box from the example, or from the default, or makes something up.
        assert "default" in facts or facts["examples"][0] == "" or field in schema["required"]


def test_required_fields_have_an_example_that_works() -> None:
    for name in ("GenerateImageIn", "FineTuneIn"):
        schema = DESCRIPTION["components"]["schemas"][name]
        assert all(schema["properties"][field]["examples"][0] for field in schema["required"])


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_error_has_an_example_of_its_own(operation: dict[str, Any]) -> None:
    examples = {
        status: response["content"][PROBLEM]["example"]
        for status, response in operation["responses"].items()
        if PROBLEM in response.get("content", {})
    }
    assert {status: str(example["status"]) for status, example in examples.items()} == {
        status: status for status in examples
    }
    assert len({example["code"] for example in examples.values()}) == len(examples)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_parameter_is_described_and_has_one_type(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), parameter["name"]
        assert "anyOf" not in parameter["schema"]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_summary_is_a_short_phrase(operation: dict[str, Any]) -> None:
    assert operation["summary"] == operation["summary"].capitalize()
    assert 2 <= len(operation["summary"].split()) <= 5
