"""Interventions are values: through JSON and back they do the same, and only where they may."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from looked_into import MAKERS, random_subject
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.interventions import (
    INTERVENTIONS,
    Ablate,
    FlipWeights,
    Intervention,
    Noise,
    Prune,
    Reference,
    ZeroWeights,
    first_place,
    pieces_of,
)
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample

SUBJECTS = {name: random_subject(name) for name in MAKERS}
REFERENCES = {
    name: Reference(subject, subject.texts(subject.states()[0]))
    for name, subject in SUBJECTS.items()
}
TEXT = SUBJECTS["gpt2"].text("1,0,1,0,1")  # all models here read the same tokens
POSITIONS = len(TEXT.ids) - 1


def sites(subject: Subject) -> st.SearchStrategy[str]:
    whole = subject.hooked.every_site
    parts = [Site(one.kind, one.layer, 1) for one in whole]
    return st.sampled_from([str(site) for site in [*whole, *parts] if site.layer is not None])


limits = st.one_of(
    st.just({}),
    st.builds(
        lambda places: {"positions": tuple(places)},
        st.lists(st.integers(0, POSITIONS - 1), unique=True),
    ),
    st.builds(lambda token: {"from_token": token}, st.integers(1, len(TEXT.completing) + 2)),
)
seeds = st.integers(0, 5)
scales = st.floats(-4, 4)


@st.composite
def interventions(draw: st.DrawFn, subject: Subject) -> Intervention:
    kind = draw(st.sampled_from([Ablate, Prune, Noise, FlipWeights, ZeroWeights]))
    if kind in (FlipWeights, ZeroWeights):
        limit = draw(st.sampled_from([None, *range(1, len(TEXT.completing) + 3)]))
        share = draw(st.floats(0, 1))
        return kind(share=share, of=draw(st.sampled_from(["*", "*weight*"])), from_token=limit)
    if kind is Prune:
        each = draw(st.sampled_from(list(subject.hooked.layout.components)))
        piece = draw(st.sampled_from(list(pieces_of(subject.hooked, each))))
        return Prune(piece=piece, **draw(limits))
    site = draw(sites(subject))
    if kind is Ablate:
        mode = draw(st.sampled_from(["zero", "mean", "resample"]))
        return Ablate(site=site, mode=mode, seed=draw(seeds), **draw(limits))
    return Noise(site=site, scale=draw(scales), seed=draw(seeds), **draw(limits))


def logits_under(name: str, one: Intervention, text: TokenizedExample) -> Tensor:
    """(positions, vocabulary)"""
    hooked = SUBJECTS[name].hooked
    if isinstance(one, FlipWeights | ZeroWeights):
        first = first_place(text, one.from_token)
        return hooked.run(text.inputs, weights=one.weights(hooked), weights_from=first).logits[0]
    return hooked.run(text.inputs, [one.edits(REFERENCES[name], text)]).logits[0]


def first_touched(one: Intervention) -> int:
    positions = getattr(one, "positions", None)
    if positions is not None:
        return min(positions, default=POSITIONS)
    return len(TEXT.prompt) - 2 + one.from_token if one.from_token else 0


@settings(max_examples=60)
@given(data=st.data())
def test_through_json_and_back_it_does_the_same_and_nothing_before_its_first_position(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(list(SUBJECTS)))
    one = data.draw(interventions(SUBJECTS[name]))
    again = INTERVENTIONS.validate_json(INTERVENTIONS.dump_json(one))
    assert again == one
    logits = logits_under(name, one, TEXT)
    assert torch.equal(logits_under(name, again, TEXT), logits)
    first = first_touched(one)
    clean = SUBJECTS[name].hooked.run(TEXT.inputs).logits[0]
    torch.testing.assert_close(logits[:first], clean[:first], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("token", range(1, len(TEXT.completing) + 1))
@pytest.mark.parametrize("name", MAKERS)
def test_from_the_t_th_token_on_it_acts_where_that_token_is_decided(name: str, token: int) -> None:
    stream = SUBJECTS[name].hooked.layout.stream
    some: list[Intervention] = [
        Noise(site=f"{stream}.0", scale=3.0, from_token=token),
        Prune(piece="layer:0", from_token=token),
        FlipWeights(share=0.3, from_token=token),
        ZeroWeights(share=0.5, from_token=token),
    ]
    clean = SUBJECTS[name].hooked.run(TEXT.inputs).logits[0]
    for one in some:
        change = (logits_under(name, one, TEXT) - clean).abs().amax(-1)
        decided = len(TEXT.prompt) - 2 + token  # the first is decided at the prompt's last one
        assert change[:decided].max() < 1e-4
        assert change[decided] > 1e-3


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "noise", "site": "resid_pre.0", "scale": float("nan")},
        {"kind": "patch", "site": "resid_pre.0", "source": "0,0,1,1,0"},
        {"kind": "prune", "piece": "layer:0", "positions": [1], "from_token": 2},
        {"kind": "flip", "share": 1.5},
    ],
)
def test_what_can_not_be_replayed_is_no_intervention(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        INTERVENTIONS.validate_python(values)


def test_noise_is_as_large_as_the_site_varies_where_texts_are_of_several_lengths() -> None:
    """What fills short texts up has no say in it."""
    subject = SUBJECTS["gpt2"]
    texts = [subject.text("1,0,1,0,1", "\n1"), subject.text("0,0,1,0,1")]
    site = Site("resid_pre", 1)
    held = [subject.hooked.run(text.inputs, keep=[site]).cache[site][0] for text in texts]
    expected = torch.cat(held).std()
    assert len({len(one) for one in held}) == 2
    assert batch_ids(texts).shape[1] == POSITIONS
    deviation = Reference(subject, texts).deviation(site)
    torch.testing.assert_close(deviation, expected.expand(32))
