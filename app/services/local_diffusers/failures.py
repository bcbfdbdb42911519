"""What goes wrong with local models, as failures of a provider that everybody knows."""

from http import HTTPStatus

from app.errors import ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode


class ModelUnusableError(ProviderRefusedError):
    """A model cannot be loaded from its files; `detail` says what to put where."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            detail,
            failure_code=FailureCode.PROVIDER_REFUSED,
            upstream_status=HTTPStatus.INTERNAL_SERVER_ERROR,
        )


class OutOfMemoryError(ProviderRefusedError):
    """The device has not enough memory for what was asked; the model can be used for less afterwards."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            detail,
            failure_code=FailureCode.OUT_OF_MEMORY,
            upstream_status=HTTPStatus.INSUFFICIENT_STORAGE,
        )


class LocalExtraMissingError(ProviderUnavailableError):
    """The packages that run models are not installed."""

    def __init__(self, missing: ImportError) -> None:
        super().__init__(
            f"Models on this machine need packages that are not installed ({missing}); "
            "install them with: pip install -r requirements.txt -r requirements-local.txt"
        )
