"""A model is looked into only after its table of sites was held against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from the_experiment.base.errors import ExperimentError
from the_experiment.inside.hooked_model import HookedModel, Ran
from the_experiment.inside.layout import HookPoint
from the_experiment.inside.sites import Site
from the_experiment.inside.validation import validated
from the_experiment.models.architectures import Shape, build

BLOCK = "transformer.h.{layer}"
SMALL: dict[str, Any] = {
    "vocab_size": 19,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
DECODERS: dict[str, Callable[[], PreTrainedModel]] = {
    "gpt2": lambda: build("gpt2", Shape(19, 64, width=32)),
    "rnn": lambda: build("rnn", Shape(19, 64, width=32)),
    "cnn": lambda: build("cnn", Shape(19, 64, width=32)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL)),
    "llama, tied": lambda: LlamaForCausalLM(LlamaConfig(**SMALL, tie_word_embeddings=True)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SMALL, sliding_window=2)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SMALL)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=16)),
}


def gpt2() -> HookedModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=19, n_positions=16, n_embd=24, n_layer=2, n_head=4)
    return HookedModel(GPT2LMHeadModel(config).eval())


def refused(hooked: HookedModel, why: str) -> None:
    with pytest.raises(ExperimentError, match=why) as told:
        validated(hooked)
    assert "CONTRIBUTING" in told.value.hint


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_what_we_know_is_accepted(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    hooked = HookedModel(DECODERS[name]().to(dtype).eval())
    drawn = torch.get_rng_state()
    assert validated(hooked) is hooked
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_any_number_of_heads_and_layers_is_accepted(kind: str, layers: int, heads: int) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": layers, "num_attention_heads": heads}
    model = (
        GPT2LMHeadModel(
            GPT2Config(vocab_size=19, n_positions=16, n_embd=24, n_layer=layers, n_head=heads)
        )
        if kind == "gpt2"
        else LlamaForCausalLM(LlamaConfig(**(SMALL | sizes | {"num_key_value_heads": 1})))
    )
    validated(HookedModel(model.eval()))


def test_a_model_with_several_end_tokens_has_its_heads_counted() -> None:
    """As Llama 3 Instruct has."""
    hooked = HookedModel(LlamaForCausalLM(LlamaConfig(**SMALL, eos_token_id=[1, 2])).eval())
    assert hooked.width(Site("z", 0)) == 4


@pytest.mark.parametrize(
    ("kind", "place", "why"),
    [
        (
            "attn_out",
            HookPoint(f"{BLOCK}.attn.attn_dropout"),
            "attn_out can't be read.*never came by",
        ),
        ("attn_out", HookPoint(f"{BLOCK}.attn.o_proj"), "attn_out can't be read.*o_proj"),
        (
            "attn_out",
            HookPoint(f"{BLOCK}.mlp.c_proj"),
            "resid_post.0 is not resid_pre.0 and attn_out",
        ),
        ("mlp_out", HookPoint(f"{BLOCK}.mlp.c_fc"), "resid_post.0 is not"),
        ("resid_mid", HookPoint(f"{BLOCK}.ln_2"), "resid_mid.0 is not"),
        ("resid_pre", HookPoint(BLOCK), "resid_post.0 is not"),
        ("mlp_act", HookPoint(f"{BLOCK}.mlp.c_fc", "input"), "mlp_out.0 is not made of mlp_act.0"),
        ("z", HookPoint(f"{BLOCK}.attn.c_proj", "input"), "z.0 doesn't have the 4 heads"),
        ("z", HookPoint(f"{BLOCK}.attn.c_proj", heads=True), "the heads of z.0 are not separate"),
        (
            "z",
            HookPoint(f"{BLOCK}.attn.c_attn", "input", heads=True),
            "attn_out.0 is not made of z.0",
        ),
        (
            "pattern",
            HookPoint(f"{BLOCK}.attn.c_proj", heads=True),
            "is not positions × positions",
        ),
        ("hidden", HookPoint(f"{BLOCK}.attn", "hidden"), "hidden can't be read"),
        ("embed", HookPoint("transformer.wpe"), r"embed is of shape \(1, 5, 24\) for 3 texts"),
    ],
)
def test_a_site_in_the_wrong_place_is_told(kind: str, place: HookPoint, why: str) -> None:
    hooked = gpt2()
    hooked.layout = replace(hooked.layout, sites={**hooked.layout.sites, kind: place})
    refused(hooked, why)


def test_a_norm_that_is_not_the_last_is_told() -> None:
    hooked = gpt2()
    hooked.layout = replace(hooked.layout, norm="transformer.h.0.ln_1")
    hooked.model.transformer.h[0].ln_1.weight.data.mul_(3)
    refused(hooked, "don't make the logits of resid_post.1")
    hooked.layout = replace(hooked.layout, norm="transformer.norm")
    refused(hooked, "norm")


# What happens in the last MLP of a model that is no decoder, and how it is found out.
STRANGE: dict[str, Callable[[Tensor], Tensor]] = {
    "changes another row": lambda out: out + out.mean(0, keepdim=True),
    "changes earlier positions": lambda out: out + out.roll(-1, 1),
    "gives different logits in a sweep": lambda out: out * torch.arange(out.shape[1])[:, None],
    "are NaN": lambda out: out / 0 - out / 0,
}


@pytest.mark.parametrize("why", STRANGE)
def test_a_model_that_is_no_decoder_is_told(why: str) -> None:
    hooked = gpt2()

    def strange(_: nn.Module, __: tuple[Any, ...], out: Tensor) -> Tensor:
        return STRANGE[why](out)

    hooked.model.transformer.h[1].mlp.c_proj.register_forward_hook(strange)
    refused(hooked, why)


def test_an_attention_that_ours_can_not_stand_in_for_is_told() -> None:
    def linear(
        _: nn.Module, query: Tensor, key: Tensor, value: Tensor, *__: Any, **___: Any
    ) -> Any:
        pattern = (query @ key.transpose(2, 3)).tril()
        return (pattern @ value).transpose(1, 2).contiguous(), pattern

    AttentionInterface.register("linear", linear)
    hooked = gpt2()
    hooked.model.config._attn_implementation = "linear"
    refused(hooked, "reading its sites changes its logits")


class Lying(HookedModel):
    """Tells other patterns than there are."""

    def __init__(self, lie: Callable[[Tensor], Tensor]) -> None:
        super().__init__(gpt2().model)
        self._lie = lie

    def run(self, *asked: Any, **named: Any) -> Ran:
        ran = super().run(*asked, **named)
        told = {
            site: self._lie(values) if site.kind == "pattern" else values
            for site, values in ran.cache.items()
        }
        return Ran(ran.logits, told)


def test_a_pattern_whose_rows_do_not_sum_to_one_is_told() -> None:
    refused(Lying(lambda pattern: 2 * pattern), "rows of pattern.0 do not sum to one")


def test_a_pattern_that_sees_the_future_is_told() -> None:
    refused(Lying(lambda pattern: pattern.flip(-1)), "pattern.0 attends to later")


class Deaf(HookedModel):
    """Makes no edit."""

    def run(self, ids: Tensor, edits: Any = (), *asked: Any, **named: Any) -> Ran:
        return super().run(ids, edits[:0], *asked, **named)


def test_an_edit_that_changes_nothing_is_told() -> None:
    refused(Deaf(gpt2().model), "an edit of resid_pre.0 does not change the logits")


def test_a_site_that_matters_nowhere_but_in_the_stream_is_no_reason_to_refuse() -> None:
    """A trained model may well have an MLP that does nothing, and weights of zero."""
    hooked = gpt2()
    with torch.no_grad():
        hooked.model.transformer.h[0].mlp.c_proj.weight.zero_()
        hooked.model.transformer.h[1].attn.c_proj.weight.zero_()
    assert validated(hooked).run(torch.tensor([[1, 2]]), keep=[Site("z", 1)]).cache
