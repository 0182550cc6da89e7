"""The training loop: its step, its checkpoints, and what it leaves in the run folder."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from loguru import logger
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from transformers import PreTrainedModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Block

from conftest import EXAMPLES
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run, find_runs
from the_experiment.base.seeds import Stream
from the_experiment.data.folder import MANIFEST, read_manifest
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.models.architectures import Shape, build, count
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.scoring import score
from the_experiment.report.summaries import training_summary
from the_experiment.training.block import Masks
from the_experiment.training.config import TrainConfig
from the_experiment.training.hardware import (
    Precision,
    autocast,
    pick_precision,
    trains_lstm_in_bf16,
)
from the_experiment.training.job import prepare
from the_experiment.training.lean import lean
from the_experiment.training.loop import train
from the_experiment.training.record import TrainResult
from the_experiment.training.rows import Batches, encode_rows
from the_experiment.training.run_lock import RunLock
from the_experiment.training.several import train_each
from the_experiment.training.step import Step
from the_experiment.worlds import find_world

LINES = [("0,1", "\n1\n"), ("1,1", "\n0\n"), ("1,1,1", "\n1,0\n")]
STEPS = 40  # of `short`


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eight_states(tmp_path_factory.mktemp("data") / "dataset")


def eight_states(folder: Path) -> Path:
    """Rows of a world of eight states, two of them held out."""
    world = find_world(str(EXAMPLES / "three-bits.yaml"))
    generate(world, HoldOut(fraction=0.25), Sizes(train=320, valid=20, test=0), 1, folder)
    return folder


def short(dataset: Path, **changes: object) -> TrainConfig:
    """A training of 40 steps of the model that trains fastest."""
    values = {"model": "cnn", "epochs": 2, "checkpoint_every": 15, "device": "cpu", **changes}
    return TrainConfig(dataset=str(dataset), **values)


def weights(run: Run) -> bytes:
    return (run.final / "model.safetensors").read_bytes()


def metrics(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


# ---- the step


def without_dropout(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = build(name, Shape(16, 64)).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn"])
def test_a_step_is_that_of_plain_transformers(name: str) -> None:
    """Ten steps of AdamW without dropout lead to the same weights, up to rounding."""
    model = without_dropout(name)
    plain = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=5e-4, weight_decay=0.1)
    step = Step(model, clip=1.0, weight_decay=0.1, autocast=nullcontext())
    generator = torch.Generator().manual_seed(1)
    with lean(model):
        for length in (25, 12, 30, 25, 25, 20, 25, 25, 25, 25):
            ids = torch.randint(3, 16, (16, length), generator=generator)
            ours = step(ids[:, :-1], ids[:, 1:], 5e-4)
            theirs = plain(input_ids=ids, labels=ids).loss
            theirs.backward()
            nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=3e-5, rtol=0)


def gradient(
    model: nn.Module, ids: torch.Tensor, precision: Precision, *, leanly: bool
) -> torch.Tensor:
    """Of the loss, with respect to all parameters as one vector."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with lean(model) if leanly else nullcontext():
        with autocast(precision, torch.device("cpu")):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten()).backward()
    gradients = (parameter.grad for parameter in model.parameters())
    return torch.cat([one.flatten() for one in gradients if one is not None])


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn"])
def test_a_lean_step_in_bf16_is_as_near_to_fp32_as_a_plain_one(name: str) -> None:
    if name == "rnn" and not trains_lstm_in_bf16():
        pytest.skip("this processor can't train an LSTM in bf16")
    model = without_dropout(name)
    ids = torch.randint(3, 16, (16, 25), generator=torch.Generator().manual_seed(1))
    exact = gradient(model, ids, "fp32", leanly=False)
    lean_error, plain_error = (
        torch.linalg.vector_norm(gradient(model, ids, "bf16", leanly=leanly) - exact)
        for leanly in (True, False)
    )
    assert 0 < lean_error <= 1.1 * plain_error < 0.05 * torch.linalg.vector_norm(exact)


