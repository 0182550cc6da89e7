"""What a reply with the five likeliest tokens at each place tells of an answer's probability.

An API gives no probability of a text. It gives the tokens that it wrote itself, and at each of
these places the five likeliest. So an answer is followed along what was written:

- A seen token that is all that is left of the answer gives its probability exactly.
- A token that is the beginning of what is left is followed further where it was written. Where it
  was not, nobody saw what comes after it: from nothing to all of its probability.
- A token that nobody saw is no likelier than the fifth, and all of them together than what the
  five leave over: from nothing to the smaller of both. As the tokenizer is not known, any beginning
  of what is left may be such a token, and each of them counts. Where a seen token is all that is
  left none counts: tokenizers write in one piece what is one token.

Bytes are compared, and nothing is stripped: a bare space is no beginning of "Paris". An answer of
one token among the five is a number, then; one of several tokens, an interval, and a narrow one
where the model writes that answer. What another answer than the written one goes on with can't be
seen without continuing a reply that is begun, which the hosted API does not do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from the_experiment.experiments.bet.backends import Bounds
from the_experiment.models.endpoint import ReplyToken, TokenPosition

ROUNDING = 1e-6  # of probabilities that are added up: no less than this may be left over
LEAST = 1e-12  # no probability is known to be lower


def observed(places: Sequence[TokenPosition], answer: str) -> Bounds:
    """The bounds of the natural-log probability that the reply begins with this answer.

    `places` are those of one reply, and what it is followed by does not matter. With a token that
    is all of the answer, 0.5 likely:

    >>> paris = ReplyToken(text="Paris", data=tuple(b"Paris"), logprob=math.log(0.5))
    >>> observed([TokenPosition(written=paris, likeliest=(paris,))], "Paris").exact
    True
    """
    low, high = _between(places, answer.encode())
    return Bounds(_log(low), _log(min(max(high, LEAST), 1.0)))


def _between(places: Sequence[TokenPosition], left: bytes) -> tuple[float, float]:
    """Two probabilities, given all that was written before the first of `places`."""
    if not places:
        return 0.0, 1.0
    seen = {bytes(one.data): math.exp(one.logprob) for one in _seen(places[0])}
    if left in seen:
        return seen[left], seen[left]
    begun = {token: share for token, share in seen.items() if left.startswith(token)}
    written = bytes(places[0].written.data)
    low, high = 0.0, sum(share for token, share in begun.items() if token != written)
    if written in begun:
        further = _between(places[1:], left[len(written) :])
        low, high = begun[written] * further[0], high + begun[written] * further[1]
    return low, high + _unseen(places[0], seen, len(left) - len(begun))


def _seen(place: TokenPosition) -> tuple[ReplyToken, ...]:
    return (*place.likeliest, place.written)


def _unseen(place: TokenPosition, seen: dict[bytes, float], tokens: int) -> float:
    """How likely so many tokens that are not among the likeliest can be together."""
    least = min((math.exp(one.logprob) for one in place.likeliest), default=1.0)
    return min(max(ROUNDING, 1.0 - sum(seen.values())), tokens * least)


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
