"""Architectures, encoding, loading and scoring."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import Run, find_runs, unfinished_runs
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.models.architectures import ARCHITECTURES, Shape, build, count, positions_for
from the_experiment.models.decoding import greedy
from the_experiment.models.loading import fuse_gelu, pick_device
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.scoring import keeps_past, score
from the_experiment.models.texts import encode

ALL = ARCHITECTURES.names()
ALPHABET = "\n ,-01234"
PAIRS = [("0,1", "\n1\n"), ("1,1,0", "\n0,1 - 2\n"), ("1", "0\n"), ("0,0,0,0", "\n4")]


def model_of(name: str, vocabulary: int = 12, positions: int = 64) -> PreTrainedModel:
    torch.manual_seed(0)
    return build(name, Shape(vocabulary, positions)).eval()


def random_ids(rows: int, length: int) -> torch.Tensor:
    return torch.randint(3, 12, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("vocabulary", "positions"), [(12, 64), (60, 128), (2_000, 256)])
@pytest.mark.parametrize("name", ALL)
def test_sizes_match_gpt2(name: str, vocabulary: int, positions: int) -> None:
    shape = Shape(vocabulary, positions)
    target = count(build("gpt2", shape))
    assert abs(count(build(name, shape)) / target - 1) < 0.05
    ratio = 7 if name == "rnn" else 1
    assert abs(count(build(name, shape, "seed")) / target / ratio - 1) < 0.05


def test_gpt2_is_the_recipe_of_the_seed() -> None:
    config = model_of("gpt2").config
    assert (config.n_embd, config.n_layer, config.n_head) == (128, 4, 4)
    assert (config.attn_pdrop, config.embd_pdrop, config.resid_pdrop) == (0.1, 0.1, 0.1)
    assert positions_for(24) == 64


def test_weights_begin_as_they_should_in_every_version_of_transformers() -> None:
    """GPT-2's residual weights scaled by the number of layers, the LSTM's Xavier without biases."""
    block = model_of("gpt2").get_submodule("transformer.h.0")
    scaled = 0.02 / math.sqrt(2 * 4)
    for path, std in {"attn.c_attn": 0.02, "attn.c_proj": scaled, "mlp.c_proj": scaled}.items():
        assert block.get_parameter(f"{path}.weight").std().item() == pytest.approx(std, rel=0.05)
    rnn = model_of("rnn")
    lstm, width = rnn.get_submodule("layers.0"), rnn.config.hidden_size
    xavier = math.sqrt(2 / (width + 4 * width))
    for name, parameter in lstm.named_parameters():
        std = xavier if "weight" in name else 0.0
        assert parameter.std().item() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("name", ALL)
def test_no_position_sees_the_future(name: str) -> None:
    model, ids = model_of(name), random_ids(2, 20)
    changed = ids.clone()
    changed[:, 10:] = 3
    before, after = model(input_ids=ids).logits, model(input_ids=changed).logits
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])


@pytest.mark.parametrize("positions", [8, 64, 200])
@pytest.mark.parametrize("name", ["cnn", "rnn"])
def test_the_last_logit_depends_on_the_first_token(name: str, positions: int) -> None:
    model = model_of(name, positions=positions).double()
    seen: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, embedded: torch.Tensor) -> None:
        embedded.retain_grad()
        seen.append(embedded)

    model.get_input_embeddings().register_forward_hook(keep)
    model(input_ids=random_ids(1, positions)).logits[0, -1].square().sum().backward()
    gradient = seen[0].grad
    assert gradient is not None
    assert gradient[0, 0].abs().max() > 0


@pytest.mark.parametrize("name", ALL)
def test_left_padding_changes_no_completion(name: str) -> None:
    model, tokenizer = model_of(name), character_tokenizer(ALPHABET)
    prompts = [prompt for prompt, _ in PAIRS]
    together = greedy(model, tokenizer, prompts, 12)
    assert together == [greedy(model, tokenizer, [prompt], 12)[0] for prompt in prompts]


@pytest.mark.parametrize("name", ["rnn", "cnn"])
def test_left_padding_changes_no_logits(name: str) -> None:
    model, ids = model_of(name), random_ids(3, 10)
    padded = torch.cat([torch.zeros(3, 4, dtype=torch.long), ids], 1)
    mask = torch.cat([torch.zeros(3, 4, dtype=torch.long), torch.ones(3, 10).long()], 1)
    logits = model(input_ids=padded, attention_mask=mask).logits[:, 4:]
    torch.testing.assert_close(logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("name", ["rnn", "cnn"])
def test_labels_give_the_loss_of_the_next_tokens(name: str) -> None:
    model, ids = model_of(name), random_ids(2, 9)
    output = model(input_ids=ids, labels=ids)
    logits = output.logits[:, :-1].flatten(0, 1)
    torch.testing.assert_close(
        output.loss, torch.nn.functional.cross_entropy(logits, ids[:, 1:].flatten())
    )


@pytest.mark.parametrize("name", ALL)
def test_a_model_is_the_same_after_saving(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.save_pretrained(tmp_path)
    character_tokenizer(ALPHABET).save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    again, tokenizer = load_pretrained(tmp_path)
    ids = random_ids(2, 9)
    before = model(input_ids=ids).logits
    torch.testing.assert_close(again(input_ids=ids).logits, before, atol=1e-5, rtol=0)
    assert torch.equal(fuse_gelu(model)(input_ids=ids).logits, again(input_ids=ids).logits)
    assert tokenizer.decode(encode(tokenizer, "0,1", "\n1").prompt) == "0,1"


@pytest.mark.parametrize("config", ["gpt2", "rnn", "cnn", "llama", "mistral", "gemma2"])
def test_completions_of_one_prompt_score_as_each_alone(config: str) -> None:
    """A prompt that several follow is read once, where a model can do that."""
    tokenizer = character_tokenizer(ALPHABET)
    model = model_of(config) if config in ALL else of_others(config, len(tokenizer))
    assert keeps_past(model) == (config in ("gpt2", "llama"))  # others keep a window, or nothing
    prompts = [prompt for prompt, _ in PAIRS]
    pairs = [(prompt, answer) for answer in ("\n1", "\n0,1,1", "", "\n") for prompt in prompts]
    together = score(model, tokenizer, pairs)
    backwards = score(model, tokenizer, pairs[::-1])[::-1]
    for pair, one, other in zip(pairs, together, backwards, strict=True):
        (alone,) = score(model, tokenizer, [pair])
        assert one.right == other.right == alone.right
        assert one.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
        assert other.logprobs == pytest.approx(alone.logprobs, abs=1e-5)


@pytest.mark.parametrize("prompts", [["0"], ["0", "1"]], ids=["one prompt", "several"])
def test_logits_that_are_taken_at_once_are_few(
    monkeypatch: pytest.MonkeyPatch, prompts: list[str]
) -> None:
    """Long completions and large vocabularies would need gigabytes."""
    model, tokenizer = model_of("gpt2"), character_tokenizer(ALPHABET)
    most = 40 * len(tokenizer)
    monkeypatch.setattr("the_experiment.models.scoring.LOGITS", most)
    pairs = [(prompt, ",1" * length) for length in range(1, 8) for prompt in prompts]
    taken = []
    hook = model.lm_head.register_forward_hook(lambda *called: taken.append(called[2].numel()))
    found = score(model, tokenizer, pairs)
    hook.remove()
    assert max(taken) <= most
    for pair, one in zip(pairs, found, strict=True):
        (alone,) = score(model, tokenizer, [pair])
        assert one.logprobs == pytest.approx(alone.logprobs, abs=1e-5)


def of_others(name: str, words: int) -> PreTrainedModel:
    """A small one as transformers has it, with weights drawn at random."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": words}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    window = {} if name == "llama" else {"sliding_window": 4}
    config = AutoConfig.for_model(name, **size, **heads, **window, bos_token_id=1, eos_token_id=1)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("name", ALL)
