"""The providers there are, and which of them is meant."""

from collections.abc import Iterator

from app.services.provider import Provider


class Providers:
    """All of them by name. A model's name says whose it is: what stands before its first slash.

    Names that no provider goes by are models of the `default` one, as `owner/name` at Replicate.
    """

    def __init__(self, default: Provider, *others: Provider) -> None:
        self.default = default
        self._by_name = {provider.name: provider for provider in (default, *others)}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._by_name.values())

    def of(self, name: str) -> Provider:
        """The provider that an order names."""
        return self._by_name[name]

    def for_model(self, model: str | None) -> Provider:
        """The provider of the model that callers know by this name; None is the default one's choice."""
        if model is None:
            return self.default
        owner, slash, _ = model.partition("/")
        return self._by_name.get(owner, self.default) if slash else self.default
