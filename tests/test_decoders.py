"""Any Hugging Face decoder: every verb on a small Llama and a small Qwen3, trained by us."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
)

from looked_into import SMALL
from the_experiment.cli import main
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.inside.subject import find_subject
from the_experiment.inside.verbs.attribute import contributions
from the_experiment.models.architectures import ARCHITECTURES, Architecture, Shape
from the_experiment.models.pretrained import load_pretrained
from the_experiment.worlds import find_world

# The mark is there for models that know places by rotation alone: of equal tokens in a row, which
# all hold the same values, they can't tell how many there are.
WORLD = """
name: marked
inputs: {A: bool, B: bool, C: bool}
rules:
  either: A OR B
  differ: A XOR C
prompt: "?{A}{B}{C}"
completion: "={either}{differ}\\n"
"""
EVERYWHERE = [
    ("inspect", "?101", "--what", "attention"),
    ("inspect", "?101", "--what", "lens"),
    ("inspect", "?101", "--what", "activations"),
    ("attribute", "?101"),
    ("damage", "?101", "--noise", "0.3"),
    ("damage", "?101", "--zero", "head:1.2"),
    ("force", "--all"),
    ("faithfulness",),
]
OF_ONE_LENGTH = [("patch",), ("ablate", "--each", "head"), ("ablate", "--each", "layer")]
ASKED = [
    *[("llama", *words) for words in EVERYWHERE + OF_ONE_LENGTH],
    ("llama", "inspect", "?101", "--what", "logits"),
    ("llama", "ablate", "--each", "attention"),
    ("llama", "ablate", "--each", "mlp", "--mode", "resample"),
    ("llama", "damage", "?101", "--zero", "1%", "--at-token", "2"),
    ("llama", "damage", "?101", "--nuke", "layer:1"),
    *[("qwen3-bf16", *words) for words in EVERYWHERE + OF_ONE_LENGTH],
    ("qwen3-bf16", "inspect", "?101", "--what", "weights"),
    ("qwen3-bf16", "ablate", "--each", "neuron"),
    ("qwen3-bf16", "damage", "?101", "--flip", "1%", "--heal", "1"),
    ("qwen3-bf16", "probe", "--for", "differ"),
    *[("bpe", *words) for words in EVERYWHERE],
    ("bpe", "ablate", "--each", "head", "--mode", "zero"),
    ("bpe", "patch", "?000", "--to", "?001"),
]


def small(shape: Shape, times: int) -> dict[str, Any]:
    return {
        **SMALL,
        "hidden_size": shape.width,
        "intermediate_size": times * shape.width,
        "num_hidden_layers": 2,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "eos_token_id": shape.eos,
        "pad_token_id": shape.pad,
    }


# Queries share keys and values in both; Llama's embeddings are its own, Qwen3's are tied, and its
# four heads of 16 are wider than the stream.
MAKE: dict[str, Callable[[Shape], PreTrainedConfig]] = {
    "llama": lambda shape: LlamaConfig(**small(shape, 2)),
    "qwen3": lambda shape: Qwen3Config(**small(shape, 1), head_dim=16, tie_word_embeddings=True),
}


def did(*words: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models fitted to six states: `llama`, `qwen3`, the same in bfloat16, and `bpe`."""
    folder = tmp_path_factory.mktemp("decoders")
    data, runs = folder / "dataset", folder / "out"
    (folder / "marked.yaml").write_text(WORLD)
    byte_pairs(folder / "bpe")
    with pytest.MonkeyPatch.context() as patched:
        ARCHITECTURES.names()
        for name, configure in MAKE.items():
            patched.setitem(ARCHITECTURES._things, name, Architecture(configure, 8, 1.0))
        words = (
            "--world",
            folder / "marked.yaml",
            "--hold-out-fraction",
            0.25,
            "--train-size",
            8_000,
        )
        did("generate", *words, "--out", data)
        shared = ("--until-fit", "--width", 48, "--learning-rate", 2e-3)
        for name, model, more in (
            ("llama", "llama", ()),
            ("qwen3", "qwen3", ()),
            ("bpe", "qwen3", ("--tokenizer", folder / "bpe")),
        ):
            did("train", model, "--dataset", data, "--out", runs, "--name", name, *shared, *more)
            assert json.loads((runs / name / "run.json").read_text())["fitted"]
    shutil.copytree(runs / "qwen3", runs / "qwen3-bf16")
    model, _ = load_pretrained(runs / "qwen3" / "final")
    model.to(torch.bfloat16).save_pretrained(runs / "qwen3-bf16" / "final")
    assert load_pretrained(runs / "qwen3-bf16" / "final")[0].dtype == torch.bfloat16
    return runs


def byte_pairs(folder: Path) -> None:
    """A tokenizer in which `10` is a token: two parts of a completion in one."""
    world = find_world(str(folder.with_name("marked.yaml")))
    prompts = world.prompts(world.states())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=9, special_tokens=["<pad>", "<eos>"])
    tokenizer.train_from_iterator([p + world.answer(p) for p in prompts], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.save_pretrained(folder)


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_every_verb_works_on_it(out: Path, words: tuple[str, ...]) -> None:
    name, *asked = words
    did(*asked, "--model", name, "--out", out)


def test_its_cards_replay(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    did("attribute", "--model", "qwen3-bf16", "--out", out)
    card = Path(capsys.readouterr().err.strip().removeprefix("kept in ")) / "card.json"
    did("replay", card, "--out", out)


@pytest.mark.parametrize("name", MAKE)
def test_what_is_attributed_adds_up(out: Path, name: str) -> None:
    subject = find_subject(name, out)
    text = subject.text("?101")
    found = contributions(subject.hooked, text, ["differ"])
    logits = subject.hooked.run(text.inputs).logits[0, text.written_at("differ")[0]]
    right = text.ids[text.written_at("differ")[0] + 1]
    rival = logits.index_fill(0, torch.tensor(right), -torch.inf).max()
    assert sum(shares[0] for shares in found.values()) == pytest.approx(
        float(logits[right] - rival), rel=1e-3
    )


# ---- a token is not a character


def test_parts_that_share_a_token_are_both_decided_with_it(out: Path) -> None:
    text = find_subject("bpe", out).text("?101")
    (place,) = [place for place, token in enumerate(text.tokens) if token == "10" and place > 3]
    assert text.parts[place] == "either+differ"
    assert text.written_at("either") == text.written_at("differ") == [place - 1]


@pytest.mark.parametrize("words", [("ablate", "--each", "head"), ("probe", "--for", "differ")])
def test_what_needs_texts_of_one_length_says_so(
    out: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--model", "bpe", "--out", str(out)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "different" in said
    assert "→" in said


def test_a_tokenizer_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    """transformers would split texts as Qwen2's own does, and lose what that doesn't know."""
    saved = character_tokenizer("?01=\n")
    shape = Shape(vocabulary=len(saved), positions=64, width=32)
    Qwen2ForCausalLM(Qwen2Config(**small(shape, 1))).save_pretrained(tmp_path)
    saved.save_pretrained(tmp_path)
    _, read = load_pretrained(tmp_path)
    text = "?101=10\n"
    assert read(text)["input_ids"] == saved(text)["input_ids"]
    assert read.decode(read(text)["input_ids"]) == text


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is tested elsewhere, and takes longer than all that is tested here."""
    monkeypatch.setattr("the_experiment.report.outcome.write_outcome", lambda *_: None)
