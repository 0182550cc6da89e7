"""Tuning: which tokens carry a loss, what is saved, going on after a kill, and rows refused."""

from __future__ import annotations

import gc
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, TrainerCallback

from looked_into import random_model
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_jsonl
from the_experiment.base.runs import Run
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.models.asking import prompt_text
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.scoring import score
from the_experiment.training.config import PRESETS, TrainConfig, TuneConfig
from the_experiment.training.loop import train
from the_experiment.training.tuning import tune
from the_experiment.training.tuning_job import prepare_tuning, read_tuning_rows
from the_experiment.training.tuning_trainer import trainer_from

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of peft, about transformers

ALPHABET = "0123456789+="
PAIRS = [(f"{one}+{two}=", f"{one + two}") for one in range(10) for two in range(0, 10, 3)]
TOLERANCE = 1e-4  # of logits: adapter beside the base against the two merged, in fp32


def write_rows(path: Path, pairs: list[tuple[str, str]] = PAIRS) -> Path:
    """A file of rows, with a column that nobody asks for."""
    rows = [{"kind": "sum", "prompt": prompt, "completion": text} for prompt, text in pairs]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def old_objects_are_not_looked_through() -> Iterator[None]:
    """Each trainer begins by collecting garbage, which takes half a second after all imports."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one in it, `base`, that was trained here from nothing."""
    folder = tmp_path_factory.mktemp("tuning")
    rows = write_rows(folder / "rows.jsonl")
    train(
        TrainConfig(dataset=str(rows), width=16, layers=2, heads=2, epochs=1), Run(folder / "base")
    )
    return folder


def config(out: Path, **changes: Any) -> TuneConfig:
    """Three steps of a small adapter."""
    values: dict[str, Any] = {
        "base": "base",
        "rows": str(out / "rows.jsonl"),
        "lora_rank": 2,
        "lora_alpha": 4,
        "learning_rate": 0.01,
        "checkpoint_every": 2,
        "device": "cpu",
        "precision": "fp32",
    }
    return TuneConfig(**(values | changes))


@pytest.fixture(scope="module")
def tuned(out: Path) -> Run:
    """The base, tuned in three steps."""
    return tune(config(out, valid=str(out / "rows.jsonl")), Run(out / "tuned"))


