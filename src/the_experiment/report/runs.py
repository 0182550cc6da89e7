"""What `train` says at its end."""

from __future__ import annotations

from rich.markup import escape

from the_experiment.base.words import counted
from the_experiment.training.record import TrainResult

FITTED = {
    None: "",  # nobody asked
    True: ", every seen state exact",
    False: ", [red]did not fit: some seen state is not exact; allow it more --epochs[/]",
}


def training_summary(result: TrainResult) -> str:
    """One line on a finished training."""
    return (
        f"[bold]{escape(result.run.name)}[/]: {counted(result.steps, 'step')} "
        f"in {result.seconds:.0f} s, "
        f"loss {result.loss:.4f}{FITTED[result.fitted]}; saved in {escape(str(result.run.final))}/"
    )
