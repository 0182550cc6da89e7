"""Baselines are distributions over their tie-breaks, whatever order and names things have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_models import FakeModel, exam_of, verdict_on
from the_experiment.base.seeds import Integers
from the_experiment.data.holdout import HoldOut
from the_experiment.evaluation.baseline import Examples, baselines, learned
from the_experiment.evaluation.baselines.decision_tree import _drawn
from the_experiment.evaluation.contestants import Exam
from the_experiment.evaluation.predictions import Predictions, always, sometimes
from the_experiment.evaluation.tied_trees import TiedTrees, TooManyError
from the_experiment.evaluation.verdict import VerdictKind
from the_experiment.worlds import Domain, World, find_world
from the_experiment.worlds.rules import RuleWorld

RULES = ("newA", "newB", "newC", "newD")
DEMO = HoldOut(fraction=0.1875)


def predictions(
    world: World, baseline: str, held_out: Integers
) -> tuple[dict[str, Predictions], dict[str, Integers]]:
    """What a baseline predicts of held-out states, and the truth."""
    states = world.states()
    found = learned(
        baselines[baseline], world, np.delete(states, held_out, axis=0), states[held_out]
    )
    return found, world.part_values(states[held_out])


def solves(world: World, baseline: str, held_out: Integers) -> float:
    """The share of its tie-breaks in which all rules are right in all held-out states."""
    found, truth = predictions(world, baseline, held_out)
    return float(np.prod([found[part].all_right(truth[part]) for part in world.rule_parts]))


def test_the_demos_split_is_solved_by_five_trees_in_six() -> None:
    world = find_world("causal")
    held_out = DEMO.resolve(world, seed=42)
    assert solves(world, "decision tree", held_out) == pytest.approx(5 / 6)
    found, truth = predictions(world, "decision tree", held_out)
    right = found["newA"].right(truth["newA"])
    assert sorted(right.round(9)) == [round(5 / 6, 9), 1, 1, 1, 1, 1]


@pytest.mark.parametrize("fraction", [0.1875, 0.5])
@pytest.mark.parametrize("seed", [1, 2, 42])
def test_counted_trees_are_those_that_scikit_learn_draws(fraction: float, seed: int) -> None:
    """Every state's share of right answers, against 400 values of `random_state`."""
    from sklearn.tree import DecisionTreeClassifier

    world = find_world("causal")
    states = world.states()
    held_out = HoldOut(fraction=fraction).resolve(world, seed)
    seen, asked = np.delete(states, held_out, axis=0), states[held_out]
    values = world.part_values(seen)["newA"]
    counted = TiedTrees(seen, values, asked, 10_000).predictions()
    truth = world.part_values(asked)["newA"]
    drawn = np.array(
        [
            DecisionTreeClassifier(random_state=draw).fit(seen, values).predict(asked)
            for draw in range(400)
        ]
    )
    assert np.abs(counted.right(truth) - (drawn == truth).mean(axis=0)).max() < 0.1
    all_right = (drawn == truth).all(axis=1).mean()
    assert abs(counted.all_right(truth) - all_right) < 0.1


def test_on_random_splits_the_tree_is_seldom_sure() -> None:
    world = find_world("causal")
    shares = np.array(
        [solves(world, "decision tree", DEMO.resolve(world, seed)) for seed in range(20)]
    )
    assert (always(shares).sum(), sometimes(shares).sum()) == (6, 19)  # 13 hang on ties


def test_a_vote_that_is_tied_goes_to_neither_side() -> None:
    """Of 1,000 splits a vote solved 302 with ties to 0 and 312 with ties to 1; 130 either way."""
    world = find_world("causal")
    solved = [solves(world, "nearest neighbour", DEMO.resolve(world, seed)) for seed in range(1000)]
    assert always(np.array(solved)).sum() == 130
    assert sometimes(np.array(solved)).sum() > 312


@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([1, 7, 2**24]), st.booleans())
def test_neighbours_are_those_that_differ_in_the_fewest_features(
    seed: int, features: int, pairs: int, boolean: bool
) -> None:
    rng = np.random.default_rng(seed)
    low, high = (0, 2) if boolean else (-2, 3)
    seen, asked = (rng.integers(low, high, (rows, features)) for rows in (9, 4))
    answers = rng.integers(0, 3, 9)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("the_experiment.evaluation.baselines.nearest_neighbour.PAIRS", pairs)
        found = baselines["nearest neighbour"](Examples(seen, answers, (0, 2), boolean), asked)
    assert isinstance(found, Predictions)
    for state, shares in zip(asked, found.shares, strict=True):
        distances = (seen != state).sum(axis=1)
        near = answers[distances == distances.min()]
        votes = np.array([(near == value).sum() for value in found.values])
        tied = votes == votes.max()
        assert shares.tolist() == (tied / tied.sum()).tolist()