def contents(folder: Path) -> dict[str, str]:
    """A fingerprint of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_tuning_has_the_threads_it_asks_for_and_says_so(out: Path, tuned: Run) -> None:
    asked = tune(config(out, threads=2), Run(out / "threads"))
    assert [run.record()["hardware"]["threads"] for run in (tuned, asked)] == [1, 2]
    assert torch.get_num_threads() == 1


# -- which tokens carry a loss -------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.text(ALPHABET, min_size=1), st.text(ALPHABET, min_size=1)),
        min_size=1,
        max_size=4,
    )
)
def test_completion_and_end_token_carry_a_loss_and_no_token_of_the_prompt(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    tokenizer = character_tokenizer(ALPHABET)
    path = write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", pairs)
    rows = read_tuning_rows(path, tokenizer, None)
    both = (rows.labelled(completion_only=True), rows.labelled(completion_only=False))
    for (prompt, completion), some, every in zip(pairs, *both, strict=True):
        ids = tokenizer(prompt + completion)["input_ids"] + [tokenizer.eos_token_id]
        assert some["input_ids"] == every["input_ids"] == every["labels"] == ids
        assert some["labels"] == [-100] * len(prompt) + ids[len(prompt) :]


def test_what_trl_is_given_has_labels_on_the_same_tokens(out: Path, tmp_path: Path) -> None:
    job = prepare_tuning(config(out), out)
    loader = trainer_from(job, 0, {}, TrainerCallback(), tmp_path).get_train_dataloader()
    seen = []
    for batch in loader:
        rows = zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
        for ids, labels, mask in rows:
            text, prompt = ids[mask == 1], labels[mask == 1] == -100
            assert (labels[mask == 0] == -100).all()
            assert labels[mask == 1][~prompt].equal(text[~prompt])
            seen.append((job.tokenizer.decode(text[prompt]), job.tokenizer.decode(text[~prompt])))
    assert sorted(seen) == sorted((prompt, f"{text}<eos>") for prompt, text in PAIRS)


def test_the_first_loss_is_that_of_the_completions_tokens_alone(out: Path, tmp_path: Path) -> None:
    model, tokenizer = load_pretrained("base", "cpu", out=out)
    for name in ("resid_pdrop", "embd_pdrop", "attn_pdrop"):
        setattr(model.config, name, 0.0)
    model.save_pretrained(tmp_path / "still")
    tokenizer.save_pretrained(tmp_path / "still")
    scores = score(model, tokenizer, PAIRS)
    mean = -sum(one.logprob for one in scores) / sum(len(one.logprobs) for one in scores)
    whole = {
        "batch_size": 4,
        "accumulate": 10,
        "lora_dropout": 0.0,
        "base": str(tmp_path / "still"),
    }
    run = tune(config(out, **whole), Run(tmp_path / "one"))
    assert run.record()["steps"] == 1
    assert run.record()["loss"] == pytest.approx(mean, rel=1e-5)


# -- what is saved -------------------------------------------------------------------------------


def test_adapter_and_base_are_the_merged_model(out: Path, tuned: Run) -> None:
    base, tokenizer = load_pretrained("base", "cpu", out=out)
    ids = tokenizer("9+3=12", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        before = base(ids).logits
        beside = PeftModel.from_pretrained(base, tuned.adapter).eval()(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tuned.final).eval()(ids).logits
    torch.testing.assert_close(merged, beside, atol=TOLERANCE, rtol=0)
    assert (merged - before).abs().max() > 100 * TOLERANCE  # it has learnt something


def test_a_tuned_run_says_what_was_trained_and_holds_no_pickle(out: Path, tuned: Run) -> None:
    record = tuned.record()
    base = load_pretrained("base", "cpu", out=out)[0].num_parameters()
    assert record["parameters"] == base + record["trained_parameters"]
    assert record["trained_share"] == record["trained_parameters"] / record["parameters"] < 0.5
    assert (record["base"], record["method"], record["steps"]) == ("base", "lora", 3)
    assert TuneConfig.from_file(tuned.config) == config(out, valid=str(out / "rows.jsonl"))
    kinds = {path.suffix for path in tuned.folder.rglob("*") if path.is_file()}
    assert kinds == {".json", ".jsonl", ".yaml", ".safetensors"}
    losses = [line["valid_loss"] for line in read_jsonl(tuned.metrics) if "valid_loss" in line]
    assert len(losses) == 2
    assert record["valid_loss"] < losses[1] < losses[0]  # before, after two steps, at the end


def test_the_base_is_left_as_it_is_and_a_tuned_run_is_a_base(out: Path, tuned: Run) -> None:
    before = contents(out / "base"), contents(tuned.folder)
    again = tune(config(out, base="tuned", method="full"), Run(out / "again"))
    assert (contents(out / "base"), contents(tuned.folder)) == before
    assert not again.adapter.exists()
    assert again.record()["trained_share"] == 1.0
    load_pretrained("again", "cpu", out=out)


def test_a_base_that_begins_every_text_with_a_token_is_tuned_and_asked_with_it(
    out: Path, tmp_path: Path
) -> None:
    tokenizer = beginning_tokenizer()
    base = tmp_path / "llama"
    random_model("llama", len(tokenizer)).save_pretrained(base)
    tokenizer.save_pretrained(base)
    job = prepare_tuning(config(out, base=str(base)), tmp_path)
    assert job.train.encoded[0].prompt[0] == tokenizer.bos_token_id
    tune(config(out, base=str(base)), Run(tmp_path / "out" / "mine"))
    again = load_pretrained("mine", "cpu", out=tmp_path / "out")[1]
    assert prompt_text(again, "1+1=") == prompt_text(tokenizer, "1+1=") == "<s>1+1="


def beginning_tokenizer() -> PreTrainedTokenizerBase:
    """One that begins every text with a token, as Llama's does."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    return tokenizer


# -- going on ------------------------------------------------------------------------------------


class StoppedError(Exception):
    """Stands for a machine that is switched off."""


class Stop:
    """Progress that ends in the third step, after the checkpoint of the second."""

    def on_step(self, step: int, *_: float) -> None:
        if step == 3:
            raise StoppedError


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.slow)])
def test_a_stopped_tuning_goes_on_to_the_same_weights(
    out: Path, tmp_path: Path, method: str
) -> None:
    mine = config(out, method=method, epochs=2, base=str(out / "base"))
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    tune(mine, whole)
    with pytest.raises(StoppedError):
        tune(mine, parts, progress=Stop())
    assert not parts.complete
    with pytest.raises(ExperimentError, match="has not finished"):
        load_pretrained("parts", "cpu", out=tmp_path)
    with pytest.raises(ExperimentError, match="another learning_rate"):
        tune(mine.model_copy(update={"learning_rate": 0.5}), parts, resume=True)
    tune(mine, parts, resume=True)
    assert contents(parts.final) == contents(whole.final)
    steps = [[line["step"] for line in read_jsonl(run.metrics)] for run in (whole, parts)]
    assert steps[0] == steps[1]
    finished = contents(parts.folder)
    tune(mine, parts, resume=True)
    assert contents(parts.folder) == finished