def test_bf16_is_refused_where_an_lstm_can_not_be_trained_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr("the_experiment.training.hardware.trains_lstm_in_bf16", lambda: False)
    with pytest.raises(UsageError, match="can't train an RNN in bf16: use `--precision fp32`"):
        pick_precision("bf16", cpu, without_dropout("rnn"))
    assert pick_precision("auto", cpu, without_dropout("rnn")) == "fp32"
    assert pick_precision("bf16", cpu, without_dropout("cnn")) == "bf16"


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn"])
def test_a_model_is_plain_again_after_lean_training(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, Shape(16, 64))
    before = [type(module) for module in model.modules()]
    with lean(model):
        assert [type(module) for module in model.modules()] != before
    assert [type(module) for module in model.modules()] == before


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_masks_drop_at_their_rate_and_keep_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    masks = Masks(rate)
    drawn = []
    for _ in range(3):
        masks.start()
        drawn.append(torch.cat([masks.take((500, 301)).flatten(), masks.take((7,))]))
    assert all(mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)][rate == 0 :], rel=1e-4)
               for mask in drawn)  # fmt: skip
    dropped = [(mask == 0).double() for mask in drawn]
    assert torch.stack(dropped).mean() == pytest.approx(rate, abs=0.003)
    if rate:  # steps have nothing to do with each other
        assert abs(torch.corrcoef(torch.stack(dropped))[0, 1]) < 0.01


def test_masks_follow_from_the_random_state_alone() -> None:
    """Whether drawn at once or on demand: a resumed training starts without a last step."""
    fresh, used = Masks(0.1), Masks(0.1)
    for shape in [(5, 3), (2, 9)]:
        used.take(shape)
    shapes = [(3, 5), (10, 10), (1,)]
    torch.manual_seed(1)
    fresh.start()
    first = [fresh.take(shape) for shape in shapes]
    torch.manual_seed(1)
    used.start()
    assert all(torch.equal(mask, used.take(mask.shape)) for mask in first)


# ---- rows and batches


def test_each_epoch_has_every_row_once_in_an_order_of_its_own() -> None:
    pairs = [LINES[number] for number in Stream(0, "rows").below(3, 50).tolist()]
    data = encode_rows(character_tokenizer("\n,01"), pairs)
    assert len(data.inputs) == 3  # distinct texts
    batches = Batches(data, 16, seed=1)
    assert batches.per_epoch == 4
    steps = [[batches.texts(4 * epoch + step) for step in range(4)] for epoch in (0, 1)]
    epochs = [torch.cat([texts for texts, _ in of_epoch]) for of_epoch in steps]
    assert all(torch.equal(epoch.sort().values, data.rows.sort().values) for epoch in epochs)
    assert not torch.equal(*epochs)
    assert [len(texts) for texts, _ in steps[0]] == [16, 16, 16, 2]
    for texts, length in steps[0]:
        assert length == data.lengths[texts].max()
    assert torch.equal(Batches(data, 16, seed=1).texts(6)[0], batches.texts(6)[0])


def test_rows_carry_loss_where_there_is_text() -> None:
    tokenizer = character_tokenizer("\n,01")
    data = encode_rows(tokenizer, LINES)
    for row, (prompt, completion) in enumerate(LINES):
        told = data.labels[row][data.labels[row] != -100]
        asked = data.answers[row][data.answers[row] != -100]
        assert tokenizer.decode(told) == (prompt + completion)[1:] + "<eos>"
        assert tokenizer.decode(asked) == completion + "<eos>"
        assert data.lengths[row] == len(prompt + completion)


# ---- whole trainings


def test_a_run_folder_is_whole_and_repeatable(dataset: Path, tmp_path: Path) -> None:
    first, second, other = (Run(tmp_path / name) for name in ("first", "second", "other"))
    result = train(short(dataset), first)
    train(short(dataset), second)
    train(short(dataset, seed=43), other)
    assert weights(first) == weights(second) != weights(other)
    assert TrainConfig.from_file(first.config) == short(dataset)
    record = first.record()
    assert (record["world"], record["steps"], record["fitted"]) == ("three-bits", STEPS, None)
    assert record["dataset_sha256"]["train.jsonl"]
    assert result.valid_loss == record["valid_loss"] < metrics(first)[0]["loss"] + 1
    model, _ = load_pretrained(first.final)
    assert model.num_parameters() == record["parameters"]


def test_until_fit_asks_only_what_was_seen(dataset: Path, tmp_path: Path) -> None:
    """Wrong rows in valid.jsonl, which nobody could learn, change nothing."""
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    seen = (dataset / "train.jsonl").read_text()
    (spoiled / "train.jsonl").write_text(seen)
    (spoiled / "valid.jsonl").write_text(seen.replace('"=', '"1='))
    run = Run(tmp_path / "run")
    result = train(short(spoiled, until_fit=True, epochs=50), run)
    assert result.fitted
    assert result.epochs < 50
    model, tokenizer = load_pretrained(run.final)
    rows = [json.loads(line) for line in seen.splitlines()]
    pairs = sorted({(row["prompt"], row["completion"]) for row in rows})
    assert all(one.exact for one in score(model, tokenizer, pairs))
    checks = [line for line in metrics(run) if "all_seen_exact" in line]
    assert [line["in_a_row"] for line in checks[-5:]] == [1, 2, 3, 4, 5]


