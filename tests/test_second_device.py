"""Inputs go to where the model is: shown on a device that refuses tensors of the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.utils.backend_registration

from test_tracing import answering

There = Callable[..., str]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"),
        reason="this torch has no devices made in Python",
    ),
]

SCRIPT = Path(__file__).with_name("second_device.py")
EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def there(tmp_path: Path) -> There:
    """Run the command with its models on the second device, in a process of its own."""

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *words],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("model", ["gpt2", "cnn"])
def test_a_model_is_trained_and_compared_there(there: There, tmp_path: Path, model: str) -> None:
    world = ("--world", str(EXAMPLES / "three-bits.yaml"))
    there("generate", *world, "--hold-out-fraction", "0.25", "--train-size", "320")
    there("train", model, "--epochs", "2")
    (run,) = (tmp_path / "out").glob("*/run.json")
    assert json.loads(run.read_text())["device"] == "elsewhere:0"
    assert "6 seen states" in there("compare", *world)


def test_programs_are_traced_there_as_they_are_here(there: There, tmp_path: Path) -> None:
    from the_experiment.cli import main

    model = answering("gpt2", tmp_path / "model")
    call = ["programs", "trace", "-m", model, "--lengths", "2", "--hops", "1", "--pairs", "3"]
    there(*call[:2], "there", *call[2:])
    with pytest.raises(SystemExit, match="0"):
        main([*call[:2], "here", *call[2:], "--out", str(tmp_path / "out")])
    maps = []
    for name in ("here", "there"):
        found = tmp_path / "out" / "tracing" / name / "results.json"
        (cell,) = json.loads(found.read_text()).values()
        maps.append(cell["maps"])
    for kind, pictures in maps[0].items():
        for one, other in zip(pictures, maps[1][kind], strict=True):
            for row, same in zip(one["values"], other["values"], strict=True):
                assert same == pytest.approx(row, abs=1e-3)


TOGETHER = """
import json, sys
import second_device
second_device.use()
from the_experiment.experiments.splits.cells import results_together
from the_experiment.training import ensemble
from the_experiment.worlds import find_world, identity_of

prepare = ensemble.prepare

def prepared(config):
    job = prepare(config)
    job.model.tie_weights()  # which going to a device made in Python undoes
    return job

ensemble.prepare = prepared
members = [{"hold_out": {"fraction": 0.25}, "seed": seed} for seed in (1, 2)]
recipe = {"train_rows": 640, "epochs": 1, "until_fit": True}
identity = identity_of(find_world(sys.argv[1]))
found = results_together({"model": "gpt2"}, recipe, identity, members, sys.argv[1])
print(json.dumps([(one["steps"], len(one["texts"])) for one in found]))
"""


def printed(code: str, *words: str) -> Any:
    """What code prints last, as JSON, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_models_train_together_there() -> None:
    assert printed(TOGETHER, str(EXAMPLES / "three-bits.yaml")) == [[40, 8], [40, 8]]


WAITS = """
import json, sys
import second_device
from pathlib import Path
second_device.use()
from the_experiment.base.runs import Run
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.training.compiled import CUDAGraphStep
from the_experiment.training.config import TrainConfig
from the_experiment.training.ensemble import Ensemble
from the_experiment.training.job import prepare
from the_experiment.training.loop import Training, step_spec_of
from the_experiment.worlds import find_world

folder, world = Path(sys.argv[1]), find_world(sys.argv[2])
generate(world, HoldOut(fraction=0.25), Sizes(train=1600, valid=0, test=0), 1, folder / "data")
config = TrainConfig(dataset=str(folder / "data"), epochs=2, width=64, layers=2)

def job(model="gpt2"):
    made = prepare(config.model_copy(update={"model": model}))
    made.model.tie_weights()  # which going to a device made in Python undoes
    return made

found = {}
for name in ("cnn", "gpt2"):
    training = Training(job(name), Run(folder / name), None, None)
    if name == "gpt2":  # as on CUDA
        training.step = CUDAGraphStep(training.job.model, step_spec_of(training.job))
    waits = []
    for _ in range(200):
        second_device.WAITS.clear()
        training.one_step()
        waits.append(len(second_device.WAITS))
    lines = (folder / name / "metrics.jsonl").read_text().splitlines()
    found[name] = {"waits": waits, "steps": [json.loads(line)["step"] for line in lines]}
together = Ensemble([job(), job()])
made = together._one_step
waits = []
def one_step(*given):
    second_device.WAITS.clear()
    made(*given)
    waits.append(len(second_device.WAITS))
together._one_step = one_step
together.train()
found["together"] = {"waits": waits}
print(json.dumps(found))
"""


def test_nothing_waits_for_the_device_within_an_epoch(tmp_path: Path) -> None:
    found = printed(WAITS, str(tmp_path), str(EXAMPLES / "three-bits.yaml"))
    for name in ("cnn", "gpt2"):
        assert found[name]["steps"] == [50, 100, 150, 200]  # written as an epoch of 100 ends
        waited = [step for step, waits in enumerate(found[name]["waits"]) if waits]
        assert waited == [0, 99, 100, 199], name
    assert [step for step, waits in enumerate(found["together"]["waits"]) if waits] == [0]
