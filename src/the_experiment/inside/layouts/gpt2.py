"""GPT-2."""

from __future__ import annotations

from the_experiment.inside.layout import TRANSFORMER_COMPONENTS, Layout, Place, layout

BLOCK = "transformer.h.{layer}"


@layout("gpt2")
def gpt2() -> Layout:
    """`z` is taken where the heads are still apart: at the input of the output projection."""
    return Layout(
        sites={
            "embed": Place("transformer.drop"),
            "resid_pre": Place(BLOCK, "input"),
            "pattern": Place(f"{BLOCK}.attn", "pattern"),
            "z": Place(f"{BLOCK}.attn.c_proj", "input", heads=True),
            "attn_out": Place(f"{BLOCK}.attn.c_proj"),
            "resid_mid": Place(f"{BLOCK}.ln_2", "input"),
            "mlp_act": Place(f"{BLOCK}.mlp.c_proj", "input"),
            "mlp_out": Place(f"{BLOCK}.mlp.c_proj"),
            "resid_post": Place(BLOCK),
            "final": Place("transformer.ln_f"),
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
