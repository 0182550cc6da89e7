"""Six ways in which looking inside goes wrong without an error, and that nothing stays changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from looked_into import (
    ATTENDING,
    LENGTH,
    MAKERS,
    RESTARTING,
    close,
    random_subject,
    some_ids,
)
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import FlipWeights, sites_of
from the_experiment.inside.layout import HookPoint
from the_experiment.inside.patching import Pair, Patching
from the_experiment.inside.shortcuts import Start
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.taps import STATES, NeverFiredError
from the_experiment.inside.verbs.ablate import AblateEach


@pytest.fixture(scope="module")
def subjects() -> dict[str, Subject]:
    return {name: random_subject(name) for name in MAKERS}


@pytest.fixture(scope="module")
def models(subjects: dict[str, Subject]) -> dict[str, HookedModel]:
    # Not validated, which would find some of this before the tests do.
    return {name: HookedModel(subject.trained.loaded[0]) for name, subject in subjects.items()}


def with_sites(hooked: HookedModel, **more: HookPoint) -> HookedModel:
    other = copy.copy(hooked)
    other.layout = replace(hooked.layout, sites={**hooked.layout.sites, **more})
    return other


# ---- 1. blocks return a tensor, and `output[0][:, position]` edits one row of the batch


@pytest.mark.parametrize("kind", ["resid_pre", "resid_post"])
@pytest.mark.parametrize("name", RESTARTING)
def test_1_an_edit_hits_its_position_in_every_row_that_asks_for_it_and_in_no_other(
    models: dict[str, HookedModel], name: str, kind: str
) -> None:
    hooked, site, ids = models[name], Site(kind, 1), some_ids(4)
    clean = hooked.run(ids, keep=[site]).cache[site]
    new = torch.randn(4, clean.shape[-1], generator=torch.Generator().manual_seed(1))
    edits = [[] if row == 2 else [Edit(site, (5,), new[row])] for row in range(4)]
    ran = hooked.run(ids, edits, keep=[site])
    expected = clean.clone()
    for row in (0, 1, 3):
        expected[row, 5] = new[row]
    close(ran.cache[site], expected)
    changed = (ran.logits - hooked.run(ids).logits).abs().amax((1, 2)) > 1e-3
    assert changed.tolist() == [True, True, False, True]


def test_1_where_a_module_does_return_a_tuple_its_first_value_is_meant(
    models: dict[str, HookedModel],
) -> None:
    """GPT-2's attention returns its output and its pattern."""
    whole = HookPoint("transformer.h.{layer}.attn")
    hooked, ids = with_sites(models["gpt2"], attention=whole), some_ids(3)
    of_module, of_output = (
        hooked.run(ids, [[Edit(Site(kind, 1), (4,), torch.zeros(()))]] * 3).logits
        for kind in ("attention", "attn_out")
    )
    close(of_module, of_output)
    assert ((of_module - hooked.run(ids).logits).abs().amax((1, 2)) > 1e-3).all()


# ---- 2. a slice of what attention gives out is no head: the projection has mixed them


@pytest.mark.parametrize("head", range(4))
@pytest.mark.parametrize("name", ATTENDING)
def test_2_a_head_is_taken_out_before_the_projection_mixes_it_with_the_others(
    models: dict[str, HookedModel], name: str, head: int
) -> None:
    hooked, ids = models[name], some_ids(2)
    (site,) = sites_of(hooked, f"head:1.{head}")
    ablated = hooked.run(ids, [[Edit(site, tuple(range(LENGTH)), torch.zeros(()))]] * 2).logits
    by_hand = copy.deepcopy(hooked.model)
    with torch.no_grad():
        if name == "gpt2":  # (in, out)
            size = by_hand.config.n_embd // 4
            by_hand.transformer.h[1].attn.c_proj.weight[head * size : (head + 1) * size] = 0
        else:  # (out, in)
            size = by_hand.model.layers[1].self_attn.head_dim
            by_hand.model.layers[1].self_attn.o_proj.weight[:, head * size : (head + 1) * size] = 0
        expected = by_hand(input_ids=ids).logits
    close(ablated, expected)
    assert (expected - hooked.run(ids).logits).abs().max() > 1e-2


# ---- 3. a module that is never called: attention's dropout, in evaluation


def test_3_a_hook_that_was_asked_for_and_never_fired_is_an_error(
    models: dict[str, HookedModel],
) -> None:
    silent = HookPoint("transformer.h.0.attn.attn_dropout")
    hooked, ids = with_sites(models["gpt2"], silent=silent), some_ids(1)
    with pytest.raises(NeverFiredError, match="attn_dropout"):
        hooked.run(ids, keep=[Site("silent")])
    with pytest.raises(NeverFiredError, match="attn_dropout"):
        hooked.run(ids, [[Edit(Site("silent"), (2,), torch.zeros(()))]])


