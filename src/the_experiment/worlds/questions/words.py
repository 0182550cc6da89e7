"""Words that questions are made of."""

from __future__ import annotations

# No two names, and no two classes, begin with the same letter: small models read letter by letter.
NAMES = ("Ann", "Ben", "Eva", "Ian", "Kim", "Leo", "Mia", "Sam", "Tom", "Zoe")
THINGS = ("apples", "books", "cards", "coins", "cups", "keys", "pens", "plums", "rings", "shells")
HOLDERS = ("bags", "boxes", "jars", "shelves")
CLASSES = (  # with plurals in s: what somebody is
    *("artist", "baker", "cook", "doctor", "editor", "farmer", "guest", "hunter", "judge"),
    *("lawyer", "miner", "nurse", "owner", "poet", "runner", "sailor", "tailor", "writer"),
)
COMPARED = ("faster", "older", "richer", "taller")


def with_article(noun: str) -> str:
    """The noun with a or an.

    >>> with_article("poet"), with_article("artist")
    ('a poet', 'an artist')
    """
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
