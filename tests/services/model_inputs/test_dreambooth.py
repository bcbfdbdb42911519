"""DreamBooth's old inputs in the words of today's trainers."""

import pytest

from app.models import DreamBooth, JsonValue, TrainingRequest
from app.services.model_inputs import InputSchema, fit_training, in_todays_words
from app.services.model_inputs.dreambooth import trigger_word_in


def schema_of(**inputs: dict[str, JsonValue]) -> InputSchema:
    """The schema of a trainer with these inputs."""
    openapi: dict[str, JsonValue] = {
        "components": {"schemas": {"TrainingInput": {"type": "object", "properties": {**inputs}}}}
    }
    return InputSchema.from_openapi(openapi, training=True, model="me/trainer")


TEXT: dict[str, JsonValue] = {"type": "string"}
NUMBER: dict[str, JsonValue] = {"type": "integer"}
TODAYS = schema_of(
    input_images=TEXT,
    trigger_word=TEXT,
    steps={"type": "integer", "minimum": 3, "maximum": 6000},
    learning_rate={"type": "number"},
    batch_size=NUMBER,
)
OWN = schema_of(input_images=TEXT, instance_prompt=TEXT, class_prompt=TEXT, max_train_steps=NUMBER)


def request_of(asked: DreamBooth) -> TrainingRequest:
    """A request that asks for this."""
    return TrainingRequest(asked.instance_prompt, training_set="a" * 64, dreambooth=asked)


@pytest.mark.parametrize(
    ("instance", "class_prompt", "word"),
    [
        ("a photo of sks person", None, "sks"),
        ("a photo of sks person", "a photo of person", "sks"),
        ("sks", None, "sks"),
        ("sks", "sks", "sks"),
        ("A photo of a ZWX dog.", "a photo of a dog", "ZWX"),
        ("a photo of (sks) labrador", "a photo of labrador", "sks"),
        ("a photo of sks labrador", None, "labrador"),
        ("portrait of my friend", None, "portrait of my friend"),
        ("portrait of my friend", "portrait of someone", "portrait of my friend"),
        ("x" * 100, None, "x" * 64),
        ("...", None, "..."),
    ],
)
def test_the_word_for_the_subject_is_found(instance: str, class_prompt: str | None, word: str) -> None:
    assert trigger_word_in(instance, class_prompt) == word


@pytest.mark.parametrize(("asked", "used"), [(None, 1000), (1, 3), (800, 800), (6001, 6000)])
def test_steps_are_brought_into_the_trainers_range(asked: int | None, used: int) -> None:
    wanted = DreamBooth("a photo of sks person", max_train_steps=asked)

    fitted = fit_training(in_todays_words(request_of(wanted), wanted, TODAYS), TODAYS)

    assert fitted.input == {"trigger_word": "sks", "steps": used}


def test_without_a_range_the_published_one_counts() -> None:
    wanted = DreamBooth("sks", max_train_steps=9000)
    plain = schema_of(input_images=TEXT, trigger_word=TEXT, training_steps=NUMBER)

    assert in_todays_words(request_of(wanted), wanted, plain).options == {"steps": 6000}


def test_what_has_no_meaning_today_is_ignored_and_what_has_is_passed_on() -> None:
    options: dict[str, JsonValue] = {
        "num_class_images": 50,
        "prior_loss_weight": 1,
        "train_batch_size": 2,
        "learning_rate": 0.0002,
        "resolution": 512,
        "lora_rank": 8,
    }
    wanted = DreamBooth("sks", class_prompt="person", options=options)

    mapped = in_todays_words(request_of(wanted), wanted, TODAYS)

    assert mapped.trigger_word == "sks"
    # What nobody knows is left to the trainer's own check, which refuses it.
    assert mapped.options == {"batch_size": 2, "learning_rate": 0.0002, "lora_rank": 8}
    assert mapped.ignored == ("class_prompt", "num_class_images", "prior_loss_weight", "resolution")


def test_a_trainer_that_has_the_old_inputs_gets_them_as_they_are() -> None:
    wanted = DreamBooth("a photo of sks person", class_prompt="a person", max_train_steps=9000)

    fitted = fit_training(in_todays_words(request_of(wanted), wanted, OWN), OWN)

    assert fitted.input == {
        "instance_prompt": "a photo of sks person",
        "class_prompt": "a person",
        "max_train_steps": 9000,
    }
    assert fitted.ignored == ()
