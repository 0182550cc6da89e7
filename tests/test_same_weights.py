"""The same seed, the same weights: in every way to train, whatever the process was set to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from conftest import EXAMPLES, Command
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import sha256
from the_experiment.base.instructions import FIXED, fix_instructions
from the_experiment.base.runs import Run
from the_experiment.cli import demo, main
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.evaluation.trained import Trained
from the_experiment.experiments import fitting
from the_experiment.experiments.recipe import ModelEntry, TrainingRecipe
from the_experiment.experiments.splits.cells import Fit
from the_experiment.training.config import TrainConfig
from the_experiment.training.hardware import VARIABLES, multiplies_bf16_by
from the_experiment.training.loop import train
from the_experiment.training.several import train_each
from the_experiment.worlds import find_world, identity_of

WORLD = str(EXAMPLES / "three-bits.yaml")
HALF = HoldOut(fraction=0.25)
ROWS = 160  # ten steps: enough for two threads to add up otherwise than one


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "dataset"
    generate(find_world(WORLD), HALF, Sizes(train=ROWS, valid=0, test=0), 1, folder)
    return folder


@pytest.fixture
def two_threads() -> Iterator[None]:
    """As a process is that was told nothing, on a machine of two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def ten_steps(dataset: Path, **changes: object) -> TrainConfig:
    values = {"epochs": 1, "seed": 1, "device": "cpu", "precision": "fp32", **changes}
    return TrainConfig.checked(dataset=str(dataset), **values)


def weights(run: Run) -> str:
    return sha256(run.final / "model.safetensors")


