"""Runs that differ in their seed only: one result, and its spread."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import yaml

from the_experiment.evaluation.trained import Trained

NOT_THE_RECIPE = ("seed", "dataset", "checkpoint_every")  # the split is compared by its states


def by_recipe(models: Sequence[Trained]) -> list[list[Trained]]:
    """The models in groups, each trained on one split and alike in all settings but the seed.

    Two runs of the same seed on the same rows are the same draw, so that the second begins a group
    of its own.
    """
    groups: dict[str, list[Trained]] = {}
    for model in models:
        groups.setdefault(_recipe(model), []).append(model)
    return [group for same in groups.values() for group in _different_seeds(same)]


def group_name(names: Sequence[str]) -> str:
    """What runs are called together: their name without the seed; else the first one's name.

    >>> group_name(["tiny-gpt2-causal-seed-1", "tiny-gpt2-causal-seed-10"]), group_name(["run-1"])
    ('tiny-gpt2-causal', 'run-1')
    """
    without_seed = {re.sub(r"[-_. ]*(seed|s)?[-_. ]*\d+$", "", name) for name in names}
    together = len(names) > 1 and len(without_seed) == 1
    return (without_seed.pop() if together else "") or names[0]


def _recipe(model: Trained) -> str:
    """The split and every setting, as text; of a run that doesn't tell them, its name."""
    try:
        settings = yaml.safe_load(model.run.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        settings = None
    if not isinstance(settings, dict):
        return model.split.key + model.name
    kept = {str(key): value for key, value in settings.items() if key not in NOT_THE_RECIPE}
    kept["rows"] = model.split.manifest.rows["train"]
    return model.split.key + json.dumps(kept, sort_keys=True, default=str)


def _different_seeds(models: Sequence[Trained]) -> list[list[Trained]]:
    groups: list[dict[object, Trained]] = []
    for model in models:
        seed = model.record.get("seed"), model.split.manifest.seed
        free = (group for group in groups if seed not in group)
        group = next(free, None)
        if group is None:
            groups.append(group := {})
        group[seed] = model
    return [list(group.values()) for group in groups]
