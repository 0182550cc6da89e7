"""What is asked of a model while it learns: held-out programs, by hops and by what a shortcut says.

The shortcut is the constant on the first line, which is the answer more often than not: a model
that gives it looks as if it followed references until it is asked where it is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from the_experiment.base.seeds import Integers, Stream
from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import Rate
from the_experiment.worlds import World
from the_experiment.worlds.generated import ANSWER
from the_experiment.worlds.programs.chain import COMMONEST, FIRST, first_constant

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ALL, MISLED, FOLLOWED = "all", "first line wrong", "first line followed"


@dataclass(frozen=True)
class HeldOutProgram:
    """A held-out program, and its answer as a completion."""

    prompt: str
    right: str
    shortcut: str  # what the first line's constant would be as a completion
    hops: int


Accuracies = dict[str, Rate]  # by what is asked


@dataclass(frozen=True)
class EvaluationSet:
    """The same programs, asked again and again."""

    asked: tuple[HeldOutProgram, ...]

    @property
    def hops(self) -> list[int]:
        """The numbers of hops there are."""
        return sorted({one.hops for one in self.asked})

    def evaluate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Accuracies:
        """How many are right: of all, by hops, and where the shortcut is wrong.

        And how many of the last give what the shortcut says.
        """
        from the_experiment.models.scoring import score

        right = [
            one.answered
            for one in score(model, tokenizer, [(one.prompt, one.right) for one in self.asked])
        ]
        misled = [one for one in self.asked if one.shortcut != one.right]
        follows = score(model, tokenizer, [(one.prompt, one.shortcut) for one in misled])
        found = self._rates(right)
        found[FOLLOWED] = Rate(sum(one.answered for one in follows), len(misled))
        return found

    def baselines(self) -> dict[str, Accuracies]:
        """The same figures of answers that need no model: the shortcut, and the commonest one."""
        rights = [one.right for one in self.asked]
        commonest = max(sorted(set(rights)), key=rights.count)
        return {
            FIRST: self._rates([o.shortcut == o.right for o in self.asked]),
            COMMONEST: self._rates([one.right == commonest for one in self.asked]),
        }

    def _rates(self, exact: Sequence[bool]) -> Accuracies:
        right = dict(zip(self.asked, exact, strict=True))
        groups: dict[str, list[bool]] = {ALL: list(exact)}
        for hops in self.hops:
            of_hops = [one for one in self.asked if one.hops == hops]
            wrong = [one for one in of_hops if one.shortcut != one.right]
            groups[of(hops)] = [right[one] for one in of_hops]
            groups[f"{of(hops)}, {MISLED}"] = [right[one] for one in wrong]
        groups[MISLED] = [right[one] for one in self.asked if one.shortcut != one.right]
        return {name: Rate(sum(flags), len(flags)) for name, flags in groups.items()}


def of(hops: int) -> str:
    """What programs of so many hops are called: `1 hop`."""
    return counted(hops, "hop")


def evaluation_set(world: World, held_out: Integers, each: int, seed: int) -> EvaluationSet:
    """So many of the held-out programs of each number of hops, drawn by `seed`."""
    column = list(world.inputs).index("hops")
    asked = []
    for hops in sorted(set(held_out[:, column].tolist())):
        states = held_out[held_out[:, column] == hops]
        drawn = states[Stream(seed, "asked", hops).shuffled(len(states))[:each]]
        asked += [_asked(world, state, hops) for state in drawn[:, None]]
    return EvaluationSet(tuple(asked))


def _asked(world: World, state: Integers, hops: int) -> HeldOutProgram:
    """`state` is (1, inputs)."""
    (prompt,), (right,) = world.prompts(state), world.completions(state)
    (shortcut,) = world.completions(state, {ANSWER: int(first_constant(prompt))})
    return HeldOutProgram(prompt, right, shortcut, hops)
