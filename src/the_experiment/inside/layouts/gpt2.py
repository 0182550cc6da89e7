"""GPT-2."""

from __future__ import annotations

from the_experiment.inside.layout import TRANSFORMER_COMPONENTS, HookPoint, Layout, layout

BLOCK = "transformer.h.{layer}"


@layout("gpt2")
def gpt2() -> Layout:
    """`z` is taken where the heads are still apart: at the input of the output projection."""
    return Layout(
        sites={
            "embed": HookPoint("transformer.drop"),
            "resid_pre": HookPoint(BLOCK, "input"),
            "pattern": HookPoint(f"{BLOCK}.attn", "pattern"),
            "z": HookPoint(f"{BLOCK}.attn.c_proj", "input", heads=True),
            "attn_out": HookPoint(f"{BLOCK}.attn.c_proj"),
            "resid_mid": HookPoint(f"{BLOCK}.ln_2", "input"),
            "mlp_act": HookPoint(f"{BLOCK}.mlp.c_proj", "input"),
            "mlp_out": HookPoint(f"{BLOCK}.mlp.c_proj"),
            "resid_post": HookPoint(BLOCK),
            "final": HookPoint("transformer.ln_f"),
        },
        blocks="transformer.h",
        stream="resid_pre",
        carries=("resid_pre",),
        positionwise=(f"{BLOCK}.attn.c_proj", f"{BLOCK}.mlp"),
        adds=("attn_out", "mlp_out"),
        components=TRANSFORMER_COMPONENTS,
        norm="transformer.ln_f",
        unembed="lm_head",
    )
