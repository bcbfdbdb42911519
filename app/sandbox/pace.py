"""How long things take in the sandbox."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Durations in seconds; the defaults make a demonstration pleasant, `Pace().scaled(0)` is instant."""

    boot: float = 0.5
    picture: float = 1.0
    training_boot: float = 2.0
    caption: float = 0.1
    step: float = 0.016
    saving: float = 1.0

    def scaled(self, factor: float) -> "Pace":
        """The same pace, `factor` times as slow."""
        return Pace(
            boot=self.boot * factor,
            picture=self.picture * factor,
            training_boot=self.training_boot * factor,
            caption=self.caption * factor,
            step=self.step * factor,
            saving=self.saving * factor,
        )
