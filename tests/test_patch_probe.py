"""Patching and probes: intervals, controls, heads, strata, and texts of several lengths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.evaluation.statistics import wilson
from the_experiment.inside.card import VerbRequest
from the_experiment.inside.edits import Edit
from the_experiment.inside.maps import mean_map, share_map
from the_experiment.inside.patching import Pair, Patching, at_random
from the_experiment.inside.probing import folds, repeated, right
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject, find_subject
from the_experiment.inside.verbs import patch
from the_experiment.inside.verbs.ablate import AblateEach
from the_experiment.inside.verbs.damage import Damage
from the_experiment.inside.verbs.inspect import Inspect
from the_experiment.inside.verbs.patch import PatchMaps
from the_experiment.inside.verbs.probe import Probe
from the_experiment.report.heatmaps import hover_map
from the_experiment.report.outcome import outcome_view
from the_experiment.report.terminal import stdout
from the_experiment.training.config import TrainConfig
from the_experiment.training.several import train_each
from the_experiment.worlds import find_world

MIXED = """
name: mixed
inputs: {X: 0..5, Y: 0..2}
rules: {up: X + 1, total: 3 * X + Y}
prompt: "{X}{Y}"
completion: "={up}>{total}\\n"
"""


@pytest.fixture(scope="module")
def gpt2(trained: Path) -> Subject:
    return find_subject("tiny-gpt2-three-bits", trained)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of a world whose totals have one digit or two, after four steps of training."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mixed.yaml").write_text(MIXED)
    world = find_world(str(folder / "mixed.yaml"))
    generate(world, HoldOut(fraction=0.2), Sizes(train=64, valid=4, test=4), 1, folder / "dataset")
    config = TrainConfig(dataset=str(folder / "dataset"), epochs=1)
    (result,) = train_each("gpt2", config, folder)
    assert result.steps == 4
    return find_subject("tiny-gpt2-mixed", folder)


def asked(request: VerbRequest, subject: Subject) -> Outcome:
    finding = request.run(subject)
    json.dumps(finding.as_json())
    return finding


# ---- intervals


def test_a_map_of_shares_has_the_wilson_interval_of_each_cell() -> None:
    counts = np.array([[0, 3], [7, 7]])
    one = share_map("t", "share", ("a", "b"), ("x", "y"), counts, 7).as_json()
    assert (one["n"], one["span"]) == (7, [0.0, 1.0])
    for row, ks in enumerate(counts.tolist()):
        for column, k in enumerate(ks):
            ends = (one["low"][row][column], one["high"][row][column])
            assert ends == pytest.approx(wilson(k, 7), abs=1e-6)


def test_a_map_of_means_has_the_interval_that_scipys_bootstrap_gives() -> None:
    samples = np.random.default_rng(0).normal(3.0, 1.0, (40, 2, 2))
    ours = mean_map("t", "logits", ("a", "b"), ("x", "y"), samples, seed=1)
    theirs = bootstrap((samples,), np.mean, axis=0, method="percentile", rng=0).confidence_interval
    assert ours.low is not None
    assert ours.high is not None
    np.testing.assert_allclose(ours.low, theirs.low, atol=0.06)
    np.testing.assert_allclose(ours.high, theirs.high, atol=0.06)
    assert ours.as_json() == mean_map("t", "logits", ours.rows, ours.columns, samples, 1).as_json()
    alone = mean_map("t", "logits", ours.rows, ours.columns, samples[:1], seed=1)
    assert "low" not in alone.as_json()


def test_a_share_is_drawn_from_0_to_1_and_told_with_its_interval_and_n() -> None:
    told = hover_map(share_map("t", "share", ("a",), ("x",), np.array([[3]]), 7))
    assert '"zmax":1.0' in told
    assert "0.4286 [0.158–0.75], n=7" in told


def test_every_share_of_the_verbs_has_the_scale_of_shares(gpt2: Subject) -> None:
    requests = [
        Inspect(sequence="101", what="attention"),
        Inspect(sequence="101", what="lens"),
        Inspect(sequence="101", what="logits"),
        Damage(sequence="101", prune="layer:0"),
    ]
    for request in requests:
        assert all(one.span == (0.0, 1.0) for one in asked(request, gpt2).maps)


def test_the_terminal_says_how_many_maps_it_leaves_out() -> None:
    one = HeatMap("t", "u", ("a",), ("x",), np.zeros((1, 1)))
    with stdout.capture() as told:
        stdout.print(outcome_view(Outcome([one] * 11)))
    assert "3 more maps are in maps.png" in told.get()


# ---- patching


@pytest.mark.parametrize(("model", "piece"), [("gpt2", "head"), ("rnn", "gate")])
def test_a_piece_is_patched_as_one_edit_at_every_position(
    trained: Path, model: str, piece: str
) -> None:
    subject = find_subject(f"tiny-{model}-three-bits", trained)
    hooked = subject.hooked
    (kind,) = hooked.layout.components[piece].kinds
    pair = Pair(subject.text("101"), subject.text("001"))
    table = Patching(hooked, [pair], subject.world.parts).in_pieces(piece)
    place, one, other = pair.turns("differ") or (0, 0, 0)
    clean = hooked.run(pair.base.inputs).logits[0, place]
    for layer, index in ((0, 1), (1, 3)):
        site = Site(kind, layer, index)
        held = hooked.run(pair.source.inputs, keep=[site]).cache[site][0]
        edit = Edit(site, tuple(range(place + 1)), held[: place + 1])  # later ones can't matter
        after = hooked.run(pair.base.inputs, [[edit]]).logits[0, place]
        moved = float((after[other] - after[one]) - (clean[other] - clean[one]))
        number = subject.world.parts.index("differ")
        assert table.effect[0, layer, index, number] == pytest.approx(moved, abs=1e-4)
        assert table.became[0, layer, index, number] == (int(after.argmax()) == other)


def test_all_pairs_give_maps_by_position_and_head_with_intervals(gpt2: Subject) -> None:
    finding = asked(PatchMaps(), gpt2)
    *maps, graded = finding.maps
    assert graded.columns == ("A", "B", "C", "either", "differ")
    kinds = [(one.unit, one.columns[0].startswith("head")) for one in maps]
    assert kinds[::2] == [(u, h) for h in (False, True) for u in ("share", "logits")]
    for one in maps:
        assert one.n
        assert one.low is not None
        assert one.high is not None
        assert (one.low <= one.values + 1e-9).all()
        assert (one.values <= one.high + 1e-9).all()
    assert finding.as_json() == asked(PatchMaps(), gpt2).as_json()


def test_no_pair_is_another_the_other_way_round(gpt2: Subject) -> None:
    pairs, _ = PatchMaps()._pairs(gpt2)
    names = [frozenset((pair.base.prompt, pair.source.prompt)) for pair in pairs]
    assert len(set(names)) == len(names) == 12  # the edges of a cube


def test_the_best_place_is_counted_in_pairs_that_did_not_choose_it(
    gpt2: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch, "FEWEST_TO_HALVE", 4)  # this world has few pairs
    finding = PatchMaps().run(gpt2)
    found = finding.figures["differ"]["position"]
    assert found["best"]["n"] == found["n"] - found["chosen_on"] == -(-found["n"] // 2)
    control = found["random"][found["best"]["site"]]
    assert control["n"] == found["best"]["n"]
    assert any("other pairs" in sentence for sentence in finding.sentences)


@given(st.integers(2, 6), st.integers(0, 5), st.booleans(), st.integers(0, 99))
def test_the_control_is_drawn_among_all_places_but_the_best(
    columns: int, best: int, turned: bool, seed: int
) -> None:
    became = np.full((9, 2, columns), turned)
    became[:, :, best % columns] = not turned
    rates = at_random(became, best % columns, Stream(seed))
    assert [(rate.k, rate.n) for rate in rates] == [(9 * turned, 9)] * 2


def test_only_pairs_that_are_answered_right_both_ways_count(mixed: Subject) -> None:
    """What is wrong already can't become the other answer."""
    finding = asked(PatchMaps(sequence="00", to="20"), mixed)
    assert "up: 1 of 1 pair left out: the model isn't right in both" in finding.sentences
    assert "up" not in finding.figures


