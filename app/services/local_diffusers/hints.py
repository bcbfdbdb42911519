"""What a file lets guess about its training, where nobody has said it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.services.local_diffusers.families import PredictionType

_SAID = {
    "v": PredictionType.V_PREDICTION,
    "v_prediction": PredictionType.V_PREDICTION,
    "epsilon": PredictionType.EPSILON,
    "eps": PredictionType.EPSILON,
}
# Tensors without a use, by which trainers mark files (NoobAI-XL and its descendants).
_V_PREDICTION_MARK = "v_pred"
_ZERO_SNR_MARK = "ztsnr"
_IN_NAMES = re.compile(r"(?<![a-z])v[-_ ]?pred(?:iction)?(?![a-z])", re.IGNORECASE)
_TURBO = re.compile(r"(?<![a-z])turbo(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hints:
    """What was guessed, and from what; None where there is no hint."""

    prediction_type: PredictionType | None
    prediction_from: str
    zero_snr: bool
    turbo: bool


def hints_of(name: str, tensors: Collection[str] = (), metadata: Mapping[str, str] | None = None) -> Hints:
    """The hints in a model's name, in the names of its tensors and in what its file says of itself."""
    told = metadata or {}
    prediction_type, prediction_from = _prediction(name, tensors, told)
    titles = (name, told.get("modelspec.title", ""), told.get("modelspec.architecture", ""))
    return Hints(
        prediction_type,
        prediction_from,
        zero_snr=_ZERO_SNR_MARK in tensors,
        turbo=any(_TURBO.search(title) for title in titles),
    )


def _prediction(
    name: str, tensors: Collection[str], metadata: Mapping[str, str]
) -> tuple[PredictionType | None, str]:
    said = _SAID.get(metadata.get("modelspec.prediction_type", "").strip().lower())
    if said is not None:
        return said, "its metadata"
    if _V_PREDICTION_MARK in tensors:
        return PredictionType.V_PREDICTION, "a mark among its tensors"
    if _IN_NAMES.search(name):
        return PredictionType.V_PREDICTION, "its name"
    return None, ""
