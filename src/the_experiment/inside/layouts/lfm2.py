"""LFM2: layers of short convolutions among layers of attention."""

from __future__ import annotations

from the_experiment.inside.layout import Component, HookPoint, Layout, layout

BLOCK = "model.layers.{layer}"


@layout("lfm2")
def lfm2() -> Layout:
    """The sites that both kinds of layer have; a convolution has no heads."""
    return Layout(
        sites={
            "embed": HookPoint("model.embed_tokens"),
            "resid_pre": HookPoint(BLOCK, "input"),
            "resid_mid": HookPoint(f"{BLOCK}.ffn_norm", "input"),
            "mlp_act": HookPoint(f"{BLOCK}.feed_forward.w2", "input"),
            "mlp_out": HookPoint(f"{BLOCK}.feed_forward.w2"),
            "resid_post": HookPoint(BLOCK),
            "final": HookPoint("model.embedding_norm"),
        },
        blocks="model.layers",
        stream="resid_pre",
        carries=("resid_pre",),
        positionwise=(f"{BLOCK}.feed_forward",),
        adds=(),
        components={
            "mlp": Component(("mlp_out",)),
            "neuron": Component(("mlp_act",), each=True),
        },
        norm="model.embedding_norm",
        unembed="lm_head",
        attends=False,
    )
