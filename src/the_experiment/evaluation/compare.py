"""Every trained model and every baseline on every seen and every held-out state, by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers, Stream
from the_experiment.base.words import counted
from the_experiment.data.split import Split
from the_experiment.evaluation.baseline import GIVEN, baselines, predicted_parts
from the_experiment.evaluation.statistics import Rate, listed
from the_experiment.evaluation.trained import Trained
from the_experiment.evaluation.verdict import Verdict, solved_by, verdict
from the_experiment.worlds import EXACT
from the_experiment.worlds.world import World

MOST_STATES = 10_000  # of one kind are asked; of more, a sample of this many

Rates = dict[str, Rate]  # by measure: EXACT, then each part


@dataclass(frozen=True)
class Contestant:
    """A model or baseline, with its rates on the seen and the held-out states."""

    name: str
    is_model: bool
    seen: Rates
    held_out: Rates


@dataclass(frozen=True)
class Comparison:
    """One split, and how every contestant did on it."""

    world: str
    hold_out: str
    parts: list[str]
    seen_states: int  # asked, of `seen_in_all`
    held_out_states: int
    seen_in_all: int
    held_out_in_all: int
    contestants: list[Contestant]
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @property
    def tables(self) -> list[tuple[str, list[tuple[Contestant, Rates]]]]:
        """Held-out, then seen: which states were asked, and each contestant's rates on them."""
        return [
            (
                _asked(self.held_out_states, self.held_out_in_all, "held-out"),
                [(one, one.held_out) for one in self.contestants],
            ),
            (
                _asked(self.seen_states, self.seen_in_all, "seen"),
                [(one, one.seen) for one in self.contestants],
            ),
        ]

    @property
    def given(self) -> str:
        """What the baselines were given, in words."""
        if self.seen_states == self.seen_in_all:
            return GIVEN
        return (
            f"{GIVEN} Of the seen states they are shown those {self.seen_states:,} that are asked."
        )

    @property
    def cannot_separate(self) -> str:
        """A sentence where a pattern solves the split; empty where none does."""
        if not self.held_out_states:
            return "Nothing is held out, so this split cannot separate rule from pattern."
        solving = solved_by(
            {one.name: one.held_out[EXACT] for one in self.contestants if not one.is_model}
        )
        if not solving:
            return ""
        return (
            f"This split cannot separate rule from pattern: {listed(solving)}, told of no rule, "
            f"{'gets' if len(solving) == 1 else 'get'} every held-out state right."
        )

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "world": self.world,
            "hold_out": self.hold_out,
            "states": {"seen": self.seen_states, "held_out": self.held_out_states},
            "states_in_all": {"seen": self.seen_in_all, "held_out": self.held_out_in_all},
            "contestants": {
                one.name: {
                    "model": one.is_model,
                    "seen": {name: rate_json(rate) for name, rate in one.seen.items()},
                    "held_out": {name: rate_json(rate) for name, rate in one.held_out.items()},
                    "verdict": str(self.verdicts[one.name]) if one.is_model else None,
                }
                for one in self.contestants
            },
            "cannot_separate": self.cannot_separate,
        }


def _asked(asked: int, in_all: int, kind: str) -> str:
    return (f"{asked:,} of " if asked < in_all else "") + counted(in_all, f"{kind} state")


def rate_json(rate: Rate) -> dict[str, float]:
    """A rate as plain values."""
    return {"k": rate.k, "n": rate.n, "low": rate.low, "high": rate.high}


def compare(models: Sequence[Trained]) -> list[Comparison]:
    """A comparison for each split among the models, in the order in which they come."""
    groups: dict[str, list[Trained]] = {}
    for model in models:
        manifest = model.split.manifest
        key = manifest.model_dump_json(include={"world", "world_text", "seed", "held_out", "rows"})
        groups.setdefault(key, []).append(model)
    return [_compared(group) for group in groups.values()]


def _compared(models: Sequence[Trained]) -> Comparison:
    split = models[0].split
    seen, held_out = asked_states(split)
    entries = [_model(model, seen, held_out) for model in models]
    rivals = baseline_contestants(split.world, seen, held_out)
    references = {rival.name: rival.held_out[EXACT] for rival in rivals}
    return Comparison(
        world=split.world.name,
        hold_out=str(split.manifest.hold_out),
        parts=split.world.parts,
        seen_states=len(seen),
        held_out_states=len(held_out),
        seen_in_all=len(split.seen),
        held_out_in_all=len(split.held_out),
        contestants=[*entries, *rivals],
        verdicts={
            one.name: verdict(one.seen[EXACT], one.held_out[EXACT], references) for one in entries
        },
    )


def asked_states(split: Split) -> tuple[Integers, Integers]:
    """The seen and the held-out states to ask: all, or a sample where they are very many."""
    return (
        _sampled(split.seen, split.manifest.seed, "seen"),
        _sampled(split.held_out, split.manifest.seed, "held-out"),
    )


def _sampled(states: Integers, seed: int, kind: str) -> Integers:
    if len(states) <= MOST_STATES:
        return states
    return states[np.sort(Stream(seed, "asked", kind).shuffled(len(states))[:MOST_STATES])]


def _model(model: Trained, seen: Integers, held_out: Integers) -> Contestant:
    world = model.split.world
    return Contestant(
        model.name, True, model_rates(model, world, seen), model_rates(model, world, held_out)
    )


def model_rates(model: Trained, world: World, states: Integers) -> Rates:
    """A model's exact match and accuracy by part on these states."""
    completions = model.complete(world.prompts(states))
    rates = {EXACT: Rate(sum(one.exact for one in completions), len(completions))}
    for part in world.parts:
        rates[part] = Rate(sum(one.parts[part].correct for one in completions), len(completions))
    return rates


def baseline_contestants(world: World, seen: Integers, held_out: Integers) -> list[Contestant]:
    """Every baseline that can be applied, fitted to these seen states."""
    asked = np.concatenate([seen, held_out])
    truth = world.part_values(asked)
    contestants = []
    for name in baselines.names():
        given = predicted_parts(baselines[name], world, seen, asked)
        if given is not None:
            right = {part: given[part] == truth[part] for part in truth}
            on_seen, on_held_out = (
                _rates({part: each[rows] for part, each in right.items()})
                for rows in (slice(len(seen)), slice(len(seen), None))
            )
            contestants.append(Contestant(name, False, on_seen, on_held_out))
    return contestants


def _rates(right: dict[str, npt.NDArray[np.bool_]]) -> Rates:
    every = np.logical_and.reduce(list(right.values()))
    return {name: Rate(int(one.sum()), len(one)) for name, one in {EXACT: every, **right}.items()}
