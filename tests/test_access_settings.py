"""The settings about who is served."""

import pytest
from pydantic import ValidationError

from tests.conftest import GivenSettings


@pytest.mark.parametrize(
    ("setting", "keys"),
    [
        (None, {}),
        ("open sesame", {"default": "open sesame"}),
        ("schlüssel-!$%&/=?#", {"default": "schlüssel-!$%&/=?#"}),
        (" k ", {"default": "k"}),
        ("laptop:k1", {"laptop": "k1"}),
        ("laptop:k1, my phone : k2", {"laptop": "k1", "my phone": "k2"}),
    ],
)
def test_a_key_or_several_with_names(setting: str | None, keys: dict[str, str]) -> None:
    settings = GivenSettings.model_validate({"api_key": setting})
    assert {name: secret.get_secret_value() for name, secret in settings.api_keys.items()} == keys


@pytest.mark.parametrize(
    ("setting", "number"),
    [
        (" ", 1),
        (",", 1),
        ("sesame1,sesame2", 1),
        ("laptop:sesame1,sesame2", 2),
        ("laptop:sesame1,", 2),
        ("laptop:", 1),
        (":sesame", 1),
        ("laptop:sesame:1", 1),
        ("laptop:ses\name", 1),
        ("läptop:sesame", 1),
        ("laptop:sesame1,laptop:sesame2", 2),
    ],
)
def test_what_is_no_key_is_told_without_showing_it(setting: str, number: int) -> None:
    with pytest.raises(ValidationError) as fault:
        GivenSettings.model_validate({"api_key": setting})
    sentence = str(fault.value.errors()[0]["msg"])
    assert f"key {number} " in sentence
    assert "allowed" in sentence
    assert "sesame" not in sentence
    assert "A secret has no comma and no colon" in sentence or "different names" in sentence


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"docs_username": "annie"}, "missing, while there is a DOCS_USERNAME; both or neither are allowed."),
        ({"docs_password": "sesame"}, "given without a DOCS_USERNAME; both or neither are allowed."),
        (
            {"docs_username": "an:nie", "docs_password": "sesame"},
            "'an:nie' is not possible; any text without a colon is allowed.",
        ),
        ({"docs_username": "an:nie"}, "'an:nie' is not possible; any text without a colon is allowed."),
    ],
)
def test_half_a_login_for_the_documentation_is_none(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError) as fault:
        GivenSettings.model_validate(given)
    assert [error["msg"] for error in fault.value.errors()] == [f"Value error, {sentence}"]
    assert "sesame" not in sentence


def test_a_whole_login_or_none_is_fine() -> None:
    assert GivenSettings.model_validate({}).docs_password is None
    both = GivenSettings.model_validate({"docs_username": "annie", "docs_password": "sesame"})
    assert both.docs_username == "annie"
    assert "sesame" not in repr(both)
