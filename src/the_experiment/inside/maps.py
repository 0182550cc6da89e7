"""Heat maps as values: what was measured, by row and column, before anybody draws it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeatMap:
    """A number for each row and column, and what it is."""

    title: str
    unit: str  # what the numbers are, such as "probability of the right token"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Values  # (rows, columns)
    words: tuple[tuple[str, ...], ...] = field(
        default=()
    )  # shown in the cells, where there are any

    @property
    def signed(self) -> bool:
        """Whether 0 is the middle of the scale rather than its end."""
        return bool((self.values < 0).any())

    def as_json(self) -> dict[str, Any]:
        """The map as plain values."""
        return {
            "title": self.title,
            "unit": self.unit,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "values": [[round(float(value), 6) for value in row] for row in self.values],
            **({"words": [list(row) for row in self.words]} if self.words else {}),
        }
