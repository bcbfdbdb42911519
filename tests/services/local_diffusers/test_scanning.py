"""The look at the disk: what is taken, and what is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.services.local_diffusers.families import Family, Line, PredictionType, Task
from app.services.local_diffusers.local_models import ModelShelf, Source
from app.services.local_diffusers.model_files import take_stock
from app.services.local_diffusers.model_settings import (
    LocalModelSettings,
    LoraUse,
    ModelConfig,
    Precision,
    Sampler,
)
from tests.services.local_diffusers.headers import LORA, WHOLE_FILES, write_header


@pytest.fixture
def settings(tmp_path: Path) -> LocalModelSettings:
    """An empty folder for models, and one for LoRAs inside it."""
    (tmp_path / "models" / "loras").mkdir(parents=True)
    return LocalModelSettings(
        models_dir=tmp_path / "models",
        loras_dir=tmp_path / "models" / "loras",
        configs_dir=tmp_path / "configs",
        hub_cache=tmp_path / "hub",
    )


@pytest.fixture
def models(settings: LocalModelSettings) -> Path:
    """Where models lie."""
    assert settings.models_dir is not None
    return settings.models_dir


def reasons(shelf: ModelShelf) -> dict[str, str]:
    """Why files were refused, by name."""
    return {refused.name: refused.reason for refused in shelf.refused}


def test_every_file_is_a_model_under_its_name(settings: LocalModelSettings, models: Path) -> None:
    write_header(models / "my model v1.5.safetensors", WHOLE_FILES[Family.SDXL])
    write_header(models / "old.SAFETENSORS", WHOLE_FILES[Family.SD1])

    shelf = take_stock(settings)

    assert {name: model.family for name, model in shelf.models.items()} == {
        "my model v1.5": Family.SDXL,
        "old": Family.SD1,
    }
    model = shelf.models["my model v1.5"]
    assert (model.source, model.missing) == (Source.FILE, ())
    assert model.tasks == (Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE, Task.INPAINTING)
    assert (model.defaults.width, model.defaults.steps, model.defaults.guidance) == (1024, 25, 7.5)
    assert model.weight_bytes(Precision.FLOAT16) == 2 * model.numbers
    assert shelf.refused == ()


def test_bad_files_are_refused_by_name_and_the_others_are_taken(
    settings: LocalModelSettings, models: Path
) -> None:
    write_header(models / "good.safetensors", WHOLE_FILES[Family.SDXL])
    write_header(models / "style.safetensors", LORA)
    write_header(models / "odd.safetensors", {"linear.weight": (1, 1)})
    write_header(models / "model-00001-of-00002.safetensors", WHOLE_FILES[Family.SDXL])
    (models / "web.safetensors").write_text("<!DOCTYPE html>")
    half = write_header(models / "half.safetensors", WHOLE_FILES[Family.SDXL])
    half.write_bytes(half.read_bytes()[:-1])
    (models / "gone.safetensors").symlink_to(models / "nowhere")
    (models / "old.ckpt").touch()
    (models / "small.gguf").touch()

    shelf = take_stock(settings)

    assert list(shelf.models) == ["good"]
    said = reasons(shelf)
    assert {name: reason.removeprefix(f"{name} ")[:30] for name, reason in said.items()} == {
        "style.safetensors": "is a LoRA and no model; put it",
        "odd.safetensors": "holds no model of a family tha",
        "model-00001-of-00002.safetensors": "is one piece of a model in sev",
        "web.safetensors": "is not a safetensors file, wha",
        "half.safetensors": "is cut off: its weights need 8",
        "gone.safetensors": "cannot be read (No such file o",
        "old.ckpt": "is a pickle, which can run any",
        "small.gguf": "is in the format GGUF; only .s",
    }
    assert all(reason.endswith(".") for reason in said.values())


def test_what_nobody_takes_for_a_model_is_passed_over(settings: LocalModelSettings, models: Path) -> None:
    for name in ("readme.md", "preview.png", "model.yaml", ".hidden.safetensors"):
        (models / name).write_text("?")
    (models / "old").mkdir()

    assert take_stock(settings) == ModelShelf({}, {})


def test_a_link_to_a_model_elsewhere_is_a_model(
    settings: LocalModelSettings, models: Path, tmp_path: Path
) -> None:
    write_header(tmp_path / "blob", WHOLE_FILES[Family.SD2])
    (models / "linked.safetensors").symlink_to(tmp_path / "blob")

    assert take_stock(settings).models["linked"].family is Family.SD2


def test_a_folder_that_is_not_there_is_told(settings: LocalModelSettings, models: Path) -> None:
    (models / "loras").rmdir()
    models.rmdir()

    shelf = take_stock(settings)

    assert reasons(shelf) == {
        str(models): f"LOCAL_MODELS_DIR {str(models)!r} cannot be read: No such file or directory."
    }


def test_two_models_of_one_name_are_told_apart_by_refusing_one(
    settings: LocalModelSettings, models: Path
) -> None:
    write_header(models / "twin.SAFETENSORS", WHOLE_FILES[Family.SD1])
    write_header(models / "twin.safetensors", WHOLE_FILES[Family.SDXL])

    shelf = take_stock(settings)

    assert shelf.models["twin"].family is Family.SD1
    assert reasons(shelf) == {
        "twin.safetensors": "twin.safetensors has the name of twin.SAFETENSORS; rename one."
    }


def test_loras_lie_in_a_folder_of_their_own(settings: LocalModelSettings) -> None:
    write_header(settings.loras_dir / "style v2.0.safetensors", LORA)
    write_header(settings.loras_dir / "model.safetensors", WHOLE_FILES[Family.SD1])
    (settings.loras_dir / "broken.safetensors").write_text("?")
    (settings.loras_dir / "old.pt").touch()

    shelf = take_stock(settings)

    assert {name: lora.line for name, lora in shelf.loras.items()} == {"style v2.0": Line.SDXL}
    assert list(reasons(shelf)) == ["broken.safetensors", "model.safetensors", "old.pt"]


def test_a_model_says_what_its_file_lacks(settings: LocalModelSettings, models: Path) -> None:
    write_header(models / "flux.safetensors", WHOLE_FILES[Family.FLUX_SCHNELL])

    model = take_stock(settings).models["flux"]

    assert model.missing == ("vae", "text_encoder", "text_encoder_2")
    assert (model.defaults.steps, model.defaults.guidance, model.samplers) == (4, 0.0, ())


@pytest.mark.parametrize("name", ["sdxl_turbo", "My-Turbo-XL", "TURBO"])
def test_a_turbo_model_is_known_by_its_name(settings: LocalModelSettings, models: Path, name: str) -> None:
    write_header(models / f"{name}.safetensors", WHOLE_FILES[Family.SDXL])

    model = take_stock(settings).models[name]

    assert (model.turbo, model.defaults.steps, model.defaults.guidance) == (True, 1, 0.0)
    assert "LOCAL_MODEL_CONFIGS can say otherwise" in model.notes[0]


@pytest.mark.parametrize(
    ("name", "marks", "metadata"),
    [
        ("plain", {}, {"modelspec.prediction_type": "v"}),
        ("plain", {"v_pred": (0,)}, {}),
        ("noob-vpred-1.0", {}, {}),
        ("model_v_prediction", {}, {}),
    ],
)
def test_v_prediction_is_told_from_hints(
    settings: LocalModelSettings,
    models: Path,
    name: str,
    marks: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
) -> None:
    write_header(models / f"{name}.safetensors", {**WHOLE_FILES[Family.SDXL], **marks}, metadata)

    model = take_stock(settings).models[name]

    assert (model.prediction_type, model.zero_snr) == (PredictionType.V_PREDICTION, True)
    assert "is told from its" in model.notes[0] or "a mark among its tensors" in model.notes[0]


def test_models_without_a_hint_are_as_their_family_is(settings: LocalModelSettings, models: Path) -> None:
    write_header(models / "turbocharged.safetensors", WHOLE_FILES[Family.SDXL])

    model = take_stock(settings).models["turbocharged"]

    assert (model.turbo, model.prediction_type, model.zero_snr, model.notes) == (False, None, False, ())


def test_the_settings_know_better(settings: LocalModelSettings, models: Path) -> None:
    write_header(models / "turbo_vpred.safetensors", WHOLE_FILES[Family.SDXL])
    write_header(settings.loras_dir / "style.safetensors", LORA)
    config = ModelConfig(
        prediction_type=PredictionType.EPSILON,
        turbo=False,
        guidance_scale=6,
        num_inference_steps=30,
        width=768,
        height=512,
        scheduler=Sampler.UNIPC,
        loras=(LoraUse("style", 0.5),),
    )

    model = take_stock(replace(settings, configs={"turbo_vpred": config})).models["turbo_vpred"]

    assert (model.turbo, model.prediction_type, model.zero_snr) == (False, PredictionType.EPSILON, False)
    defaults = model.defaults
    assert (defaults.width, defaults.height, defaults.steps, defaults.guidance) == (768, 512, 30, 6)
    assert (defaults.sampler, defaults.loras) == (Sampler.UNIPC, (LoraUse("style", 0.5),))


def test_settings_that_mean_nothing_are_told(settings: LocalModelSettings, models: Path) -> None:
    write_header(models / "flux.safetensors", WHOLE_FILES[Family.FLUX_DEV])
    write_header(settings.loras_dir / "style.safetensors", LORA)
    config = ModelConfig(
        prediction_type=PredictionType.V_PREDICTION, loras=(LoraUse("style"), LoraUse("none"))
    )

    shelf = take_stock(replace(settings, configs={"typo": ModelConfig(), "flux": config}))

    assert shelf.models["flux"].defaults.loras == ()
    assert shelf.models["flux"].prediction_type is None
    assert "prediction_type in LOCAL_MODEL_CONFIGS is not used" in shelf.models["flux"].notes[0]
    said = reasons(shelf)
    assert said["typo"] == "LOCAL_MODEL_CONFIGS speaks of 'typo', which is no model here."
    assert "'style' is for Stable Diffusion XL, and 'flux' is a model of FLUX.1" in said["style"]
    assert "'none' is no LoRA in LOCAL_LORAS_DIR; there is: style." in said["none"]