def test_what_can_not_be_patched_is_told(gpt2: Subject) -> None:
    with pytest.raises(UsageError, match="give the sequence"):
        PatchMaps.checked(to="101")
    finding = asked(PatchMaps(sequence="101", to="101"), gpt2)
    assert not finding.maps
    assert "the answers are the same" in finding.sentences[0]


# ---- probes


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 9))
def test_each_label_has_its_share_in_every_fold(ones: int, zeros: int, seed: int) -> None:
    labels = np.array([1] * ones + [0] * zeros)
    tested = folds(labels, seed)
    assert len(tested) == min(8, ones, zeros)
    assert sorted(np.concatenate([here for _, here in tested])) == list(range(len(labels)))
    for others, here in tested:
        assert not set(others) & set(here)
        counts = np.bincount(labels[here], minlength=2)
        assert (abs(counts - np.array([zeros, ones]) / len(tested)) < 1).all()


@pytest.mark.parametrize("ones", [8, 16])
def test_a_probe_of_nothing_is_right_as_often_as_chance(ones: int) -> None:
    """Below chance, as without strata, would look like something that is known."""
    labels = np.array([1] * ones + [0] * (32 - ones))[Stream(0).shuffled(32)]
    assert right(np.zeros((32, 3)), labels, folds(labels, 0)) == 32 - ones


