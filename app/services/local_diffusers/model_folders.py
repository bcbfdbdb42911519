"""Folders as diffusers writes them: `model_index.json`, and a folder for each part of the model."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.models import JsonValue
from app.services.local_diffusers.families import FACTS, Family, PredictionType
from app.services.local_diffusers.tensor_files import UnreadableTensorFileError, read_tensor_file

INDEX = "model_index.json"

# Parts of other libraries would be code that comes with the model.
_LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion"})
_WITHOUT_WEIGHTS = re.compile(r"(?:Tokenizer|TokenizerFast|Scheduler|Processor|Extractor|SafetyChecker)$")
_PIECE = r"(?:-(?P<{}>\d{{5}})-of-(?P<{}_all>\d{{5}}))?"
# The piece's number stood behind the variant once, and stands before it now.
_WEIGHTS = re.compile(
    rf"(?:diffusion_pytorch_)?model{_PIECE.format('a', 'a')}(?:\.(?P<variant>\w+))?{_PIECE.format('b', 'b')}"
    r"\.safetensors"
)
_SD2_CONTEXT = 1024
_INPAINTING_CHANNELS = 9
_SD35_LARGE_LAYERS = 38
_SD35_MEDIUM_POSITIONS = 384


class UnusableFolderError(Exception):
    """The folder holds no model that can be run here; the message is the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a pipeline: its class, and its files with weights by variant (None is the plain one)."""

    name: str
    package: str
    class_name: str
    weights: Mapping[str | None, tuple[Path, ...]]
    has_pickle: bool

    @property
    def needs_weights(self) -> bool:
        """Whether it is a network at all, and no tokenizer, scheduler or filter."""
        return _WITHOUT_WEIGHTS.search(self.class_name) is None


@dataclass(frozen=True)
class ModelFolder:
    """A folder with the configuration of a pipeline, with or without its weights."""

    path: Path
    pipeline: str
    parts: Mapping[str, Part]

    @cached_property
    def network(self) -> Part | None:
        """The part that does the painting."""
        return self.parts.get("unet") or self.parts.get("transformer")

    @property
    def is_model(self) -> bool:
        """Whether it holds more than configuration: the weights of its network, in whatever form."""
        return self.network is not None and bool(self.network.weights or self.network.has_pickle)

    def config_of(self, part: str, name: str = "config.json") -> Mapping[str, JsonValue]:
        """What a part's configuration says; nothing where there is none."""
        file = self.path / part / name
        return _json_object(file) if file.is_file() else {}

    @property
    def prediction_type(self) -> PredictionType | None:
        """What the scheduler's configuration says."""
        said = self.config_of("scheduler", "scheduler_config.json").get("prediction_type")
        return next((known for known in PredictionType if known == said), None)

    @property
    def side(self) -> int | None:
        """The side in pixels that the network was trained for, where its configuration says so."""
        if self.network is None:
            return None
        latents = self.config_of(self.network.name).get("sample_size")
        levels = self.config_of("vae").get("block_out_channels")
        if not isinstance(latents, int) or not isinstance(levels, list) or not levels:
            return None
        return int(latents * 2 ** (len(levels) - 1))


def open_folder(path: Path) -> ModelFolder:
    """What the folder's index tells. Raises `UnusableFolderError`."""
    index = _json_object(path / INDEX)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise UnusableFolderError(f"has a {INDEX} that names no pipeline")
    parts = {}
    for name, described in index.items():
        match described:
            case [str(package), str(class_name)]:
                if package not in _LIBRARIES:
                    raise UnusableFolderError(
                        f"needs code of its own for its {name} ({package}), which is not run here"
                    )
                parts[name] = _part(path / name, package, class_name)
    return ModelFolder(path, pipeline, parts)


