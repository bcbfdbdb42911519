"""Orders of fine-tunes, and what is learnt from the zip in them."""

import tempfile
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from app.sandbox.bfl.input_pictures import decoded
from app.sandbox.bfl.orders import Order
from app.sandbox.inputs import UnreadableInputError

FINETUNE = "finetune"
"""The endpoint of tasks that are fine-tunes."""
COST = 200.0
_MOST_PICTURES = 20


class Mode(StrEnum):
    """What a fine-tune is about."""

    GENERAL = "general"
    CHARACTER = "character"
    STYLE = "style"
    PRODUCT = "product"


class Priority(StrEnum):
    """What a fine-tune takes its time for."""

    SPEED = "speed"
    QUALITY = "quality"
    HIGH_RES_ONLY = "high_res_only"


class FinetuneType(StrEnum):
    """Whether all weights are trained; the default learning rate follows from it."""

    FULL = "full"
    LORA = "lora"

    @property
    def learning_rate(self) -> float:
        """The learning rate when none is asked for."""
        return 1e-5 if self is FinetuneType.FULL else 1e-4


class LoraRank(IntEnum):
    """The ranks that there are."""

    SMALL = 16
    LARGE = 32


class FinetuneOrder(Order):
    """The body of `POST /v1/finetune`; `file_data` is a zip in base64."""

    file_data: str
    finetune_comment: str
    mode: Mode
    trigger_word: str = "TOK"
    iterations: Annotated[int, Field(ge=100, le=1000)] = 300
    learning_rate: Annotated[float, Field(ge=1e-6, le=5e-3)] | None = None
    captioning: bool = True
    priority: Priority = Priority.QUALITY
    finetune_type: FinetuneType = FinetuneType.FULL
    lora_rank: LoraRank = LoraRank.LARGE

    def details(self) -> dict[str, object]:
        """What `finetune_details` shows of it."""
        shown = self.model_dump(mode="json", exclude={"file_data", "webhook_url", "webhook_secret"})
        return shown | {"learning_rate": self.learning_rate or self.finetune_type.learning_rate}


def learn(file_data: str) -> str:
    """The style of the pictures in a zip, as JSON; UnreadableInputError without any.  Blocks."""
    from app.sandbox.style import NoPicturesError, NotAZipError
    from app.sandbox.style import learn as learn_style

    with tempfile.NamedTemporaryFile(prefix="sandbox-") as file:
        file.write(decoded(file_data))
        file.flush()
        try:
            style, names = learn_style(Path(file.name))
        except NotAZipError as exc:
            raise UnreadableInputError("file_data must be a zip file") from exc
        except NoPicturesError as exc:
            raise UnreadableInputError("No images found in file_data") from exc
    if len(names) > _MOST_PICTURES:
        raise UnreadableInputError(f"At most {_MOST_PICTURES} images can be trained on, not {len(names)}")
    return style.to_json()
