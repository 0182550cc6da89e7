"""What looking inside tells, beside figures by hand: plain torch, or a model known by heart."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from looked_into import close, random_subject
from the_experiment.inside.attributions import (
    STEPS,
    AttributionQuery,
    by_gradients,
    by_head,
    by_patches,
)
from the_experiment.inside.interchange import interchanged
from the_experiment.inside.maps import distribution, graded_map, query_for
from the_experiment.inside.patching import Pair, Patched, Patching
from the_experiment.inside.scores import elsewhere
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import Swap, swaps_of
from the_experiment.inside.texts import TokenizedExample
from the_experiment.inside.verbs import attribute, damage, inspect, patch

SUBJECT = random_subject("gpt2")  # 4 layers of 4 heads of size 8
WORLD = SUBJECT.world
PLAIN: Any = copy.deepcopy(SUBJECT.hooked.model).requires_grad_(False)
PLAIN.set_attn_implementation("eager")
HEADS = [(layer, head, slice(8 * head, 8 * head + 8)) for layer in range(4) for head in range(4)]
ALL = slice(None)
BLOCK, PROJECTION = "transformer.h.{}", "transformer.h.{}.attn.c_proj"

PROMPT, COMPLETION = "0,0,1,0,1", "\n1,1,0,1\n2 - 3\n"  # one token a character
TEXT = SUBJECT.text(PROMPT)
LAST = len(COMPLETION) + 1  # the number of the end token, from 1
NAMES = ("A", "B", "C", "D", "E", "newA", "newB", "newC", "newD")
STANDS = [0, 2, 4, 6, 8, 10, 12, 14, 16]  # the position of each name's value
WRITES = {"newA": 9, "newB": 11, "newC": 13, "newD": 15, "sum": 17, "sum2": 21}  # the one before


def run(
    path: str,
    text: TokenizedExample,
    values: Tensor | None = None,
    where: tuple[slice, slice] = (ALL, ALL),
) -> tuple[Tensor, Tensor]:
    """What a module is given, (positions, width), and the logits, (positions, vocabulary).

    Where there are `values` (positions, width) it is given those in some cells.
    """
    found = []

    def visit(_: object, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        now = given[0].clone()
        if values is not None:
            now[0][where] = values[where]
        found.append(now[0])
        return (now, *given[1:])

    hook = PLAIN.get_submodule(path).register_forward_pre_hook(visit)
    logits = PLAIN(text.inputs).logits[0]
    hook.remove()
    return found[0], logits


def margins(logits: Tensor, text: TokenizedExample) -> Tensor:
    """(parts,): by how much each right token leads the one that is its best rival unchanged."""
    places = list(WRITES.values())
    right = torch.tensor([text.ids[place + 1] for place in places])
    unchanged = PLAIN(text.inputs).logits[0, places]
    rivals = unchanged.scatter(-1, right[:, None], -torch.inf).argmax(-1)
    return logits[places, right] - logits[places, rivals]


def test_attention_is_that_of_the_position_that_writes_the_part() -> None:
    pattern = torch.cat(PLAIN(TEXT.inputs, output_attentions=True).attentions, 1)[0]
    found = by_head(SUBJECT.hooked, query_for(SUBJECT, [TEXT]))
    for part, place in WRITES.items():
        close(torch.tensor(found[part][0]).float(), pattern[:, place, STANDS])


def test_gradients_of_a_value_are_those_of_its_token() -> None:
    texts = SUBJECT.texts(SUBJECT.states()[0][:3])
    found = by_gradients(SUBJECT.hooked, replace(query_for(SUBJECT, texts), others=()))
    embedded = PLAIN.transformer.wte(torch.tensor([text.ids[:-1] for text in texts]))
    share = (torch.arange(STEPS)[:, None, None] + 0.5) / STEPS
    for row, text in enumerate(texts):
        away = embedded[row] - embedded.mean(0)
        between = (embedded.mean(0) + share * away).requires_grad_()
        leads = [margins(logits, text) for logits in PLAIN(inputs_embeds=between).logits]
        for part, lead in zip(WRITES, torch.stack(leads).mean(0), strict=True):
            (slope,) = torch.autograd.grad(lead, between, retain_graph=True)
            by_hand = (slope.sum(0) * away).sum(-1).abs()[STANDS]
            close(torch.tensor(found[part][row]).float(), by_hand, 1e-3)


def test_a_value_is_patched_where_it_stands_in_one_layer_after_the_other() -> None:
    swaps = swaps_of(SUBJECT, [TEXT], 0)
    found = by_patches(SUBJECT.hooked, query_for(SUBJECT, [TEXT], swaps))
    for number, swap in enumerate(swaps):
        here, moved = (slice(STANDS[number], STANDS[number] + 1), ALL), torch.zeros(len(WRITES))
        for block in map(BLOCK.format, range(4)):
            held, _ = run(block, swap.changed)
            (_, clean), (_, after) = run(block, TEXT), run(block, TEXT, held, here)
            moved += (margins(after, TEXT) - margins(clean, TEXT)).abs()
        close(torch.tensor([found[part][0, number] for part in WRITES]).float(), moved, 1e-3)


def test_a_map_of_what_matters_has_parts_in_its_rows_and_nothing_that_stands_after_them() -> None:
    """As many parts as names: newA can use A alone, and each part after it one name more."""
    texts = SUBJECT.texts(SUBJECT.states()[0])
    parts, names = ("newA", "newB", "newC", "newD", "sum"), ("A", "newA", "newB", "newC", "newD")
    swaps = [swap for swap in swaps_of(SUBJECT, texts, 0) if swap.name in names]
    heat_map, _ = graded_map(
        SUBJECT, AttributionQuery(texts, swaps, (), names, parts), "swaps", "all", 0
    )
    assert (heat_map.rows, heat_map.columns) == (parts, names)
    assert ((heat_map.values > 1e-3) == np.tril(np.ones((5, 5)))).all()
    assert heat_map.values.sum(1) == pytest.approx(np.ones(5))


def test_names_that_are_no_ancestors_are_told_from_a_tenth_of_the_mass_on() -> None:
    """newA is A XOR C; 20 is the whole mass."""
    mass = np.array([[3, 5, 3, 1, 0, 0, 0, 0, 0], [4, 1, 0, 1, 1, 1, 0, 0, 0]], dtype=float)
    assert elsewhere(WORLD, "newA", NAMES, mass) == pytest.approx({"B": 0.3, "D": 0.1})


def test_each_head_adds_what_its_own_part_of_the_projection_makes_of_it() -> None:
    (added, _) = attribute.Attribute(sequence=PROMPT).run(SUBJECT).maps
    norm, (stream, _) = PLAIN.transformer.ln_f, run("transformer.ln_f", TEXT)
    spread = (stream.var(-1, correction=0) + norm.eps).sqrt()[:, None]
    for layer, head, size in HEADS:
        path = PROJECTION.format(layer)
        project, alone = PLAIN.get_submodule(path), torch.zeros_like(stream)
        alone[:, size] = run(path, TEXT)[0][:, size]
        out = project(alone) - project(alone * 0)
        normed = (out - out.mean(-1, keepdim=True)) / spread * norm.weight
        row = added.values[added.rows.index(f"head {layer}.{head}")]
        close(torch.tensor(row).float(), margins(PLAIN.lm_head(normed), TEXT), 1e-3)


def test_the_lens_reads_each_layer_through_the_last_norm() -> None:
    (lens,) = inspect.Inspect(sequence=PROMPT, what="lens").run(SUBJECT).maps
    *streams, last = PLAIN(TEXT.inputs, output_hidden_states=True).hidden_states
    normed = torch.cat([*map(PLAIN.transformer.ln_f, streams), last])  # the last one is already
    places = torch.arange(len(PROMPT) - 1, len(TEXT.ids) - 1)
    chances = PLAIN.lm_head(normed).softmax(-1)[:, places, torch.tensor(TEXT.ids)[places + 1]]
    close(torch.tensor(lens.values).float(), chances)


def test_a_head_is_patched_alone_and_everywhere() -> None:
    pair = Pair(TEXT, SUBJECT.text("1,0,1,1,1", "\n0,0,0,1\n4 - 1\n"))
    table = Patching(SUBJECT.hooked, [pair], WORLD.parts).in_pieces("head")
    for layer, head, size in HEADS:
        path = PROJECTION.format(layer)
        held, _ = run(path, pair.source)
        (_, clean), (_, after) = run(path, TEXT), run(path, TEXT, held, (ALL, size))
        for part in ("newA", "newB", "sum", "sum2"):  # those that turn
            place, cell = WRITES[part], (0, layer, head, WORLD.parts.index(part))
            one, other = TEXT.ids[place + 1], pair.source.ids[place + 1]
            toward = (after - clean)[place, other] - (after - clean)[place, one]
            assert table.effect[cell] == pytest.approx(float(toward), abs=1e-3)
            assert table.became[cell] == (int(after[place].argmax()) == other)


def test_the_first_half_of_the_pairs_chooses_and_the_second_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of four pairs all turn at `a`, one elsewhere; of five others one at `a`, all elsewhere."""
    became = np.zeros((9, 2, 3, len(WORLD.parts)), dtype=np.bool_)
    became[:5, 1, 0] = became[3:, 1, 1:] = True
    every = np.ones((9, len(WORLD.parts)), dtype=np.bool_)
    effect = became.astype(np.float64)
    table = Patched("position", ("none", "some"), ("a", "b", "c"), became, effect)
    by_hand = SimpleNamespace(differ=every, answered=every, at_positions=lambda: table)
    monkeypatch.setattr(patch, "Patching", lambda *_: by_hand)
    figures = patch.PatchMaps(pairs=9).run(random_subject("cnn")).figures
    for part in WORLD.parts:  # each with a control drawn for it
        best, control = (figures[part]["position"][key] for key in ("best", "random"))
        assert (best["site"], best["position"], best["k"], best["n"]) == ("some", "a", 1, 5)
        assert (control["none"]["k"], control["some"]["k"], control["some"]["n"]) == (0, 5, 5)


