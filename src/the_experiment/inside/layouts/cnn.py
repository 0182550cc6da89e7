"""Our CNN: its residual stream, and the channels of each layer."""

from __future__ import annotations

from the_experiment.inside.layout import Component, HookPoint, Layout, layout
from the_experiment.models.shipped.cnn import MODEL_TYPE

LAYER = "layers.{layer}"


@layout(MODEL_TYPE)
def cnn() -> Layout:
    """`channels` are what a layer's convolution found, `mixed` what it adds for that."""
    return Layout(
        sites={
            "embed": HookPoint("embedding"),
            "resid_pre": HookPoint(LAYER, "input"),
            "channels": HookPoint(f"{LAYER}.mix", "input"),
            "mixed": HookPoint(f"{LAYER}.mix"),
            "resid_post": HookPoint(LAYER),
            "final": HookPoint("norm"),
        },
        blocks="layers",
        stream="resid_pre",
        carries=("resid_pre",),
        positionwise=(f"{LAYER}.mix",),
        adds=("mixed",),
        components={
            "layer": Component(("mixed",)),
            "neuron": Component(("channels",), each=True),
        },
        norm="norm",
        unembed="head",
        attends=False,
    )
