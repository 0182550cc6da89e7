"""Looking inside: sites, edits, sweeps and other weights, against transformers and by hand."""

from __future__ import annotations

import copy
from inspect import signature

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from looked_into import (
    ATTENDING,
    LENGTH,
    MAKERS,
    RESTARTING,
    close,
    random_model,
    some_ids,
)
from the_experiment.base.errors import UsageError
from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import FlipWeights
from the_experiment.inside.sites import Site
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.texts import TokenizedExample, refuse_mixed_lengths
from the_experiment.inside.weights import other_weights

CACHE = "cache" if "cache" in signature(LlamaForCausalLM.forward).parameters else "past_key_values"


@pytest.fixture(scope="module")
def models() -> dict[str, HookedModel]:
    return {name: HookedModel(random_model(name)) for name in MAKERS}


def plain_logits(hooked: HookedModel, ids: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = hooked.model(input_ids=ids).logits
    return logits


def random_edit(hooked: HookedModel, site: Site, positions: tuple[int, ...], seed: int = 0) -> Edit:
    values = hooked.run(some_ids(1), keep=[site]).cache[site]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((len(positions), *values.shape[2:]), generator=generator)
    return Edit(site, positions, noise, keep=1.0)


# ---- reading


@pytest.mark.parametrize("name", MAKERS)
def test_reading_every_site_changes_nothing(models: dict[str, HookedModel], name: str) -> None:
    hooked, ids = models[name], some_ids(3)
    ran = hooked.run(ids, keep=hooked.every_site)
    close(ran.logits, plain_logits(hooked, ids))
    assert all(values.shape[:2] == ids.shape for values in ran.cache.values())


@pytest.mark.parametrize("name", ATTENDING)
def test_rows_of_the_pattern_sum_to_one_and_see_no_future(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked = models[name]
    sites = hooked.sites("pattern")
    for pattern in hooked.run(some_ids(2), keep=sites).cache.values():
        heads = pattern.transpose(1, 2)  # (rows, heads, length, length)
        close(heads.sum(-1), torch.ones(heads.shape[:-1]))
        assert not heads.triu(1).any()


@pytest.mark.parametrize("name", RESTARTING)
def test_the_stream_is_the_sum_of_what_is_added_to_it(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked = models[name]
    cache = hooked.run(some_ids(2), keep=hooked.every_site).cache
    for layer in range(hooked.layers):
        added = sum(cache[Site(kind, layer)] for kind in hooked.layout.adds)
        close(cache[Site("resid_pre", layer)] + added, cache[Site("resid_post", layer)])


def test_gates_and_states_of_the_lstm_are_what_its_equations_say(
    models: dict[str, HookedModel],
) -> None:
    hooked = models["rnn"]
    kinds = ("gates", "cell", "hidden")
    cache = hooked.run(some_ids(2), keep=[Site(kind, 1) for kind in kinds]).cache
    gates, cell, hidden = (cache[Site(kind, 1)] for kind in kinds)
    enter, forget, candidate, leave = gates.unbind(2)
    before = torch.cat([torch.zeros_like(cell[:, :1]), cell[:, :-1]], 1)
    close(cell, forget * before + enter * candidate)
    close(hidden, leave * cell.tanh())


# ---- editing


@pytest.mark.parametrize("name", MAKERS)
def test_every_edit_changes_its_own_row_from_its_position_on_and_nothing_else(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(3)
    clean = hooked.run(ids).logits
    for site in hooked.every_site:
        edited = hooked.run(ids, [[], [random_edit(hooked, site, (4,))], []]).logits
        change = (edited - clean).abs().amax(-1)
        assert change[1, 4:].max() > 1e-4, site
        change[1, 4:] = 0
        assert change.max() < 1e-4, site


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_many_edits_at_once_are_each_of_them_alone(
    models: dict[str, HookedModel], data: st.DataObject
) -> None:
    hooked = models[data.draw(st.sampled_from(list(MAKERS)))]
    texts = some_ids(3)
    trials = []
    for number in range(data.draw(st.integers(1, 6))):
        sites = data.draw(
            st.lists(st.sampled_from(hooked.every_site), min_size=0, max_size=2, unique=True)
        )
        place = data.draw(st.integers(0, LENGTH - 1))
        edits = tuple(random_edit(hooked, site, (place,), number) for site in sites)
        trials.append(Trial(data.draw(st.integers(0, 2)), edits))
    asked = torch.tensor(sorted(data.draw(st.sets(st.integers(0, LENGTH - 1), min_size=1))))
    found: dict[int, Tensor] = {}
    for numbers, logits in sweep(hooked, texts, trials, asked):
        found.update(zip(numbers, logits, strict=True))
    for number, trial in enumerate(trials):
        alone = hooked.run(texts[trial.text][None], [trial.edits]).logits[0, asked]
        close(found[number], alone)


@pytest.mark.parametrize("name", RESTARTING)
def test_the_last_layers_stream_at_the_last_position_decides_alone(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, (one, other) = models[name], some_ids(2)[:, None]
    site = Site("resid_post", hooked.layers - 1)
    source = hooked.run(other, keep=[site])
    edit = Edit(site, (LENGTH - 1,), source.cache[site][0, -1])
    patched = hooked.run(one, [[edit]]).logits
    close(patched[:, -1], source.logits[:, -1])
    close(patched[:, :-1], hooked.run(one).logits[:, :-1])


@pytest.mark.parametrize("name", MAKERS)
def test_a_patch_before_the_first_difference_changes_nothing(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(1)
    other = ids.clone()
    other[0, 6:] = ids[0, 6:].flip(0)
    kinds = hooked.layout.carries
    for site in (site for kind in kinds for site in hooked.sites(kind)):
        source = hooked.run(other, keep=[site]).cache[site][0, 3]
        edited = hooked.run(ids, [[Edit(site, (3,), source)]]).logits
        close(edited, hooked.run(ids).logits)


@pytest.mark.parametrize("name", ATTENDING)
def test_a_pattern_can_be_changed(models: dict[str, HookedModel], name: str) -> None:
    """Zeroing the dropout module of attention would change nothing: it is never called."""
    hooked, ids = models[name], some_ids(1)
    to_first = torch.zeros(LENGTH)
    to_first[0] = 1.0
    edit = Edit(Site("pattern", 1, 2), tuple(range(LENGTH)), to_first)
    ran = hooked.run(ids, [[edit]], keep=[Site("z", 1, 2)])
    z = ran.cache[Site("z", 1, 2)][0]
    close(z, z[:1].expand(LENGTH, -1))
    assert (ran.logits - hooked.run(ids).logits).abs().max() > 1e-4


def test_two_edits_at_one_place_are_refused(models: dict[str, HookedModel]) -> None:
    """Only the last of them would be made."""
    hooked, site = models["gpt2"], Site("resid_pre", 1)
    edits = [Edit(site, places, torch.ones(()), keep=1.0) for places in ((2, 3), (3, 4))]
    with pytest.raises(ValueError, match="two edits at one position"):
        hooked.run(some_ids(1), [edits])


def test_a_site_that_there_is_not_is_refused(models: dict[str, HookedModel]) -> None:
    ids = some_ids(1)
    for name, site in (("rnn", "pattern.0"), ("gpt2", "z.9"), ("gpt2", "z"), ("cnn", "mlp_out.0")):
        with pytest.raises(UsageError, match=site.split(".", maxsplit=1)[0]):
            models[name].run(ids, keep=[Site.parse(site)])
    with pytest.raises(IndexError):
        models["gpt2"].run(ids, [[Edit(Site("final"), (LENGTH,), torch.zeros(()))]])
    with pytest.raises(IndexError):
        models["gpt2"].run(ids, [[], []])


# ---- other weights


@pytest.mark.parametrize("name", MAKERS)
def test_other_weights_are_as_if_the_model_had_them(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    flipped = FlipWeights(share=0.1, seed=1).weights(hooked)
    changed = copy.deepcopy(hooked.model)
    named = dict(changed.named_parameters())
    with torch.no_grad():
        for key, values in flipped.items():
            named[key].copy_(values)
    close(hooked.run(ids, weights=flipped).logits, changed(input_ids=ids).logits)
    turned = sum(
        int((values != dict(hooked.model.named_parameters())[key]).sum())
        for key, values in flipped.items()
    )
    assert turned == pytest.approx(
        0.1 * sum(p.numel() for p in hooked.model.parameters()), rel=0.05
    )


@pytest.mark.parametrize("name", MAKERS)
def test_other_weights_from_a_position_on_leave_what_was_before(
    models: dict[str, HookedModel], name: str
) -> None:
    hooked, ids = models[name], some_ids(2)
    flipped = FlipWeights(share=0.1, seed=1).weights(hooked)
    part = hooked.run(ids, weights=flipped, weights_from=6).logits
    close(part[:, :6], hooked.run(ids).logits[:, :6])
    assert (part[:, 6:] - hooked.run(ids).logits[:, 6:]).abs().max() > 1e-3
    assert torch.equal(
        hooked.run(ids, weights=flipped, weights_from=LENGTH).logits, hooked.run(ids).logits
    )


@pytest.mark.parametrize("name", ATTENDING)
def test_damage_in_the_middle_is_that_of_a_model_changed_while_it_writes(
    models: dict[str, HookedModel], name: str
) -> None:
    """What was read before the damage stays in the cache of keys and values, as in generation."""
    hooked, ids = models[name], some_ids(1)
    flipped = FlipWeights(share=0.2, seed=3).weights(hooked)
    model = copy.deepcopy(hooked.model)
    with torch.no_grad():
        past = getattr(model(input_ids=ids[:, :5], use_cache=True), CACHE)
        named = dict(model.named_parameters())
        for key, values in flipped.items():
            named[key].copy_(values)
        after = model(input_ids=ids[:, 5:], **{CACHE: past}).logits
    close(hooked.run(ids, weights=flipped, weights_from=5).logits[:, 5:], after)


def test_an_lstms_states_are_not_seen_under_other_weights(models: dict[str, HookedModel]) -> None:
    hooked = models["rnn"]
    flipped = FlipWeights(share=0.1).weights(hooked)
    with pytest.raises(UsageError, match="LSTM's states"):
        hooked.run(some_ids(1), keep=[Site("hidden", 0)], weights=flipped)


def test_an_lstm_changed_while_it_reads_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(8, 8, batch_first=True)
    holder = nn.Sequential(lstm)
    other = {"0.weight_hh_l0": torch.randn(32, 8)}
    sequence = torch.randn(2, 7, 8)
    changed = copy.deepcopy(lstm)
    with torch.no_grad():
        changed.get_parameter("weight_hh_l0").copy_(other["0.weight_hh_l0"])
        before, state = lstm(sequence[:, :3])
        after, _ = changed(sequence[:, 3:], state)
        with other_weights(holder, other, first=3):
            together, _ = holder(sequence)
    close(together, torch.cat([before, after], 1))


# ---- beside nnsight


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("gpt2", "transformer.h"), ("qwen3", "model.layers"), ("llama", "model.layers")],
)
def test_reading_and_patching_agree_with_nnsight(
    models: dict[str, HookedModel], name: str, blocks: str
) -> None:
    nnsight = pytest.importorskip("nnsight")
    hooked, (clean, source) = models[name], some_ids(2)[:, None]
    traced = nnsight.NNsight(hooked.model)
    site = Site("resid_pre", 1)
    with torch.no_grad():
        with traced.trace(source):
            theirs = traced.get(f"{blocks}.1").input.save()
        with traced.trace(clean):
            traced.get(f"{blocks}.1").input[:, 4] = theirs[:, 4]
            patched = traced.lm_head.output.save()
    ours = hooked.run(source, keep=[site]).cache[site]
    close(ours, theirs)
    close(hooked.run(clean, [[Edit(site, (4,), ours[0, 4])]]).logits, patched)


def test_texts_of_several_lengths_are_not_averaged_position_by_position() -> None:
    """A mean over them would mix other tokens, and what fills short texts up."""
    one = TokenizedExample("1", "=2", (3, 4, 5, 1), ("1", "=", "2", "end"), ("A", "", "s", ""), 1)
    longer = TokenizedExample(
        "11", "=2", (3, 3, 4, 5, 1), ("1", "1", *one.tokens[1:]), ("A", *one.parts), 2
    )
    refuse_mixed_lengths([one, one], "a hint")
    with pytest.raises(UsageError, match="different lengths") as refused:
        refuse_mixed_lengths([one, longer], "a hint")
    assert refused.value.hint == "a hint"
