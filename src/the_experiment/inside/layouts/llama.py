"""Llama, and what is built like it: Mistral, Qwen2, Qwen3."""

from __future__ import annotations

from the_experiment.inside.layout import TRANSFORMER_COMPONENTS, HookPoint, Layout, layout

BLOCK = "model.layers.{layer}"


@layout("llama", "mistral", "qwen2", "qwen3")
def llama() -> Layout:
    """`z` is taken where the heads are still apart: at the input of the output projection."""
    return Layout(
        sites={
            "embed": HookPoint("model.embed_tokens"),
            "resid_pre": HookPoint(BLOCK, "input"),
            "pattern": HookPoint(f"{BLOCK}.self_attn", "pattern"),
            "z": HookPoint(f"{BLOCK}.self_attn.o_proj", "input", heads=True),
            "attn_out": HookPoint(f"{BLOCK}.self_attn.o_proj"),
            "resid_mid": HookPoint(f"{BLOCK}.post_attention_layernorm", "input"),
            "mlp_act": HookPoint(f"{BLOCK}.mlp.down_proj", "input"),
            "mlp_out": HookPoint(f"{BLOCK}.mlp.down_proj"),
            "resid_post": HookPoint(BLOCK),
            "final": HookPoint("model.norm"),
        },
        blocks="model.layers",
        stream="resid_pre",
        carries=("resid_pre",),
        positionwise=(f"{BLOCK}.self_attn.o_proj", f"{BLOCK}.mlp"),
        adds=("attn_out", "mlp_out"),
        components=TRANSFORMER_COMPONENTS,
        norm="model.norm",
        unembed="lm_head",
    )
