"""One seed in, everything random out: named, independent streams that are the same everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Stream:
    """Random integers from a seed and a name, the same on every machine and numpy version.

    Only numpy's raw bit stream is used, which numpy promises to keep, unlike the methods of
    `numpy.random.Generator`.

    >>> Stream(42, "train").below(10, 5).tolist()
    [5, 4, 3, 6, 9]
    >>> Stream(42, "valid").below(10, 5).tolist()
    [8, 4, 4, 6, 4]
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        self._bits = np.random.PCG64(derived_seed(seed, *names))

    def below(self, bound: int, count: int) -> Integers:
        """`count` integers, each from 0 up to but not including `bound` (at most 2^32)."""
        # Multiply-and-shift on the high 32 bits; its bias is below bound / 2^32.
        high = self._bits.random_raw(count) >> np.uint64(32)
        return ((high * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)

    def shuffled(self, count: int) -> Integers:
        """The integers 0 … count - 1 in random order."""
        keys: npt.NDArray[np.uint64] = self._bits.random_raw(count)
        return np.argsort(keys, kind="stable").astype(np.int64)


def derived_seed(seed: int, *names: str | int) -> int:
    """A 64-bit seed for one named use of `seed`, unrelated to those of other names.

    >>> derived_seed(0, "a") == derived_seed(0, "a"), derived_seed(0, "a") == derived_seed(0, "b")
    (True, False)
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def shares(numbers: Integers, seed: int, *names: str | int) -> npt.NDArray[np.float64]:
    """A random share in [0, 1) for each number, always the same for the same one: shape (n,).

    SplitMix64 (Steele, Lea and Flood 2014), whose state is the number plus a derived seed.

    >>> shares(np.array([5, 6, 5]), 42, "hold-out").round(3).tolist()
    [0.846, 0.15, 0.846]
    """
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64(derived_seed(seed, *names))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) / 2.0**53