def test_interpolation_stays_in_the_range_and_knows_its_ties() -> None:
    world = find_world("causal")
    states = world.states()
    quadrant = HoldOut(where="A AND C").resolve(world, seed=0)
    found, _ = predictions(world, "interpolation", quadrant)
    assert found["newA"].values.tolist() == [1]  # it was 2
    held_out = (HoldOut(fraction=0.5).resolve(world, seed) for seed in range(100))
    tied = 0
    for numbers in held_out:
        found, _ = predictions(world, "interpolation", numbers)
        tied += any((found[part].shares == 0.5).any() for part in RULES)
        assert all({0, 1} >= set(found[part].values.tolist()) for part in RULES)
    assert tied == 23
    assert len(states) == 32


def test_one_state_left_out_is_solved_by_nearest_neighbours_and_by_most_trees() -> None:
    world = find_world("causal")
    left_out = [np.array([state]) for state in range(32)]
    assert [solves(world, "nearest neighbour", one) for one in left_out] == [1.0] * 32
    trees = [solves(world, "decision tree", one) for one in left_out]
    assert trees == pytest.approx([0.9] * 32)
    for name, solved in (("majority", 0.0), ("logistic regression", 0.0), ("interpolation", 1.0)):
        assert [solves(world, name, one) for one in left_out] == [solved] * 32


@pytest.mark.parametrize("where", ["A AND C", "B AND E", "NOT A AND D"])
@pytest.mark.parametrize("baseline", baselines.names())
def test_a_hidden_quadrant_is_beyond_every_tie_break(baseline: str, where: str) -> None:
    world = find_world("causal")
    found, truth = predictions(world, baseline, HoldOut(where=where).resolve(world, seed=0))
    shares = np.prod([found[part].right(truth[part]) for part in RULES], axis=0)
    assert not sometimes(shares).any()


@pytest.mark.parametrize("baseline", baselines.names())
@pytest.mark.parametrize("name", ["causal", "modular", "relay"])
def test_every_baseline_answers_or_declines_on_every_world(baseline: str, name: str) -> None:
    world = find_world(name)
    states = world.states()
    found = learned(baselines[baseline], world, states[::3], states[1:4])
    assert list(found) in ([], world.parts)
    for one in found.values():
        assert one.shares.shape == (3, len(one.values))
        assert one.shares.sum(axis=1) == pytest.approx(1.0)


def test_what_no_tree_tells_apart_is_a_tie() -> None:
    """The same state with two values, and one state alone: the edges of a tree."""
    both = TiedTrees(np.array([[0], [0]]), np.array([3, 5]), np.array([[0], [1]]), 9).predictions()
    assert both.values.tolist() == [3, 5]
    assert both.shares.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert both.all_right(np.array([3, 3])) == 0.5  # one draw for the whole leaf
    assert both.all_right(np.array([3, 5])) == 0.0
    alone = TiedTrees(np.array([[1, 0]]), np.array([7]), np.array([[0, 1]]), 9).predictions()
    assert alone.all_right(np.array([7])) == 1.0
    nobody = TiedTrees(np.array([[1], [0]]), np.array([7, 8]), np.zeros((0, 1), int), 9)
    assert nobody.predictions().all_right(np.zeros(0, int)) == 1.0


def test_trees_that_are_too_many_are_drawn() -> None:
    world = find_world("causal")
    states = world.states()
    seen, asked = states[::3], states[1::3]
    values = world.part_values(seen)["newA"]
    with pytest.raises(TooManyError):
        TiedTrees(seen, values, asked, 2)
    drawn = _drawn(Examples(seen, values, (0, 1), boolean_inputs=True), asked)
    counted = TiedTrees(seen, values, asked, 10_000).predictions()
    assert drawn.values.tolist() == counted.values.tolist()
    assert np.abs(drawn.shares - counted.shares).max() < 0.2


