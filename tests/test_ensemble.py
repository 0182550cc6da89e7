"""Models that train together end as each does alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.experiments.recipe import TrainingRecipe
from the_experiment.experiments.splits.cells import (
    TOGETHER,
    cells_of,
    fits_of,
    model_result,
    result_of_member,
    results_together,
)
from the_experiment.experiments.splits.sweep import sweep_of
from the_experiment.training.block import LEVELS, kept
from the_experiment.training.config import TrainConfig
from the_experiment.training.ensemble import Ensemble, Member, train_together
from the_experiment.training.fit import EVERY, FitCheck
from the_experiment.training.gpt2_step import hashed_bits
from the_experiment.training.job import Job, prepare
from the_experiment.training.loop import Training, train
from the_experiment.worlds import find_world, identity_of

WORLD = str(Path(__file__).parent.parent / "examples" / "three-bits.yaml")
CLOSE = 1e-5  # of every parameter, after some tens of steps


def configs(folder: Path, *seeds: int, rows: int = 96, **options: Any) -> list[TrainConfig]:
    """A training for each seed, of the shares 1/8, 2/8, … of the states held out."""
    found = []
    for number, seed in enumerate(seeds, start=1):
        data = folder / f"data-{seed}"
        if not data.exists():
            sizes = Sizes(train=rows, valid=0, test=0)
            generate(find_world(WORLD), HoldOut(fraction=number / 8), sizes, seed, data)
        size = {"width": 16, "layers": 1, "heads": 2, "epochs": 3} | options
        found.append(
            TrainConfig(dataset=str(data), seed=seed, device="cpu", precision="fp32", **size)
        )
    return found


def furthest(one: PreTrainedModel, other: PreTrainedModel) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def alone(config: TrainConfig, out: Path) -> tuple[PreTrainedModel, int]:
    run = Run(out / f"seed-{config.seed}")
    steps = train(config, run).steps
    return AutoModelForCausalLM.from_pretrained(run.final), steps


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": 2, "heads": 1, "loss": "completion"},
        {"batch_size": 96, "epochs": 12},
        {"batch_size": 96, "epochs": 12, "heads": 4, "learning_rate": 2e-3},
    ],
    ids=str,
)
def test_each_member_is_the_model_that_its_training_gives_alone(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    several = configs(tmp_path, 1, 2, 3, **options)
    members = train_together(several)
    for config, member in zip(several, members, strict=True):
        model, steps = alone(config, tmp_path / "out")
        assert furthest(member.model, model) < CLOSE
        assert (member.steps, member.fitted, member.finite) == (steps, False, True)
    assert furthest(members[0].model, members[1].model) > 100 * CLOSE


COUNTING = """
name: counting
inputs: {N: 0..12}
rules: {next: N + 1}
prompt: "{N}"
completion: "={next}"
"""


def without_dropout(config: TrainConfig) -> Job:
    job = prepare(config)
    for module in job.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return job


def test_members_may_have_texts_of_other_lengths_and_batches_that_are_not_full(
    tmp_path: Path,
) -> None:
    (tmp_path / "counting.yaml").write_text(COUNTING)
    several = []
    for where in ("N > 8", "N < 2"):
        data = tmp_path / where
        world = find_world(str(tmp_path / "counting.yaml"))
        generate(world, HoldOut(where=where), Sizes(train=40, valid=0, test=0), 1, data)
        size = {"width": 16, "layers": 1, "heads": 2, "epochs": 3, "device": "cpu"}
        several.append(TrainConfig(dataset=str(data), precision="fp32", **size))
    lengths = [prepare(config).train.inputs.shape[1] for config in several]
    assert lengths[0] < lengths[1]
    ensemble = Ensemble([without_dropout(config) for config in several])
    ensemble.train()
    for config, member in zip(several, ensemble.members(), strict=True):
        training = Training(without_dropout(config), Run(tmp_path / "run"), None, None)
        for _ in range(member.steps):
            training.one_step()
        assert furthest(member.model, training.job.model) < CLOSE
        training.lifecycle.release()


@pytest.mark.slow
def test_a_member_stops_when_it_fits_and_the_others_go_on(tmp_path: Path) -> None:
    size: dict[str, Any] = {"until_fit": True, "width": 64, "layers": 2, "learning_rate": 2e-3}
    several = configs(tmp_path, 1, 2, 3, rows=16 * EVERY, epochs=30, **size)  # EVERY an epoch
    members = train_together(several)
    steps = [member.steps for member in members]
    first = steps.index(min(steps))
    assert len(set(steps)) > 1
    assert members[first].fitted
    for config, member in zip(several, members, strict=True):
        assert FitCheck(member.model, prepare(config).train).check() or not member.fitted
    epochs = min(steps) // EVERY
    shorter = train_together(configs(tmp_path, 1, 2, 3, epochs=epochs, **size))
    assert [member.fitted for member in shorter] == [made == min(steps) for made in steps]
    assert furthest(shorter[first].model, members[first].model) == 0
    assert all(member.steps == min(steps) for member in shorter)


def weights(members: Sequence[Member]) -> list[list[torch.Tensor]]:
    return [[one.detach().clone() for one in member.model.parameters()] for member in members]


def test_with_hashed_dropout_neither_order_nor_company_matters(tmp_path: Path) -> None:
    several = configs(tmp_path, 1, 2, 3)
    together = weights(train_together(several, hashed=True))
    backwards = weights(train_together(several[::-1], hashed=True))[::-1]
    single = [weights(train_together([one], hashed=True))[0] for one in several]
    for way in (backwards, single):
        for ours, theirs in zip(together, way, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(one, other, atol=CLOSE, rtol=0)
    drawn = weights(train_together(several))
    assert not torch.allclose(drawn[0][0], together[0][0], atol=10 * CLOSE)


def test_hashed_masks_drop_their_share_and_are_no_copies_of_each_other() -> None:
    keys = torch.tensor([[1, 2, 0], [1, 2, 1], [2, 2, 0], [1, 3, 0]])
    bits = hashed_bits(100_000, keys)
    assert int(bits.min()) >= -LEVELS // 2 and int(bits.max()) < LEVELS // 2  # noqa: PT018
    masks = kept(bits, 0.1)
    shares = (masks == 0).float().mean(1)
    assert ((shares - 0.1).abs() < 0.005).all()  # five standard errors
    together = torch.corrcoef(torch.cat([masks, masks[:, 1:], masks[:, -1:]][:1]))
    assert (together - torch.eye(4)).abs().max() < 0.02
    shifted = torch.corrcoef(torch.stack([masks[0, :-1], masks[0, 1:], masks[1, 1:]]))
    assert (shifted - torch.eye(3)).abs().max() < 0.02


@pytest.mark.parametrize("model", ["rnn", "cnn"])
def test_other_architectures_are_refused(tmp_path: Path, model: str) -> None:
    with pytest.raises(UsageError, match="it is for GPT-2"):
        train_together(configs(tmp_path, 1, 2, model=model, width=64, layers=2))


def test_trainings_that_differ_in_more_than_seed_and_data_are_refused(tmp_path: Path) -> None:
    one, other = configs(tmp_path, 1, 2)
    for changed in ({"width": 32}, {"learning_rate": 1e-4}, {"epochs": 2}, {"loss": "completion"}):
        with pytest.raises(UsageError, match="alike but for their seeds"):
            train_together([one, other.model_copy(update=changed)])


# -- in a sweep ----------------------------------------------------------------------------------


def test_a_sweep_on_a_gpu_trains_its_gpt2s_together() -> None:
    recipe = TrainingRecipe(train_rows=96, epochs=1, device="cuda")
    ways, models = ["fraction=0.2..0.4:0.2", "each-state"], ["gpt2", "rnn"]
    sweep = sweep_of(WORLD, ways, models, [1, 2], recipe)
    cells = cells_of(fits_of(sweep))
    parts = {fit: cell for fit, cell in cells.items() if cell.needs}
    assert {fit.contestant for fit in parts} == {"gpt2"}
    assert len(parts) == sum(fit.contestant == "gpt2" for fit in cells) == 20 < TOGETHER
    (group,) = {cell.needs["together"] for cell in parts.values()}
    members = [(one["seed"], one["hold_out"]) for one in group.arguments["members"]]
    assert members == [(fit.seed, fit.hold_out.model_dump(mode="json")) for fit in parts]
    assert [cell.arguments["place"] for cell in parts.values()] == [*range(20)]
    on_cpu = cells_of(fits_of(sweep_of(WORLD, ways, models, [1, 2], TrainingRecipe(train_rows=96))))
    assert not any(cell.needs for cell in on_cpu.values())
    assert "device" not in str([cell.arguments for cell in on_cpu.values()])


@pytest.mark.slow
def test_what_is_trained_together_gives_the_results_of_each_alone() -> None:
    world = identity_of(find_world(WORLD))
    members: list[dict[str, Any]] = [
        {"hold_out": HoldOut(fraction=share).model_dump(mode="json"), "seed": seed}
        for share in (0.25, 0.5)
        for seed in (1, 2)
    ]
    recipe = TrainingRecipe(train_rows=1_600, epochs=1).model_dump()
    found = results_together({"model": "gpt2"}, recipe, world, members, WORLD)
    for place, (member, ours) in enumerate(zip(members, found, strict=True)):
        theirs = model_result({"model": "gpt2"}, recipe, world, **member, world_name=WORLD)
        assert result_of_member(found, place) == ours
        assert ours | {"seconds": 0} == theirs | {"seconds": 0}
    with pytest.raises(ExperimentError, match="diverged"):
        result_of_member([{}], 0)
