"""A sweep: every model on every hold-out with every seed, written in a few words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Literal

from the_experiment.base.defaults import ExecutorName
from the_experiment.base.errors import UsageError
from the_experiment.base.names import name_from
from the_experiment.experiments.recipe import ModelEntry, TrainedOn, TrainingRecipe
from the_experiment.experiments.splits.config import HoldOuts, SplitsExperiment
from the_experiment.worlds import World, find_world

QUESTION = "What share of the states may be hidden until each model no longer gets the rest right?"
WAYS = "such as fraction=0.25, fraction=0.1..0.9:0.1, 'where=A AND C' or each-state"
MOST_STEPS = 1000  # of a range


def sweep_of(
    world: str,
    hold_outs: Sequence[str],
    models: Sequence[str],
    seeds: Sequence[int],
    recipe: TrainingRecipe,
    name: str = "",
) -> SplitsExperiment:
    """The experiment of these words. Raises `UsageError` for a word that is none.

    >>> sweep = sweep_of("causal", ["fraction=0.2..0.4:0.2"], ["gpt2"], [1, 2], TrainingRecipe())
    >>> [*sweep.hold_outs]
    ['20% held out', '40% held out']
    """
    ways = [way for words in hold_outs for way in _ways(words)]
    for what, names in (("hold-out", [title for title, _ in ways]), ("model", models)):
        if len(set(names)) < len(names):
            twice = next(one for one in names if names.count(one) > 1)
            raise UsageError(f"the {what} {twice!r} is given twice", "give it once")
    experiment = SplitsExperiment.checked(
        name=name or "unnamed",
        question=QUESTION,
        world=world,
        hold_outs=dict(ways),
        models={model: ModelEntry(model=model) for model in models},
        seeds=list(seeds),
        measures=_measures(find_world(world)),
        train=recipe,
    )
    return experiment if name else experiment.model_copy(update={"name": _name(experiment)})


def chosen_device(
    device: Literal["auto", "cpu", "cuda"], executor: ExecutorName, gpus: float
) -> TrainedOn:
    """The device to train on; `auto` is a GPU where there is one, as GPT-2s train together there.

    Raises `ExperimentError` for a GPU that torch doesn't find, or that cells on Ray don't get.
    """
    from the_experiment.models.loading import pick_device

    if executor == "ray":
        if device == "cuda" and not gpus:
            raise UsageError("on Ray, cells get no GPU of themselves", "add --gpus, such as 1")
        return "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
    return "cuda" if pick_device(device).type == "cuda" else "cpu"


def _name(experiment: SplitsExperiment) -> str:
    """The world, and a fingerprint of all that is asked."""
    asked = experiment.model_dump_json(exclude={"name"})
    world = name_from(Path(experiment.world).stem, "world")
    return f"sweep-{world}-{sha256(asked.encode()).hexdigest()[:8]}"


def _measures(world: World) -> dict[str, list[str]]:
    """The rules by themselves, where there are parts computed from them, too."""
    only_rules = [*world.rule_parts] == [*world.parts]
    return {} if only_rules else {"rules": [*world.rule_parts]}


def _ways(words: str) -> Iterator[tuple[str, HoldOuts]]:
    """Each way to hold states out that these words say, by its title."""
    kind, _, value = words.partition("=")
    if kind == "fraction" and value:
        for share in _shares(value):
            yield f"{100 * share:g}% held out", HoldOuts.checked(fraction=share)
    elif kind == "where" and value:
        yield value, HoldOuts.checked(where=value)
    elif words == "each-state":
        yield words, HoldOuts(each_state=True)
    else:
        raise UsageError(f"{words!r} is not a hold-out", WAYS)


def _shares(text: str) -> list[float]:
    """`0.25` as itself, `0.1..0.9:0.1` as nine shares, exact in decimals."""
    found = re.fullmatch(r"([^.:]*\.?[^.:]*)(?:\.\.([^:]+):(.+))?", text)
    try:
        first, last, step = (Decimal(part) if part else None for part in found.groups())  # type: ignore[union-attr]
    except (AttributeError, InvalidOperation):
        raise UsageError(f"fraction={text} is not a share or a range of shares", WAYS) from None
    if first is None:
        raise UsageError(f"fraction={text} is not a share or a range of shares", WAYS)
    if last is None or step is None:
        return [float(first)]
    if step <= 0 or last < first or (last - first) / step > MOST_STEPS:
        raise UsageError(f"fraction={text} has no steps, or too many", WAYS)
    return [float(first + place * step) for place in range(int((last - first) / step) + 1)]
