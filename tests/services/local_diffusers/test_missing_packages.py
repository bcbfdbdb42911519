"""Without the extra `local`, models are listed all the same, and it is said what is missing."""

import importlib.util
from pathlib import Path

import pytest

from app.services.local_diffusers.failures import LocalExtraMissingError
from app.services.local_diffusers.loading import load_model
from app.services.local_diffusers.model_files import take_stock
from app.services.local_diffusers.model_settings import LocalModelSettings
from tests.services.local_diffusers.headers import WHOLE_FILES, write_header


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="The packages are installed.")
def test_a_model_that_cannot_be_loaded_says_what_to_install(tmp_path: Path) -> None:
    for family, shapes in WHOLE_FILES.items():
        write_header(tmp_path / f"{family}.safetensors", shapes)
    settings = LocalModelSettings(tmp_path, tmp_path / "loras", tmp_path / "configs")

    models = take_stock(settings).models

    assert {model.family for model in models.values()} == set(WHOLE_FILES)
    with pytest.raises(LocalExtraMissingError, match=r"-r requirements\.txt -r requirements-local"):
        load_model(models["sdxl"], settings)