def test_a_tie_over_all_states_is_one_draw() -> None:
    values = np.array([0, 1])
    found = baselines["majority"](
        Examples(np.array([[0], [1]]), values, (0, 1), boolean_inputs=True), np.array([[0], [1]])
    )
    assert isinstance(found, Predictions)
    assert found.all_right(np.array([1, 1])) == 0.5
    assert found.all_right(values) == 0.0
    assert found.all_right(values, slice(1)) == 0.5


# -- nothing depends on how a world is written ---------------------------------------------------

TABLES = st.lists(st.lists(st.integers(0, 1), min_size=8, max_size=8), min_size=1, max_size=2)


def world_of(
    tables: list[list[int]],
    names: list[str],
    order: list[int],
    flips: list[int],
    out_flips: list[int],
) -> RuleWorld:
    """Each rule from its truth table of three inputs, which are written in this order.

    An input that is flipped stands for its opposite, and so does an output.
    """

    def literal(place: int, value: int) -> str:
        return names[place] if value != flips[place] else f"NOT {names[place]}"

    rules = {}
    for number, table in enumerate(tables):
        cases = [
            "(" + " AND ".join(literal(place, case >> place & 1) for place in range(3)) + ")"
            for case in range(8)
            if table[case]
        ]
        text = " OR ".join(cases) or f"{names[0]} AND NOT {names[0]}"
        rules[f"r{number}"] = f"NOT ({text})" if out_flips[number] else text
    inputs = {names[place]: Domain(0, 1, boolean=True) for place in order}
    prompt = ",".join(f"{{{name}}}" for name in inputs)
    return RuleWorld("w", inputs, rules, prompt, "\n" + ",".join(f"{{{r}}}" for r in rules) + "\n")


def figures(exam: Exam, model: FakeModel) -> dict[str, Any]:
    """Every figure of every baseline, and the verdict."""
    scores = {
        one.name: {
            measure: (score.new, score.seen_before, round(score.solves, 9))
            for measure, score in one.held_out.items()
        }
        for one in exam.baselines()
    }
    return scores | {"verdict": {k: str(v) for k, v in verdict_on(exam, model).items()}}


@settings(max_examples=25, deadline=None)
@given(
    tables=TABLES,
    held_out=st.sets(st.integers(0, 7), min_size=1, max_size=4),
    written=st.lists(st.integers(0, 1), min_size=16, max_size=16),
    order=st.permutations([0, 1, 2]),
    flips=st.lists(st.integers(0, 1), min_size=3, max_size=3),
    out_flips=st.lists(st.integers(0, 1), min_size=2, max_size=2),
    names=st.permutations(["A", "B", "C"]),
    shuffle=st.randoms(use_true_random=False),
)
def test_order_names_and_swapped_values_change_nothing(
    tables: list[list[int]],
    held_out: set[int],
    written: list[int],
    order: list[int],
    flips: list[int],
    out_flips: list[int],
    names: list[str],
    shuffle: Any,
) -> None:
    """Inputs in another order, other names, 0 and 1 swapped, rows shuffled: the same figures."""

    def seen_as(world: RuleWorld, plain: bool) -> dict[str, Any]:
        states = np.array([[case >> place & 1 for place in range(3)] for case in range(8)])
        rows = list(range(8))
        if not plain:
            states = np.array([[row[p] ^ flips[p] for p in order] for row in states])
            shuffle.shuffle(rows)
        hidden = [row for row in rows if row in held_out]
        shown = [row for row in rows if row not in held_out]
        flip = [0, 0] if plain else out_flips
        case_of = {tuple(state): case for case, state in enumerate(states.tolist())}

        def outputs(asked: Integers) -> dict[str, Integers]:
            cases = [case_of[tuple(state)] for state in asked.tolist()]
            right = world.evaluate(asked)
            return {
                f"r{number}": np.array(
                    [
                        written[8 * number + case] ^ flip[number] if case in held_out else value
                        for case, value in zip(cases, right[f"r{number}"].tolist(), strict=True)
                    ]
                )
                for number in range(len(tables))
            }

        exam = Exam(world, states[shown], states[hidden], states[shown])
        return figures(exam, FakeModel(world, outputs))

    as_written = world_of(tables, ["A", "B", "C"], [0, 1, 2], [0, 0, 0], [0, 0])
    otherwise = world_of(tables, list(names), list(order), flips, out_flips)
    one, other = seen_as(as_written, True), seen_as(otherwise, False)
    for found in (one, other):  # which rule it is called depends on the names, by right
        found["verdict"] = {
            k: v.partition("; extrapolates")[0] for k, v in found["verdict"].items()
        }
    assert one == other