@pytest.fixture(scope="module")
def expected(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights that one thread comes to."""
    run = Run(tmp_path_factory.mktemp("expected") / "run")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    train(ten_steps(dataset), run)
    torch.set_num_threads(before)
    return weights(run)


@pytest.mark.usefixtures("two_threads")
def test_python_and_train_one_give_the_same_weights(
    dataset: Path, expected: str, tmp_path: Path
) -> None:
    train(ten_steps(dataset), Run(tmp_path / "run"))
    (result,) = train_each("gpt2", ten_steps(dataset), tmp_path)
    assert weights(Run(tmp_path / "run")) == weights(result.run) == expected
    assert torch.get_num_threads() == 2  # the process's own


@pytest.mark.slow
def test_train_all_gives_the_same_weights(dataset: Path, expected: str, tmp_path: Path) -> None:
    results = {one.run.name: one.run for one in train_each("all", ten_steps(dataset), tmp_path)}
    assert weights(results["tiny-gpt2-three-bits"]) == expected


@pytest.mark.usefixtures("two_threads")
def test_a_cell_of_an_experiment_gives_the_same_weights(
    expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def hooked(run: Run) -> Trained:
        seen.append(weights(run))
        return Trained(run)

    monkeypatch.setattr(fitting, "Trained", hooked)
    recipe = TrainingRecipe(train_rows=ROWS, epochs=1, until_fit=False)
    world = identity_of(find_world(WORLD))
    Fit("half", "1", "gpt2", ModelEntry(model="gpt2"), HALF, 1, recipe, world, WORLD).cell.compute(
        {}
    )
    assert seen == [expected]


# ---- the number of threads


@pytest.mark.slow
def test_threads_asked_for_are_those_of_every_training(dataset: Path, tmp_path: Path) -> None:
    config = ten_steps(dataset, width=32, layers=2, threads=2)
    train(config, Run(tmp_path / "alone"))
    runs = [Run(tmp_path / "alone"), *(one.run for one in train_each("all", config, tmp_path))]
    assert [run.record()["hardware"]["threads"] for run in runs] == [2, 2, 2, 2]
    assert all(TrainConfig.from_file(run.config).threads == 2 for run in runs)
    assert torch.get_num_threads() == 1


def test_another_number_of_threads_is_no_resuming(dataset: Path, tmp_path: Path) -> None:
    config, run = ten_steps(dataset, width=16, layers=1, checkpoint_every=5), Run(tmp_path / "run")
    train(config, run)
    run.run_json.unlink()
    with pytest.raises(ExperimentError, match="trained with another threads"):
        train(config.model_copy(update={"threads": 2}), run, resume=True)
    # A checkpoint of a version that had no such setting is gone on with.
    progress = run.checkpoint / "progress.json"
    told = json.loads(progress.read_text())
    del told["config"]["threads"], told["config"]["deterministic"]
    progress.write_text(json.dumps(told))
    train(config, run, resume=True)


# ---- what a run says it was computed with


def test_a_run_says_what_it_was_computed_with(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    told = {}
    for precision in ("fp32", "bf16"):
        run = Run(tmp_path / precision)
        train(ten_steps(dataset, width=16, layers=1, precision=precision), run)
        told[precision] = run.record()["hardware"]
    assert told["fp32"]["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert told["fp32"]["processor"]
    assert told["fp32"]["gpu"] is None
    assert told["fp32"]["environment"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert told["fp32"]["matrix_products"] in ("MKL, fp32", "BLAS, fp32")
    assert told["bf16"]["matrix_products"] == "oneDNN, bf16 emulated"


@pytest.mark.parametrize(
    ("limit", "unit"),
    [
        (None, "AMX"),
        ("ALL", "AMX"),
        ("avx512_core_amx_fp16", "AMX"),
        ("AVX512_CORE_BF16", "AVX512_BF16"),
        ("AVX512_CORE_FP16", "AVX512_BF16"),
        ("AVX512_CORE_VNNI", None),
        ("AVX2", None),
    ],
)
def test_a_limit_for_onednn_decides_what_multiplies_bf16(
    monkeypatch: pytest.MonkeyPatch, limit: str | None, unit: str | None
) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: True, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert multiplies_bf16_by() == unit


# ---- --deterministic


@pytest.mark.parametrize(
    ("setting", "value"), [("threads", 2), ("precision", "bf16"), ("device", "cuda")]
)
def test_deterministic_is_one_thread_in_fp32_on_the_cpu(setting: str, value: object) -> None:
    config = TrainConfig.checked(deterministic=True)
    assert (config.threads, config.precision, config.device) == (1, "fp32", "cpu")
    with pytest.raises(
        UsageError, match=f"--deterministic can't be combined with --{setting} {value}"
    ):
        TrainConfig.checked(deterministic=True, **{setting: value})


def test_where_torch_is_loaded_already_deterministic_says_what_to_do(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FIXED:
        monkeypatch.delenv(name, raising=False)
    says = "torch was imported before .*: restart Python with ATEN_CPU_CAPABILITY=avx2 MKL_CBWR="
    with pytest.raises(ExperimentError, match=says):
        fix_instructions()
    with pytest.raises(ExperimentError, match=says):
        train(ten_steps(dataset, deterministic=True), Run(tmp_path / "run"))
    assert not FIXED.keys() & os.environ.keys()


def test_a_processor_that_would_end_the_process_is_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FIXED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: False)
    with pytest.raises(ExperimentError, match="has no AVX2: leave --deterministic out"):
        train(ten_steps(dataset, deterministic=True), Run(tmp_path / "run"))


def test_demo_passes_on_how_to_train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class PassedError(Exception):
        pass

    def passed(*_: object, **told: object) -> None:
        raise PassedError(told)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "generate", lambda *_, **__: None)
    monkeypatch.setattr(demo, "train", passed)
    with pytest.raises(PassedError) as raised:
        main(["demo", "--precision", "bf16", "--threads", "3"])
    told = raised.value.args[0]
    assert (told["precision"], told["threads"], told["deterministic"]) == ("bf16", 3, False)


OTHERWISE = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "AUTO",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OMP_NUM_THREADS": "2",
}
MODELS = ("cnn", "gpt2", "rnn")
TRAIN = """
import sys
from pathlib import Path
from the_experiment.base.instructions import fix_instructions
deterministic, dataset, out, *models = sys.argv[1:]
if deterministic:
    fix_instructions()
from the_experiment.base.runs import Run
from the_experiment.training.config import TrainConfig
from the_experiment.training.loop import train
for model in models:
    how = {"precision": "fp32", "device": "cpu", "deterministic": bool(deterministic)}
    train(TrainConfig(model=model, dataset=dataset, epochs=1, **how), Run(Path(out) / model))
"""


@pytest.mark.slow
def test_deterministic_gives_the_same_weights_however_the_environment_is_set(
    the_experiment: Command, dataset: Path, tmp_path: Path
) -> None:
    def trained(name: str, deterministic: str, **environment: str) -> list[str]:
        words = [deterministic, str(dataset), str(tmp_path / name), *MODELS]
        environment = {**os.environ, **environment}
        subprocess.run([sys.executable, "-c", TRAIN, *words], env=environment, check=True)
        return [weights(Run(tmp_path / name / model)) for model in MODELS]

    usual, otherwise = trained("usual", ""), trained("otherwise", "", **OTHERWISE)
    assert all(one != other for one, other in zip(usual, otherwise, strict=True))
    fixed = trained("fixed", "deterministic")
    words = ("train", "all", "--deterministic", "--dataset", str(dataset), "--epochs", "1")
    told = the_experiment(*words, "--out", "out", **OTHERWISE)
    assert (told.returncode, told.stderr) == (0, "")
    runs = [Run(tmp_path / "out" / f"tiny-{model}-three-bits") for model in MODELS]
    assert [weights(run) for run in runs] == fixed
    assert all(run.record()["hardware"]["environment"] for run in runs)
