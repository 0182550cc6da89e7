"""Questions drawn by the generators, as many different ones as are asked for."""

from __future__ import annotations

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import derived_seed
from the_experiment.worlds.generators import QUESTIONS
from the_experiment.worlds.questions.question import Question, question_of

GENERATORS = {  # by kind, and the shortest length it comes in
    "arithmetic": ("make_arithmetic_question", 1),
    "logic": ("make_logic_question", 1),
    "multi-step": ("make_multi_step_question", 2),
    "word-problems": ("make_word_problem", 1),
}
PATIENCE = 50  # draws for each question that is asked for


def drawn_questions(kind: str, count: int, seq_len: int, seed: int) -> list[Question]:
    """`count` different questions of a kind and length, 0 standing for the shortest.

    Raises `UsageError` for a kind that there is not, and where there are not that many.

    >>> [one.text for one in drawn_questions("arithmetic", 2, seq_len=1, seed=0)]
    ['Compute 1 times 0.', 'What is 3 + 5?']
    """
    if kind not in GENERATORS:
        raise UsageError(f"there are no {kind!r} questions", f"one of {', '.join(GENERATORS)}")
    name, shortest = GENERATORS[kind]
    make, seq_len = QUESTIONS[name], seq_len or shortest
    rng = np.random.RandomState(derived_seed(seed, kind, seq_len) % 2**32)
    found: dict[str, Question] = {}
    for _ in range(PATIENCE * count):
        question = question_of(make(seq_len, rng))
        found.setdefault(question.text, question)
        if len(found) == count:
            return list(found.values())
    raise UsageError(
        f"there are hardly {count} different {kind} questions of length {seq_len}",
        "ask for fewer or longer ones",
    )
