"""What looking inside measures, held against the same thing done by hand."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import PreTrainedModel

from looked_into import close, random_subject
from the_experiment.base import defaults
from the_experiment.engine.outcome import HeatMap
from the_experiment.inside import healing
from the_experiment.inside.interventions import Ablate, FlipWeights, Noise, Reference
from the_experiment.inside.probing import across_boundary, fitted, random_ways
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject, find_subject
from the_experiment.inside.swaps import by_rules
from the_experiment.inside.texts import TokenizedExample
from the_experiment.inside.verbs.ablate import AblateEach
from the_experiment.inside.verbs.damage import Damage
from the_experiment.inside.verbs.force import Force
from the_experiment.inside.verbs.probe import Probe
from the_experiment.models.texts import end_id
from the_experiment.training.config import TrainConfig
from the_experiment.training.step import Step

PROMPT = "1,0,1,0,1"


@pytest.fixture(scope="module")
def subject() -> Subject:
    return random_subject("gpt2")


@pytest.fixture(scope="module")
def gpt2(trained: Path) -> Subject:
    return find_subject("tiny-gpt2-three-bits", trained)


def silenced(model: PreTrainedModel, *modules: str) -> PreTrainedModel:
    """A copy in which these modules say nothing."""
    other = copy.deepcopy(model)
    for path in modules:
        other.get_submodule(path).register_forward_hook(lambda *given: 0 * given[2])
    return other


@torch.no_grad()
def greedy(model: nn.Module, ids: list[int], most: int, end: int) -> list[int]:
    """What a model writes, one token after the other."""
    ids = list(ids)
    begun = len(ids)
    for _ in range(most):
        token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if token == end:
            break
        ids.append(token)
    return ids[begun:]


def logprob(model: nn.Module, text: TokenizedExample) -> float:
    """Of the right completion."""
    with torch.no_grad():
        chances = model(input_ids=text.inputs).logits[0].log_softmax(-1)
    return sum(float(chances[place, text.targets[place]]) for place in text.completing)


# ---- damage


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("piece", "modules"),
    [
        ("mlp:0", ["transformer.h.0.mlp"]),
        ("layer:1", ["transformer.h.1.attn.c_proj", "transformer.h.1.mlp"]),
    ],
)
def test_what_is_written_without_a_piece_is_what_a_model_without_it_writes(
    seed: int, piece: str, modules: list[str]
) -> None:
    """To the last token, where the model writes more than the right completion has."""
    subject = random_subject("gpt2", seed)
    model, tokenizer = subject.trained.loaded
    text = subject.text(PROMPT)
    end, begun = end_id(tokenizer), list(text.ids[: text.begins])
    expected = greedy(silenced(model, *modules), begun, len(text.ids), end)
    after = Damage(sequence=PROMPT, prune=piece).run(subject).figures["after"]
    assert after == tokenizer.decode(expected)


@pytest.mark.parametrize("width", [20, 32])
def test_noise_is_the_same_however_long_the_text_has_become(subject: Subject, width: int) -> None:
    text = subject.text(PROMPT)
    length = len(text.ids) - 1
    reference = Reference(subject, [text])
    reference.deviation = lambda _: torch.ones(width)  # type: ignore[assignment]
    noise = Noise(site="resid_pre.0", scale=1.0, from_token=2)
    (edit,), (longer,) = noise.edits(reference, text), noise.edits(reference, text, length + 3)
    assert longer.positions == (*edit.positions, length, length + 1, length + 2)
    assert torch.equal(longer.add[:-3], edit.add)
    assert 0.5 < longer.add.std() < 1.5


def test_the_seeds_of_a_curve_are_different_damage(gpt2: Subject) -> None:
    curve = Damage(sequence="101", flip=0.2).run(gpt2).maps[0]
    assert curve.n == 6
    assert len({tuple(row) for row in curve.values[1:]}) > 1
    hooked = gpt2.hooked
    one, other = (FlipWeights(share=0.3, seed=seed).weights(hooked) for seed in (0, 1))
    assert any(not torch.equal(one[name], other[name]) for name in one)
    named = dict(hooked.model.named_parameters())
    turned = sum(int((values == -named[name]).sum()) for name, values in one.items())
    assert turned >= 0.3 * sum(values.numel() for values in named.values()) - 1


# ---- healing


def test_it_heals_as_it_was_trained(gpt2: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is one of AdamW without decay, at the rate that the run's configuration has."""
    given: list[dict[str, object]] = []
    rates: list[float] = []

    class Watched(Step):
        def __init__(self, model: PreTrainedModel, **named: Any) -> None:
            given.append(named)
            super().__init__(model, **named)

        def __call__(self, inputs: Tensor, labels: Tensor, learning_rate: float) -> Tensor:
            rates.append(learning_rate)
            return super().__call__(inputs, labels, learning_rate)

    monkeypatch.setattr(healing, "Step", Watched)
    config = TrainConfig.from_file(gpt2.trained.run.config)
    other = config.model_copy(update={"learning_rate": 0.003})
    monkeypatch.setattr(healing, "training_config_of", lambda _: other)
    told = Damage(sequence="101", zero=0.3, heal=2).run(gpt2).figures["healing"]
    assert set(told["damaged"]["seen"]) == {"k", "n", "low", "high"}
    assert rates == [0.003, 0.003]
    assert (given[0]["clip"], given[0]["weight_decay"]) == (1.0, 0.0)


