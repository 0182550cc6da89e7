"""Does a model do what the rules say when one value of its text is another?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from the_experiment.inside.attributions import logits_of
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import Expected, Followed, Swap, expected, rewritten
from the_experiment.inside.texts import TokenizedExample


@dataclass(frozen=True)
class Interchanged:
    """A part of one swapped text: what the rules make of it, and what the model wrote."""

    swapped: str
    part: str
    expected: Expected
    follows: Followed  # "written" where that and the input say the same

    @property
    def turns(self) -> bool:
        """Whether it has to be another value after the swap."""
        return self.expected.written != self.expected.value


def interchanged(subject: Subject, swaps: Sequence[Swap]) -> Iterator[Interchanged]:
    """Every part after every swap."""
    logits = logits_of(subject.hooked, [swap.changed for swap in swaps])
    for swap, of_swap in zip(swaps, logits, strict=True):
        likeliest = of_swap.argmax(-1)
        for part, one in expected(subject.world, swap).items():
            by_written = writes_value(subject, swap.changed, part, one.written, likeliest)
            by_input = by_written
            if one.tells:
                by_input = writes_value(subject, swap.changed, part, one.input, likeliest)
            follows: Followed = "written" if by_written else "input" if by_input else "neither"
            yield Interchanged(swap.name, part, one, follows)


def writes_value(
    subject: Subject, text: TokenizedExample, part: str, value: int, likeliest: Tensor
) -> bool:
    """Whether the model, given the text as far as it stands there, writes this value of a part.

    `likeliest` (positions,) are its tokens. The value is known by its first token that differs
    from the text's.
    """
    other = subject.text(text.prompt, rewritten(subject.world, text.completion, part, value))
    first = text.written_at(part)[0]
    for place in range(first, min(len(text.ids), len(other.ids)) - 1):
        goal = other.ids[place + 1]
        if int(likeliest[place]) != goal:
            return False
        if goal != text.ids[place + 1] or place == text.written_at(part)[-1]:
            return True
    return False
