"""Interventions: somebody steps in at one variable. Does another one change?"""

from __future__ import annotations

from collections.abc import Sequence

from the_experiment.worlds.causal.puzzle import PUZZLES, YES_NO, Draft, Structure
from the_experiment.worlds.causal.structures import KEY, Model, drawn_change, drawn_model, occurs
from the_experiment.worlds.causal.writing import arrows, lines
from the_experiment.worlds.generators import Random, one_of

ASKED = (
    "Now somebody steps in so that {change}. Does that change whether {goal} occurs?",
    "If somebody made sure that {change}, would it make a difference to whether {goal} occurs?",
    "Does do({name} = {value:d}), so that {change}, change whether {goal} occurs?",
)


@PUZZLES.register("intervention")
class Intervention:
    """One variable is made to be what it was not; what causes it does not matter any more."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A structural model, one variable of it to be changed, and one to be asked about."""
        model, known = drawn_model(names, rng)
        name, goal = drawn_change(model, rng)
        before = model.outcome(known)
        forced = not before[name]
        then = model.outcome(known, {name: forced})
        asked = one_of(rng, ASKED).format(
            change=occurs(name, forced), name=name, value=forced, goal=goal
        )
        do = f"do({name} = {forced:d})"
        return Draft(
            question=f"{model.told(known, rng)} {asked}",
            answer=YES_NO[then[goal] != before[goal]],
            think=lines(arrows(model.edges), f"Asked: does {do} change {goal}? {KEY}"),
            causality=lines(
                "As it is:",
                *model.derived(before, names),
                f"With {do} nothing else decides {name}.",
                *model.consequences(then, name),
                f"{goal} was {before[goal]:d} and is {then[goal]:d} with {do}.",
            ),
            edges=tuple(model.edges),
            asks="yes-no",
            asked=(name, goal),
            structure=Structure(rules=dict(model.rules), known=known, forced=forced),
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """The outcome with the change and without it, both from the beginning."""
        assert draft.structure is not None
        model, known = Model(draft.edges, draft.structure.rules), draft.structure.known
        name, goal = draft.asked
        then = model.outcome(known, {name: draft.structure.forced})
        return YES_NO[then[goal] != model.outcome(known)[goal]]
