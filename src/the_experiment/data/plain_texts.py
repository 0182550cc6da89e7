"""Plain texts about causal graphs: what a small base learns the language of puzzles from.

Each question comes with its graph described link by link, and some once more with their answer
alone. No text takes two steps: they tell what causes each variable, in words that a trace uses as
well, but the way from there to the answer is what traces are for. The words of traces are there out
of order: LoRA leaves the embedding as it is, and can't teach a token never seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from the_experiment.base.seeds import Stream
from the_experiment.worlds.causal.graphs import causes, in_causal_order
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import (
    arrows,
    capitalized,
    completion_of,
    joined,
    lines,
    prompt_of,
)

DESCRIBE, WORDS = "Describe: ", "Words: "
ANSWERED, JUMBLED = 4, 8  # one of so many puzzles
BETWEEN = "\n\n"  # of two texts in a row


def answered(puzzle: Puzzle) -> str:
    """The question and its answer."""
    return prompt_of(puzzle) + puzzle.answer


def described(puzzle: Puzzle) -> str:
    """The question, its links, what it is about, and the causes of each, in words and by arrows."""
    by = {name: joined(causes(puzzle.edges, name)) for name in in_causal_order(puzzle.edges)}
    asked = joined([*puzzle.asked, *puzzle.given])
    told = lines(
        arrows(puzzle.edges),
        f"About: {asked}.",
        *(capitalized(f"{name} is caused by {found or 'nothing'}.") for name, found in by.items()),
        # Lines of a trace begin with a name as it is, which is another token than after a blank.
        *(f"{name} ← {found}" for name, found in by.items() if found),
    )
    return DESCRIBE + prompt_of(puzzle) + told


def shuffled_words(puzzle: Puzzle, seed: int) -> str:
    """The words of the trace and its tags in random order, each with what blank follows it.

    A word at the beginning of a line is another token than one after a blank.
    """
    words = re.findall(r"\S+\s*", completion_of(puzzle))
    order = Stream(seed, "words", puzzle.question).shuffled(len(words)).tolist()
    return WORDS + "".join(words[place] for place in order).strip()


def plain_texts(puzzles: Sequence[Puzzle], seed: int) -> list[str]:
    """The links of each puzzle, the answers and the words of some traces, all in random order."""
    texts = [described(puzzle) for puzzle in puzzles]
    texts += [answered(puzzle) for puzzle in puzzles[::ANSWERED]]
    texts += [shuffled_words(puzzle, seed) for puzzle in puzzles[::JUMBLED]]
    return [texts[place] for place in Stream(seed, "plain texts").shuffled(len(texts)).tolist()]


def packed(texts: Sequence[str], longest: int) -> Iterator[str]:
    """Texts one after the other, in rows of at most `longest` characters where each is shorter.

    A model that reads only short rows never learns the later positions, at which traces end.

    >>> list(packed(["aa", "bb", "cc"], 6))
    ['aa\\n\\nbb', 'cc']
    """
    row = ""
    for text in texts:
        if row and len(row) + len(BETWEEN) + len(text) > longest:
            yield row
            row = ""
        row += BETWEEN + text if row else text
    if row:
        yield row
