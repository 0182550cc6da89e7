"""Training one architecture or all of them, with one seed or several, under their usual names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loguru import logger

from the_experiment.base.errors import UsageError
from the_experiment.base.logs import forwarded_logs, log_through, log_to_folder
from the_experiment.base.processes import cores, in_parallel
from the_experiment.base.runs import Run, check_name, default_name
from the_experiment.data.reading import world_name
from the_experiment.models.architectures import ARCHITECTURES, REFERENCE
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import check_widths
from the_experiment.training.loop import train
from the_experiment.training.progress import training_bar, watching_bars
from the_experiment.training.record import TrainResult
from the_experiment.training.run_lock import refuse_taken

ALL = "all"


def train_each(
    model: str,
    shared: TrainConfig,
    out: Path,
    *,
    name: str = "",
    seeds: Sequence[int] = (),
    resume: bool = False,
) -> Iterator[TrainResult]:
    """Train `model`, or every architecture for `all`, and yield the results once no bar is drawn.

    With `seeds`, each is trained once for each of them, in place of the one in `shared`. All of
    them run in processes of their own, as many at a time as there are cores for their
    threads.
    Raises `UsageError` for an unknown model, and for one name or base for several models.
    """
    names = ARCHITECTURES.names()
    if model not in (ALL, *names):
        raise UsageError(f"there is no model called {model!r}", f"one of {', '.join(names)}, all")
    if model == ALL and shared.base:
        raise UsageError("--base can't be combined with all", "leave `all` out")
    if model == ALL and name:
        raise UsageError("--name can't be combined with all", "train them one by one to name them")
    if name:
        check_name(name)
    world = world_name(shared.dataset)
    asked = [REFERENCE] if model == ALL else [model]
    compiled = asked if shared.compiled else []  # of all, the one that can be
    configs = {
        Run(out / ((name or default_name(each, world)) + (f"-seed-{seed}" if seeds else ""))): (
            shared.model_copy(update={"model": each, "seed": seed, "compiled": each in compiled})
        )
        # Backwards, since the RNN takes longest: side by side, the longest should begin first.
        for each in (reversed(names) if model == ALL else [model])
        for seed in seeds or [shared.seed]
    }
    if model == ALL:
        check_widths(shared, names)
    for run in configs:
        refuse_taken(run)
    if len(configs) > 1:
        yield from _side_by_side(configs, resume)
        return
    for run, config in configs.items():
        with training_bar(run.name) as progress:
            result = train(config, run, resume=resume, progress=progress)
        yield result


def _side_by_side(configs: dict[Run, TrainConfig], resume: bool) -> Iterator[TrainResult]:
    logger.debug("side by side: {}", ", ".join(run.name for run in configs))
    room = max(1, cores() // max(config.threads for config in configs.values()))
    results = []
    try:
        with forwarded_logs() as (file, say_news), watching_bars(list(configs)) as look_at_runs:

            def look() -> None:
                say_news()
                look_at_runs()

            calls = [(config, run, resume, file) for run, config in configs.items()]
            for result in in_parallel(_train, calls, min(room, len(calls)), look):
                results.append(result)  # kept though a later one fails
    finally:
        yield from results


def _train(config: TrainConfig, run: Run, resume: bool, messages: Path) -> TrainResult:
    log_through(messages)
    log_to_folder()
    return train(config, run, resume=resume)
