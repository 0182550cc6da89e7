"""What variables are called: letters, things that happen, or words that mean nothing."""

from __future__ import annotations

from itertools import product

from the_experiment.worlds.generators import Random, one_of

LETTERS = tuple("BCDEFGHJKLMNOPQRSTUVWXYZ")  # A and I are words as well
WORDS = (  # each can be said to cause something, and to be caused, without an article
    *("rain", "wind", "fog", "frost", "heat", "drought", "flooding", "erosion", "mud", "dust"),
    *(
        "smoke",
        "noise",
        "traffic",
        "road damage",
        "power failure",
        "water shortage",
        "crop failure",
    ),
    *("hunger", "thirst", "fatigue", "stress", "fever", "coughing", "insomnia", "headache"),
    *("exercise", "hard work", "overtime", "poverty", "debt", "inflation", "unemployment"),
    *("panic", "theft", "tourism", "advertising", "road building", "logging", "overfishing"),
    *("rust", "engine failure", "late delivery"),
)
FIRST = ("bla", "dro", "fi", "gu", "klo", "me", "pra", "snu", "te", "vo", "wu", "zi")
SECOND = ("bix", "dap", "fen", "gul", "kem", "lorp", "mib", "nax", "pim", "quib", "rund", "zot")
NONSENSE = tuple(first + second for first, second in product(FIRST, SECOND))
NAMES: dict[str, tuple[str, ...]] = {"letters": LETTERS, "words": WORDS, "nonsense": NONSENSE}
NAMINGS: tuple[str, ...] = tuple(NAMES)


def drawn_names(naming: str, count: int, rng: Random) -> list[str]:
    """So many different names of one sort.

    >>> import numpy as np
    >>> [drawn_names(naming, 2, np.random.RandomState(4)) for naming in NAMINGS]
    [['Z', 'P'], ['engine failure', 'coughing'], ['zinax', 'pramib']]
    """
    found: dict[str, None] = {}
    while len(found) < count:
        found[one_of(rng, NAMES[naming])] = None
    return list(found)
