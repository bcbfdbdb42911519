"""Keeping tokens and account matters out of what callers and logs get to see."""

import re
from collections.abc import Iterable, Mapping

_TOKEN = re.compile(r"\b(?:r8|hf)_[A-Za-z0-9]{6,}")
_SECRET_NAME = re.compile(r"(?:token|api_key|secret|password)$")
_ACCOUNT_MATTERS = re.compile(
    r"billing|insufficient credit|purchase credit|spend(?:ing)? limit|payment|replicate\.com/account",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 8
_STRUCK_OUT = "[hidden]"


class Scrubber:
    """Strikes out the service's own token, whatever looks like a token, and further secrets by value."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, text: str, secrets: Iterable[str] = ()) -> str:
        for secret in (self._token, *secrets):
            # What is shorter hides nothing and would riddle the text with holes.
            if secret and len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, _STRUCK_OUT)
        # Logs are long and read with every poll; a plain look is far cheaper than the pattern.
        if "r8_" in text or "hf_" in text:
            text = _TOKEN.sub(_STRUCK_OUT, text)
        return text

    def words(self, text: str, secrets: Iterable[str] = (), *, limit: int = 500) -> str:
        """The provider's words in one line, fit to be shown; empty when they are about the account."""
        if _ACCOUNT_MATTERS.search(text):
            return ""
        line = " ".join(self(text, secrets).split())
        return line if len(line) <= limit else f"{line[: limit - 1]}…"


def secrets_in(run_input: Mapping[str, object]) -> list[str]:
    """The values in a run's echoed input that are secrets, going by their names."""
    return [
        value
        for name, value in run_input.items()
        if isinstance(value, str) and value and _SECRET_NAME.search(name)
    ]
