"""Folders as diffusers writes them, and the model that is used when none is named."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from app.services.local_diffusers.families import Family
from app.services.local_diffusers.local_models import ModelShelf, Source
from app.services.local_diffusers.model_files import take_stock
from app.services.local_diffusers.model_settings import LocalModelSettings, ModelConfig
from tests.services.local_diffusers.headers import WHOLE_FILES, write_header

WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}

PutFolder = Callable[..., Path]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where models lie."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def settings(tmp_path: Path, models: Path) -> LocalModelSettings:
    """A machine without models."""
    return LocalModelSettings(models, models / "loras", tmp_path / "configs", hub_cache=tmp_path / "hub")


@pytest.fixture
def put_folder(models: Path) -> PutFolder:
    """Writes the folder of a model whose parts have ten numbers each, in these variants."""

    def put(
        name: str = "model",
        pipeline: str = "StableDiffusionXLPipeline",
        network: str = "unet",
        config: Mapping[str, object] | None = None,
        *,
        parts: tuple[str, ...] = ("vae", "text_encoder", "text_encoder_2"),
        suffix: str = "",
    ) -> Path:
        folder = models / name
        index: dict[str, object] = {
            "_class_name": pipeline,
            "force_zeros_for_empty_prompt": True,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "image_encoder": [None, None],
        }
        for part in (network, *parts):
            library = "diffusers" if part in WEIGHTS else "transformers"
            index[part] = [library, "SomeModel"]
            (folder / part).mkdir(parents=True)
            write_header(folder / part / f"{WEIGHTS.get(part, 'model')}{suffix}.safetensors", {"a": (10,)})
        (folder / "model_index.json").write_text(json.dumps(index))
        (folder / network / "config.json").write_text(json.dumps(config or {}))
        (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [128, 256, 512, 512]}))
        return folder

    return put


def reasons(shelf: ModelShelf) -> list[str]:
    """Why things were refused."""
    return [refused.reason for refused in shelf.refused]


@pytest.mark.parametrize(
    ("pipeline", "network", "config", "family"),
    [
        ("StableDiffusionPipeline", "unet", {"cross_attention_dim": 768}, Family.SD1),
        ("StableDiffusionPipeline", "unet", {"cross_attention_dim": 1024}, Family.SD2),
        ("StableDiffusionInpaintPipeline", "unet", {"in_channels": 9}, Family.SD1_INPAINT),
        (
            "StableDiffusionInpaintPipeline",
            "unet",
            {"in_channels": 9, "cross_attention_dim": 1024},
            Family.SD2_INPAINT,
        ),
        ("StableDiffusionXLPipeline", "unet", {}, Family.SDXL),
        ("StableDiffusionXLInpaintPipeline", "unet", {"in_channels": 9}, Family.SDXL_INPAINT),
        ("StableDiffusionXLInpaintPipeline", "unet", {"in_channels": 4}, Family.SDXL),
        ("StableDiffusion3Pipeline", "transformer", {"pos_embed_max_size": 192}, Family.SD3),
        ("StableDiffusion3Pipeline", "transformer", {"pos_embed_max_size": 384}, Family.SD35_MEDIUM),
        ("StableDiffusion3Pipeline", "transformer", {"num_layers": 38}, Family.SD35_LARGE),
        ("FluxPipeline", "transformer", {"guidance_embeds": True}, Family.FLUX_DEV),
        ("FluxPipeline", "transformer", {"guidance_embeds": False}, Family.FLUX_SCHNELL),
        ("FluxFillPipeline", "transformer", {"guidance_embeds": True}, Family.FLUX_FILL),
    ],
)
def test_the_family_follows_from_the_configuration(
    settings: LocalModelSettings,
    put_folder: PutFolder,
    pipeline: str,
    network: str,
    config: dict[str, object],
    family: Family,
) -> None:
    put_folder("model", pipeline, network, config)

    model = take_stock(settings).models["model"]

    assert (model.family, model.source, model.numbers) == (family, Source.FOLDER, 40)


def test_the_refiner_has_one_text_encoder(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    put_folder("model", "StableDiffusionXLImg2ImgPipeline", parts=("vae", "text_encoder_2"))

    assert take_stock(settings).models["model"].family is Family.SDXL_REFINER


def test_the_size_follows_from_the_configuration(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    put_folder("sdxl-turbo", config={"sample_size": 64})
    put_folder("base", config={"sample_size": 128})

    models = take_stock(settings).models

    assert {name: (m.defaults.width, m.defaults.steps) for name, m in models.items()} == {
        "base": (1024, 25),
        "sdxl-turbo": (512, 1),
    }


@pytest.mark.parametrize(
    ("suffix", "preferred", "variant"),
    [
        ("", None, None),
        ("", "fp16", None),
        (".fp16", None, "fp16"),
        (".fp16", "fp16", "fp16"),
        (".fp16", "bf16", "fp16"),
    ],
)
def test_the_variant_is_the_preferred_one_or_what_is_there(
    settings: LocalModelSettings,
    put_folder: PutFolder,
    suffix: str,
    preferred: str | None,
    variant: str | None,
) -> None:
    put_folder("model", suffix=suffix)

    model = take_stock(replace(settings, variant=preferred)).models["model"]

    assert (model.variant, model.numbers) == (variant, 40)


@pytest.mark.parametrize("pattern", ["model{}.fp16.safetensors", "model.fp16{}.safetensors"])
def test_weights_may_lie_in_several_files(
    settings: LocalModelSettings, put_folder: PutFolder, pattern: str
) -> None:
    folder = put_folder("model", suffix=".fp16")
    (folder / "text_encoder" / "model.fp16.safetensors").unlink()
    for piece in ("-00001-of-00002", "-00002-of-00002"):
        write_header(folder / "text_encoder" / pattern.format(piece), {"a": (7,)})

    assert take_stock(settings).models["model"].numbers == 44

    (folder / "text_encoder" / pattern.format("-00002-of-00002")).unlink()

    assert reasons(take_stock(settings)) == ["model lacks the weights of its text_encoder."]


def test_pickled_weights_are_refused(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    folder = put_folder()
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(
        folder / "vae" / "diffusion_pytorch_model.bin"
    )

    [reason] = reasons(take_stock(settings))

    assert reason.startswith("model has only pickled weights (.bin) for its vae, which can run code")


def test_a_damaged_file_is_named(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    (put_folder() / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")

    assert reasons(take_stock(settings)) == [
        "model has a file vae/diffusion_pytorch_model.safetensors that is empty."
    ]


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ("{", "model has a model_index.json that is not JSON."),
        ("[]", "model has a model_index.json that holds no object."),
        ("{}", "model has a model_index.json that names no pipeline."),
        (
            '{"_class_name": "FluxPipeline", "transformer": ["my_code", "Mine"]}',
            "model needs code of its own for its transformer (my_code), which is not run here.",
        ),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(
    settings: LocalModelSettings, put_folder: PutFolder, index: str, complaint: str
) -> None:
    (put_folder() / "model_index.json").write_text(index)

    assert reasons(take_stock(settings)) == [complaint]


def test_a_pipeline_that_is_not_run_here_is_refused(
    settings: LocalModelSettings, put_folder: PutFolder
) -> None:
    put_folder(pipeline="WanPipeline", network="transformer")

    [reason] = reasons(take_stock(settings))

    assert reason.startswith(
        "model is for the pipeline 'WanPipeline'; FluxFillPipeline, FluxImg2ImgPipeline, "
    )


def test_a_folder_and_a_file_of_one_name_are_two_models(
    settings: LocalModelSettings, put_folder: PutFolder, models: Path
) -> None:
    put_folder("twin")
    write_header(models / "twin.safetensors", WHOLE_FILES[Family.SDXL])

    shelf = take_stock(settings)

    assert shelf.models["twin"].source is Source.FOLDER
    assert reasons(shelf) == ["twin.safetensors has the name of twin; rename one."]


def test_the_only_model_is_the_default(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    put_folder("first")
    assert take_stock(settings).default == "first"

    put_folder("second")
    assert take_stock(settings).default is None
    assert take_stock(replace(settings, default_model="second")).default == "second"


def test_a_default_that_is_not_there_is_told(settings: LocalModelSettings, put_folder: PutFolder) -> None:
    put_folder("first")

    shelf = take_stock(replace(settings, default_model="other"))

    assert shelf.default is None
    assert reasons(shelf) == ["DEFAULT_MODEL_IDENTIFIER is 'other', which is no model here; there is first."]


def test_a_model_of_the_hub_is_fetched_only_where_that_is_allowed(settings: LocalModelSettings) -> None:
    wanted = replace(
        settings,
        default_model="stabilityai/sdxl-turbo",
        models_dir=None,
        configs={"sdxl-turbo": ModelConfig(turbo=True)},
    )

    refused, allowed = take_stock(wanted), take_stock(replace(wanted, allow_downloads=True))

    assert (refused.to_fetch, allowed.to_fetch) == (None, "stabilityai/sdxl-turbo")
    assert reasons(allowed) == []
    assert reasons(refused) == [
        "stabilityai/sdxl-turbo is not on this machine; set LOCAL_ALLOW_DOWNLOADS=true to have it fetched."
    ]


@pytest.mark.parametrize(
    "identifier", ["a/b/c", "/etc/passwd", "stabilityai/", "https://example.com/x", "a/../b"]
)
def test_what_is_no_id_of_the_hub_is_refused(settings: LocalModelSettings, identifier: str) -> None:
    shelf = take_stock(replace(settings, default_model=identifier, allow_downloads=True))

    assert shelf.to_fetch is None
    assert reasons(shelf)[0].endswith("owner/name, or the name of a local model, is allowed.")
