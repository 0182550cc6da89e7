"""Logic: does it follow? Half of the answers are yes, and no word gives one away."""

from __future__ import annotations

import re
from itertools import pairwise

from the_experiment.worlds.generators import QUESTIONS, Generated, Random, below, one_of, shuffled
from the_experiment.worlds.meaning import MEANING, renamed
from the_experiment.worlds.questions.question import check_length
from the_experiment.worlds.questions.words import CLASSES, COMPARED, NAMES, with_article

MOST_STEPS = 4
WORDS = re.compile(rf"\b(?:{'|'.join((*NAMES, *CLASSES, *COMPARED))})(?=s?\b)")


@QUESTIONS.register("make_logic_question")
def make_logic_question(seq_len: int, rng: Random) -> Generated:
    """Premises in any order, and a question whose answer follows from them: yes or no.

    It takes `seq_len` rules about classes to find it, or as many comparisons of people. What the
    premises say need not be true of the world. Two questions mean the same that differ only in
    who is who, what the classes are, and what is compared; premises in another order mean something
    else. Raises `UsageError` for fewer than 1 or more than 4 steps.

    >>> import numpy as np
    >>> make_logic_question(1, np.random.RandomState(5))[:2]
    ('No tailors are runners. All poets are runners. Sam is a poet. Is Sam a runner?', True)
    """
    check_length(seq_len, 1, MOST_STEPS, "steps")
    template = one_of(rng, ("classes", "two people", "order"))
    answer = below(rng, 2) == 1
    make = _order if template == "order" else _classes
    text = make(seq_len, rng, answer, 2 if template == "two people" else 1)
    metadata = {"kind": "logic", "template": template, "steps": seq_len, MEANING: _meaning(text)}
    return text, answer, metadata


def _meaning(text: str) -> str:
    """The question with people, classes and comparisons numbered as they appear."""
    return renamed(text, WORDS).replace(" an ", " a ")


def _classes(steps: int, rng: Random, answer: bool, people: int) -> str:
    """Two chains of classes; all of one are, and none of the other is, what is asked for.

    Whoever is asked for stands at the beginning of one of them; of two people, the other one
    stands at that of the other chain.
    """
    names = shuffled(rng, CLASSES)[: 2 * steps + 1]
    inside, outside, goal = names[:steps], names[steps : 2 * steps], names[-1]
    rules = [
        f"All {one}s are {other}s." for chain in (inside, outside) for one, other in pairwise(chain)
    ]
    rules += [f"All {inside[-1]}s are {goal}s.", f"No {outside[-1]}s are {goal}s."]
    asked, other = shuffled(rng, NAMES)[:2]
    first, second = (inside, outside) if answer else (outside, inside)
    facts = [f"{asked} is {with_article(first[0])}.", f"{other} is {with_article(second[0])}."]
    told = shuffled(rng, [*rules, *facts[:people]])
    return f"{' '.join(told)} Is {asked} {with_article(goal)}?"


def _order(steps: int, rng: Random, answer: bool, _: int) -> str:
    """People in a row, each with more of something than the next; two of them are compared.

    Between those two are so many steps, and one more person stands above or below both.
    """
    people, more = shuffled(rng, NAMES)[: steps + 2], one_of(rng, COMPARED)
    pairs = pairwise(people)
    told = shuffled(rng, [f"{one} is {more} than {other}." for one, other in pairs])
    first = below(rng, 2)
    asked = people[first], people[first + steps]
    one, other = asked if answer else asked[::-1]
    return f"{' '.join(told)} Is {one} {more} than {other}?"
