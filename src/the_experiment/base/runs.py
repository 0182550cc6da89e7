"""The run folder: one trained model, and where each part of it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, refuse_torn_weights
from the_experiment.base.names import name_from, refuse_no_name

ARCHIVE = "archive"
BETS, EXPERIMENTS, PROGRAMS = "bet", "experiments", "programs"
QUESTIONS, TRACES, TRACING = "questions", "traces", "tracing"
BESIDE = (
    ARCHIVE,
    BETS,
    EXPERIMENTS,
    PROGRAMS,
    QUESTIONS,
    TRACES,
    TRACING,
)  # beside the runs
TRAIN = "run `the-experiment train`"


@dataclass(frozen=True)
class Run:
    """A folder such as `out/tiny-gpt2-causal`. It is complete once `run.json` is there.

    >>> Run(Path("out/tiny-gpt2-causal")).final.as_posix()
    'out/tiny-gpt2-causal/final'
    """

    folder: Path

    @property
    def name(self) -> str:
        """What people call the run: the folder's name."""
        return self.folder.name

    @property
    def run_json(self) -> Path:
        """What was trained, how, and what came out. Written last."""
        return self.folder / "run.json"

    @property
    def config(self) -> Path:
        """The resolved configuration, every default written out."""
        return self.folder / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: losses and checks along the way."""
        return self.folder / "metrics.jsonl"

    @property
    def dataset(self) -> Path:
        """A copy of the `dataset.json` it was trained on: world, seed and hold-out."""
        return self.folder / "dataset.json"

    @property
    def checkpoint(self) -> Path:
        """The folder to resume from."""
        return self.folder / "checkpoint"

    @property
    def final(self) -> Path:
        """The trained model and its tokenizer in Hugging Face layout."""
        return self.folder / "final"

    @property
    def adapter(self) -> Path:
        """What LoRA adds to the base, in peft's layout; a run that was trained whole has none."""
        return self.folder / "adapter"

    @property
    def lock(self) -> Path:
        """Held by the process that trains it."""
        return self.folder / ".lock"

    @property
    def archive(self) -> Path:
        """Where this run goes when a new one takes its name."""
        return self.folder.parent / ARCHIVE

    @property
    def complete(self) -> bool:
        """Whether training ended and everything is written."""
        return self.run_json.is_file()

    def record(self) -> dict[str, Any]:
        """What `run.json` says. Raises `ExperimentError` where it is missing or torn."""
        record = read_json(self.run_json, f"{TRAIN} again")
        if not isinstance(record, dict):
            raise ExperimentError(f"{self.run_json} is incomplete", f"{TRAIN} again")
        return record

    def refuse_torn_model(self) -> None:
        """Raise `ExperimentError` where what is in `final` is torn; its weights aren't read."""
        read_json(self.final / "config.json", f"{TRAIN} again")
        for file in self.final.glob("*.json"):
            read_json(file, f"{TRAIN} again")
        weights = list(self.final.glob("*.safetensors"))
        if not weights:
            raise ExperimentError(f"{self.final} has no weights", f"{TRAIN} again")
        for file in weights:
            refuse_torn_weights(file, f"{TRAIN} again")


def refuse_foreign(run: Run) -> None:
    """Raise `ExperimentError` where the run's folder holds something that is no run."""
    there = {path.name for path in run.folder.iterdir()}
    ours = {run.config.name, run.run_json.name}
    if not there & ours and there - {run.lock.name}:
        raise ExperimentError(
            f"{run.folder} already exists and is not a run folder",
            "choose another name with --name",
        )


def check_name(name: str) -> None:
    """Raise `UsageError` for a name that a run can't have: it is that of one folder in `out`."""
    if name in BESIDE:
        raise UsageError(f"a run can't be called {name!r}", f"reserved: {', '.join(BESIDE)}")
    refuse_no_name("a run", name)


def default_name(model: str, world: str) -> str:
    """The name of a run that was given none; that of one's own data may be any text.

    >>> default_name("gpt2", "causal"), default_name("gpt2", "my data")
    ('tiny-gpt2-causal', 'tiny-gpt2-my-data')
    """
    return name_from(f"tiny-{model}-{world}", otherwise="tiny")


def find_run(name: str, out: Path) -> Run | None:
    """The complete run in the folder of this name, or of this name in `out`; None where none is.

    Raises `ExperimentError` for one that was begun and not finished.
    """
    runs = [Run(Path(name).expanduser()), Run(out / name)]
    found = next((run for run in runs if run.complete), None)
    begun = next((run for run in runs if run.config.is_file()), None)
    if begun and not found:
        raise ExperimentError(
            f"training of {begun.folder}/ has not finished", f"{TRAIN} with --resume"
        )
    return found


def find_runs(out: Path) -> list[Run]:
    """The complete runs in `out`, by name. The archive is not looked into."""
    return [run for run in _runs(out) if run.complete]


def unfinished_runs(out: Path) -> list[Run]:
    """The runs in `out` that were begun and not finished, by name."""
    return [run for run in _runs(out) if run.config.is_file() and not run.complete]


def _runs(out: Path) -> list[Run]:
    if not out.is_dir():
        return []
    return [Run(folder) for folder in sorted(out.iterdir()) if folder.name != ARCHIVE]
