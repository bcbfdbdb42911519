"""Another process of the service, which begins a run, says its id and paints until it is killed."""

import asyncio
import sys
from pathlib import Path

from app.clock import SystemClock
from app.models import GenerationRequest
from app.services.local_diffusers.client import LocalDiffusers
from app.services.local_diffusers.model_settings import LocalModelSettings
from tests.services.local_diffusers.engine.fake_painters import FakePainters, Gate


async def main(models: Path, runs: Path) -> None:
    """Begin a run of the model `oak` and stop in its second step."""
    painters = FakePainters()
    gate = painters.at_step[2] = Gate()
    settings = LocalModelSettings(models_dir=models, loras_dir=models / "loras", configs_dir=models)
    local = LocalDiffusers(settings=settings, folder=runs, clock=SystemClock(), painters=painters)
    await local.start()
    order = await local.plan_generation(GenerationRequest("a tree", "local/oak", 7, {"width": 64}))
    report = await local.create(order, wait=None, secrets={})
    await asyncio.to_thread(gate.reached.wait)
    sys.stdout.write(f"{report.upstream_id}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