def test_what_a_run_was_trained_with_is_read_from_it(gpt2: Subject, tmp_path: Path) -> None:
    from the_experiment.base.runs import Run

    assert healing.training_config_of(gpt2.trained.run).until_fit
    assert healing.training_config_of(Run(tmp_path)).learning_rate == defaults.LEARNING_RATE


# ---- ablate


@pytest.fixture(scope="module")
def held(subject: Subject) -> tuple[Reference, list[TokenizedExample], Tensor]:
    """The seen texts, and what one site holds on each of them: (texts, positions, width)."""
    texts = subject.texts(subject.states()[0])
    site = Site("mlp_out", 1)
    runs = [subject.hooked.run(text.inputs, keep=[site]).cache[site][0] for text in texts]
    return Reference(subject, texts), texts, torch.stack(runs)


def test_mean_ablation_takes_the_mean(
    held: tuple[Reference, list[TokenizedExample], Tensor],
) -> None:
    reference, texts, values = held
    (edit,) = Ablate(site="mlp_out.1").edits(reference, texts[0])
    close(edit.add, values.mean(0))


def test_resampling_never_takes_the_text_itself_and_one_text_for_all_sites(
    held: tuple[Reference, list[TokenizedExample], Tensor],
) -> None:
    reference, texts, values = held
    attention = torch.stack([reference.values(Site("attn_out", 1))[n] for n in range(len(texts))])

    def source(site: str, everywhere: Tensor, seed: int) -> int:
        (edit,) = Ablate(site=site, mode="resample", seed=seed).edits(reference, texts[2])
        return next(n for n, one in enumerate(everywhere) if torch.allclose(one, edit.add))

    drawn = [source("mlp_out.1", values, seed) for seed in range(40)]
    assert set(drawn) == set(range(len(texts))) - {2}
    assert drawn == [source("attn_out.1", attention, seed) for seed in range(40)]


def test_the_drop_is_what_the_whole_model_says_less_what_is_left(subject: Subject) -> None:
    finding = AblateEach(each="mlp", mode="zero").run(subject)
    drop = finding.maps[1]
    model, _ = subject.trained.loaded
    texts = subject.texts(subject.states()[0])
    without = silenced(model, "transformer.h.1.mlp")
    lost = [logprob(model, text) - logprob(without, text) for text in texts]
    row = drop.rows.index("mlp:1")
    assert drop.values[row, 0] == pytest.approx(sum(lost) / len(lost), abs=1e-3)
    bracketed(drop)
    bracketed(finding.maps[0])
    assert (drop.n, finding.maps[3].n) == (6, 2)


def bracketed(one: HeatMap) -> None:
    """Each value stands in its interval."""
    assert one.low is not None
    assert one.high is not None
    assert (one.low <= one.values + 1e-9).all()
    assert (one.values <= one.high + 1e-9).all()


# ---- probes and steering


@pytest.mark.parametrize("push", [1.0, 2.0, 4.0])
def test_a_push_leads_as_many_distances_past_the_border(push: float) -> None:
    values = np.random.default_rng(0).normal(0.0, 2.0, (40, 5))
    labels = (values[:, 0] > values[:, 3]).astype(np.int64)
    after = values + across_boundary(values, labels, push).double().numpy()
    probe = fitted(values, labels)
    expected = -push * probe.decision_function(values)
    assert probe.decision_function(after) == pytest.approx(expected, abs=1e-3)


