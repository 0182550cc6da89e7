"""The console command with all that takes long made small, for the tests of what docs print.

python tests/small.py train gpt2          # the command
python tests/small.py snippet.py          # a Python snippet
"""

from __future__ import annotations

import runpy
import sys

from the_experiment.base import defaults

FEW = {"seeds": [1], "train_rows": 640, "look_every": 5, "asked": 8, "traced": 4, "epochs": 1}
BET = {
    "seeds": [1],
    "names": [3],
    "epochs": [1],
    "losses": ["completion"],
    "known": 3,
}
LOCAL = {"countries": 6, "taught": 8, "corpus_rows": 200, "layers": 1, "width": 16, "heads": 2}


def main(words: list[str]) -> None:
    """Run the command, or the snippet, in small."""
    defaults.WIDTH, defaults.LAYERS, defaults.EPOCHS = 32, 1, 1
    defaults.TRAIN_ROWS, defaults.VALID_ROWS, defaults.TEST_ROWS = 640, 20, 20
    defaults.TRACED_PAIRS = 2
    if words[0].endswith(".py"):
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
        return
    make_small = {"bet": small_bets, "traces": small_traces, "experiments": small_experiments}
    make_small.get(words[0], lambda: None)()
    from the_experiment.cli import main as command

    command(words)


def small_bets() -> None:
    from the_experiment.experiments import declaration
    from the_experiment.experiments.bet import BetExperiment
    from the_experiment.experiments.bet.config import LocalModel

    find = declaration.find_experiment

    def small(which: str, kind: str = "") -> BetExperiment:
        found = find(which, kind)
        assert isinstance(found, BetExperiment)
        local = LocalModel().model_copy(update=LOCAL)
        return found.model_copy(update={**BET, "phrasings": found.phrasings[:1], "backend": local})

    declaration.find_experiment = small


def small_traces() -> None:
    from the_experiment.experiments import declaration
    from the_experiment.experiments.experiment import Experiment
    from the_experiment.experiments.traces import config

    base = config.BaseScale(puzzles=300, vocabulary=400, architecture=config.small_lfm2(32, 1))
    few = config.TraceScale(puzzles=300, asked=6, base=base)
    config.QUICK = few
    find = declaration.find_experiment

    def small(which: str, kind: str = "") -> Experiment:
        return find(which, kind).model_copy(update={"full": few, "quick": few})

    declaration.find_experiment = small


def small_experiments() -> None:
    from the_experiment.experiments import declaration
    from the_experiment.experiments.dynamics import DynamicsExperiment
    from the_experiment.experiments.experiment import Experiment
    from the_experiment.experiments.regulation import RegulationExperiment
    from the_experiment.experiments.splits import SplitsExperiment

    find = declaration.find_experiment

    def small(which: str, kind: str = "") -> Experiment:
        found = find(which, kind)
        if isinstance(found, DynamicsExperiment):
            lessons = [one.model_copy(update={"rows": 320}) for one in found.quick.lessons]
            quick = found.quick.model_copy(update={**FEW, "lessons": lessons})
            return found.model_copy(update={"quick": quick})
        if isinstance(found, SplitsExperiment):
            few = {
                "seeds": [1],
                "hold_outs": dict([*found.hold_outs.items()][:2]),
                "train": found.train.model_copy(update={"epochs": 1, "train_rows": 320}),
            }
            return found.model_copy(update=few)
        if isinstance(found, RegulationExperiment):
            recipe = found.quick.train.model_copy(update={"epochs": 1, "train_rows": 160})
            few = {"networks": ["root-niche"], "shares": [0.5], "train": recipe}
            return found.model_copy(update={"quick": found.quick.model_copy(update=few)})
        return found

    declaration.find_experiment = small


if __name__ == "__main__":
    main(sys.argv[1:])
