import pytest

from app.errors import ModelNotFoundError
from app.models import JsonValue
from app.services.model_inputs.schema import InputSchema
from tests.services.model_inputs.schemas import FINE_TUNE, TRAINER, Document, SchemaOf


def test_a_schema_is_read_with_what_it_refers_to(schema: SchemaOf) -> None:
    read = schema(FINE_TUNE)
    assert list(read.fields) == list(FINE_TUNE)
    assert read.has("model")
    assert not read.has("guidance")
    assert read.enum("model") == ("dev", "schnell")
    assert read.default("model") == "dev"
    assert read.bounds("num_inference_steps") == (1, 50)
    assert read.bounds("seed") == (None, None)
    assert (read.enum("guidance"), read.default("guidance"), read.bounds("guidance")) == (
        (),
        None,
        (None, None),
    )
    assert read.required == ("prompt",)


def test_a_training_is_fitted_to_the_training_input_where_there_is_one(
    document: Document,
) -> None:
    trainer = document(TRAINER, (), "TrainingInput")
    assert InputSchema.from_openapi(trainer, training=True).has("lora_rank")
    assert InputSchema.from_openapi(document(TRAINER, ()), training=True).has("lora_rank")
    with pytest.raises(ModelNotFoundError):
        InputSchema.from_openapi(trainer)


@pytest.mark.parametrize(
    "document", [None, {}, {"components": None}, {"components": {"schemas": {"Input": []}}}]
)
def test_a_model_that_does_not_say_what_it_takes_cannot_be_run(document: dict[str, JsonValue] | None) -> None:
    with pytest.raises(ModelNotFoundError, match="owner/model does not say what inputs it takes"):
        InputSchema.from_openapi(document, model="owner/model")


def test_the_forms_of_newer_and_older_documents_mean_the_same() -> None:
    loop: JsonValue = {"$ref": "#/components/schemas/loop"}
    fields: JsonValue = {
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "both": {"type": ["integer", "null"]},
        "open": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "loop": loop,
        "odd": {"type": "file", "pattern": "(", "multipleOf": 0, "minimum": "low", "enum": []},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["auto"]}]},
        "matched": {"type": "string", "pattern": "^a+$"},
    }
    read = InputSchema.from_openapi(
        {"components": {"schemas": {"loop": loop, "Input": {"properties": fields}}}}
    )
    assert read.takes("seed", 1)
    assert not read.takes("seed", "1")
    assert not read.takes("both", 1.5)
    assert not read.takes("open", 0)
    assert read.takes("loop", "anything")
    assert read.takes("odd", "anything")
    assert read.takes("either", "auto")
    assert not read.takes("either", "other")
    assert not read.takes("matched", "b")
