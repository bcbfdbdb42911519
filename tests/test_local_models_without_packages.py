"""Models on a machine that lacks the packages which run them."""

from importlib.util import find_spec

import pytest

from app.config import Settings
from app.services.local_diffusers.families import Family
from tests.conftest import Serve
from tests.services.local_diffusers.headers import WHOLE_FILES, write_header

pytestmark = pytest.mark.skipif(
    find_spec("diffusers") is not None, reason="the packages that run models are installed here"
)

HOW_TO_GET_THEM = "install them with: pip install -r requirements.txt -r requirements-local.txt"


async def test_whoever_asks_for_a_local_model_is_told_what_to_install(
    settings: Settings, serve: Serve
) -> None:
    settings.local_models_dir.mkdir()
    write_header(settings.local_models_dir / "my_sdxl_model.safetensors", WHOLE_FILES[Family.SDXL])

    async with serve() as client:
        answer = await client.post("/generate/my_sdxl_model", json={"prompt": "a red house"})
        by_form = await client.post(
            "/generate-image/", data={"prompt": "a red house", "model": "local/my_sdxl_model"}
        )
        page = (await client.get("/")).json()
        models = (await client.get("/models")).json()["models"]
        usual = await client.post("/generate-image/", data={"prompt": "a red house"})

    for refused in (answer, by_form):
        assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
        assert refused.json()["detail"].endswith(HOW_TO_GET_THEM)
    assert page["available_models"] == []
    [unusable] = page["unusable_models"]
    assert unusable["name"] == "my_sdxl_model"
    assert unusable["reason"].endswith(HOW_TO_GET_THEM)
    assert "local/my_sdxl_model" not in [model["name"] for model in models]
    assert usual.status_code == 200