def test_3_other_weights_of_a_module_that_never_ran_are_an_error() -> None:
    hooked = random_subject("gpt2").hooked
    hooked.model.spare = nn.Linear(2, 2)
    with pytest.raises(NeverFiredError, match="spare"):
        hooked.run(some_ids(1), weights={"spare.weight": torch.zeros(2, 2)})


@pytest.mark.parametrize("name", ATTENDING)
def test_3_attention_is_changed_where_it_is_used(models: dict[str, HookedModel], name: str) -> None:
    hooked, ids, head = models[name], some_ids(1), Site("z", 1, 2)
    to_first = torch.eye(LENGTH)[0]
    edit = Edit(Site("pattern", 1, 2), tuple(range(LENGTH)), to_first)
    ran = hooked.run(ids, [[edit]], keep=[head])
    close(ran.cache[head][0], ran.cache[head][0, :1].expand(LENGTH, -1))
    assert (ran.logits - hooked.run(ids).logits).abs().max() > 1e-3


# ---- 4. sdpa makes no attention maps


@pytest.mark.parametrize("name", ATTENDING)
def test_4_maps_come_out_of_a_model_that_runs_sdpa_and_are_those_of_eager(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    assert hooked.model.config._attn_implementation == "sdpa"
    sites = hooked.sites("pattern")
    ours = hooked.run(ids, keep=sites).cache
    eager = copy.deepcopy(hooked.model)
    eager.set_attn_implementation("eager")
    theirs = eager(input_ids=ids, output_attentions=True).attentions
    assert len(theirs) == len(sites) == hooked.layers
    for site, pattern in zip(sites, theirs, strict=True):
        close(ours[site].transpose(1, 2), pattern)


# ---- 5. another top token is not yet the other answer


def test_5_patch_counts_what_became_the_other_answer_not_what_changed() -> None:
    counts = [became_or_changed(random_subject("gpt2", seed)) for seed in range(5)]
    assert all(sum(one) for one in zip(*counts, strict=True))  # else this test shows nothing


def became_or_changed(subject: Subject) -> tuple[int, int]:
    """How many patches make a token the other answer's, and how many another one, by hand."""
    base, source = subject.text("1,0,1,0,1"), subject.text("0,1,0,1,0")
    hooked = subject.hooked
    # It writes bits and minus signs alone, so that the other answer, or neither, is never far.
    can_write = torch.tensor([base.ids[base.tokens.index(token)] for token in "01-"])
    never = torch.ones(hooked.model.config.vocab_size).index_fill(0, can_write, 0.0)
    hooked.model.lm_head.register_forward_hook(lambda *given: given[2] - 1e4 * never)
    parts = subject.world.parts
    table = Patching(hooked, [Pair(base, source)], parts).at_positions()
    sites = hooked.sites("resid_pre")
    given = hooked.run(source.inputs, keep=sites).cache
    clean = hooked.run(base.inputs).logits[0].argmax(-1)
    other_answer, another_token = 0, 0
    for number, part in enumerate(parts):
        place = base.written_at(part)[0]
        if base.ids[place + 1] == source.ids[place + 1]:
            continue
        for layer, site in enumerate(sites):
            for position in range(place + 1):
                edit = Edit(site, (position,), given[site][0, position])
                top = hooked.run(base.inputs, [[edit]]).logits[0, place].argmax()
                became = bool(top == source.ids[place + 1])
                assert table.became[0, layer, position, number] == became
                other_answer += became
                another_token += bool(top != clean[place]) and not became
    return other_answer, another_token


# ---- 6. from nothing nothing can be taken away


@pytest.mark.parametrize("each", ["head", "layer"])
def test_6_where_nothing_is_right_ablate_says_to_go_by_the_log_probability(each: str) -> None:
    subject = random_subject("gpt2")
    finding = AblateEach(each=each).run(subject)
    texts = subject.texts(subject.states()[0])
    likeliest = subject.hooked.run(batch_ids(texts)).logits.argmax(-1)
    never = [
        part
        for part in subject.world.parts
        if not any(
            (likeliest[row, places] == text.targets[places]).all()
            for row, text in enumerate(texts)
            for places in [text.written_at(part)]
        )
    ]
    assert finding.figures["seen"]["exact"] == 0
    (said,) = [one for one in finding.sentences if one.startswith("seen: right")]
    assert (
        f"in none of 6 states even with nothing taken out: {', '.join(['whole', *never])}." in said
    )
    assert "log-probability" in said
    right, nats = finding.maps[:2]
    assert (right.values[:, 0] <= 0).all()
    assert "log-probability" in nats.title
    assert np.abs(nats.values).min(0)[0] > 0


def test_6_where_all_is_right_there_is_nothing_to_say() -> None:
    """The readout is made to always write what is right for every state asked: its first line."""
    subject = random_subject("cnn")
    text = subject.text("0,0,0,0,0")
    subject.trained.split.seen = subject.world.state(text.prompt)
    subject.trained.split.held_out = subject.trained.split.seen[:0]

    def readout(_: nn.Module, __: tuple[Any, ...], logits: Tensor) -> Tensor:
        right = torch.nn.functional.one_hot(text.targets, logits.shape[-1]).float()
        return logits * 0 + 9 * right[-logits.shape[1] :]

    hooked = subject.hooked
    hooked.model.head.register_forward_hook(readout)
    finding = AblateEach(each="layer", mode="zero").run(subject)
    assert not any("right in none" in sentence for sentence in finding.sentences)


# ---- whatever happens, the model is as it was


def state_of(model: PreTrainedModel) -> list[Any]:
    """All that looking inside could leave behind, to be compared bit for bit."""
    return [
        [id(module) for module in model.modules()],
        [id(parameter) for parameter in model.parameters()],
        {name: values.numpy().tobytes() for name, values in model.state_dict().items()},
        [
            (len(module._forward_hooks), len(module._forward_pre_hooks), module.training)
            for module in model.modules()
        ],
        [parameter.requires_grad for parameter in model.parameters()],
        model.config.to_dict(),
        model.config._attn_implementation,
    ]


def an_edit(hooked: HookedModel) -> Edit:
    return Edit(Site(hooked.layout.stream, 1), (2,), torch.zeros(()))


def with_other_weights(hooked: HookedModel, ids: Tensor) -> object:
    """An LSTM's states can't be read meanwhile."""
    sites = [one for one in hooked.every_site if hooked.layout.sites[one.kind].tap not in STATES]
    edits = [[Edit(sites[1], (2,), torch.zeros(()))], []]
    weights = FlipWeights(share=0.1).weights(hooked)
    return hooked.run(ids, edits, keep=sites, weights=weights, weights_from=3)


# Each is a run of two texts that reaches the last module.
RUNS: dict[str, Callable[[HookedModel, Tensor], object]] = {
    "plain": lambda hooked, ids: hooked.run(ids, [[an_edit(hooked)], []], keep=hooked.every_site),
    "other weights": with_other_weights,
    "sweep": lambda hooked, ids: list(
        sweep(hooked, ids, [Trial(0, (an_edit(hooked),)), Trial(1, ())], torch.tensor([7]))
    ),
}


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", MAKERS)
def test_an_exception_in_the_middle_leaves_nothing_behind(
    models: dict[str, HookedModel],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    run: str,
    where: str,
    raised: type[BaseException],
) -> None:
    hooked, ids = models[name], some_ids(2)
    before, logits = state_of(hooked.model), hooked.model(input_ids=ids).logits
    path = hooked.layout.sites["embed"].module if where == "first" else hooked.layout.unembed
    module = hooked.model.get_submodule(path)
    with monkeypatch.context() as patched:
        calls = 0
        logits_of: Callable[[Tensor], Tensor] = module.forward

        def breaks(values: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            # A sweep records its texts first, and is to break in what it starts from them.
            if run != "sweep" or name == "rnn" or where == "first" or calls > 1:
                raise raised
            return logits_of(values)

        patched.setattr(module, "forward", breaks)
        with pytest.raises(raised):
            RUNS[run](hooked, ids)
    assert state_of(hooked.model) == before
    assert torch.equal(hooked.model(input_ids=ids).logits, logits)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_run_that_ends_well_leaves_nothing_behind(
    models: dict[str, HookedModel], name: str, run: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    before = state_of(hooked.model)
    RUNS[run](hooked, ids)
    assert state_of(hooked.model) == before


@pytest.mark.parametrize("name", MAKERS)
def test_an_edit_that_does_not_fit_leaves_nothing_behind(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    before = state_of(hooked.model)
    breaking = Edit(Site(hooked.layout.stream, 1), (2,), torch.zeros(5))  # of a wrong width
    with pytest.raises(RuntimeError):
        hooked.run(ids, [[breaking], []], keep=hooked.every_site)
    assert state_of(hooked.model) == before


@pytest.mark.parametrize("name", RESTARTING)
def test_a_start_at_a_layer_that_there_is_not_leaves_nothing_behind(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    before = state_of(hooked.model)
    recording = hooked.recorded(ids)
    recording.streams.append(recording.streams[0])
    layers = torch.tensor([1, hooked.layers])
    with pytest.raises(IndexError):
        hooked.run(ids, start=Start(recording, torch.tensor([0, 1]), layers, 0))
    assert state_of(hooked.model) == before