def test_what_was_there_is_kept_and_other_rows_are_not_gone_on_with(
    out: Path, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl")
    mine = config(out, base=str(out / "base"), rows=str(rows))
    with pytest.raises(StoppedError):
        tune(mine, Run(tmp_path / "run"), progress=Stop())
    write_rows(rows, PAIRS[1:])
    with pytest.raises(ExperimentError, match="rows have changed"):
        tune(mine, Run(tmp_path / "run"), resume=True)
    tune(mine, Run(tmp_path / "run"))
    assert len(list((tmp_path / "archive").iterdir())) == 1
    write_rows(rows)
    with pytest.raises(ExperimentError, match="rows have changed"):
        tune(mine, Run(tmp_path / "run"), resume=True)


KILLED = """
import os, signal, sys
from the_experiment.base.runs import Run
from the_experiment.training.tuning import tune
from the_experiment.training.config import TuneConfig
class Kill:
    def on_step(self, step, *_):
        if step == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
from pathlib import Path
tune(TuneConfig.from_yaml(sys.argv[1]), Run(Path(sys.argv[2])), resume=True, progress=Kill())
"""


@pytest.mark.slow
def test_a_killed_tuning_goes_on_to_the_same_weights(out: Path, tmp_path: Path) -> None:
    mine = config(out, base=str(out / "base"), epochs=2)
    run = Run(tmp_path / "killed")
    for step in (1, 3, 5):
        words = [sys.executable, "-c", KILLED, mine.to_yaml(), str(run.folder), str(step)]
        assert subprocess.run(words, check=False, timeout=120).returncode == -signal.SIGKILL
        assert not run.complete
    assert tune(mine, run, resume=True).complete
    assert contents(run.final) == contents(tune(mine, Run(tmp_path / "whole")).final)


# -- what is refused -----------------------------------------------------------------------------

GOOD = '{"prompt": "1+1=", "completion": "2"}'
BAD_ROWS = {
    '{"prompt": "1+1=", "completion": ""}': "line 2 has an empty completion",
    '{"prompt": "1+1=", "completion": " \\n"}': "line 2 has an empty completion",
    '{"prompt": "", "completion": "2"}': "line 2 has an empty prompt",
    '{"prompt": "1+1="}': "line 2 has no string 'completion'",
    '{"question": "1+1=", "completion": "2"}': "line 2 has no string 'prompt'",
    '{"prompt": "1+1=", "completion": 2}': "line 2 has no string 'completion'",
    '{"prompt": "1+1=", "comp': "line 2 is not valid JSON",
    "[1]": "line 2 is not a JSON object",
    json.dumps({"prompt": "1+1=", "completion": "2" * 60}): "line 2 has 65 tokens, more than",
    '{"prompt": "1×1=", "completion": "1"}': "line 2 has characters that .* not know .'×'.",
}


@pytest.mark.parametrize(("row", "why"), BAD_ROWS.items())
def test_bad_rows_are_refused_by_their_line_before_anything_is_written(
    out: Path, tmp_path: Path, row: str, why: str
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(f"{GOOD}\n{row}\n{GOOD}\n", encoding="utf-8")
    for column in ("rows", "valid"):
        mine = config(out, base=str(out / "base"), **{column: str(rows)})
        with pytest.raises(ExperimentError, match=why):
            tune(mine, Run(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_no_rows_no_base_and_a_base_without_layers_are_refused(out: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(ExperimentError, match="there is no file"):
        tune(config(out, base=str(out / "base"), rows=str(tmp_path / "none")), run)
    (tmp_path / "none").touch()
    with pytest.raises(ExperimentError, match="has no rows"):
        tune(config(out, base=str(out / "base"), rows=str(tmp_path / "none")), run)
    with pytest.raises(ExperimentError, match="no such folder"):
        tune(config(out, base=str(tmp_path / "nowhere")), run)
    tokenizer = character_tokenizer(ALPHABET)
    random_model("rnn", len(tokenizer)).save_pretrained(tmp_path / "rnn")
    tokenizer.save_pretrained(tmp_path / "rnn")
    with pytest.raises(ExperimentError, match="can't be tuned"):
        tune(config(out, base=str(tmp_path / "rnn")), run)
    assert not run.folder.exists()


def test_a_tuning_that_diverges_is_told_and_not_saved(out: Path, tmp_path: Path) -> None:
    mine = config(out, base=str(out / "base"), learning_rate=1e30)
    with pytest.raises(ExperimentError, match="diverged"):
        tune(mine, Run(tmp_path / "run"))
    assert not (tmp_path / "run" / "final").exists()


# -- configurations ------------------------------------------------------------------------------


def test_a_configuration_round_trips_and_the_presets_are_the_reports() -> None:
    mine = TuneConfig(base="b", rows="r.jsonl", **PRESETS["claire"])
    assert TuneConfig.from_yaml(mine.to_yaml()) == mine
    assert (mine.lora_rank, mine.lora_alpha, mine.lora_dropout) == (64, 128, 0.05)
    assert (mine.learning_rate, mine.warmup, mine.weight_decay) == (3e-4, 0.05, 1e-4)
    assert (mine.batch_size, mine.accumulate, mine.epochs) == (4, 4, 1)
    assert PRESETS["claire-7b"] == PRESETS["claire"] | {"lora_rank": 32, "lora_alpha": 64}
    with pytest.raises(UsageError, match="fix lora_rank"):
        TuneConfig.checked(base="b", rows="r", lora_rank=0)
