"""Published networks beside random rules: how those are drawn, and what is told of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from the_experiment.base.defaults import TRAIN_ROWS
from the_experiment.engine.executor import SerialExecutor
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.experiment import WrongKeyError
from the_experiment.experiments.recipe import ModelEntry, TrainingRecipe
from the_experiment.experiments.regulation.analysis import TREE, outcome_of
from the_experiment.experiments.regulation.cells import (
    RegulationFit,
    RuleSet,
    baseline_results,
    drawn_rules,
)
from the_experiment.experiments.regulation.config import (
    BASELINES,
    RegulationExperiment,
    RegulationScale,
)
from the_experiment.experiments.running import run
from the_experiment.worlds import find_world
from the_experiment.worlds.analysis import average_sensitivity
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.networks.writing import boolean_rules, truth_of
from the_experiment.worlds.rules import RuleWorld

NETWORKS = ["fission-yeast", "mammalian-cell-cycle", "myeloid", "root-niche"]


def rules_of(text: str) -> RuleWorld:
    return boolean_rules(world_from_text(text, "drawn"))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["rewired", "canalising", "random"])
def test_random_rules_have_as_many_regulators_each(network: str, kind: str) -> None:
    published = boolean_rules(find_world(network))
    text = drawn_rules(published.source, kind, 0)
    assert text == drawn_rules(published.source, kind, 0)
    assert text != drawn_rules(published.source, kind, 1)
    drawn = rules_of(text)
    assert [*drawn.inputs, *drawn.rules] == [*published.inputs, *published.rules]
    for rule in published.rules:
        regulators, truth = truth_of(drawn, rule)
        theirs, of_theirs = truth_of(published, rule)
        assert len(regulators) == len(theirs)
        if kind == "rewired":  # in another order of regulators it is another table
            assert truth.sum() == of_theirs.sum()
        assert truth.ndim or truth == of_theirs


def test_canalising_rules_keep_their_depth() -> None:
    import boolforge

    def depths(world: RuleWorld) -> list[int]:
        tables = [truth_of(world, rule)[1] for rule in world.rules]
        functions = (boolforge.BooleanFunction(one.ravel().astype(int)) for one in tables)
        return [int(one.get_canalizing_depth()) for one in functions]

    published = boolean_rules(find_world("mammalian-cell-cycle"))
    for number in range(3):
        drawn = rules_of(drawn_rules(published.source, "canalising", number))
        assert depths(drawn) == depths(published)


SENSITIVITIES = {  # as measured outside of the product: the mean over rules that read anything
    "fission-yeast": 1.06,
    "mammalian-cell-cycle": 1.02,
    "myeloid": 1.02,
    "root-niche": 0.93,
}


@pytest.mark.parametrize("network", NETWORKS)
def test_published_rules_are_simpler_than_random_ones(network: str) -> None:
    def mean(world: RuleWorld) -> float:
        found = [average_sensitivity(world, part) for part in world.parts if world.reads(part)]
        return float(np.mean(np.array(found, dtype=float)))

    published = boolean_rules(find_world(network))
    assert mean(published) == pytest.approx(SENSITIVITIES[network], abs=0.006)
    drawn = [rules_of(drawn_rules(published.source, "random", n)) for n in range(5)]
    assert np.mean([mean(world) for world in drawn]) > mean(published)


def test_a_tree_has_every_held_out_state_of_published_rules_and_not_of_random_ones() -> None:
    published = find_world("mammalian-cell-cycle").source
    of = {
        "published": published,
        "random": drawn_rules(published, "random", 0),
    }
    found = {
        kind: baseline_results(text, 0.2, 1, TRAIN_ROWS, [TREE, "majority"])
        for kind, text in of.items()
    }
    right = {kind: result["held_out"][TREE] for kind, result in found.items()}
    assert right["published"]["exact"] == 1
    assert right["random"]["exact"] < 1
    assert found["published"]["held_out"]["majority"]["exact"] < 0.1
    assert found["published"]["rules"]["newE2F"] == {"degree": 4, "sensitivity": 1.0}


# -- as an experiment ------------------------------------------------------------------------------


def small(network: str = "root-niche", **changes: Any) -> RegulationExperiment:
    scale = RegulationScale(
        networks=[network],
        rules=["published", "random"],
        shares=[0.25, 0.75],
        seeds=[1],
        train=TrainingRecipe(train_rows=96, epochs=1),
    )
    settings = {
        "name": "small",
        "question": "Does it run?",
        "models": {"CNN": ModelEntry(model="cnn")},
        "full": scale,
        "quick": scale,
    }
    return RegulationExperiment.checked(**settings | changes)


@pytest.mark.slow
def test_it_runs_and_tells_of_every_kind_and_share(tmp_path: Path) -> None:
    outcome = run(small(), tmp_path, executor=SerialExecutor())
    published, random, by_degree, by_sensitivity = outcome.tables
    assert published.columns == ["published rules", "25% held out", "75% held out"]
    assert [row[0] for row in random.rows][:2] == ["CNN", "decision tree"]
    assert by_degree.columns[:3] == ["Fourier degree", "rules", "CNN"]
    assert sum(int(row[1]) for row in by_sensitivity.rows) == 18
    assert [chart.name for chart in outcome.charts] == ["published", "random"]
    for chart in outcome.charts:
        chart.draw()
    assert len(outcome.figures["scores"]) == 2 * 2 * 6


SIMPLE = {"degree": 2, "sensitivity": 1.0}


def results(right: dict[str, float]) -> dict[RegulationFit, Any]:
    """Made up: a model and a tree on six sets of rules at one share."""
    found: dict[RegulationFit, Any] = {}
    for number in range(6):
        rules = RuleSet("any", "random", number, "")
        for contestant, entry in ((BASELINES, None), ("CNN", ModelEntry(model="cnn"))):
            fit = RegulationFit(rules, 0.5, 1, contestant, entry, TrainingRecipe())
            of = {name: {"new": share, "exact": share} for name, share in right.items()}
            found[fit] = (
                {"held_out": of["CNN"]}
                if entry
                else {
                    "held_out": {TREE: of[TREE]},
                    "rules": {"new": {"degree": 2, "sensitivity": 1}},
                }
            )
    return found


@pytest.mark.parametrize(
    ("ours", "tree", "says"),
    [
        (0.9, 1.0, "CNN is apart from the decision tree: .90 against 1.0 at 50%."),
        (1.0, 1.0, "CNN stays beside the decision tree at 50%."),
        (0.995, 1.0, "CNN stays beside the decision tree at 50%."),
    ],
)
def test_a_model_leaves_the_tree_where_it_is_apart_from_it(
    ours: float, tree: float, says: str
) -> None:
    outcome = outcome_of(small(), results({"CNN": ours, TREE: tree}), quick=False)
    assert outcome.sentences[-1] == f"On random rules {says}"


def test_nothing_is_told_of_what_was_not_computed() -> None:
    only_baselines = {
        fit: found for fit, found in results({"CNN": 0.9, TREE: 1.0}).items() if fit.entry is None
    }
    outcome = outcome_of(small(), only_baselines, quick=False)
    assert not [one for one in outcome.sentences if "CNN" in one]
    assert outcome_of(small(), {}, quick=False).sentences == []


def test_rules_stand_by_how_complex_they_are() -> None:
    found = results({"CNN": 0.9, TREE: 1.0})
    for number, (fit, result) in enumerate(found.items()):
        if fit.entry is None:
            result["rules"] = {"new": {"degree": number or None, "sensitivity": number or None}}
    *_, by_degree, by_sensitivity = outcome_of(small(), found, quick=False).tables
    unknown = "too many inputs to tell"
    assert [row[0] for row in by_degree.rows] == ["2", "4", "6", "8", "10", unknown]
    assert [row[0] for row in by_sensitivity.rows] == ["above 1.5", unknown]


def test_a_difference_on_few_splits_is_no_more_than_chance() -> None:
    few = dict([*results({"CNN": 0.9, TREE: 1.0}).items()][:8])
    outcome = outcome_of(small(), few, quick=False)
    assert outcome.sentences[-1].endswith(".90 against 1.0 at 50% (no more than chance).")


def test_what_is_no_boolean_network_is_refused() -> None:
    for network, says in (
        ("modular", "is not boolean"),
        ("binding", "has no rules"),
        ("causal", "more or less than its rules"),
        ("nowhere", "no world called"),
    ):
        with pytest.raises(WrongKeyError, match=says):
            small(network).check()
    for name in (TREE, BASELINES):
        with pytest.raises(WrongKeyError, match="name of a baseline"):
            small(models={name: {"model": "cnn"}}).check()


def test_the_shipped_one_is_of_the_four_networks() -> None:
    shipped = find_experiment("regulation")
    assert isinstance(shipped, RegulationExperiment)
    assert sorted(shipped.full.networks) == NETWORKS
