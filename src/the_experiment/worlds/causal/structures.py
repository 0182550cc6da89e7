"""Small structural models: each variable occurs or not, by a rule from its causes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from the_experiment.worlds.causal.graphs import (
    any_of,
    causes,
    descendants,
    drawn_edges,
    in_causal_order,
    roots,
    variables,
)
from the_experiment.worlds.causal.puzzle import Edge, Rule
from the_experiment.worlds.causal.writing import capitalized, joined
from the_experiment.worlds.generators import Random, below, one_of, shuffled

Values = Mapping[str, bool]  # whether each variable occurs
SIGN = {"all": " and ", "any": " or "}
TOLD = (
    "{effect} occurs exactly when {condition}.",
    "{effect} occurs if {condition}, and only then.",
)
KEY = "1: occurs, 0: does not."
FOLLOWING = 0.9  # the share of questions about a variable that the changed one leads to


@dataclass(frozen=True)
class Model:
    """A graph, and a rule for each variable that has causes."""

    edges: Sequence[Edge]
    rules: Mapping[str, Rule]

    @cached_property
    def order(self) -> list[str]:
        """All variables, causes first."""
        return in_causal_order(self.edges)

    def outcome(self, begin: Values, forced: Values | None = None) -> dict[str, bool]:
        """Whether each variable occurs, from those without a cause; what is forced has no rule.

        >>> Model([("A", "B"), ("B", "C")], {"B": "not", "C": "all"}).outcome({"A": True})
        {'A': True, 'B': False, 'C': False}
        """
        values: dict[str, bool] = {}
        for name in self.order:
            if forced and name in forced:
                values[name] = forced[name]
            else:
                by = [values[cause] for cause in causes(self.edges, name)]
                values[name] = _follows(self.rules[name], by) if by else begin[name]
        return values

    def told(self, known: Values, rng: Random) -> str:
        """The rules as sentences of one wording, then what is known."""
        wording = one_of(rng, TOLD)
        rules = [
            wording.format(effect=name, condition=_condition(rule, causes(self.edges, name)))
            for name, rule in self.rules.items()
        ]
        facts = [f"{occurs(name, value)}." for name, value in known.items()]
        return " ".join(map(capitalized, [*rules, *facts]))

    def derived(self, values: Values, names: Collection[str]) -> list[str]:
        """How the values of these variables follow from those of their causes, causes first."""
        return [self._derived(values, name) for name in self.order if name in names]

    def consequences(self, values: Values, name: str) -> list[str]:
        """What a variable leads to, and how the values there follow."""
        after = [one for one in self.order if one in descendants(self.edges, name)]
        if not after:
            return [f"{name} leads to nothing: all else stays."]
        return [f"{name} leads to {joined(after)}.", *self.derived(values, after)]

    def _derived(self, values: Values, name: str) -> str:
        """Such as `C = A or B = 1 or 0 = 1`."""
        by, value = causes(self.edges, name), f"{values[name]:d}"
        if not by:
            return f"{name} = {value}"
        numbers, rule = [f"{values[cause]:d}" for cause in by], self.rules[name]
        if rule == "not":
            return f"{name} = not {by[0]} = not {numbers[0]} = {value}"
        if len(by) == 1:
            return f"{name} = {by[0]} = {value}"
        return f"{name} = {SIGN[rule].join(by)} = {SIGN[rule].join(numbers)} = {value}"


def drawn_model(names: Sequence[str], rng: Random) -> tuple[Model, dict[str, bool]]:
    """A model of these variables, and whether each of them without a cause occurs.

    A variable with two causes takes all or any of them; one with one cause is the same, or not.
    Rules come in random order, and edges in that of the rules, in which they are told.
    """
    drawn = drawn_edges(names, rng)
    effects = [name for name in shuffled(rng, variables(drawn)) if causes(drawn, name)]
    edges = [(cause, effect) for effect in effects for cause in causes(drawn, effect)]
    several: tuple[Rule, ...] = ("all", "any")
    single: tuple[Rule, ...] = ("all", "not")
    rules = {
        name: one_of(rng, several if len(causes(edges, name)) > 1 else single) for name in effects
    }
    return Model(edges, rules), {name: below(rng, 2) == 1 for name in roots(edges)}


def drawn_change(model: Model, rng: Random) -> tuple[str, str]:
    """A variable to change, and another one to ask about, that mostly lies after it.

    Else whether the one leads to the other would tell most answers.
    """
    name = one_of(rng, [cause for cause in model.order if descendants(model.edges, cause)])
    if rng.random() < FOLLOWING:
        return name, any_of(descendants(model.edges, name), rng)
    return name, one_of(rng, [other for other in model.order if other != name])


def occurs(name: str, value: bool) -> str:
    """That a variable occurs, or does not."""
    return f"{name} occurs" if value else f"{name} does not occur"


def _follows(rule: Rule, by: Sequence[bool]) -> bool:
    return {"all": all(by), "any": any(by), "not": not by[0]}[rule]


def _condition(rule: Rule, by: Sequence[str]) -> str:
    if len(by) == 1:
        return occurs(by[0], rule != "not")
    wording = "both {} occur" if rule == "all" else "at least one of {} occurs"
    return wording.format(joined(by))
