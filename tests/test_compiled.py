"""The compiled step gives what the steps that it stands in for give.

Each shape of a model is compiled once for this file: half a minute.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2LMHeadModel

from test_training import eight_states
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run
from the_experiment.models.architectures import Shape, build
from the_experiment.training.compiled import CACHE, CompiledStep, FusedStep, why_not_fused
from the_experiment.training.config import TrainConfig
from the_experiment.training.gpt2_step import StepSpec, step_spec
from the_experiment.training.job import prepare
from the_experiment.training.lean import lean
from the_experiment.training.loop import Training, train
from the_experiment.training.rows import IGNORED
from the_experiment.training.several import train_each
from the_experiment.training.step import Step

ROWS, LENGTH, WORDS = 4, 9, 17
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def gpt2(dropout: float, layers: int = 2, heads: int = 2) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    model = build("gpt2", Shape(WORDS, 16, width=32, layers=layers, heads=heads)).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    assert isinstance(model, GPT2LMHeadModel)
    return model


def spec_of(model: GPT2LMHeadModel, precision: str = "fp32") -> StepSpec:
    return step_spec(
        model,
        rows=ROWS,
        length=LENGTH,
        precision=PRECISIONS[precision],
        clip=1.0,
        weight_decay=0.1,
    )


def compiled(model: GPT2LMHeadModel, precision: str = "fp32") -> CompiledStep:
    return CompiledStep(model, spec_of(model, precision))


def batches(steps: int, rows: int = ROWS, length: int = LENGTH) -> list[tuple[Tensor, Tensor]]:
    drawn = torch.Generator().manual_seed(1)
    found = []
    for _ in range(steps):
        inputs, labels = torch.randint(0, WORDS, (2, rows, length), generator=drawn)
        labels[0, :3] = IGNORED
        found.append((inputs, labels))
    return found


def trained(
    step: Step | FusedStep,
    seen: list[tuple[Tensor, Tensor]],
    begin: int = 0,
) -> dict[str, Tensor]:
    for number, batch in enumerate(seen, start=begin):
        torch.manual_seed(number)
        step(*batch, 2e-4 * (1 + number % 3))
    return {name: tensor.clone() for name, tensor in step.state().items()}


@pytest.mark.slow
@pytest.mark.parametrize(("dropout", "layers", "heads"), [(0.1, 2, 2), (0.0, 1, 1)])
def test_a_compiled_step_is_that_of_the_stand_ins(dropout: float, layers: int, heads: int) -> None:
    model = gpt2(dropout, layers, heads)
    other = copy.deepcopy(model)
    ours, theirs = compiled(model), Step(other, clip=1.0, weight_decay=0.1, autocast=nullcontext())
    seen = batches(10)
    if not dropout:  # smaller ones, of shorter texts: with dropout they have other masks
        seen += batches(5, rows=2, length=6)
    with lean(other) if dropout else nullcontext():  # without dropout: plain transformers
        expected = trained(theirs, seen)
    for name, tensor in trained(ours, seen).items():
        torch.testing.assert_close(tensor, expected[name], atol=5e-5, rtol=0)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=5e-5, rtol=0)  # the model has them


@pytest.mark.slow
def test_a_compiled_step_goes_on_from_a_checkpoint_bit_by_bit() -> None:
    model = gpt2(0.1)
    step = compiled(model)
    halfway = trained(step, batches(4))
    whole = trained(step, batches(4), begin=4)
    resumed = compiled(gpt2(0.1))
    resumed.restore(halfway, 4)
    assert all(map(torch.equal, trained(resumed, batches(4), begin=4).values(), whole.values()))


@pytest.mark.slow
def test_a_compiled_step_in_bf16_is_as_near_to_fp32_as_the_stand_ins() -> None:
    exact, ours, theirs = (gpt2(0.1) for _ in range(3))
    seen = batches(10)
    with lean(exact):
        right = trained(Step(exact, clip=1.0, weight_decay=0.1, autocast=nullcontext()), seen)
    with lean(theirs):
        halved = torch.autocast("cpu", dtype=torch.bfloat16)
        step = Step(theirs, clip=1.0, weight_decay=0.1, autocast=halved)
        by_stand_ins = trained(step, seen)
    by_us = trained(compiled(ours, "bf16"), seen)
    error, allowed = (
        torch.linalg.vector_norm(one["exp_avg"] - right["exp_avg"]) for one in (by_us, by_stand_ins)
    )
    assert 0 < error < 1.5 * allowed


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eight_states(tmp_path_factory.mktemp("data") / "dataset")


def tiny(dataset: Path, **changes: object) -> TrainConfig:
    shape = {"width": 32, "layers": 1, "heads": 1, "epochs": 1, "checkpoint_every": 7}
    return TrainConfig.checked(dataset=str(dataset), device="cpu", **{**shape, **changes})


def made(config: TrainConfig) -> Training:
    return Training(prepare(config), Run(Path(config.dataset) / "run"), None, None)


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("no such header")


MISSES = """
from test_compiled import compiled, gpt2
from torch._dynamo.utils import counters
compiled(gpt2(0.0, 1, 1))
print(counters["aot_autograd"]["autograd_cache_miss"])
"""


@pytest.mark.slow
def test_what_was_compiled_is_found_by_the_next_process(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    own = {name: value for name, value in os.environ.items() if name != CACHE}
    place = {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": path}
    misses = [
        subprocess.run(
            [sys.executable, "-c", MISSES],
            env={**own, **place, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    ]
    assert misses == ["1\n", "0\n"]


@pytest.mark.slow
def test_a_compiled_training_is_a_run_like_any_other(dataset: Path, tmp_path: Path) -> None:
    config = tiny(dataset, compiled=True)
    files = []
    for name in ("once", "again"):
        train(config, Run(tmp_path / name))
        files.append((tmp_path / name / "final" / "model.safetensors").read_bytes())
    assert files[0] == files[1]
    record = json.loads((tmp_path / "once" / "run.json").read_text())
    assert record["compiled"] is True
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "once" / "final")
    assert type(model) is GPT2LMHeadModel
    train(tiny(dataset), Run(tmp_path / "other"))
    other = json.loads((tmp_path / "other" / "run.json").read_text())
    assert other["compiled"] is False
    assert record["loss"] == pytest.approx(other["loss"], abs=1e-3)


def test_of_all_models_the_one_is_compiled_that_can_be(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, bool] = {}

    def side_by_side(configs: dict[Run, TrainConfig], _: bool) -> Iterator[None]:
        given.update({config.model: config.compiled for config in configs.values()})
        return iter(())

    monkeypatch.setattr("the_experiment.training.several._side_by_side", side_by_side)
    assert not [*train_each("all", tiny(dataset, compiled=True), tmp_path)]
    assert given == {"gpt2": True, "rnn": False, "cnn": False}


def test_what_can_not_be_compiled_is_told(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--compile can't be combined with --plain"):
        tiny(dataset, compiled=True, plain=True)
    with pytest.raises(UsageError, match="can't be compiled: it is for GPT-2 as it is"):
        made(tiny(dataset, compiled=True, model="cnn"))
    monkeypatch.setattr("the_experiment.training.loop.fused_step", broken)
    with pytest.raises(ExperimentError, match="could not be compiled"):
        made(tiny(dataset, compiled=True))
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert why_not_fused(gpt2(0.0)) == "there is no C++ compiler"
