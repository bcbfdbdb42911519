"""Who calls: API keys, what each of them may do, and the caller that showed one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.errors import ScopeMissingError

KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
"""What an API key can be called. Names are for people; several keys may share one."""

KEY_NAME_ALLOWED = "1 to 64 letters, digits, spaces and . _ @ -, with a letter or a digit first"


class Scope(StrEnum):
    """What a caller may do.

    `READ` looks at everything there is, `GENERATE` makes pictures, `TRAIN` makes models and takes in training
    pictures, `ADMIN` does all of it, deletes, and decides where events are sent.
    """

    READ = "read"
    GENERATE = "generate"
    TRAIN = "train"
    ADMIN = "admin"


EVERY_SCOPE = frozenset(Scope)


def with_included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """`scopes` and those that they bring along.

    `ADMIN` includes all. Every other one includes `READ`: who starts a job has to see what comes of it.
    """
    given = frozenset(scopes)
    if Scope.ADMIN in given:
        return EVERY_SCOPE
    return given | {Scope.READ} if given else given


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of an API key: everything but the key. `sha256` is the digest of its whole text."""

    id: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in, and what they may do; `key_name` is None where no key was needed."""

    key_name: str | None
    scopes: frozenset[Scope]

    def must_hold(self, scope: Scope) -> None:
        """Raise `ScopeMissingError` unless this caller may do what `scope` stands for."""
        if scope not in self.scopes:
            held = [one.value for one in Scope if one in self.scopes]
            raise ScopeMissingError(scope.value, key_name=self.key_name or "", held=held)
