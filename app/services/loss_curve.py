"""How the loss of a training fell: a few points, evenly spread over its steps."""

from collections.abc import Sequence

from app.services.training_log import newer_losses

MOST_POINTS = 200
"""How many points a curve has at most."""

Curve = tuple[tuple[int, float], ...]


def continued(curve: Curve, log: str, *, steps: int | None) -> Curve:
    """The curve with what `log`, the whole log so far, tells of later steps; `steps` is how many are wanted.

    The newest loss is always its last point, and gives way to the next one as long as it is too near to the
    point before.
    """
    found = newer_losses(log, steps=steps, after=curve[-1][0] if curve else -1)
    if not found.losses:
        return curve
    points = list(curve)
    # Rounded up, with a place left for the newest one.
    spacing = -(-found.total_steps // (MOST_POINTS - 1))
    for point in found.losses:
        if len(points) > 1 and points[-1][0] - points[-2][0] < spacing:
            points[-1] = point
        else:
            points.append(point)
    return _bounded(points)


def _bounded(points: Sequence[tuple[int, float]]) -> Curve:
    """Only where a log's own count of its steps changed on the way can there be too many."""
    if len(points) <= MOST_POINTS:
        return tuple(points)
    last = len(points) - 1
    kept = [round(place * last / (MOST_POINTS - 1)) for place in range(MOST_POINTS)]
    return tuple(points[place] for place in kept)
