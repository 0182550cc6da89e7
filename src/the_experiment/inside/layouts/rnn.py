"""Our RNN: what its LSTM layers read, and their gates and states, token by token."""

from __future__ import annotations

from the_experiment.inside.layout import Component, HookPoint, Layout, layout
from the_experiment.models.shipped.rnn import MODEL_TYPE

LSTM = "layers.{layer}"


@layout(MODEL_TYPE)
def rnn() -> Layout:
    """`gates` are input, forget, candidate and output, in this order, as they are applied."""
    return Layout(
        sites={
            "embed": HookPoint("embedding"),
            "read": HookPoint("norms.{layer}"),
            "gates": HookPoint(LSTM, "gates"),
            "cell": HookPoint(LSTM, "cell"),
            "hidden": HookPoint(LSTM, "hidden"),
            "final": HookPoint("norm"),
        },
        blocks="layers",
        stream="hidden",
        carries=("hidden", "cell"),
        positionwise=(),
        adds=(),
        components={
            "layer": Component(("hidden",)),
            "gate": Component(("gates",), each=True),
            "neuron": Component(("hidden",), each=True),
        },
        norm="norm",
        unembed="head",
        attends=False,
    )