def family_of(folder: ModelFolder) -> Family:
    """The family of the model. Raises `UnusableFolderError`."""
    network = folder.config_of(folder.network.name) if folder.network else {}
    is_sd2 = network.get("cross_attention_dim") == _SD2_CONTEXT
    inpaints = network.get("in_channels") == _INPAINTING_CHANNELS
    match folder.pipeline.removesuffix("Pipeline"):
        case "StableDiffusion" | "StableDiffusionImg2Img" | "StableDiffusionInpaint":
            if inpaints:
                return Family.SD2_INPAINT if is_sd2 else Family.SD1_INPAINT
            return Family.SD2 if is_sd2 else Family.SD1
        case "StableDiffusionXLImg2Img" if "text_encoder" not in folder.parts:
            return Family.SDXL_REFINER
        case "StableDiffusionXL" | "StableDiffusionXLImg2Img" | "StableDiffusionXLInpaint":
            return Family.SDXL_INPAINT if inpaints else Family.SDXL
        case "StableDiffusion3" | "StableDiffusion3Img2Img" | "StableDiffusion3Inpaint":
            if network.get("num_layers") == _SD35_LARGE_LAYERS:
                return Family.SD35_LARGE
            is_medium = network.get("pos_embed_max_size") == _SD35_MEDIUM_POSITIONS
            return Family.SD35_MEDIUM if is_medium else Family.SD3
        case "FluxFill":
            return Family.FLUX_FILL
        case "Flux" | "FluxImg2Img" | "FluxInpaint":
            return Family.FLUX_DEV if network.get("guidance_embeds") else Family.FLUX_SCHNELL
    known = sorted({name for facts in FACTS.values() for name in facts.pipelines.values()})
    raise UnusableFolderError(
        f"is for the pipeline {folder.pipeline[:80]!r}; {', '.join(known)} are run here"
    )


def variant_to_load(folder: ModelFolder, preferred: str | None) -> str | None:
    """Which variant to ask for: the preferred one if it is there, else the plain one, else what there is."""
    needed = [part.weights for part in folder.parts.values() if part.needs_weights]
    if preferred is not None and any(preferred in weights for weights in needed):
        return preferred
    without_plain = [weights for weights in needed if weights and None not in weights]
    return next((variant for weights in without_plain for variant in weights), None)


def count_numbers(folder: ModelFolder, variant: str | None) -> int:
    """How many numbers the model has, which also checks that its files are whole.

    Raises `UnusableFolderError` where a file is missing or damaged.
    """
    total = 0
    for part in folder.parts.values():
        if not part.needs_weights:
            continue
        files = part.weights.get(variant) or part.weights.get(None)
        if not files:
            if part.has_pickle:
                raise UnusableFolderError(
                    f"has only pickled weights (.bin) for its {part.name}, which can run code when they are "
                    "read; take a copy of the model in safetensors"
                )
            raise UnusableFolderError(f"lacks the weights of its {part.name}")
        for file in files:
            try:
                total += read_tensor_file(file).numbers
            except UnreadableTensorFileError as exc:
                raise UnusableFolderError(f"has a file {part.name}/{file.name} that {exc}") from exc
    return total


def _part(folder: Path, package: str, class_name: str) -> Part:
    weights: dict[str | None, list[Path]] = {}
    pieces: dict[str | None, int] = {}
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        found = _WEIGHTS.fullmatch(name)
        if found is None:
            continue
        weights.setdefault(found["variant"], []).append(folder / name)
        pieces[found["variant"]] = int(found["a_all"] or found["b_all"] or 1)
    whole = {variant: tuple(files) for variant, files in weights.items() if len(files) == pieces[variant]}
    return Part(folder.name, package, class_name, whole, any(name.endswith(".bin") for name in names))


def _json_object(file: Path) -> dict[str, JsonValue]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as exc:
        raise UnusableFolderError(f"has a {file.name} that cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:
        raise UnusableFolderError(f"has a {file.name} that is not JSON") from exc
    if not isinstance(content, dict):
        raise UnusableFolderError(f"has a {file.name} that holds no object")
    return content