def test_scores_are_those_of_one_text_alone(name: str) -> None:
    """Padding and batching change nothing, and the sum is transformers' own loss."""
    model, tokenizer = model_of(name), character_tokenizer(ALPHABET)
    for (prompt, completion), together in zip(PAIRS, score(model, tokenizer, PAIRS), strict=True):
        one = encode(tokenizer, prompt, completion)
        ids = torch.tensor([one.ids])
        labels = ids.clone()
        labels[:, : len(one.prompt)] = -100
        loss = model(input_ids=ids, labels=labels).loss.item()
        assert together.logprob == pytest.approx(-loss * len(one.completion), rel=1e-4)
        assert [completion[slice(*place)] for place in together.offsets] == [*completion, ""]


def drilled(model: PreTrainedModel, texts: Sequence[tuple[int, ...]], steps: int) -> None:
    """Train a little on texts of one length."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    ids = torch.tensor(texts)
    for _ in range(steps):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("name", ALL)
def test_teacher_forced_exact_match_is_that_of_greedy_decoding(name: str) -> None:
    """At every stage of learning, from nothing right to all right."""
    model, tokenizer = model_of(name), character_tokenizer(ALPHABET)
    pairs = [(f"{a},{b}", f"\n{a ^ b},{a & b}\n{a + b}") for a in (0, 1) for b in (0, 1)]
    texts = [encode(tokenizer, *pair).ids for pair in pairs]
    stages = set()
    for _ in range(12):
        drilled(model, texts, 6)
        exact = [one.exact for one in score(model, tokenizer, pairs)]
        written = greedy(model, tokenizer, [prompt for prompt, _ in pairs], 10)
        assert exact == [text == pair[1] for text, pair in zip(written, pairs, strict=True)]
        stages.add(sum(exact))
    assert len(stages) > 1  # else this has shown nothing


def byte_pairs() -> PreTrainedTokenizerFast:
    """A tokenizer with tokens of several characters, and none for padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=["<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["then x = 12 and y = 34"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def test_any_tokenizer_encodes_with_offsets() -> None:
    tokenizer = byte_pairs()
    one = encode(tokenizer, "then x = 12", " and y = 34")
    assert len(one.completion) < len(" and y = 34")
    assert "".join(" and y = 34"[slice(*place)] for place in one.offsets) == " and y = 34"
    assert one.completion[-1] == tokenizer.eos_token_id
    assert one.prompt == encode(tokenizer, "then x = 12", "").prompt


def test_a_text_without_room_is_refused() -> None:
    model, tokenizer = model_of("cnn", positions=8), character_tokenizer(ALPHABET)
    assert len(score(model, tokenizer, [("0,1", "\n1,0\n")])) == 1  # 9 tokens, 8 of them read
    with pytest.raises(ExperimentError, match="exceeds the context length, 8"):
        score(model, tokenizer, [("0,1", "\n1,0,1\n")])
    with pytest.raises(ExperimentError, match="exceeds the context length, 8"):
        greedy(model, tokenizer, ["0,1"], 7)


def test_an_empty_prompt_and_a_tokenizer_without_end_are_refused() -> None:
    with pytest.raises(ExperimentError, match="the prompt is empty"):
        encode(character_tokenizer(ALPHABET), "", "1")
    tokenizer = byte_pairs()
    tokenizer.eos_token = None
    with pytest.raises(ExperimentError, match="no end token"):
        encode(tokenizer, "x", "1")


def finished_run(folder: Path) -> Path:
    """Where the model of a run lies that has ended."""
    (folder / "run.json").write_text("{}")
    return folder / "final"


@pytest.mark.parametrize("harm", ["missing", "no config", "no weights", "torn", "no tokenizer"])
def test_a_half_written_model_is_an_error_with_a_mend(harm: str, tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    if harm != "missing":
        model_of("rnn").save_pretrained(folder)
    if harm not in ("missing", "no tokenizer"):
        character_tokenizer(ALPHABET).save_pretrained(folder)
    weights = folder / "model.safetensors"
    if harm == "no config":
        (folder / "config.json").unlink()
    if harm == "no weights":
        weights.unlink()
    if harm == "torn":
        weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ExperimentError, match="train") as error:
        load_pretrained(tmp_path)
    assert "Traceback" not in str(error.value)
    assert "\n" not in str(error.value)


def _less(weights: dict[str, torch.Tensor]) -> None:
    del weights["norms.0.weight"]


def _more(weights: dict[str, torch.Tensor]) -> None:
    weights["norms.9.weight"] = torch.zeros(2)


def _of_another_shape(weights: dict[str, torch.Tensor]) -> None:
    weights["norms.0.weight"] = torch.zeros(2)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_less, r"missing weights, such as norms\.0\.weight"),
        (_more, r"unexpected weights, such as norms\.9\.weight"),
        (_of_another_shape, r"mismatched weights, such as norms\.0\.weight"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(
    harm: Callable[[dict[str, torch.Tensor]], None],
    says: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = finished_run(tmp_path)
    model_of("rnn").save_pretrained(folder)
    character_tokenizer(ALPHABET).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    harm(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    capfd.readouterr()
    with pytest.raises(ExperimentError, match=rf"can't be used \({says}\): run .* train` again"):
        load_pretrained(folder)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ALL)
def test_the_configuration_of_another_model_is_refused(name: str, tmp_path: Path) -> None:
    other = ALL[ALL.index(name) - 1]
    folder = finished_run(tmp_path)
    model_of(name).save_pretrained(folder)
    character_tokenizer(ALPHABET).save_pretrained(folder)
    model_of(other).config.save_pretrained(folder)
    with pytest.raises(ExperimentError, match="can't be used \\(missing weights"):
        load_pretrained(folder)


@pytest.mark.parametrize("name", ALL)
def test_a_tokenizer_that_is_not_the_models_is_refused(name: str, tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    model_of(name, vocabulary=12).save_pretrained(folder)
    character_tokenizer(ALPHABET + "5").save_pretrained(folder)
    with pytest.raises(ExperimentError, match="tokenizer has 13 tokens, the model knows 12"):
        load_pretrained(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ExperimentError, match=r"its tokenizer has .*: run .* train` again"):
        load_pretrained(folder)


def test_a_device_that_is_not_there_is_refused() -> None:
    assert pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(ExperimentError, match="finds no cuda device"):
            pick_device("cuda")


AUTO_CLASSES = """
import sys
import the_experiment
from transformers import AutoModelForCausalLM, AutoTokenizer
for folder in sys.argv[1:]:
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = tokenizer(["0,1", "1"], return_tensors="pt", padding=True)
    assert model.generate(**prompts, max_new_tokens=3, do_sample=False).shape == (2, 6)
"""


@pytest.mark.slow
def test_auto_classes_know_the_models_offline(tmp_path: Path) -> None:
    for name in ALL:
        model_of(name).save_pretrained(tmp_path / name)
        character_tokenizer(ALPHABET).save_pretrained(tmp_path / name)
    subprocess.run(
        [sys.executable, "-c", AUTO_CLASSES, *(str(tmp_path / name) for name in ALL)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        check=True,
    )


@pytest.mark.parametrize("text", ["", '{"steps": 1', "[1]"])
def test_a_torn_record_is_told_with_its_mend(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ExperimentError, match=r"run\.json is .*: run .* train` again"):
        Run(tmp_path).record()


def test_runs_are_found_once_they_are_complete(tmp_path: Path) -> None:
    for name in ("b", "a", "unfinished", "archive"):
        (tmp_path / name).mkdir()
        if name != "unfinished":
            (tmp_path / name / "run.json").write_text("{}")
    assert [run.name for run in find_runs(tmp_path)] == ["a", "b"]
    assert not unfinished_runs(tmp_path)
    (tmp_path / "unfinished" / "config.yaml").touch()
    assert [run.name for run in unfinished_runs(tmp_path)] == ["unfinished"]
