"""The endpoints that make pictures."""

from dataclasses import dataclass
from enum import Enum, auto

from app.sandbox.bfl import orders
from app.sandbox.bfl.orders import Order
from app.sandbox.bfl.tasks import Method


class Family(Enum):
    """Which words an endpoint's tasks use while they run."""

    FLUX_1 = auto()
    FLUX_2 = auto()
    FLUX_3 = auto()


@dataclass(frozen=True)
class Endpoint:
    """One route below `/v1`.

    `cost` is in credits (the amounts are the sandbox's own), `megapixels` the size of pictures that are asked
    for by their shape, `keep` the share of input pictures in what is made from them.
    """

    name: str
    schema: type[Order]
    family: Family
    cost: float
    method: Method = Method.PAINT
    megapixels: float = 1.048576
    keep: float = 0.65
    most_active: int | None = None


_REDUX_KEEP = 0.4
_ULTRA_MEGAPIXELS = 4.194304
_KLEIN_FINETUNED = ("4b", "9b", "9b-kv", "9b-kv-bf16", "base-4b", "base-9b")

_ENDPOINTS = (
    Endpoint("flux-3-image", orders.Flux3, Family.FLUX_3, 6),
    Endpoint("flux-2-max", orders.Flux2, Family.FLUX_2, 7),
    Endpoint("flux-2-pro", orders.Flux2, Family.FLUX_2, 3),
    Endpoint("flux-2-pro-preview", orders.Flux2, Family.FLUX_2, 3),
    Endpoint("flux-2-flex", orders.Flux2Flex, Family.FLUX_2, 6),
    Endpoint("flux-2-klein-4b", orders.Flux2Klein, Family.FLUX_2, 1.4),
    Endpoint("flux-2-klein-9b", orders.Flux2Klein, Family.FLUX_2, 1.5),
    Endpoint("flux-2-klein-9b-preview", orders.Flux2Klein, Family.FLUX_2, 1.5),
    Endpoint("flux-kontext-pro", orders.FluxKontext, Family.FLUX_1, 4),
    Endpoint("flux-kontext-max", orders.FluxKontext, Family.FLUX_1, 8, most_active=6),
    Endpoint("flux-pro-1.1", orders.FluxPro11, Family.FLUX_1, 4, keep=_REDUX_KEEP),
    Endpoint("flux-pro-1.1-ultra", orders.FluxUltra, Family.FLUX_1, 6, megapixels=_ULTRA_MEGAPIXELS),
    Endpoint("flux-dev", orders.FluxDev, Family.FLUX_1, 2.5, keep=_REDUX_KEEP),
    Endpoint("flux-pro-1.0-fill", orders.FluxFill, Family.FLUX_1, 5, Method.FILL),
    Endpoint("flux-pro-1.0-expand", orders.FluxExpand, Family.FLUX_1, 5, Method.EXPAND),
    Endpoint("flux-tools/outpainting-v1", orders.Tool, Family.FLUX_2, 5, Method.EXPAND),
    Endpoint("flux-tools/erase-v1", orders.Tool, Family.FLUX_2, 5, Method.ERASE),
    Endpoint("flux-tools/deblur-v1", orders.Tool, Family.FLUX_2, 5, Method.SHARPEN),
    Endpoint("flux-tools/vto-v1", orders.Tool, Family.FLUX_2, 5),
    Endpoint("vto-v2", orders.Tool, Family.FLUX_2, 5),
    Endpoint(
        "flux-pro-1.1-ultra-finetuned",
        orders.FluxUltraFinetuned,
        Family.FLUX_1,
        7,
        megapixels=_ULTRA_MEGAPIXELS,
    ),
    Endpoint("flux-pro-1.0-fill-finetuned", orders.FluxFillFinetuned, Family.FLUX_1, 6, Method.FILL),
    *(
        Endpoint(f"flux-2-klein-{size}-finetuned", orders.Flux2KleinFinetuned, Family.FLUX_2, 2)
        for size in _KLEIN_FINETUNED
    ),
)

ENDPOINTS = {endpoint.name: endpoint for endpoint in _ENDPOINTS}
"""All of them by their names."""
