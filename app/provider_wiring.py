"""Builds the providers from the settings; adding one touches its own module and this one."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from app.clock import Clock
from app.provider_settings import USUAL_MODEL, ProviderSettings

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from app.services.bfl_client import BflClient
    from app.services.local_diffusers.client import LocalDiffusers
    from app.services.replicate_client import ReplicateClient

REPLICATE_URL = "https://api.replicate.com/v1"
BFL_URL = "https://api.bfl.ai"
"""Where the embedded sandbox answers: at the real addresses, on a transport that leads nowhere else."""

SANDBOX_TOKEN = "sandbox"  # noqa: S105 - the sandbox takes any; it is no secret


async def way_to_providers(
    settings: ProviderSettings, data_dir: "Path", clock: Clock, stack: AsyncExitStack
) -> "httpx.AsyncBaseTransport":
    """The embedded sandbox, or the network."""
    if settings.uses_sandbox:
        from app.sandbox import Pace, SandboxTransport, create_sandbox

        sandbox = create_sandbox(
            directory=data_dir / "sandbox",
            clock=clock,
            api_url=REPLICATE_URL,
            bfl_url=BFL_URL,
            pace=Pace().scaled(settings.sandbox_pace),
        )
        await stack.enter_async_context(sandbox.router.lifespan_context(sandbox))
        return SandboxTransport(sandbox)
    from app.services.provider_wire.aiohttp_transport import ProviderTransport

    return ProviderTransport()


async def replicate(
    settings: ProviderSettings, transport: "httpx.AsyncBaseTransport", clock: Clock, stack: AsyncExitStack
) -> "ReplicateClient":
    """Replicate, or the sandbox under its address."""
    import httpx

    from app.services.replicate_client import ReplicateClient

    token = settings.replicate_api_token
    return ReplicateClient(
        http=await stack.enter_async_context(httpx.AsyncClient(transport=transport, trust_env=False)),
        transport=transport,
        token=SANDBOX_TOKEN if settings.uses_sandbox else token.get_secret_value() if token else None,
        base_url=replicate_url(settings),
        default_model=settings.replicate_model_name if settings.default_is_replicates else USUAL_MODEL,
        trainer=settings.replicate_trainer,
        clock=clock,
    )


def replicate_url(settings: ProviderSettings) -> str:
    """Where Replicate's API is, ending in `/v1`."""
    return REPLICATE_URL if settings.uses_sandbox else settings.replicate_base_url


def black_forest_labs(
    settings: ProviderSettings, transport: "httpx.AsyncBaseTransport", clock: Clock
) -> "BflClient":
    """Black Forest Labs, or the sandbox under its address."""
    from app.services.bfl_client import BflClient

    key = settings.bfl_api_key
    return BflClient(
        transport=transport,
        key=SANDBOX_TOKEN if settings.uses_sandbox else key.get_secret_value() if key else None,
        base_url=BFL_URL if settings.uses_sandbox else settings.bfl_base_url,
        clock=clock,
        fine_tuning=settings.bfl_fine_tuning,
    )


async def local_diffusers(
    settings: ProviderSettings, data_dir: "Path", clock: Clock, stack: AsyncExitStack
) -> "LocalDiffusers":
    """The models on this machine, which are looked through now."""
    from app.services.local_diffusers.client import LocalDiffusers

    memory = settings.local_memory_mb
    provider = LocalDiffusers(
        settings=settings.local_models,
        folder=data_dir / "local_runs",
        clock=clock,
        at_once=settings.local_batch,
        memory_bytes=memory * 1024 * 1024 if memory is not None else None,
    )
    stack.push_async_callback(provider.aclose)
    await provider.start()
    return provider
