"""The curve of a training's loss: continued from logs that grow, bounded, and evenly spread."""

from itertools import pairwise

from app.services.loss_curve import MOST_POINTS, continued


def log_up_to(step: int, total: int = 1000) -> str:
    """A log as ai-toolkit writes it, with a bar for each step."""
    bars = [
        f"flux_train_replicate:{done * 100 // total}%|█|{done}/{total} [0:10<0:10, loss={1 - done / total}]"
        for done in range(step + 1)
    ]
    return "\r".join(bars)


def test_a_curve_that_grew_is_evenly_spread_and_bounded() -> None:
    curve: tuple[tuple[int, float], ...] = ()
    for step in (0, 7, 8, 9, 300, 301, 990, 1000):
        curve = continued(curve, log_up_to(step), steps=1000)
        assert curve[-1][0] == step

    steps = [step for step, _ in curve]
    assert 150 < len(steps) <= MOST_POINTS
    assert max(later - earlier for earlier, later in pairwise(steps)) <= 12


def test_an_old_or_an_empty_log_changes_nothing() -> None:
    curve = continued((), log_up_to(20), steps=1000)

    assert continued(curve, log_up_to(20), steps=1000) is curve
    assert continued(curve, log_up_to(3), steps=1000) is curve
    assert continued(curve, "", steps=1000) is curve


def test_a_short_training_keeps_every_step() -> None:
    curve = continued((), log_up_to(50, 50), steps=50)

    assert [step for step, _ in curve] == list(range(51))
