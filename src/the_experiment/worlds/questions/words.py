"""Words that questions are made of."""

from __future__ import annotations

NAMES = ("Ann", "Ben", "Eva", "Ian", "Kim", "Leo", "Mia", "Sam", "Sue", "Tom")
THINGS = ("apples", "books", "cards", "coins", "cups", "keys", "pens", "plums", "rings", "shells")
HOLDERS = ("bags", "boxes", "jars", "shelves")
CLASSES = (  # with plurals in s: what somebody is
    *("actor", "artist", "baker", "doctor", "driver", "farmer", "friend", "guest", "judge"),
    *("owner", "painter", "pilot", "player", "poet", "runner", "sailor", "singer", "writer"),
)
COMPARED = ("faster", "older", "richer", "taller")


def with_article(noun: str) -> str:
    """The noun with a or an.

    >>> with_article("poet"), with_article("artist")
    ('a poet', 'an artist')
    """
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
