"""What texts mean: they are the same up to words that stand for nothing, such as names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

MEANING = "meaning"  # what a generator's metadata may tell of a text: one text for all its twins


def renamed(text: str, words: re.Pattern[str], kept: Collection[str] = ()) -> str:
    """The text with each different word numbered in the order of first appearance.

    >>> renamed("Ann met Leo. Leo ran.", re.compile("Ann|Leo"))
    '_0 met _1. _1 ran.'
    """
    numbers: dict[str, int] = {}

    def renamed_one(found: re.Match[str]) -> str:
        word = found[0]
        return word if word in kept else f"_{numbers.setdefault(word, len(numbers))}"

    return words.sub(renamed_one, text)


def numbered(meaning: str) -> int:
    """A number of 63 bits for a meaning, the same everywhere.

    >>> numbered("5 + 7"), numbered("5 + 7") == numbered("7 + 5")
    (6550534261632178167, False)
    """
    return int.from_bytes(hashlib.sha256(meaning.encode()).digest()[:8], "little") >> 1
