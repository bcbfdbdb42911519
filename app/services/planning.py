"""From a request to the orders that make it: which model is meant, whose it is, what may stand in for it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.errors import AppError, InvalidRequestError, ModelNotFoundError, ProviderError
from app.models import GenerationRequest, Order, PassedOver
from app.services.fine_tunes import FineTunes
from app.services.providers import Providers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent, with its alternatives, and what came out on the way to it."""

    order: Order
    passed_over: tuple[PassedOver, ...] = ()
    warnings: tuple[str, ...] = ()


class Planner:
    """Turns requests for pictures into orders; costs nothing.

    `aliases` are names of the operator's own, each for one or several models, the preferred one first. They
    are looked up before the names of fine-tunes. `default_model` is meant by a request that names none.
    """

    def __init__(
        self,
        *,
        providers: Providers,
        fine_tunes: FineTunes,
        aliases: Mapping[str, Sequence[str]] | None = None,
        default_model: str | None = None,
    ) -> None:
        self._providers = providers
        self._fine_tunes = fine_tunes
        self.aliases = {name: tuple(models) for name, models in (aliases or {}).items()}
        self._default_model = default_model
        self._by_name = {name.lower(): models for name, models in self.aliases.items()}

    async def plan(self, request: GenerationRequest) -> Plan:
        """The order that makes `request`; what the request itself gets wrong is told of the first model."""
        if request.model is None and self._default_model is not None:
            request = replace(request, model=self._default_model)
        models = self._by_name.get((request.model or "").lower())
        if models is None:
            request = await self._fine_tunes.resolved(request)
            order = await self._providers.for_model(request.model).plan_generation(request)
            return Plan(order, warnings=await self._fine_tunes.warnings(request, order))
        return await self._plan_one_of(models, request)

    async def _plan_one_of(self, models: Sequence[str], request: GenerationRequest) -> Plan:
        orders: list[Order] = []
        passed_over: list[PassedOver] = []
        fault: AppError | None = None
        for model in models:
            try:
                plan = await self._plan_as(model, request)
            except (ProviderError, ModelNotFoundError) as exc:
                fault = fault or exc
                if not orders:
                    passed_over.append(PassedOver(model, exc.detail))
                logger.info("%s is left out of %s: %s", model, request.model, exc.detail)
            except InvalidRequestError as exc:
                if not orders and not passed_over:
                    raise
                logger.info("%s is left out of %s: %s", model, request.model, exc.detail)
            else:
                orders.append(plan)
                # Whoever makes it in the end, it is the same picture that was asked for.
                request = request if plan.seed is None else replace(request, seed=plan.seed)
        if not orders:
            raise fault or ModelNotFoundError(f"None of the models of {request.model!r} can be used.")
        first, *others = orders
        return Plan(replace(first, alternatives=tuple(others)), tuple(passed_over))

    async def _plan_as(self, model: str, request: GenerationRequest) -> Order:
        resolved = await self._fine_tunes.resolved(replace(request, model=model))
        return await self._providers.for_model(resolved.model).plan_generation(resolved)