def test_a_state_whose_value_no_other_has_is_left_out(gpt2: Subject, mixed: Subject) -> None:
    assert repeated(np.array([4, 7, 4, 9])).tolist() == [True, False, True, False]
    finding = asked(Probe(of="differ"), gpt2)
    assert (finding.figures["n"], finding.figures["chance"]) == (8, 0.5)
    assert {one.n for one in finding.maps} == {8}
    with pytest.raises(UsageError, match="fewer than two values of total"):
        asked(Probe(of="total"), mixed)  # another in every state


def test_steering_is_tried_at_every_layer(gpt2: Subject) -> None:
    finding = asked(Probe(of="differ"), gpt2)
    steering = finding.maps[-2]
    assert steering.rows == finding.maps[0].rows
    site, push = finding.figures["steering"], steering.columns[-1]
    assert site[steering.rows[0]][push]["turned"]["k"] / 8 == steering.values[0, -1]


# ---- texts of several lengths


def test_noise_is_measured_in_deviations_over_texts_of_several_lengths(mixed: Subject) -> None:
    finding = asked(Damage(sequence="51", noise=0.5, at_token=2), mixed)
    assert len(finding.maps[0].columns) == 7


def test_pairs_of_other_lengths_are_left_out(mixed: Subject) -> None:
    finding = asked(PatchMaps(pairs=12), mixed)
    assert "of 12 pairs are left out: their texts have another shape" in finding.sentences[0]


def test_a_sequence_is_patched_from_a_neighbour_of_its_own_length(mixed: Subject) -> None:
    """The total of 22 is 8, of 32 it is 11, and of 20 it is 6."""
    assert asked(PatchMaps(sequence="22"), mixed).sentences
    with pytest.raises(UsageError, match="--to"):
        asked(PatchMaps(sequence="22", to="32"), mixed)


@pytest.mark.parametrize(
    ("request_", "hints", "not_"),
    [(AblateEach(each="layer"), "--mode zero", "probe"), (Probe(of="Y"), "probe", "--mode")],
)
def test_each_verb_says_what_helps_it_with_several_lengths(
    mixed: Subject, request_: VerbRequest, hints: str, not_: str
) -> None:
    with pytest.raises(UsageError, match="different lengths") as refused:
        asked(request_, mixed)
    assert hints in refused.value.hint
    assert not_ not in refused.value.hint
    if isinstance(request_, AblateEach):
        assert asked(AblateEach(each="layer", mode="zero"), mixed).maps