def test_until_fit_says_when_it_did_not(dataset: Path, tmp_path: Path) -> None:
    result = train(short(dataset, until_fit=True, epochs=1), Run(tmp_path / "run"))
    assert result.fitted is False
    assert result.epochs == 1


@pytest.mark.slow
def test_loss_over_the_completion_leaves_prompts_unlearned(dataset: Path, tmp_path: Path) -> None:
    both, completion = Run(tmp_path / "both"), Run(tmp_path / "completion")
    train(short(dataset, epochs=4), both)
    train(short(dataset, epochs=4, loss="completion"), completion)
    assert both.record()["valid_loss"] < completion.record()["valid_loss"]
    assert metrics(completion)[-1]["loss"] < metrics(both)[-1]["loss"]  # prompts are a coin toss


def test_a_base_goes_on_with_its_weights_and_tokenizer(dataset: Path, tmp_path: Path) -> None:
    base, after = Run(tmp_path / "base"), Run(tmp_path / "after")
    train(short(dataset, model="cnn", epochs=1), base)
    before = (base.final / "model.safetensors").read_bytes()
    train(short(dataset, base=str(base.folder), epochs=1, learning_rate=1e-12), after)
    assert after.record()["model"] == load_pretrained(base.final)[0].config.model_type
    assert (base.final / "model.safetensors").read_bytes() == before
    (one, its), (other, others) = load_pretrained(base.final), load_pretrained(after.final)
    assert its.get_vocab() == others.get_vocab()
    for name, weights in one.state_dict().items():
        assert torch.allclose(weights, other.state_dict()[name], atol=1e-6), name
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"prompt": "1" * 100, "completion": "1"}))
    with pytest.raises(ExperimentError, match="exceeds the context length"):
        train(short(long, base=str(base.folder)), Run(tmp_path / "long"))
    with pytest.raises(UsageError, match="--base can't be combined with all"):
        list(train_each("all", short(dataset, base=str(base.folder)), tmp_path))


# ---- interrupted and resumed


class Press:
    """Presses Ctrl-C when the training has made so many steps."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_step(self, step: int, *_: float) -> None:
        if step == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("model", ["gpt2", "rnn", "cnn"])
def test_ctrl_c_and_resume_lead_to_the_same_weights(
    model: str, dataset: Path, tmp_path: Path
) -> None:
    """Bit by bit, and the metrics have no step twice."""
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    config = short(dataset, model=model, until_fit=True)
    train(config, whole)
    with pytest.raises(KeyboardInterrupt):
        train(config, halves, progress=Press(at=20))
    assert not halves.complete
    train(config, halves, resume=True)
    assert weights(whole) == weights(halves)
    timeless = [
        [{**line, "steps_per_second": 0} for line in metrics(run)] for run in (whole, halves)
    ]
    assert timeless[0] == timeless[1]
    assert not (tmp_path / "archive").exists()


TRAIN = """
import sys
from pathlib import Path
from the_experiment.base.runs import Run, find_runs
from the_experiment.training.config import TrainConfig
from the_experiment.training.loop import train
train(TrainConfig.from_yaml(sys.argv[1]), Run(Path(sys.argv[2])), resume=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "times"), [(signal.SIGKILL, 3), (signal.SIGINT, 1)])
def test_a_killed_process_resumes_to_the_same_weights(
    sent: signal.Signals, times: int, dataset: Path, tmp_path: Path
) -> None:
    whole, killed = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    config = short(dataset, epochs=20)

    def start(run: Run) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", TRAIN, config.to_yaml(), str(run.folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    process = start(killed)
    for _ in range(times):  # each time once it has got further
        before = killed.checkpoint.stat().st_mtime_ns if killed.checkpoint.exists() else 0
        while not killed.checkpoint.exists() or killed.checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)
        assert process.wait() != 0
        assert not killed.complete
        process = start(killed)
    assert process.wait() == 0
    assert start(whole).wait() == 0
    assert weights(whole) == weights(killed)
    lines = [line["step"] for line in metrics(killed)]
    assert lines == sorted(set(lines))