def test_the_default_world_with_its_inputs_in_another_order() -> None:
    """It was *cannot tell* in one order and *lookup-like* in the other."""
    world = find_world("causal")
    other = RuleWorld(
        "causal",
        {name: world.inputs[name] for name in "ABCED"},
        world.rules,
        "{A},{B},{C},{D},{E}",
        world.completion_template.text,  # type: ignore[attr-defined]
    )
    found = []
    for one in (world, other):
        states = one.states()
        prompts = set(world.prompts(world.states_at(DEMO.resolve(world, seed=42))))
        held_out = np.flatnonzero([prompt in prompts for prompt in one.prompts(states)])
        exam = exam_of(one, held_out)
        worst = one.states()[held_out[:1]]

        def outputs(
            asked: Integers, one: World = one, worst: Integers = worst
        ) -> dict[str, Integers]:
            right = one.evaluate(asked)
            return right | {"newA": right["newA"] ^ (asked == worst).all(axis=1)}

        found.append(figures(exam, FakeModel(one, outputs)))
    first, second = found
    assert {k: v for k, v in first.items() if k != "verdict"} == {
        k: v for k, v in second.items() if k != "verdict"
    }
    assert [v.split(":")[0] for v in first["verdict"].values()] == [
        v.split(":")[0] for v in second["verdict"].values()
    ]


def test_every_threshold_that_no_seen_state_tells_apart_is_as_likely() -> None:
    """Between 34 and 65 nobody was shown where the rule turns."""
    world = RuleWorld("big", {"X": Domain(0, 99)}, {"big": "X >= 50"}, "{X}", "={big}\n")
    exam = exam_of(world, HoldOut(where="X > 34 AND X < 65").resolve(world, 0))
    tree = learned(baselines["decision tree"], world, exam.seen, exam.held_out)["big"]
    says_one = tree.right(np.ones(len(exam.held_out), dtype=np.int64))
    assert says_one == pytest.approx(np.arange(1, 31) / 31)  # 31 thresholds: 35 … 65
    score = next(one for one in exam.baselines() if one.name == "decision tree").held_out["big"]
    assert score.new.range == "0–30"
    assert score.solves == pytest.approx(1 / 31)


def test_a_linear_fit_of_many_columns_is_found_in_the_span_of_the_rows() -> None:
    """A column for each value of five outputs, beside ten booleans: more columns than `MANY`."""
    names = "ABCDEFGHIJ"
    weights = [[1, 2, 4, 8, 16], [16, 8, 4, 2, 1], [1, 4, 2, 16, 8], [2, 16, 1, 8, 4]]
    rules = {
        f"r{number}": " + ".join(
            f"{weight} * {name}" for weight, name in zip(row, names[number:], strict=False)
        )
        for number, row in enumerate([*weights, [4, 1, 16, 2, 8]])
    }
    world = RuleWorld(
        "wide",
        {name: Domain(0, 1, boolean=True) for name in names},
        rules,
        "".join(f"{{{name}}}" for name in names),
        "=" + ",".join(f"{{{rule}}}" for rule in rules) + ",{r0 + r1 + r2 + r3 + r4 >= 80}\n",
    )
    exam = exam_of(world, HoldOut(fraction=0.5).resolve(world, 0))
    part = world.parts[-1]
    found = learned(baselines["logistic regression"], world, exam.seen, exam.held_out)[part]
    truth = world.part_values(exam.held_out)[part]
    assert found.right(truth).mean() > 0.9


def test_thresholds_of_trees_that_are_drawn_are_drawn_too() -> None:
    """With too many values to count, a hundred trees; each turns somewhere else in the gap."""
    world = RuleWorld("big", {"X": Domain(0, 999)}, {"big": "X >= 500"}, "{X}", "={big}\n")
    exam = exam_of(world, HoldOut(where="X > 340 AND X < 650").resolve(world, 0))
    tree = learned(baselines["decision tree"], world, exam.seen, exam.held_out)["big"]
    says_one = tree.right(np.ones(len(exam.held_out), dtype=np.int64))
    assert np.abs(says_one - np.arange(1, 310) / 310).max() < 0.2
    model = FakeModel(world, lambda states: {"big": np.where(states[:, 0] >= 560, 1, 0)})
    assert verdict_on(exam, model)["rules"].kind is VerdictKind.CANNOT_TELL


