"""What came out, in one shape for everything here, before anybody prints or draws it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from the_experiment.base.errors import ExperimentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = npt.NDArray[np.float64]

SHARES = (0.0, 1.0)  # the scale of shares, probabilities, accuracies and attention
ARRAYS = ("values", "low", "high")
LONGEST = 80  # characters of a figure in a sentence
NEAR = 1e-4  # figures this near each other are the same: other processors round differently


@dataclass(frozen=True)
class HeatMap:
    """A number for each row and column, and what it is."""

    title: str
    unit: str  # what the numbers are, such as "probability of the right token"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Values  # (rows, columns)
    words: tuple[tuple[str, ...], ...] = ()  # shown in the cells, where there are any
    span: tuple[float, float] | None = None  # the ends of its scale, if they are fixed
    n: int | None = None  # how many states or pairs each value is over
    low: Values | None = None  # (rows, columns): the ends of each value's 95% interval
    high: Values | None = None

    @property
    def signed(self) -> bool:
        """Whether 0 is the middle of the scale rather than its end."""
        low, _ = self.span or (self.values.min(), 0.0)
        return bool(low < 0)

    def as_json(self) -> dict[str, Any]:
        """The map as plain values; what it doesn't have is left out."""
        optional = {
            "words": [list(row) for row in self.words] or None,
            "span": None if self.span is None else list(self.span),
            "n": self.n,
            "low": _rounded(self.low),
            "high": _rounded(self.high),
        }
        return {
            "title": self.title,
            "unit": self.unit,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "values": _rounded(self.values),
            **{name: value for name, value in optional.items() if value is not None},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HeatMap:
        """The map of these plain values, as `as_json` gives them."""
        numbers = {name: np.array(value[name]) for name in ARRAYS if name in value}
        tuples = {name: tuple(value[name]) for name in ("rows", "columns", "span") if name in value}
        words = tuple(tuple(row) for row in value.get("words", ()))
        return cls(**{**value, **tuples, **numbers, "words": words})


def _rounded(values: Values | None) -> list[list[float]] | None:
    return None if values is None else [[round(float(one), 6) for one in row] for row in values]


@dataclass(frozen=True)
class Table:
    """Texts by row and column; the first column names the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    baselines: Collection[str] = ()  # the names of rows that need no model: drawn in grey
    note: str = ""  # how to read it
    in_terminal: bool = True  # else on the page alone


@dataclass(frozen=True)
class Chart:
    """A picture that matplotlib draws."""

    name: str  # of its file, without the ending
    title: str
    draw: Callable[[], Figure]
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came out of one `patch` or of a whole experiment.

    >>> Outcome(sentences=["it follows the rules"]).as_json()
    {'maps': [], 'figures': {}, 'sentences': ['it follows the rules']}
    """

    maps: Sequence[HeatMap] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)  # as JSON: all that was found
    sentences: Sequence[str] = ()
    title: str = ""
    about: Sequence[str] = ()  # paragraphs on what was asked
    tables: Sequence[Table] = ()
    details: Sequence[str] = ()  # a line each, behind the tables
    charts: Sequence[Chart] = ()
    pictures: Mapping[str, Sequence[HeatMap]] = field(default_factory=dict)  # of some of the maps
    texts: Mapping[str, str] = field(default_factory=dict)  # by title: as it was written
    files: Mapping[str, Any] = field(default_factory=dict)  # by name: JSON that lies beside
    failed: Mapping[str, str] = field(default_factory=dict)  # why nothing is said of these cells

    def as_json(self) -> dict[str, Any]:
        """What a card keeps of it, as plain values."""
        maps = [one.as_json() for one in self.maps]
        return {"maps": maps, "figures": dict(self.figures), "sentences": list(self.sentences)}

    def without(self, failed: Mapping[str, str]) -> Outcome:
        """The same, which also says what failed: a sentence for each reason."""
        if not failed:
            return self
        names: dict[str, list[str]] = {}
        for name, why in failed.items():
            names.setdefault(why, []).append(name)
        said = [f"{_and_more(those)}: {why}" for why, those in names.items()]
        figures = {**self.figures, "failed": dict(failed)}
        return replace(self, failed=failed, figures=figures, sentences=[*self.sentences, *said])


def _and_more(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two findings differ by more than rounding, as paths with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [
            d for key in keys for d in differences(one.get(key), other.get(key), f"{path}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for place, (a, b) in pairs for d in differences(a, b, f"{path}/{place}")]
    if isinstance(one, int | float) and isinstance(other, int | float):
        same = abs(one - other) <= NEAR * max(1.0, abs(one))
    else:
        same = one == other
    then, now = (shorten(repr(value), LONGEST, placeholder=" …") for value in (one, other))
    return [] if same else [f"{path or '/'}: {then} then, {now} now"]


def refuse_other_figures(different: Sequence[str]) -> None:
    """Raise `ExperimentError` with the first of the differences, where there are any."""
    if different:
        raise ExperimentError(
            f"{len(different)} figures differ; the first is {different[0]}",
            "another version of a library or another processor may round otherwise",
        )