def writer(completion: str, by_neuron: int | None = None) -> Subject:
    """A GPT-2 whose positions alone say which token comes next: those of one text.

    The `by_neuron`-th token of the completion is known to neuron 7 of layer 0 alone. With the
    signs of all weights turned it writes the end token everywhere.
    """
    subject = random_subject("gpt2")
    model: Any = subject.trained.loaded[0]
    mlp, said_at = model.transformer.h[0].mlp, model.transformer.wpe.weight
    following = subject.text(PROMPT, completion).ids[1:]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float(".ln_" in name and name.endswith("weight")))
        model.transformer.wte.weight.fill_diagonal_(1)  # a token is its own direction
        for place, token in enumerate(following):
            said_at[place, token] = 10
        mlp.c_fc.bias[8], mlp.c_proj.weight[8, following[-1]] = -5, -100  # silent but then
        if by_neuron is not None:
            place = len(PROMPT) - 2 + by_neuron
            said_at[place] = 30 * torch.eye(32)[20]  # the direction of no token
            mlp.c_fc.weight[20, 7], mlp.c_fc.bias[7] = 1, -3  # nothing else wakes it
            mlp.c_proj.weight[7, following[place]] = 100
    split: Any = subject.trained.split
    split.seen, split.held_out = WORLD.state(PROMPT), WORLD.state(PROMPT)[:0]
    return subject


