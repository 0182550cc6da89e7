"""Any causal language model: found, loaded, and asked in the form that its tokenizer wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from looked_into import random_model
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.data.tokenizer import character_tokenizer, subword_tokenizer
from the_experiment.models.asking import ask, prompt_text, why_too_long
from the_experiment.models.decoding import greedy
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.texts import unknown_in
from the_experiment.training.rows import encode_rows
from the_experiment.training.tuning_job import read_tuning_rows

ALPHABET = "\n #:=0123456789abcdefghijklmnopqrstuvwxyz"
CHAT = (
    "{{ bos_token }}{% for m in messages %}#{{ m['content'] }}\n{% endfor %}"
    "{% if enable_thinking is defined and enable_thinking is false %}{% else %}hm {% endif %}:"
)
PROMPTS = ["a=1\nb=a\n#b:", "c=3\n#c:", "d=4\ne=5\nf=e\n#d:"]


def saved(folder: Path, name: str, tokenizer: PreTrainedTokenizerFast | None = None) -> Path:
    """A random model that knows the characters of programs, in a folder."""
    tokenizer = tokenizer or character_tokenizer(ALPHABET)
    random_model(name, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def beginning_tokenizer() -> PreTrainedTokenizerFast:
    """One that begins every text with a token, as Llama's does, and has a chat template."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = CHAT
    return tokenizer


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3"])
def test_a_model_in_a_folder_is_loaded_and_asked(name: str, tmp_path: Path) -> None:
    model, tokenizer = load_pretrained(str(saved(tmp_path, name)))
    together = ask(model, tokenizer, PROMPTS, 5)
    assert together == [ask(model, tokenizer, [prompt], 5)[0] for prompt in PROMPTS]
    again, again_tokenizer = load_pretrained(tmp_path)
    assert together == greedy(again, again_tokenizer, PROMPTS, 5)


def test_the_type_of_numbers_is_chosen(tmp_path: Path) -> None:
    folder = saved(tmp_path, "llama")
    types = {dtype: load_pretrained(folder, dtype=dtype)[0].dtype for dtype in ("auto", "bfloat16")}
    assert types == {"auto": torch.float32, "bfloat16": torch.bfloat16}
    with pytest.raises(UsageError, match="no dtype 'int8': one of auto, float32"):
        load_pretrained(folder, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no device 'tpu': one of auto, cpu"):
        load_pretrained(folder, device="tpu")  # type: ignore[arg-type]


def test_a_finished_run_is_known_by_its_folder_and_its_name(trained: Path) -> None:
    run = next(trained.glob("tiny-gpt2-*"))
    by_name, _ = load_pretrained(run.name, out=trained)
    by_folder, _ = load_pretrained(run)
    for one, other in zip(by_name.parameters(), by_folder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").touch()
    with pytest.raises(ExperimentError, match=r"training of .*begun/ has not finished: .*resume"):
        load_pretrained("begun", out=tmp_path)


def tiny_bert() -> PreTrainedModel:
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = BertConfig(**sizes, vocab_size=50, initializer_range=1.0)
    return BertForMaskedLM(config)


def tiny_t5() -> PreTrainedModel:
    return T5ForConditionalGeneration(T5Config(vocab_size=50, d_model=8, d_kv=4, num_layers=1))


@pytest.mark.parametrize("maker", [tiny_bert, tiny_t5])
def test_what_is_no_causal_model_is_refused(
    maker: Callable[[], PreTrainedModel], tmp_path: Path
) -> None:
    maker().save_pretrained(tmp_path)
    character_tokenizer(ALPHABET).save_pretrained(tmp_path)
    with pytest.raises(ExperimentError, match=r"is not a causal language model \(.*: choose one"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("key", "number"),
    [("n_layer", 10**6), ("n_embd", 10**5), ("n_positions", 10**8), ("n_inner", 10**8)],
)
def test_a_configuration_far_beyond_its_weights_is_not_built(
    key: str, number: int, tmp_path: Path
) -> None:
    folder = saved(tmp_path, "gpt2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: number}))
    with pytest.raises(ExperimentError, match=r"its configuration has [0-9,]+ (layers|parameters)"):
        load_pretrained(folder)


def test_packed_weights_are_not_taken_for_too_few(tmp_path: Path) -> None:
    folder = saved(tmp_path, "gpt2")
    config = json.loads((folder / "config.json").read_text())
    packed = {"n_inner": 4096, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    (folder / "config.json").write_text(json.dumps({**config, **packed}))
    with pytest.raises(ExperimentError) as refused:  # what reads them is not installed
        load_pretrained(folder)
    assert "its configuration has" not in str(refused.value)


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3"])
def test_a_model_without_a_tokenizer_is_refused(name: str, tmp_path: Path) -> None:
    random_model(name).save_pretrained(tmp_path)
    with pytest.raises(ExperimentError, match=r"it.* tokenizer.*: save the whole model"):
        load_pretrained(tmp_path)


def test_a_tokenizer_without_an_end_token_is_refused(tmp_path: Path) -> None:
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.eos_token = None
    with pytest.raises(ExperimentError, match="its tokenizer has no end token"):
        load_pretrained(saved(tmp_path, "llama", tokenizer))


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = saved(tmp_path, "llama")
    model, _ = load_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ExperimentError, match=r"can't be used \(.*safetensors"):
        load_pretrained(folder)


def test_a_missing_folder_is_told_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refused)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "./empty", str(tmp_path / "none"), "out/a/b", "~nobody/x", "empty/none"):
        with pytest.raises(ExperimentError, match="no model in"):
            load_pretrained(name)


def test_a_name_that_the_hub_does_not_give_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentError, match=r"hf download some/model --local-dir FOLDER") as told:
        load_pretrained("some/model")
    assert "\n" not in str(told.value)


