"""A wrong part is written into the completion, and the model goes on: what does the rest follow?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import model_validator

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, Stream
from the_experiment.base.words import counted
from the_experiment.engine.outcome import SHARES, HeatMap, Outcome
from the_experiment.evaluation.seed_groups import by_recipe, group_name
from the_experiment.evaluation.statistics import Rate, short
from the_experiment.evaluation.trained import Trained
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.grading import decode_with_edits
from the_experiment.inside.maps import distribution, followed_cell, side_by_side
from the_experiment.inside.subject import Subject, families
from the_experiment.inside.swaps import Expected, Followed, by_rules
from the_experiment.models.texts import encode_all, end_id
from the_experiment.worlds import World

MOST_STATES = 256  # of one kind, to each of which each part is forced
MOST_VALUES = 3  # wrong values of one part in one state
COUNTED = (
    "a case counts where the two say different things; the model's own later errors can cancel the "
    "wrong value, or add to it, so that n can differ from model to model"
)
ONE_SEED = "one seed: exploratory; others of the same settings may follow something else"
HOW: tuple[Followed, ...] = ("written", "input", "neither")


@dataclass(frozen=True)
class Forced:
    """A wrong value of one part, and the right completion as far as that part."""

    prompt: str
    part: str
    value: int
    beginning: str  # ends with the wrong value


class FollowedCase(NamedTuple):
    """What a later part follows, and in which case: its own, with this wrong value before it."""

    follows: Followed
    case: tuple[int, int]


@verb("force")
class Force(VerbRequest):
    """A wrong value of a part in one sequence; or every part in every state.

    A part counts where what is written before it and the input say different things of it. What is
    written is the model's own but for the forced value: n can differ from model to model.
    """

    part: str | None = None
    value: int | None = None
    sequence: str | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _all_or_none(self) -> Force:
        if len({self.part is None, self.value is None, self.sequence is None}) > 1:
            raise ValueError("give PART=VALUE and a sequence, or --all")
        return self

    def run(self, subject: Subject) -> Outcome:
        """How often parts follow what is written. Raises `UsageError` for what is no part."""
        if self.sequence is not None:
            return self._one(subject)
        maps, figures, sentences = [], {}, []
        for kind, states in subject.drawn(MOST_STATES, self.seed).items():
            tally = _tallied(subject, list(_every(subject.world, states, self.seed)))
            if tally:
                figures[kind] = {name: _counts(each) for name, each in tally.items()}
                maps.append(_map(subject, kind, tally))
                sentences += [_told(kind, name, each) for name, each in tally.items()]
        nothing = "no part of this world depends on another that is written before it"
        return Outcome(maps, figures, [*sentences, COUNTED, ONE_SEED] if sentences else [nothing])

    def together(self, found: Sequence[tuple[Subject, Outcome]]) -> Outcome:
        """Over all states: the shares of several models, and how they are distributed."""
        if self.sequence is not None:
            return super().together(found)
        figures = super().together(found).figures
        maps, sentences = [], []
        for kind in ("seen", "held-out"):
            rows = {name: of[kind] for name, of in figures.items() if kind in of}
            asked = families([subject for subject, _ in found if subject.name in rows])
            title = f"{kind} states: follows the wrong part that was written"
            tables = list(side_by_side(title, rows, followed_cell))
            maps += tables
            for pair in (name for table in tables for name in table.columns):
                shares = {
                    family: [followed_cell(rows[one.name][pair]).share for one in some]
                    for family, some in asked.items()
                }
                if shares:
                    maps.append(distribution(f"{kind}, {pair}: models by that share", shares))
                    sentences += [_spread(kind, pair, *one) for one in shares.items()]
        seeds = list(_over_seeds([subject.trained for subject, _ in found], figures))
        return Outcome(maps, figures, [*sentences, *seeds, COUNTED])

    def _one(self, subject: Subject) -> Outcome:
        assert self.sequence is not None
        assert self.part is not None
        assert self.value is not None
        case = _forced(subject.world, self.sequence, self.part, self.value)
        (text,) = _continued(subject, [case])
        followed = outcomes(subject.world, case.prompt, case.part, text)
        sentences = [f"{self.sequence} with {self.part}={self.value} written: {text!r}"] + [
            f"{part}: {one.value}, which follows {one.follows} "
            f"(from what is written {one.written}, from the input {one.input})"
            for part, one in followed.items()
        ]
        if not followed:
            sentences.append(f"nothing after {self.part} is another for that by the rules")
        told = {part: {**vars(one), "follows": one.follows} for part, one in followed.items()}
        return Outcome(figures={"completion": text, "parts": told}, sentences=sentences)


def _spread(kind: str, pair: str, family: str, shares: Sequence[float]) -> str:
    low, quarter, middle, three, high = (short(q) for q in np.quantile(shares, np.arange(5) / 4))
    return (
        f"{kind}, {pair}, {counted(len(shares), f'{family} model')}: follows what is written in "
        f"{middle} in the middle, half of them from {quarter} to {three}, all from {low} to {high}"
    )


def _over_seeds(models: Sequence[Trained], figures: Mapping[str, Any]) -> Iterator[str]:
    """The spread over models that differ in their seed only; a model alone is a single draw."""
    for group in by_recipe(models):
        names = [model.name for model in group]
        if len(names) == 1:
            yield f"{names[0]}: {ONE_SEED}"
            continue
        for kind in dict.fromkeys(kind for name in names for kind in figures[name]):
            for pair in dict.fromkeys(one for name in names for one in figures[name].get(kind, {})):
                counts = [figures[name].get(kind, {}).get(pair) for name in names]
                shares = sorted(followed_cell(count).share for count in counts if count)
                yield (
                    f"{group_name(names)}, {counted(len(names), 'seed')}, {kind}, {pair}: follows "
                    f"what is written in {', '.join(map(short, shares))} of the states"
                )


def _every(world: World, states: Integers, seed: int) -> Iterable[Forced]:
    """Each output forced to wrong values, in each state."""
    for prompt in world.prompts(states):
        right = world.spans(world.answer(prompt))
        for part in world.output_bounds:
            span = right.get(part)
            for value in _wrong(world, part, span.value, prompt, seed) if span else ():
                yield _forced(world, prompt, part, value)


def _wrong(world: World, part: str, right: int, prompt: str, seed: int) -> list[int]:
    low, high = world.output_bounds[part]
    values = [value for value in range(low, high + 1) if value != right]
    order = Stream(seed, "wrong", part, prompt).shuffled(len(values))
    return sorted(values[place] for place in order[:MOST_VALUES])


def _forced(world: World, prompt: str, part: str, value: int) -> Forced:
    """Raises `UsageError` for a part that is no output, or that has this value already."""
    right = world.answer(prompt)
    span = world.spans(right).get(part)
    if part not in world.output_bounds or span is None:
        outputs = [name for name in world.output_bounds if name in world.parts]
        raise UsageError(f"{part!r} can't be forced", f"one of {', '.join(outputs)}")
    low, high = world.output_bounds[part]
    if not low <= value <= high:
        raise UsageError(f"{part} can't be {value}", f"it is {low} to {high}")
    if span.value == value:
        raise UsageError(f"{part} is {value} in {prompt} by the rules", "force a wrong value")
    return Forced(prompt, part, value, right[: span.start] + str(value))


def _continued(subject: Subject, cases: list[Forced]) -> list[str]:
    """The whole completion of each case: its beginning, and what the model writes after it."""
    _, tokenizer = subject.trained.loaded
    if not cases:
        return []
    encoded = encode_all(tokenizer, [(case.prompt, case.beginning) for case in cases])
    beginnings = [one.ids[:-1] for one in encoded]  # without the end token
    room = max(len(subject.text(case.prompt).ids) for case in cases)
    most = room - min(map(len, beginnings))
    tokens = decode_with_edits(subject.hooked, beginnings, most, end_id(tokenizer))
    after = [str(tokenizer.decode(ids)) for ids in tokens]
    return [case.beginning + text for case, text in zip(cases, after, strict=True)]


def outcomes(world: World, prompt: str, forced: str, text: str) -> dict[str, Expected]:
    """Each part of a completion after the forced one that differs by what it follows."""
    found = by_rules(world, prompt, text, forced)
    return {part: one for part, one in found.items() if one.tells}


Tally = dict[str, list[FollowedCase]]  # by "newB → newD"


def _tallied(subject: Subject, cases: list[Forced]) -> Tally:
    tally: Tally = {}
    for case, text in zip(cases, _continued(subject, cases), strict=True):
        world = subject.world
        for part, one in outcomes(world, case.prompt, case.part, text).items():
            of_rule = int(world.cases(part, world.state(case.prompt))[0])
            outcome = FollowedCase(one.follows, (of_rule, case.value))
            tally.setdefault(f"{case.part} → {part}", []).append(outcome)
    return tally


def _states(outcomes: Sequence[FollowedCase], how: Followed) -> int:
    return sum(outcome.follows == how for outcome in outcomes)


def _cases(outcomes: Sequence[FollowedCase], how: Followed) -> Rate:
    """The share of the states, over no more trials than there are distinct cases."""
    cases = len({outcome.case for outcome in outcomes})
    return Rate(round(_states(outcomes, how) / len(outcomes) * cases), cases)


def _counts(outcomes: Sequence[FollowedCase]) -> dict[str, Any]:
    """States by what is followed; then the distinct cases, with their interval."""
    cases = _cases(outcomes, "written")
    return {how: _states(outcomes, how) for how in HOW} | {"cases": cases.as_json()}


def _told(kind: str, name: str, outcomes: Sequence[FollowedCase]) -> str:
    written, of_input, neither = (_states(outcomes, how) for how in HOW)
    cases = _cases(outcomes, "written")
    distinct = f"{counted(cases.n, 'distinct case')} [{short(cases.low)}–{short(cases.high)}]"
    return (
        f"{kind}, {name}: follows what is written in {written} of {len(outcomes)} states, "
        f"{distinct}, the input in {of_input}, neither in {neither}"
    )


def _map(subject: Subject, kind: str, tally: Tally) -> HeatMap:
    states = [[Rate(_states(each, how), len(each)) for how in HOW] for each in tally.values()]
    cases = [[_cases(each, how) for how in HOW] for each in tally.values()]
    return HeatMap(
        f"{subject.name}, {kind}: what is followed",
        "share",
        tuple(tally),
        HOW,
        np.array([[one.share for one in row] for row in states]),
        tuple(tuple(f"{one.k}/{one.n}" for one in row) for row in states),
        SHARES,
        low=np.array([[one.low for one in row] for row in cases]),
        high=np.array([[one.high for one in row] for row in cases]),
    )
