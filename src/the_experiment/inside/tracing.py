"""Causal tracing of programs: in which layer, at which step of the chain, is the answer carried?

What one run holds at a token, or in a head, comes from the run of the same program with another
constant; what counts is whether the answer became the counterfactual one. Wu, Geiger and Millière,
"How Do Transformers Learn Variable Binding in Symbolic Programs?", ICML 2025 (arXiv 2505.20896).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from the_experiment.base.defaults import PatchTarget
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Stream
from the_experiment.base.words import counted
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.patching import Pair, Patched, Patching
from the_experiment.inside.program_pairs import ANSWER, PromptFormat, Verdict, verdicts
from the_experiment.inside.texts import AND, TokenizedExample
from the_experiment.inside.traced import OTHER, RANDOM, Tables, Traced
from the_experiment.worlds.programs.chain import ProgramPair

Places = Mapping[str, tuple[int, ...]]  # by role: the positions of its tokens

HEAD = "head"
TOGETHER = 16  # pairs whose runs are kept in memory at once
FEW_HEADS = 64  # up to so many are patched at each role, too


def trace(
    hooked: HookedModel,
    asking: PromptFormat,
    pairs: Sequence[ProgramPair],
    title: str,
    kind: PatchTarget = "both",
    layers: Sequence[int] | None = None,
    seed: int = 0,
) -> Traced:
    """Patch each pair at every layer and token, and every head; only pairs that are right count.

    All chains have to be of one length. `layers` are those that are patched (all). Raises
    `ExperimentError` where no pair is answered right both ways, and `UsageError` for layers or
    heads that this model doesn't have.
    """
    rows = _checked(hooked, kind, layers)
    texts = [asking.pair(one) for one in pairs]
    found = verdicts(hooked, texts)
    kept = [number for number, verdict in enumerate(found) if verdict == "right"]
    if not kept:
        raise _nothing_left(found)
    groups = list(_groups(texts, kept))
    control = Stream(seed, "control", title)
    tables = [
        _tables(hooked, [texts[number] for number in group], kind, rows, control)
        for group in groups
    ]
    order = [number for group in groups for number in group]
    return Traced(
        title,
        tuple(pairs[number] for number in order),
        tuple(texts[number] for number in order),
        verdicts=tuple(found),
        seed=seed,
        tables=_joined(tables),
    )


def roles_of(text: TokenizedExample) -> dict[str, tuple[int, ...]]:
    """The positions at which the tokens of each role are read, in their order in the text."""
    roles = dict.fromkeys(role for parts in text.parts for role in parts.split(AND) if role)
    places = {role: tuple(text.read_at(role)) for role in roles}
    return {role: where for role, where in places.items() if where}


def _checked(hooked: HookedModel, kind: PatchTarget, layers: Sequence[int] | None) -> list[int]:
    """The layers that are patched."""
    if kind == "attention_heads" and HEAD not in hooked.layout.components:
        raise UsageError("this model has no attention heads", "trace its residual_stream")
    chosen = list(range(hooked.layers) if layers is None else dict.fromkeys(layers))
    unknown = [layer for layer in chosen if not 0 <= layer < hooked.layers]
    if unknown or not chosen:
        raise UsageError(
            f"there is no layer {unknown[0]} in this model" if unknown else "no layer is named",
            f"its layers are 0 to {hooked.layers - 1}",
        )
    return chosen


def _nothing_left(found: Sequence[Verdict]) -> ExperimentError:
    pairs = counted(len(found), "pair")
    if "wrong" not in found:
        return ExperimentError(
            f"in none of {pairs} are both programs texts of one shape",
            "choose constants of as many tokens as the ones they stand for",
        )
    return ExperimentError(
        f"the model answers none of {pairs} right both ways",
        "trace programs that this model can do",
    )


def _groups(texts: Sequence[Pair], numbers: Sequence[int]) -> Iterator[list[int]]:
    """These texts by shape, not too many together."""
    by_shape: dict[object, list[int]] = {}
    for number in numbers:
        by_shape.setdefault(texts[number].base.shape, []).append(number)
    for alike in by_shape.values():
        for first in range(0, len(alike), TOGETHER):
            yield alike[first : first + TOGETHER]


def _tables(
    hooked: HookedModel,
    pairs: Sequence[Pair],
    kind: PatchTarget,
    layers: Sequence[int],
    control: Stream,
) -> Tables:
    """All patches in some pairs of one shape."""
    patching = Patching(hooked, pairs, [ANSWER])
    places = roles_of(pairs[0].base)
    found = Tables()
    if kind != "attention_heads":
        single = patching.at_positions(layers)
        found = Tables(_apart(single), _by_role(patching, single, places, layers, control))
    if kind == "residual_stream" or HEAD not in hooked.layout.components:
        return found
    heads = patching.in_pieces(HEAD, layers=layers)
    few = len(heads.rows) * len(heads.columns) <= FEW_HEADS
    at = _heads_at(patching, heads, places, layers) if few else None
    return replace(found, heads=heads, heads_at=at)


def _by_role(
    patching: Patching, single: Patched, places: Places, layers: Sequence[int], control: Stream
) -> Patched:
    """Layers × roles, the tokens of a role patched at once; then the tokens of no role.

    The control is one that comes after the constant: before it both runs hold the same.
    """
    with_role = {place for where in places.values() for place in where}
    others = tuple(place for place in range(len(single.columns)) if place not in with_role)
    columns = {**places, OTHER: others} if others else places
    table = patching.at_places("role", tuple(columns), list(columns.values()), layers)
    later = np.array([place for place in others if place > min(with_role)])
    if not len(later):
        return table
    pairs, rows, *_ = single.became.shape
    drawn = later[control.below(len(later), pairs * rows)].reshape(pairs, rows, 1, 1)
    became = np.take_along_axis(single.became, drawn, axis=2)
    effect = np.take_along_axis(single.effect, drawn, axis=2)
    return _beside([table, Patched("role", single.rows, (RANDOM,), became, effect)])


def _heads_at(patching: Patching, heads: Patched, places: Places, layers: Sequence[int]) -> Patched:
    """Heads × roles: each head of each layer from the other run at the tokens of one role."""
    rows = tuple(f"{site}.{head}" for site in heads.rows for head in range(len(heads.columns)))
    shape = (len(heads.became), len(rows), 1, 1)
    columns = []
    for role, where in places.items():
        one = patching.in_pieces(HEAD, where, layers)
        became, effect = one.became.reshape(shape), one.effect.reshape(shape)
        columns.append(Patched("role", rows, (role,), became, effect))
    return _beside(columns)


def _apart(table: Patched) -> tuple[Patched, ...]:
    """The same for each pair on its own."""
    return tuple(
        replace(table, became=table.became[[number]], effect=table.effect[[number]])
        for number in range(len(table.became))
    )


def _beside(tables: Sequence[Patched]) -> Patched:
    """The columns of all of them, of the same pairs and rows."""
    return replace(
        tables[0],
        columns=tuple(column for table in tables for column in table.columns),
        became=np.concatenate([table.became for table in tables], axis=2),
        effect=np.concatenate([table.effect for table in tables], axis=2),
    )


def _joined(tables: Sequence[Tables]) -> Tables:
    """All pairs in one."""
    return Tables(
        tuple(one for table in tables for one in table.positions),
        _below([table.roles for table in tables]),
        _below([table.heads for table in tables]),
        _below([table.heads_at for table in tables]),
    )


def _below(tables: Sequence[Patched | None]) -> Patched | None:
    """The pairs of all of them; only the columns that each has."""
    there = [table for table in tables if table is not None]
    if not there:
        return None
    columns = [name for name in there[0].columns if all(name in one.columns for one in there)]
    chosen = [[one.columns.index(name) for name in columns] for one in there]
    return replace(
        there[0],
        columns=tuple(columns),
        became=np.concatenate([o.became[:, :, at] for o, at in zip(there, chosen, strict=True)]),
        effect=np.concatenate([o.effect[:, :, at] for o, at in zip(there, chosen, strict=True)]),
    )
