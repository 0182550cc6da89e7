"""Every verb on models of the least shapes: one head, one layer, texts of one character."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from conftest import EXAMPLES
from the_experiment.cli import main
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.training.config import TrainConfig
from the_experiment.training.several import train_each
from the_experiment.worlds import find_world

ONE_BIT = """\
name: one-bit
inputs: {A: bool}
rules: {same: A}
prompt: "{A}"
completion: "{same}"
"""

PIECES = {  # that can be taken out
    "gpt2": ["head", "layer", "attention", "mlp"],
    "rnn": ["layer", "gate"],
    "cnn": ["layer", "neuron"],
}


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    assert not ended.value.code, (words, told.err)
    assert "nan" not in told.out
    return told.out + told.err


def calls(model: str, text: str, other: str, part: str) -> list[tuple[str, ...]]:
    """Every verb that looks inside, but those that one of two states is too few for."""
    maps = ("activations", "weights", "logits", "lens", *(["attention"] * (model == "gpt2")))
    return [
        *(("inspect", text, "--what", what) for what in maps),
        *(("ablate", "--each", one, "--mode", "zero") for one in PIECES[model]),
        ("ablate", "--each", PIECES[model][0], "--mode", "mean"),
        ("attribute",),
        ("attribute", text),
        ("patch",),
        ("patch", text, "--to", other),
        ("force", "--all"),
        ("force", part, text),
        ("damage", text, "--flip", "1%", "--heal", "1"),
        ("damage", text, "--noise", "0.5", "--at-token", "1"),
        ("damage", text, "--nuke", "layer:0"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "heads", "layers", "bits"),
    [("gpt2", 1, 1, 1), ("gpt2", 2, 1, 1), ("gpt2", 3, 2, 3), ("rnn", 1, 1, 1), ("cnn", 1, 1, 1)],
)
def test_every_verb_looks_into_models_of_any_shape(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    model: str,
    heads: int,
    layers: int,
    bits: int,
) -> None:
    (tmp_path / "one-bit.yaml").write_text(ONE_BIT)
    world = tmp_path / "one-bit.yaml" if bits == 1 else EXAMPLES / "three-bits.yaml"
    data, out = tmp_path / "data", tmp_path / "out"
    hold_out = HoldOut(fraction=0.5 if bits == 1 else 0.25)
    generate(find_world(str(world)), hold_out, Sizes(train=160, valid=0, test=0), 1, data)
    shape = {"width": 12 * heads, "heads": heads, "layers": layers}
    [_] = train_each(model, TrainConfig(dataset=str(data), epochs=1, **shape), out)
    text, other, part = ("1", "0", "same=0") if bits == 1 else ("101", "001", "either=0")
    asked = calls(model, text, other, part)
    if bits == 3:
        asked += [("ablate", "--each", PIECES[model][0], "--mode", "resample")]
        asked += [("probe", "--for", "differ"), ("faithfulness",)]
    for words in asked:
        told = printed(capsys, *words, "-m", "tiny-*", "--out", str(out))
        assert (Path(told.rsplit("kept in ")[-1].strip()) / "card.json").is_file(), words
    printed(capsys, "test", text, "-w", str(world), "--out", str(out))
    printed(capsys, "compare", "-w", str(world), "--out", str(out))


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (2, 1), (3, 2)])
def test_models_of_any_shape_are_asked_programs_and_questions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], heads: int, layers: int
) -> None:
    tokenizer = character_tokenizer("".join(chr(one) for one in (10, *range(32, 127))))
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=12 * heads,
        n_head=heads,
        n_layer=layers,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    shared = ("--model", str(tmp_path / "model"), "--out", str(tmp_path), "--device", "cpu")
    printed(capsys, "programs", "run", "range_tracking", *shared)
    words = ("-q", "arithmetic", "--limit", "2", "--max-new-tokens", "2", "--style", "bare")
    printed(capsys, "questions", "run", *words, "--name", "mine", *shared)
    results = json.loads((tmp_path / "questions" / "mine" / "answers.json").read_text())
    assert len(results["without"]) == layers * (heads + 3)  # heads, attention, MLP, layer
