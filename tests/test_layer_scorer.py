"""Completions without pieces of a layer, run from that layer on, beside whole runs with hooks."""

from __future__ import annotations

import pytest

from test_models import ALL, ALPHABET, model_of, of_others
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import pieces_of
from the_experiment.inside.layer_scorer import LayerScorer
from the_experiment.inside.silenced import ablated, means_of
from the_experiment.models.scoring import score
from the_experiment.models.texts import encode_all

PAIRS = [("0,1,1", "\n1,0"), ("0,1,0,0,1", "\n1"), ("0,1", "\n0,0,1"), ("0,1,1", "\n")]
OTHERS = [("1,1,1", "\n1,0"), ("0", "\n1")]  # which begin otherwise


@pytest.mark.parametrize("replacement", ["zero", "mean"])
@pytest.mark.parametrize("pairs", [PAIRS, OTHERS, PAIRS[:1]], ids=["shared", "other", "one"])
@pytest.mark.parametrize("name", [*ALL, "llama"])
def test_without_a_piece_a_run_from_its_layer_is_a_run_of_all(
    name: str, pairs: list[tuple[str, str]], replacement: str
) -> None:
    tokenizer = character_tokenizer(ALPHABET)
    hooked = HookedModel(model_of(name) if name in ALL else of_others(name, len(tokenizer)))
    encoded = encode_all(tokenizer, pairs)
    kinds = [kind for kind in hooked.layout.components if kind != "neuron"]
    pieces = {piece: of for kind in kinds for piece, of in pieces_of(hooked, kind).items()}
    whole = dict.fromkeys(site.whole for sites in pieces.values() for site in sites)
    texts = [one.prompt for one in encoded]
    means = means_of(hooked, [*whole], texts) if replacement == "mean" else None
    before = [sum(one.logprobs[:-1]) for one in score(hooked.model, tokenizer, pairs)]
    changed = 0
    for layer in range(hooked.layers):
        from_layer = LayerScorer(hooked, encoded, layer)
        for sites in (of for of in pieces.values() if of[0].layer == layer):
            found = from_layer.logprobs(sites, means)
            with ablated(hooked, sites, means):
                expected = [
                    sum(one.logprobs[:-1])
                    for pair in pairs
                    for one in score(hooked.model, tokenizer, [pair])
                ]
            assert found == pytest.approx(expected, abs=2e-5)
            changed += found != pytest.approx(before, abs=1e-4)
        assert from_layer.logprobs([]) == pytest.approx(before, abs=2e-5)  # put back as it was
    assert changed > len(pieces) // 2
