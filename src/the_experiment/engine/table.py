"""The results of all cells in a store as one table, for pandas, datasets, DuckDB and others."""

from __future__ import annotations

import json
from pathlib import Path

from the_experiment.base.files import replaced_file, write_text
from the_experiment.engine.cell import canonical
from the_experiment.engine.store import Store

JSONL, PARQUET = "cells.jsonl", "cells.parquet"


def write_table(store: Store, folder: Path) -> None:
    """Write a row for each cell that is computed, as JSONL and as Parquet with the same columns.

    `arguments` and `result` are JSON texts, as cells differ: in DuckDB, `result->>'$.steps'`.
    `needs` are ends of other cells' keys.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "name": landed.name,
            "key": key,
            "function": landed.identity["function"],
            "arguments": canonical(landed.identity["arguments"]),
            "needs": list(landed.identity["needs"].values()),
            "result": canonical(landed.result),
        }
        for key, landed in store.landed()
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / JSONL, "".join(lines))
    texts = [(name, pa.string()) for name in ("name", "key", "function", "arguments")]
    schema = pa.schema([*texts, ("needs", pa.list_(pa.string())), ("result", pa.string())])
    with replaced_file(folder / PARQUET) as path:
        pq.write_table(pa.Table.from_pylist(rows, schema), path)
