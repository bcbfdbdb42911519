"""What may be ordered, as pydantic models: BFL's API checks its bodies with pydantic as well."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator

_MOST_PIXELS = 4_194_304  # "up to 4 MP" at FLUX.2
_WIDEST = 21 / 9


class OutputFormat(StrEnum):
    """The formats that pictures come in."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


class Resolution(StrEnum):
    """The sizes of FLUX 3, each in all shapes."""

    SQUARE_768 = "768sq"
    ONE_K = "1k"
    ONE_AND_A_HALF_K = "1.5k"
    TWO_K = "2k"
    FOUR_K = "4k"


def ratio(text: str) -> float:
    """Width by height of a ratio such as `16:9`; ValueError for what is none."""
    width, colon, height = text.partition(":")
    if not (colon and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError(f"aspect_ratio must be two numbers such as 16:9, not {text!r}")
    return int(width) / int(height)


def _is_ratio(text: str) -> str:
    if not 1 / _WIDEST <= ratio(text) <= _WIDEST:
        raise ValueError(f"aspect_ratio must be from 21:9 to 9:21, not {text!r}")
    return text


def _is_flux_2_side(side: int) -> int:
    if side and (side < 64 or side % 16):
        raise ValueError(f"must be 0 or a multiple of 16 from 64 on, not {side}")
    return side


Side = Annotated[int, Field(ge=256, le=1440, multiple_of=32)]
Flux2Side = Annotated[int, AfterValidator(_is_flux_2_side)]
Margin = Annotated[int, Field(ge=0, le=2048)]
Ratio = Annotated[str, AfterValidator(_is_ratio)]
Tolerance = Annotated[int, Field(ge=0, le=6)]
Steps = Annotated[int, Field(ge=1, le=50)]
FillSteps = Annotated[int, Field(ge=15, le=50)]
FillGuidance = Annotated[float, Field(ge=1.5, le=100)]
Strength = Annotated[float, Field(ge=0, le=2)]


class Order(BaseModel):
    """What every order may have; `PICTURES` are the members that bring input pictures, in their order."""

    PICTURES: ClassVar[tuple[str, ...]] = ()

    webhook_url: HttpUrl | None = None
    webhook_secret: str | None = None

    def pictures(self) -> list[str]:
        """The input pictures, as base64, `data:` URIs or addresses."""
        values = self.model_dump(include=set(self.PICTURES))
        return [values[name] for name in self.PICTURES if values.get(name)]


class FluxPro11(Order):
    """Text, and a picture whose composition is taken up."""

    PICTURES = ("image_prompt",)

    prompt: str | None = ""
    image_prompt: str | None = None
    width: Side = 1024
    height: Side = 768
    prompt_upsampling: bool = False
    seed: int | None = None
    safety_tolerance: Tolerance = 2
    output_format: OutputFormat = OutputFormat.JPEG


class FluxDev(FluxPro11):
    """The same with its inner works."""

    prompt: str = ""
    steps: Steps | None = 28
    guidance: Annotated[float, Field(ge=1.5, le=5)] | None = 3


class FluxUltra(Order):
    """Large pictures, by their shape."""

    PICTURES = ("image_prompt",)

    prompt: str | None = ""
    prompt_upsampling: bool = False
    seed: int | None = None
    aspect_ratio: Ratio = "16:9"
    raw: bool = False
    image_prompt: str | None = None
    image_prompt_strength: Annotated[float, Field(ge=0, le=1)] = 0.1
    safety_tolerance: Tolerance = 2
    output_format: OutputFormat = OutputFormat.JPEG


class FluxKontext(Order):
    """Edits in words."""

    PICTURES = ("input_image", "input_image_2", "input_image_3", "input_image_4")

    prompt: str
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    aspect_ratio: Ratio | None = None
    prompt_upsampling: bool = False
    seed: int | None = None
    safety_tolerance: Tolerance = 2
    output_format: OutputFormat = OutputFormat.PNG


class Flux2Klein(Order):
    """Generates and edits; with a side of 0 the model decides about it."""

    PICTURES: ClassVar[tuple[str, ...]] = ("input_image", "input_image_2", "input_image_3", "input_image_4")

    prompt: str
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    width: Flux2Side = 0
    height: Flux2Side = 0
    seed: int | None = None
    safety_tolerance: Annotated[int, Field(ge=0, le=5)] = 2
    output_format: OutputFormat = OutputFormat.JPEG

    @model_validator(mode="after")
    def _is_not_too_large(self) -> Self:
        if self.width * self.height > _MOST_PIXELS:
            raise ValueError(
                f"width times height must be at most 4 megapixels, not {self.width}x{self.height}"
            )
        return self


class _Flux2(Flux2Klein):
    PICTURES = (*Flux2Klein.PICTURES, "input_image_5", "input_image_6", "input_image_7", "input_image_8")

    input_image_5: str | None = None
    input_image_6: str | None = None
    input_image_7: str | None = None
    input_image_8: str | None = None


class Flux2(_Flux2):
    """FLUX.2 [pro] and [max], which improve the prompt unless that is disabled."""

    disable_pup: bool = False


class Flux2Flex(_Flux2):
    """FLUX.2 with its inner works."""

    prompt_upsampling: bool = True
    guidance: Annotated[float, Field(ge=1.5, le=10)] = 5
    steps: Steps = 50
    input_image_blob_path: str | None = None


class Flux3(Order):
    """FLUX 3, which refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")

    prompt: str
    images: Annotated[list[str], Field(max_length=10)] | None = None
    aspect_ratio: Ratio | None = None
    resolution: Resolution = Resolution.ONE_K
    grounding: bool = False
    safety_tolerance: Annotated[int, Field(ge=0, le=4)] = 2

    def pictures(self) -> list[str]:
        """The input pictures."""
        return self.images or []


class _Fill(Order):
    PICTURES = ("image",)

    image: str
    prompt: str | None = ""
    steps: FillSteps | None = 50
    prompt_upsampling: bool = False
    seed: int | None = None
    guidance: FillGuidance | None = 60
    safety_tolerance: Tolerance = 2
    output_format: OutputFormat = OutputFormat.JPEG


class FluxFill(_Fill):
    """Repaints what is white in the mask, or transparent in the picture itself."""

    mask: str | None = None


class FluxExpand(_Fill):
    """Paints on beyond the edges."""

    top: Margin = 0
    bottom: Margin = 0
    left: Margin = 0
    right: Margin = 0


class Tool(Order):
    """The tools: their schemas were not at hand, so any other member is welcome."""

    model_config = ConfigDict(extra="allow")

    prompt: str | None = ""
    mask: str | None = None
    seed: int | None = None
    top: Margin = 0
    bottom: Margin = 0
    left: Margin = 0
    right: Margin = 0
    safety_tolerance: Tolerance = 2
    output_format: OutputFormat = OutputFormat.JPEG

    @model_validator(mode="after")
    def _has_a_picture(self) -> Self:
        if not self.pictures():
            raise ValueError(
                "a picture is needed, in image, input_image or another member with image in its name"
            )
        return self

    def pictures(self) -> list[str]:
        """Whatever comes under a name that speaks of an image."""
        others: Mapping[str, object] = self.model_extra or {}
        return [
            value for name, value in others.items() if "image" in name and isinstance(value, str) and value
        ]


class FluxUltraFinetuned(FluxUltra):
    """With a fine-tune."""

    finetune_id: str
    finetune_strength: Strength = 1.2


class FluxFillFinetuned(FluxFill):
    """With a fine-tune."""

    finetune_id: str
    finetune_strength: Strength = 1.1


class Flux2KleinFinetuned(Flux2Klein):
    """With a fine-tune."""

    finetune_id: str
    finetune_strength: Strength = 1.1
