"""Greedy decoding is one argmax after the other, whatever the model is and says of itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
    RecurrentGemmaConfig,
    RecurrentGemmaForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
)

from looked_into import random_model
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.models.decoding import BATCHES, greedy, writes_in_batches
from the_experiment.models.drafts import FORWARDS, greedy_from

TOKENIZER = character_tokenizer("0123456789+-*/=() abcdef\n")
PROMPTS = ["12+3=", "4", "12+3=", "(1-2)*3=", "a=1\nb=a"]
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "vocab_size": len(TOKENIZER),
    "eos_token_id": TOKENIZER.eos_token_id,
}

OTHERS: dict[str, Callable[[], PreTrainedModel]] = {
    "rwkv": lambda: RwkvForCausalLM(RwkvConfig(**SIZES, context_length=64)),
    "mamba": lambda: MambaForCausalLM(MambaConfig(**SIZES, state_size=8)),
    "mamba2": lambda: Mamba2ForCausalLM(
        Mamba2Config(**SIZES, state_size=8, num_heads=4, head_dim=16, n_groups=1)
    ),
    "recurrent_gemma": lambda: RecurrentGemmaForCausalLM(
        RecurrentGemmaConfig(**SIZES, num_attention_heads=2, intermediate_size=48, lru_width=32)
    ),
}


def model_of(name: str) -> PreTrainedModel:
    if name not in OTHERS:
        return random_model(name, len(TOKENIZER))
    torch.manual_seed(0)
    model = OTHERS[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return model


def by_hand(model: PreTrainedModel, prompt: str, tokens: int) -> str:
    """The likeliest token again and again, each time after the whole text."""
    ids = TOKENIZER(prompt, return_tensors="pt")["input_ids"]
    written: list[int] = []
    for _ in range(tokens):
        with torch.inference_mode():
            token = int(model(input_ids=ids, use_cache=False).logits[0, -1].argmax())
        if token == TOKENIZER.eos_token_id:
            break
        written.append(token)
        ids = torch.cat([ids, torch.tensor([[token]])], 1)
    return str(TOKENIZER.decode(written, skip_special_tokens=True))


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn", "llama", "qwen3", *OTHERS])
def test_many_prompts_are_answered_as_each_alone(name: str) -> None:
    model = model_of(name)
    assert greedy(model, TOKENIZER, PROMPTS, 8) == [by_hand(model, one, 8) for one in PROMPTS]
    assert writes_in_batches(model) == (name != "rwkv")


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn", "rwkv", "mamba"])
@pytest.mark.parametrize("room", [1, 2, 8])
def test_a_draft_changes_nothing_of_what_is_written(name: str, room: int) -> None:
    model = model_of(name)
    expected = [by_hand(model, one, room) for one in PROMPTS]
    spoilt = ["", "c" + expected[1][1:], expected[2][:1], expected[3] + "12", expected[4]]
    for drafts in (expected, spoilt, ["ab" * 8] * len(PROMPTS), [""] * len(PROMPTS)):
        assert greedy_from(model, TOKENIZER, PROMPTS, drafts, room) == expected


def test_a_draft_saves_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("gpt2")
    (text,) = greedy(model, TOKENIZER, ["12+3="], 8)
    forwards: list[int] = []
    model.register_forward_hook(lambda *_: forwards.append(1))
    drafts = {text: 1, other_than(text[0]) + text[1:]: 2}
    for draft, needed in drafts.items():
        forwards.clear()
        assert greedy_from(model, TOKENIZER, ["12+3="], [draft], 8) == [text]
        assert len(forwards) == needed
    forwards.clear()
    greedy_from(model, TOKENIZER, ["12+3="], ["".join(map(other_than, text))], 8)
    assert len(forwards) == FORWARDS + 8  # all tokens wrong: given up, and decoded one by one
    monkeypatch.setattr("the_experiment.models.drafts.FEW", 1)
    forwards.clear()
    assert greedy_from(model, TOKENIZER, ["12+3="] * 2, [text] * 2, 8) == [text] * 2
    assert len(forwards) >= 8


def other_than(character: str) -> str:
    return "a" if character != "a" else "b"


OWN_WAYS: list[dict[str, Any]] = [
    {"repetition_penalty": 3.0},
    {"num_beams": 3},
    {"no_repeat_ngram_size": 1},
    {"do_sample": True, "temperature": 5.0, "top_k": 0},
    {"suppress_tokens": [*range(3, 14)]},
    {"forced_eos_token_id": 4},
    {"min_new_tokens": 8},
    {"max_length": 3},
]


@pytest.mark.parametrize("own", OWN_WAYS, ids=str)
def test_what_a_model_says_of_how_it_writes_does_not_count(own: dict[str, Any]) -> None:
    model = model_of("llama")
    expected = [by_hand(model, one, 8) for one in PROMPTS]
    for key, value in own.items():
        setattr(model.generation_config, key, value)
    before = model.generation_config.to_dict()
    assert greedy(model, TOKENIZER, PROMPTS, 8) == expected
    assert model.generation_config.to_dict() == before


def test_threads_that_share_a_model_leave_it_as_it_was() -> None:
    model = model_of("llama")
    model.generation_config.repetition_penalty = 3.0
    expected = [by_hand(model, one, 8) for one in PROMPTS]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: greedy(model, TOKENIZER, PROMPTS, 8), range(12)))
    assert found == [expected] * 12
    assert model.generation_config.repetition_penalty == 3.0


@pytest.mark.parametrize("positions", [5, 6, 64])
def test_a_model_with_few_positions_is_asked(positions: int) -> None:
    config = GPT2Config(n_positions=positions, n_embd=16, n_head=2, n_layer=1)
    config.vocab_size, config.bos_token_id, config.eos_token_id = len(TOKENIZER), 0, 0
    model = GPT2LMHeadModel(config).eval()
    assert greedy(model, TOKENIZER, ["1", "12"], 3) == [
        by_hand(model, one, 3) for one in ["1", "12"]
    ]
    assert BATCHES[model] == (positions > 5)


def test_a_model_in_half_precision_is_asked_in_batches() -> None:
    sizes = {**SIZES, "num_attention_heads": 4, "intermediate_size": 48}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**sizes)).to(torch.bfloat16).eval()
    assert writes_in_batches(model)