TORN = [
    ("\n1,0,0,0\n2 - 2\n", "written", "written"),
    ("\n1,0,0,1\n2 - 3\n", "input", "written"),
    ("\n5,5,5,5\n5 - 5\n", "neither", "neither"),
]


@pytest.mark.parametrize(("writes", "torn", "others"), TORN)
def test_what_is_written_and_the_input_are_told_apart(writes: str, torn: str, others: str) -> None:
    """newB is written 0 in place of 1: newD, A OR newB, is 0 by that, and 1 by the input D."""
    subject = writer(writes)
    swap = Swap(0, "newB", subject.text(PROMPT, COMPLETION.replace("1,1,", "1,0,")))
    found = {one.part: one.follows for one in interchanged(subject, [swap])}
    assert found == {"newC": others, "newD": torn, "sum": others, "sum2": torn}


@pytest.mark.parametrize("token", [1, 6, LAST])
def test_a_piece_is_missed_where_it_is_taken_out_at_its_token_or_before(token: int) -> None:
    subject = writer(COMPLETION, by_neuron=token)
    for at_token in range(max(1, token - 1), min(token + 1, LAST) + 1):
        found = damage.Damage(sequence=PROMPT, prune="neuron:0.7", at_token=at_token).run(subject)
        assert found.figures["before"] == COMPLETION
        assert (found.figures["after"] == COMPLETION) == (at_token > token)
        assert found.maps[0].values.tolist() == [[1.0, at_token > token]]


@pytest.mark.parametrize("at_token", [1, 6, LAST - 1, LAST])
def test_weights_are_others_from_a_token_on(at_token: int) -> None:
    found = damage.Damage(sequence=PROMPT, flip=1.0, at_token=at_token).run(writer(COMPLETION))
    assert found.figures == {"before": COMPLETION, "after": COMPLETION[: at_token - 1]}
    none_and_all = found.maps[0].values[0, [0, -1]].tolist()
    assert none_and_all == [1.0, at_token == LAST]  # where the end is right


@given(st.lists(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))))
def test_a_share_is_counted_in_its_tenth(counts: list[tuple[int, int]]) -> None:
    """In whole numbers: k of n is in the tenth 10k // n, and n of n in the last."""
    tenths = [min(10 * k // n, 9) for k, n in counts]
    found = distribution("", {"none": [], "gpt2": [k / n for k, n in counts]})
    assert found.columns[::3] == ("0.0–0.1", "0.3–0.4", "0.6–0.7", "0.9–1.0")
    assert found.values.tolist() == [[0] * 10, [tenths.count(one) for one in range(10)]]
