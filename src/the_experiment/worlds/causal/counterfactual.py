"""Counterfactuals: what would have been, as far as what is seen tells what was."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from the_experiment.worlds.causal.graphs import ancestors, any_of, descendants, roots
from the_experiment.worlds.causal.puzzle import PUZZLES, YES_NO, Draft, Structure
from the_experiment.worlds.causal.structures import KEY, Model, Values, drawn_change, drawn_model
from the_experiment.worlds.causal.writing import arrows, lines
from the_experiment.worlds.generators import Random, one_of, shuffled

ASKED = (
    "If {name} had {occurred}, would {goal} have occurred?",
    "Had it been otherwise and {name} had {occurred}, would {goal} have occurred?",
    "Would {goal} have occurred if {name} had {occurred}, and all that {name} does not lead to had "
    "been as it was?",
)


@PUZZLES.register("counterfactual")
class Counterfactual:
    """One beginning is not told: it follows from what is seen (abduction, after Pearl 2000).

    Then one variable is changed (action), and the rest is computed (prediction).
    """

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A structural model in which one thing that is seen tells the one that is not."""
        model, begin = drawn_model(names, rng)
        actual, hidden = model.outcome(begin), any_of(begin, rng)
        seen = any_of(descendants(model.edges, hidden), rng)
        other = model.outcome(begin, {hidden: not begin[hidden]})
        if actual[seen] == other[seen]:
            return None
        name, goal = drawn_change(model, rng)
        forced = not actual[name]
        then = model.outcome(begin, {name: forced})
        known = {one: actual[one] for one in shuffled(rng, [*begin, seen]) if one != hidden}
        asked = one_of(rng, ASKED).format(
            name=name, occurred="occurred" if forced else "not occurred", goal=goal
        )
        return Draft(
            question=f"{model.told(known, rng)} {asked}",
            answer=YES_NO[then[goal]],
            think=lines(arrows(model.edges), f"Asked: {goal}, had {name} been {forced:d}. {KEY}"),
            causality=lines(
                f"Not told: {hidden}. Seen: {seen} = {actual[seen]:d}.",
                f"{_supposed(model, other, hidden, seen)}, which is not what is seen.",
                f"{_supposed(model, actual, hidden, seen)}, as seen.",
                "So it was:",
                *model.derived(actual, names),
                f"Now let {name} be {forced:d}.",
                *model.consequences(then, name),
                f"So {goal} = {then[goal]:d}.",
            ),
            edges=tuple(model.edges),
            asks="yes-no",
            asked=(name, goal),
            structure=Structure(rules=dict(model.rules), known=known, forced=forced),
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """Every beginning is tried; all that agree with what is known must give one answer."""
        structure = draft.structure
        assert structure is not None
        model, (name, goal) = Model(draft.edges, structure.rules), draft.asked
        answers = set()
        for values in product((False, True), repeat=len(roots(draft.edges))):
            begin = dict(zip(roots(draft.edges), values, strict=True))
            actual = model.outcome(begin)
            if all(actual[one] == value for one, value in structure.known.items()):
                answers.add(model.outcome(begin, {name: structure.forced})[goal])
        (answer,) = answers
        return YES_NO[answer]


def _supposed(model: Model, values: Values, hidden: str, seen: str) -> str:
    """What leads to what is seen, for one value of what is not told."""
    between = (ancestors(model.edges, seen) | {seen}) - {*roots(model.edges)}
    return f"Suppose {hidden} = {values[hidden]:d}: {'; '.join(model.derived(values, between))}"