def test_a_name_on_the_hub_is_read_from_what_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "snapshot", "llama")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    monkeypatch.chdir(tmp_path)
    model, tokenizer = load_pretrained("some/model")
    assert len(ask(model, tokenizer, PROMPTS, 2)) == len(PROMPTS)


def test_a_chat_template_is_used_once_without_thinking() -> None:
    tokenizer = beginning_tokenizer()
    assert prompt_text(tokenizer, "a=1") == "<s>#a=1\n:"
    assert prompt_text(tokenizer, "a=1", "plain") == "<s>a=1"
    assert prompt_text(tokenizer, "<s>a=1", "plain") == "<s>a=1"
    with pytest.raises(UsageError, match="no chat template"):
        prompt_text(character_tokenizer(ALPHABET), "a=1", "chat")


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no system prompt') }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[7].content.text }}",
        "{{ 1 // 0 }}",
        "{% if %}",
    ],
)
def test_a_chat_template_that_raises_anything_is_a_plain_error(template: str) -> None:
    tokenizer = beginning_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(
        UsageError, match=r"chat template refuses a prompt \(.+\): use .--chat plain"
    ):
        prompt_text(tokenizer, "a=1")


def test_what_a_tokenizer_does_not_know_is_told() -> None:
    tokenizer = character_tokenizer("ab")
    assert unknown_in(tokenizer, "abxay") == "'x', 'y'"
    assert unknown_in(tokenizer, "ab") == ""
    assert unknown_in(tokenizer, f"ab{tokenizer.unk_token}") == ""


def test_a_tokenizer_whose_unknown_and_end_token_are_one_knows_all(tmp_path: Path) -> None:
    """GPT-2's, GPT-NeoX's and OPT's: their pieces are bytes."""
    tokenizer = subword_tokenizer(["ab ab"], 300)
    tokenizer.unk_token = tokenizer.eos_token
    for text in ("ab é", f"a{tokenizer.eos_token}b"):
        assert unknown_in(tokenizer, text) == ""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "ab?", "completion": "é"}\n')
    (row,) = read_tuning_rows(rows, tokenizer, None).encoded
    assert row.ids[-1] == tokenizer.unk_token_id
    assert len(encode_rows(tokenizer, [("ab?", "é")]).inputs) == 1


def test_texts_with_unknown_characters_are_not_trained_on() -> None:
    with pytest.raises(ExperimentError, match="the tokenizer does not know 'é' in 'abé'"):
        encode_rows(character_tokenizer("ab"), [("a", "b"), ("ab", "é")])


def test_settings_for_sampling_are_dropped_and_other_ends_of_a_turn_kept(tmp_path: Path) -> None:
    folder = saved(tmp_path, "qwen3")
    model, tokenizer = load_pretrained(folder)
    plain = ask(model, tokenizer, PROMPTS, 6)
    third = tokenizer(plain[0])["input_ids"][2]
    model.generation_config.repetition_penalty = 50.0
    model.save_pretrained(folder)
    assert ask(*load_pretrained(folder), PROMPTS, 6) == plain
    model.generation_config.eos_token_id = [1, third]
    model.save_pretrained(folder)
    ended = ask(*load_pretrained(folder), PROMPTS, 6)[0]
    assert len(ended) < len(plain[0])


def test_a_prompt_without_room_is_named(tmp_path: Path) -> None:
    model, tokenizer = load_pretrained(saved(tmp_path, "gpt2"))  # 64 positions
    prompts = ["a=1", "a" * 60]
    with pytest.raises(ExperimentError, match=r"prompt 2 of 2 is too long: 60 tokens and 10 new"):
        ask(model, tokenizer, prompts, 10)
    assert [bool(why_too_long(model, tokenizer, prompt, 10)) for prompt in prompts] == [False, True]
    assert len(ask(model, tokenizer, prompts, 5)) == 2
