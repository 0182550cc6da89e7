"""What tracing of programs found: every patch, and shares by layer and role, in maps and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.maps import mean_map, share_map
from the_experiment.inside.patching import Pair, Patched
from the_experiment.inside.program_pairs import Verdict
from the_experiment.worlds.programs.chain import ProgramPair

OTHER = "other"  # every token that has no role, all patched at once
RANDOM = "random other"  # the control: one after the constant, drawn for each pair and layer
CONTROLS = (OTHER, RANDOM)
BECAME = "became the counterfactual answer"
FEW_SEEDS = 10  # that are listed in a sentence
SHIFT = "logits towards the counterfactual answer"


@dataclass(frozen=True)
class Tables:
    """What patches did, pair by pair. The answer is their only part."""

    positions: tuple[Patched, ...] = ()  # of each pair: layers × its tokens
    roles: Patched | None = None  # layers × roles
    heads: Patched | None = None  # layers × heads, each at all positions at once
    heads_at: Patched | None = None  # each head of each layer × the role at which it is patched


@dataclass(frozen=True)
class Traced:
    """Patches in programs with chains of one length, all of them answered right both ways."""

    title: str
    pairs: tuple[ProgramPair, ...]
    texts: tuple[Pair, ...]
    verdicts: tuple[Verdict, ...]  # on all pairs that were asked: those not right are left out
    seed: int  # of the control and of the intervals
    tables: Tables

    @property
    def n(self) -> int:
        """How many pairs count."""
        return len(self.pairs)

    def role_maps(self) -> list[HeatMap]:
        """Layers × roles: the share that became the counterfactual answer, and the logits."""
        return self._both(self.tables.roles, "residual stream")

    def head_maps(self) -> list[HeatMap]:
        """The same of layers × heads, and of heads × roles where few heads are."""
        return self._both(self.tables.heads, "heads") + self._both(
            self.tables.heads_at, "heads by role"
        )

    def token_maps(self) -> list[HeatMap]:
        """The whole map of the first program, layers × tokens, each with its role."""
        if not self.tables.positions:
            return []
        text, patched = self.texts[0].base, self.tables.positions[0]
        named = zip(text.tokens[:-1], text.parts[:-1], strict=True)
        columns = tuple(
            f"{token} · {role}" if role not in ("", token) else token for token, role in named
        )
        title = f"{self.title}, one program"
        became, shift = patched.became[..., 0].sum(0), patched.effect[:, ..., 0]
        return [
            share_map(f"{title}: {BECAME}", "share", patched.rows, columns, became, 1),
            mean_map(f"{title}: {SHIFT}", "logits", patched.rows, columns, shift, self.seed),
        ]

    def _both(self, table: Patched | None, what: str) -> list[HeatMap]:
        if table is None:
            return []
        title = f"{self.title}, {what}, {counted(self.n, 'pair')}"
        names, seed = (table.rows, table.columns), self.seed
        counts, shift = table.became[..., 0].sum(0), table.effect[..., 0]
        return [
            share_map(f"{title}: {BECAME}", "share", *names, counts, self.n),
            mean_map(f"{title}: {SHIFT}", "logits", *names, shift, seed),
        ]

    def sentences(self) -> Iterator[str]:
        """How many pairs count, and the best layer of each role beside the control."""
        asked = counted(len(self.verdicts), "pair")
        yield f"{self.title}: {self.n} of {asked} traced{self._left_out()}"
        seeds = sorted(pair.rng_seed for pair in self.pairs if pair.rng_seed is not None)
        if seeds:
            listed = ", ".join(map(str, seeds[:FEW_SEEDS]))
            yield f"drawn with the RNG seeds {listed}{', …' * (len(seeds) > FEW_SEEDS)}"
        yield f"how many {BECAME}, by what came from its run:"
        if self.tables.roles is not None:
            yield from self._of_roles(self.tables.roles)
        heads = self.tables.heads
        if heads is not None:
            (row, head), rate = _best(heads)
            best = f"{heads.columns[head]} of {heads.rows[row]}, the best of all"
            yield f"{best if rate.k else 'any head'}, at all positions: {rate}"

    def _left_out(self) -> str:
        whys: dict[Verdict, str] = {
            "wrong": "not answered right both ways",
            "unlike": "not of one shape",
        }
        counts = [(self.verdicts.count(verdict), why) for verdict, why in whys.items()]
        return "".join(f"; {count} left out, {why}" for count, why in counts if count)

    def _of_roles(self, table: Patched) -> Iterator[str]:
        for number, role in enumerate(table.columns):
            if role not in CONTROLS:
                (row, _), rate = _best(table, number)
                name = "the colon" if role == ":" else role
                told = f"{name} in {table.rows[row]}, its best layer: {rate}"
                if RANDOM in table.columns:
                    control = table.became[:, row, table.columns.index(RANDOM), 0]
                    told += f"; a random other token there: {Rate(int(control.sum()), self.n)}"
                yield told if rate.k else f"{name} in any layer: {rate}"

    def as_json(self) -> dict[str, Any]:
        """The aggregated figures."""
        return {
            "title": self.title,
            "n": self.n,
            "verdicts": {one: self.verdicts.count(one) for one in sorted(set(self.verdicts))},
            "sentences": list(self.sentences()),
            "maps": {
                kind: [one.as_json() for one in maps]
                for kind, maps in (
                    ("roles", self.role_maps()),
                    ("tokens", self.token_maps()),
                    ("heads", self.head_maps()),
                )
                if maps
            },
        }

    def interventions(self) -> list[dict[str, Any]]:
        """Every patch of every pair: by layer, then by token or head."""
        return [self._interventions(number) for number in range(self.n)]

    def _interventions(self, number: int) -> dict[str, Any]:
        pair, text = self.pairs[number], self.texts[number].base
        found: dict[str, Any] = {
            "original": pair.program,
            "counterfactual": pair.counterfactual,
            "expected_original": pair.answer,
            "expected_counterfactual": pair.other_answer,
            "rng_seed": pair.rng_seed,
            "tokens": text.tokens[:-1],
            "roles": text.parts[:-1],
        }
        if self.tables.positions:
            found["residual_stream"] = _patches(self.tables.positions[number], 0)
        if self.tables.heads is not None:
            found["attention_heads"] = _patches(self.tables.heads, number)
        if self.tables.heads_at is not None:
            found["attention_heads_by_role"] = _patches(self.tables.heads_at, number)
        return found


def _patches(table: Patched, number: int) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "columns": table.columns,
        "became_counterfactual": table.became[number, ..., 0].tolist(),
        "logit_difference": table.effect[number, ..., 0].round(4).tolist(),
    }


def _best(table: Patched, column: int | None = None) -> tuple[tuple[int, int], Rate]:
    """The row and column, or the row of one column, where most pairs turn; how many do."""
    counts = table.became[..., 0].sum(0)
    if column is None:
        row, column = map(int, np.unravel_index(counts.argmax(), counts.shape))
    else:
        row = int(counts[:, column].argmax())
    return (row, column), Rate(int(counts[row, column]), len(table.became))