@pytest.mark.parametrize("completion", ["={r} {parity + G}\n", "={r} {parity + G} {parity}\n"])
def test_aggregates_are_learned_beside_the_rules_that_stand_before_them(completion: str) -> None:
    """A rule that is written later, or never, is told to no baseline, as to no model."""
    names = "ABCDEFG"
    rules = {"r": "A", "parity": "B XOR C XOR D XOR E XOR F"}
    inputs = {name: Domain(0, 1, boolean=True) for name in names}
    prompt = "".join(f"{{{name}}}" for name in names)
    named = RuleWorld("named", inputs, rules, prompt, completion)
    inline = RuleWorld(
        "inline", inputs, {"r": "A"}, prompt, "={r} {(B XOR C XOR D XOR E XOR F) + G}\n"
    )
    exam = exam_of(named, HoldOut(fraction=0.4).resolve(named, 1))
    for name in baselines.names():
        found, expected = (
            learned(baselines[name], world, exam.seen, exam.held_out) for world in (named, inline)
        )
        assert (found["sum"].shares == expected["sum"].shares).all()


def test_a_sum_of_inputs_is_learned_from_inputs_whatever_rules_stand_beside_it() -> None:
    """In the hidden quadrant newA no longer follows from A and C as in all that was seen."""
    world = find_world("causal")
    exam = exam_of(world, HoldOut(where="A AND C").resolve(world, 0))
    found = learned(baselines["interpolation"], world, exam.seen, exam.held_out)["sum"]
    assert always(found.right(world.part_values(exam.held_out)["sum"])).all()


@pytest.mark.parametrize("values", [31, 32, 1000])
def test_a_rule_of_two_values_is_told_however_large_they_are(values: int) -> None:
    inputs = {name: Domain(0, 1, boolean=True) for name in "ABCD"}
    rule = {"h": f"{values} * (A XOR B XOR C XOR D)"}
    world = RuleWorld("copy", inputs, rule, "{A}{B}{C}{D}", "={h} {h + 0}\n")
    exam = exam_of(world, HoldOut(fraction=0.5).resolve(world, 1))
    tree = learned(baselines["decision tree"], world, exam.seen, exam.held_out)["sum"]
    assert always(tree.right(world.part_values(exam.held_out)["sum"])).all()


def test_interpolation_does_not_depend_on_how_a_rule_is_written() -> None:
    spellings = ("A XOR B XOR C", "(A + B + C) % 2", "A + B + C - 2*(A*B + A*C + B*C) + 4*A*B*C")
    inputs = {name: Domain(0, 1, boolean=True) for name in "ABC"}
    found = []
    for text in spellings:
        world = RuleWorld("parity", inputs, {"odd": text}, "{A}{B}{C}", "={odd}\n")
        exam = exam_of(world, HoldOut(fraction=0.5).resolve(world, 2))
        learnt = learned(baselines["interpolation"], world, exam.seen, exam.held_out)["odd"]
        found.append(learnt.right(world.part_values(exam.held_out)["odd"]).tolist())
    assert found[0] == found[1] == found[2]


def test_ties_of_many_majorities_are_not_added_up() -> None:
    """Each of nine rules is 0 as often as 1: no constant is right everywhere."""
    names = "ABCDEFG"
    rules = {f"r{number}": f"A XOR {name}" for number, name in enumerate("BCDEFG")}
    rules |= {f"s{number}": f"B XOR {name}" for number, name in enumerate("CDE")}
    inputs = {name: Domain(0, 1, boolean=True) for name in names}
    completion = "=" + "".join(f"{{{name}}}" for name in rules) + "\n"
    world = RuleWorld("pairs", inputs, rules, "".join(f"{{{name}}}" for name in names), completion)
    balanced = "NOT (A XOR B XOR C XOR D) AND NOT (D XOR E XOR F XOR G)"
    exam = exam_of(world, HoldOut(where=balanced).resolve(world, 0))
    majority = next(one for one in exam.baselines() if one.name == "majority")
    truth = np.stack([exam.world.part_values(exam.held_out)[name] for name in rules], axis=1)
    commonest = np.unique(truth, axis=0, return_counts=True)[1].max()
    assert 0 < majority.held_out["all rules"].new.sometimes <= commonest
    assert majority.seen["r0"].k == len(exam.seen) // 2  # whichever constant it is
    assert majority.held_out["all rules"].solves == 0
