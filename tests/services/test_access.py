"""Whom a key stands for."""

import pytest
from pydantic import SecretStr

from app.callers import Caller, Scope
from app.errors import ScopeMissingError, UnauthenticatedError
from app.services.access import Access

ACCESS = Access(api_keys={"laptop": SecretStr("open sesame"), "phone": SecretStr("let me in")})


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": "Bearer open sesame"}, "laptop"),
        ({"x-api-key": "let me in"}, "phone"),
        ({"authorization": "Bearer open sesame", "x-api-key": "let me in"}, "laptop"),
        ({"authorization": "Bearer wrong", "x-api-key": "let me in"}, "phone"),
        ({"authorization": "Basic bGV0IG1lIGlu", "x-api-key": "let me in"}, "phone"),
    ],
)
async def test_a_caller_goes_by_the_name_of_its_key(headers: dict[str, str], name: str) -> None:
    caller = await ACCESS.check("203.0.113.9", headers, Scope.ADMIN)
    assert caller == Caller(key_name=name, scopes=frozenset(Scope))


@pytest.mark.parametrize("name", ["laptop", "phone", "default"])
async def test_the_name_of_a_key_opens_nothing(name: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await ACCESS.check("127.0.0.1", {"x-api-key": name}, Scope.READ)


async def test_who_needs_no_key_has_no_name_and_may_do_everything() -> None:
    caller = await Access().check("127.0.0.1", {}, Scope.ADMIN)
    assert caller == Caller(key_name=None, scopes=frozenset(Scope))


def test_what_a_key_lacks_and_what_it_has_is_said() -> None:
    caller = Caller(key_name="phone", scopes=frozenset({Scope.GENERATE, Scope.READ}))
    caller.must_hold(Scope.READ)
    with pytest.raises(ScopeMissingError) as refused:
        caller.must_hold(Scope.ADMIN)
    assert refused.value.detail == (
        "This needs the scope 'admin', and the API key 'phone' has only: read, generate."
    )


def test_pictures_are_private_where_a_key_is_needed_unless_they_are_public() -> None:
    keys = {"laptop": SecretStr("open sesame")}
    assert Access(api_keys=keys).images_are_private
    assert not Access(api_keys=keys, public_images=True).images_are_private
    assert not Access().images_are_private
