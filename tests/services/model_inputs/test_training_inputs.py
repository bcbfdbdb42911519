import pytest

from app.errors import InvalidRequestError
from app.models import JsonValue
from app.services.model_inputs import Fitted
from tests.services.model_inputs.schemas import ADDRESS, COUNT, DREAMBOOTH, PROMPT, TRAINER, Fit


def test_a_training_gets_our_steps_and_the_archive_it_was_given(train: Fit) -> None:
    assert train(TRAINER, url="https://a.example/pictures.zip") == Fitted(
        input={"input_images": "https://a.example/pictures.zip", "trigger_word": "TOK", "steps": 1000},
        ignored=(),
        seed=None,
        expected_outputs=0,
    )


def test_an_archive_still_to_be_uploaded_is_not_missed(train: Fit) -> None:
    assert train(TRAINER, required=("input_images",)).input == {"trigger_word": "TOK", "steps": 1000}
    with pytest.raises(InvalidRequestError, match="lora_rank: is missing"):
        train(TRAINER, required=("input_images", "lora_rank"))


def test_the_options_of_a_trainer_arrive_in_its_own_types(train: Fit) -> None:
    given: dict[str, JsonValue] = {
        "steps": "1500",
        "lora_rank": "32",
        "learning_rate": "1e-4",
        "autocaption": "false",
        "batch_size": 2,
        "resolution": " 512, 1024",
        "caption_dropout_rate": 0.1,
        "optimizer": "prodigy",
        "autocaption_prefix": "",
        "layers_to_optimize_regex": r"transformer\.(\d+)",
        "hf_repo_id": "me/lora",
    }
    fitted = train(TRAINER, given, secrets={"hf_token": "hf_abc"}, required=("hf_token",))
    assert fitted.input == {
        "trigger_word": "TOK",
        "steps": 1500,
        "lora_rank": 32,
        "learning_rate": 0.0001,
        "autocaption": False,
        "batch_size": 2,
        "resolution": "512,1024",
        "caption_dropout_rate": 0.1,
        "optimizer": "prodigy",
        "layers_to_optimize_regex": r"transformer\.(\d+)",
        "hf_repo_id": "me/lora",
    }


@pytest.mark.parametrize("resolution", [512, "512", [512]])
def test_one_resolution_is_a_list_too(train: Fit, resolution: JsonValue) -> None:
    assert train(TRAINER, {"resolution": resolution}).input["resolution"] == "512"


def test_steps_and_trigger_word_go_where_the_trainer_wants_them(train: Fit) -> None:
    assert train(DREAMBOOTH, {"steps": 800, "resolution": "768", "seed": "5"}) == Fitted(
        input={"instance_prompt": "TOK", "max_train_steps": 800, "resolution": 768, "seed": 5},
        ignored=(),
        seed=5,
        expected_outputs=0,
    )
    assert train(DREAMBOOTH).input["max_train_steps"] == 1000
    assert train({"input_images": ADDRESS, "training_steps": COUNT}).input == {}
    assert train({"input_images": ADDRESS, "training_steps": COUNT}).ignored == ("trigger_word",)


@pytest.mark.parametrize(
    ("options", "secrets", "field", "message"),
    [
        (
            {"lora_rang": 8},
            {},
            "lora_rang",
            "is not an option of ostris/flux-dev-lora-trainer; it takes autocaption, ",
        ),
        ({"steps": 2}, {}, "steps", "2 is too low for ostris/flux-dev-lora-trainer; it takes 3 to 6000."),
        ({"optimizer": "sgd"}, {}, "optimizer", "'sgd' is not possible with"),
        ({"resolution": "512,big"}, {}, "resolution", "'512,big' is not a list of whole numbers"),
        ({"resolution": "512,,768"}, {}, "resolution", "such as 512,768,1024"),
        (
            {"layers_to_optimize_regex": "("},
            {},
            "layers_to_optimize_regex",
            "'(' is not a regular expression.",
        ),
        ({"hf_token": "hf_abc"}, {}, "hf_token", "is a secret and cannot be an option"),
        ({"input_images": "https://a.example"}, {}, "input_images", "leave it out"),
        ({"trigger_word": "OTHER"}, {}, "trigger_word", "leave it out"),
        ({}, {"hf_tokn": "hf_abc"}, "hf_tokn", "it takes hf_token or wandb_api_key."),
    ],
)
def test_a_training_drops_nothing_silently(
    train: Fit, options: dict[str, JsonValue], secrets: dict[str, str], field: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        train(TRAINER, options, secrets=secrets)
    assert [error.field for error in refused.value.errors] == [field]
    assert message in refused.value.errors[0].message
    assert "hf_abc" not in refused.value.detail


def test_an_address_that_is_none_is_refused_by_the_callers_name(train: Fit) -> None:
    with pytest.raises(InvalidRequestError, match=r"training_images_url: 'pictures\.zip' is not an address"):
        train(TRAINER, url="pictures.zip")


def test_two_names_for_the_steps_contradict_each_other(train: Fit) -> None:
    with pytest.raises(InvalidRequestError, match="steps: means the same as max_train_steps"):
        train(DREAMBOOTH, {"steps": 800, "max_train_steps": 900})


def test_a_model_without_pictures_to_learn_from_is_no_trainer(train: Fit) -> None:
    with pytest.raises(InvalidRequestError, match="it is not a trainer"):
        train({"prompt": PROMPT})


def test_steps_that_were_left_out_may_be_left_to_the_trainer(train: Fit) -> None:
    url = "https://a.example/pictures.zip"
    assert train(TRAINER, url=url, as_given=True).input == {"input_images": url, "trigger_word": "TOK"}


def test_steps_may_be_called_iterations(train: Fit) -> None:
    fields = {"input_images": ADDRESS, "iterations": COUNT}
    assert train(fields, {"steps": 4}, url="https://a.example/pictures.zip").input["iterations"] == 4