def test_what_is_read_best_stands_beside_the_best_of_each_control(gpt2: Subject) -> None:
    finding = Probe(of="differ").run(gpt2)
    end = gpt2.text("101").written_at("differ")[0] + 1
    best = finding.figures["best"]
    for found, one in zip(
        (best["model"], best["untrained"], best["shuffled"]), finding.maps, strict=False
    ):
        assert found["k"] / found["n"] == one.values[:, :end].max()
        row = one.rows.index(found["site"])
        assert one.values[row, found["position"]] == one.values[:, :end].max()
    told = next(one for one in finding.sentences if "read best" in one)
    for found in best.values():
        assert f"{found['k']}/{found['n']}" in told


def test_what_is_linear_in_the_inputs_may_be_read_from_an_untrained_model(gpt2: Subject) -> None:
    finding = Probe(of="either").run(gpt2)
    (told,) = [one for one in finding.sentences if "linearly separable" in one]
    untrained = finding.figures["best"]["untrained"]
    assert f"may pass too (its best: {untrained['k']}/{untrained['n']}" in told


def test_where_all_values_are_the_same_there_is_nowhere_to_push() -> None:
    steps = across_boundary(np.ones((8, 3)), np.array([0, 1] * 4), 1.0)
    assert torch.equal(steps, torch.zeros(8, 3))


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_a_random_way_is_as_long_as_the_step(states: int, width: int, seed: int) -> None:
    steps = torch.arange(1.0, 1 + states * width).view(states, width)
    ways = random_ways(steps, seed)
    close(ways.norm(dim=-1), steps.norm(dim=-1), atol=1e-2)
    assert torch.equal(ways, random_ways(steps, seed))
    assert width == 1 or not torch.equal(ways, random_ways(steps, seed + 1))


def test_steering_stands_beside_random_directions_of_its_length(trained: Path) -> None:
    finding = Probe(of="either").run(find_subject("tiny-cnn-three-bits", trained))
    steering, control = finding.maps[-2:]
    assert (control.rows, control.columns, control.n) == (steering.rows, steering.columns, 8)
    for row, values in zip(control.rows, control.values, strict=True):
        for column, share in zip(control.columns, values, strict=True):
            found = finding.figures["steering"][row][column]["random"]
            assert (found["k"] / 8, found["n"]) == (share, 8)
    assert control.values.max() < steering.values.max()
    best = np.unravel_index(steering.values.argmax(), steering.values.shape)
    random = round(8 * float(control.values[best]))
    assert f"random directions of that length turn it in {random}/8" in finding.sentences[-1]


# ---- force


def test_a_part_written_wrong_by_the_model_itself_can_cancel_the_forced_one(
    subject: Subject,
) -> None:
    """By hand: newB is forced from 1 to 0, and sum2 is the sum of the four as they are written."""
    world = subject.world
    assert world.answer("1,0,0,0,0") == "\n1,1,0,1\n1 - 3\n"
    forced = by_rules(world, "1,0,0,0,0", "\n1,0,0,1\n1 - 2\n", "newB")
    assert set(forced) == {"newC", "newD", "sum", "sum2"}
    assert (forced["sum2"].value, forced["sum2"].written, forced["sum2"].input) == (2, 2, 3)
    assert forced["sum2"].follows == "written"
    assert not by_rules(world, "1,0,0,0,0", "\n1,0,1,1\n1 - 3\n", "newB")["sum2"].tells
    assert by_rules(world, "1,0,0,0,0", "\n1,0", "newB")["sum2"].value is None


def test_the_shares_of_force_have_intervals_and_say_what_n_counts(subject: Subject) -> None:
    finding = Force().run(subject)
    for one, kind in zip(finding.maps, ("seen", "held-out"), strict=True):
        bracketed(one)
        assert one.low is not None
        for row, words, low in zip(one.rows, one.words, one.low, strict=True):
            counts = finding.figures[kind][row]
            states = sum(counts[how] for how in ("written", "input", "neither"))
            assert words[0] == f"{counts['written']}/{states}"
            assert counts["cases"]["n"] <= states
            assert counts["cases"]["low"] == low[0]
    assert "cancel" in finding.sentences[-2]
    assert finding.sentences[-1].startswith("one seed: exploratory")