def interrupted(config: TrainConfig, folder: Path, at: int = 20) -> Run:
    run = Run(folder)
    with pytest.raises(KeyboardInterrupt):
        train(config, run, progress=Press(at))
    return run


def test_resuming_with_other_settings_or_rows_is_refused(dataset: Path, tmp_path: Path) -> None:
    run = interrupted(short(dataset), tmp_path / "run")
    with pytest.raises(ExperimentError, match=r"another seed, learning_rate|learning_rate, seed"):
        train(short(dataset, seed=1, learning_rate=1e-3), run, resume=True)
    progress = run.checkpoint / "progress.json"
    progress.write_text(progress.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(ExperimentError, match="rows have changed"):
        train(short(dataset), run, resume=True)


def test_a_finished_run_of_other_rows_is_not_taken_for_this_one(
    dataset: Path, tmp_path: Path
) -> None:
    copy, run = tmp_path / "dataset", Run(tmp_path / "run")
    shutil.copytree(dataset, copy)
    train(short(copy), run)
    train(short(copy), run, resume=True)
    shutil.rmtree(copy)
    world = find_world(str(EXAMPLES / "three-bits.yaml"))
    generate(world, HoldOut(fraction=0.25), Sizes(train=320, valid=20, test=0), 2, copy)
    with pytest.raises(ExperimentError, match="rows have changed"):
        train(short(copy), run, resume=True)


@pytest.mark.parametrize("name", ["state.safetensors", "progress.json"])
def test_a_torn_checkpoint_is_refused(name: str, dataset: Path, tmp_path: Path) -> None:
    run = interrupted(short(dataset), tmp_path / "run")
    file = run.checkpoint / name
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(
        ExperimentError, match=r"(incomplete|not valid JSON) .*: train again without --resume"
    ):
        train(short(dataset), run, resume=True)


@pytest.mark.parametrize("text", ["[]", "{}", '{"step": "x"}'])
def test_a_checkpoint_of_another_kind_is_refused(text: str, dataset: Path, tmp_path: Path) -> None:
    run = interrupted(short(dataset), tmp_path / "run")
    (run.checkpoint / "progress.json").write_text(text)
    with pytest.raises(ExperimentError, match=r"is not a checkpoint: .*: train again without"):
        train(short(dataset), run, resume=True)


def test_a_run_in_the_way_is_archived_and_a_finished_one_not_resumed(
    dataset: Path, tmp_path: Path
) -> None:
    run = interrupted(short(dataset), tmp_path / "run")
    train(short(dataset), run)  # without resume: begins again
    assert (tmp_path / "archive").is_dir()
    (unfinished,) = (tmp_path / "archive").iterdir()
    assert (unfinished / "checkpoint").is_dir()
    written = run.run_json.stat().st_mtime_ns
    assert train(short(dataset), run, resume=True).steps == STEPS
    assert run.run_json.stat().st_mtime_ns == written
    train(short(dataset, seed=1), run)
    assert len(list((tmp_path / "archive").iterdir())) == 2


@dataclass
class Meanwhile:
    """Does something when the training has made so many steps."""

    at: int
    do: Callable[[], object]

    def on_step(self, step: int, *_: float) -> None:
        if step == self.at:
            self.do()


@pytest.mark.parametrize("at", [20, STEPS])
def test_a_run_folder_that_is_removed_ends_its_training(
    at: int, dataset: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    removed = Meanwhile(at, lambda: shutil.rmtree(run.folder))
    with pytest.raises(ExperimentError, match=r"was removed or replaced while|No such file"):
        train(short(dataset), run, progress=removed)
    assert not run.folder.exists()
    train(short(dataset), run)


def test_a_run_folder_that_is_emptied_ends_its_training(dataset: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(ExperimentError, match="was removed or replaced while"):
        train(short(dataset), run, progress=Meanwhile(20, run.config.unlink))
    assert not run.complete


def test_a_run_folder_that_is_another_runs_by_now_is_left_to_it(
    dataset: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")

    def replace() -> None:
        shutil.rmtree(run.folder)
        train(short(dataset, seed=3), run)

    with pytest.raises(ExperimentError, match="was removed or replaced while"):
        train(short(dataset), run, progress=Meanwhile(20, replace))
    assert run.record()["seed"] == 3


def test_a_full_disk_leaves_the_finished_run_in_its_place(dataset: Path, tiny_disk: Path) -> None:
    small, run = (
        short(dataset, model="gpt2", width=8, layers=1, heads=1, epochs=1),
        Run(tiny_disk / "run"),
    )
    train(small, run)
    before = weights(run)
    with pytest.raises(ExperimentError, match=r"run needs \d+\.\d MB, and its disk has"):
        train(short(dataset), run)
    (tiny_disk / "filler").write_bytes(bytes(shutil.disk_usage(tiny_disk).free))
    with pytest.raises(ExperimentError, match="No space left on device"):
        train(small, run)
    assert weights(run) == before
    assert {path.name for path in tiny_disk.iterdir()} == {"run", "filler"}


def test_a_run_folder_that_is_a_link_stays_one(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    run = Run(tmp_path / "out" / "run")
    run.folder.parent.mkdir()
    run.folder.symlink_to(tmp_path / "elsewhere")
    for seed in (1, 2):
        train(short(dataset, seed=seed), run)
    assert run.folder.is_symlink()
    assert run.record()["seed"] == 2
    (earlier,) = find_runs(run.archive)
    assert earlier.record()["seed"] == 1


def test_a_folder_that_is_no_run_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("my life's work")
    with pytest.raises(ExperimentError, match="already exists and is not a run folder"):
        train(short(dataset), Run(tmp_path / "notes"))
    assert [path.name for path in tmp_path.rglob("*")] == ["notes", "thesis.tex"]


def test_a_run_that_another_process_trains_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    run = interrupted(short(dataset), tmp_path / "run")
    hold = RunLock(run)
    for resume in (False, True):
        with pytest.raises(ExperimentError, match="being trained by another process"):
            train(short(dataset), run, resume=resume)
    hold.release()
    train(short(dataset), run, resume=True)
    assert not run.lock.exists()


def test_a_finished_run_is_not_taken_for_one_with_other_settings(
    dataset: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    train(short(dataset), run)
    with pytest.raises(ExperimentError, match="trained with another seed"):
        train(short(dataset, seed=8), run, resume=True)


def test_resuming_at_the_last_step_still_tells_the_loss(dataset: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    first = train(short(dataset, checkpoint_every=5), run)
    assert math.isfinite(first.loss)
    run.run_json.unlink()
    again = train(short(dataset, checkpoint_every=5), run, resume=True)
    assert again.loss == first.loss


def test_what_was_trained_on_is_recorded_though_the_data_is_replaced(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    before = read_manifest(data / MANIFEST).sha256

    def replaced_meanwhile(*_: object) -> float:
        generate(find_world("causal"), HoldOut(), Sizes(train=64, valid=1, test=1), 9, data)
        return 0.0

    monkeypatch.setattr("the_experiment.training.loop.mean_loss", replaced_meanwhile)
    run = Run(tmp_path / "run")
    train(short(data), run)
    assert read_manifest(data / MANIFEST).sha256 != before
    assert run.record()["dataset_sha256"] == before


def test_a_training_that_cannot_start_leaves_the_old_run(dataset: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(short(dataset), run)
    before = weights(run)
    with pytest.raises(ExperimentError, match="no dataset"):
        train(short(tmp_path / "nothing"), run)
    assert weights(run) == before
    assert not (tmp_path / "archive").exists()


def test_a_folder_that_cannot_be_written_is_an_error_with_a_mend(
    dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExperimentError, match="choose a folder that you can write to"):
        train(short(dataset), Run(tmp_path / "file" / "run"))


# ---- configuration


def test_a_configuration_is_checked() -> None:
    config = TrainConfig(model="rnn", until_fit=True, tokenizer="somewhere")
    assert TrainConfig.from_yaml(config.to_yaml()) == config
    for wrong, said in [
        ("epochs: 0", "epochs"),
        ("rate: 1", "rate"),
        ("loss: [", "YAML"),
        ("- 1", "form"),
    ]:
        with pytest.raises(UsageError, match=said):
            TrainConfig.from_yaml(wrong)


# ---- GPT-2's size


@pytest.mark.parametrize("model", ["gpt2", "rnn", "cnn"])
def test_all_models_follow_the_size_of_gpt2(model: str, dataset: Path) -> None:
    size = {"width": 60, "layers": 2, "heads": 3}
    reference = prepare(short(dataset, model="gpt2", **size)).model
    config = reference.config
    assert (config.n_embd, config.n_layer, config.n_head) == (60, 2, 3)
    assert count(prepare(short(dataset, model=model, **size)).model) == pytest.approx(
        count(reference), rel=0.05
    )


def test_a_run_from_before_sizes_could_be_set_is_one_of_the_usual_size(
    dataset: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    train(short(dataset), run)
    lines = run.config.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("width", "layers", "heads"))]
    assert len(lines) == len(kept) + 3
    run.config.write_text("".join(kept))
    assert train(short(dataset), run, resume=True).steps == STEPS
    with pytest.raises(ExperimentError, match="trained with another width, layers"):
        train(short(dataset, width=64, layers=2), run, resume=True)


def test_heads_share_the_width() -> None:
    with pytest.raises(UsageError, match="a width of 130 is not divisible by 4 heads"):
        TrainConfig.from_yaml("width: 130")


# ---- what is told along the way


class Told:
    """Keeps what a progress bar is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, ...]] = []

    def on_step(self, *told: float) -> None:
        self.steps.append(told)


@pytest.mark.parametrize("until_fit", [False, True])
def test_the_rate_told_is_that_of_the_step_told(
    until_fit: bool, dataset: Path, tmp_path: Path
) -> None:
    run, told = Run(tmp_path / "run"), Told()
    train(short(dataset, until_fit=until_fit), run, progress=told)
    rates = {step: rate for step, _, _, rate, _ in told.steps}
    parts = (10, 40) if until_fit else (31, 1)  # of 50 steps of warm-up, of 40 steps to zero
    start = 5e-4 / (50 if until_fit else STEPS)
    assert (rates[10], rates[40]) == pytest.approx([start * part for part in parts])
    (line,) = (line for line in metrics(run) if "learning_rate" in line)
    assert line["learning_rate"] == rates[40]


def test_the_log_says_how_long_it_still_takes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("the_experiment.training.loop.METRICS_EVERY", 20)
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    train(short(dataset), Run(tmp_path / "run"))
    logger.remove(sink)
    told = [line for line in lines if "run: step" in line]
    assert [line.split(":")[1].split(",")[0] for line in told] == [
        " step 20 of 40",
        " step 40 of 40",
    ]
    assert all(re.search(r", \d:\d\d:\d\d left$", line.strip()) for line in told)
    assert "0:00:00 left" in told[-1]


# ---- a training that diverges


@pytest.mark.parametrize(("checkpoint_every", "told_at"), [(15, 15), (500, STEPS)])
def test_a_training_that_diverges_is_no_finished_run(
    checkpoint_every: int, told_at: int, dataset: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    config = short(dataset, learning_rate=1e30, checkpoint_every=checkpoint_every)
    with pytest.raises(ExperimentError, match=f"by step {told_at} its loss is nan") as raised:
        train(config, run)
    assert "smaller --learning-rate" in raised.value.hint
    assert not run.complete
    assert not run.final.exists()
    assert not any("NaN" in path.read_text() for path in run.folder.rglob("*.json*"))


@pytest.mark.parametrize("rate", [".inf", ".nan", "-.inf"])
def test_a_learning_rate_is_a_finite_number(rate: str) -> None:
    with pytest.raises(UsageError, match="fix learning_rate"):
        TrainConfig.from_yaml(f"learning_rate: {rate}")


def test_one_step_is_no_steps() -> None:
    result = TrainResult(Run(Path("run")), 1, 1.0, None, 0.5, None, 2.0)
    assert "1 step in 2 s, loss 0.5000; saved in " in training_summary(result)


# ---- stand-ins


@pytest.mark.parametrize("plain", [False, True])
def test_hooks_on_gpt2s_blocks_fire_in_a_plain_training(
    dataset: Path, tmp_path: Path, logged: list[str], plain: bool
) -> None:
    """And the log says that they don't in another one."""
    fired = []

    def hook(module: nn.Module, _: object, __: object) -> None:
        if module.training and isinstance(module, GPT2Block):
            fired.append(module)

    handle = register_module_forward_hook(hook)
    try:
        config = short(dataset, model="gpt2", width=8, layers=2, heads=2, epochs=1, plain=plain)
        result = train(config, Run(tmp_path / "run"))
    finally:
        handle.remove()
    assert len(fired) == (2 * result.steps if plain else 0)
    assert any("don't fire" in line for line in logged) == (not plain)
    assert TrainConfig.from_yaml((tmp_path / "run" / "config.yaml").read_text()).plain == plain
