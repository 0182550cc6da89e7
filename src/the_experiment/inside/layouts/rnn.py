"""Our RNN: what its LSTM layers read, and their gates and states, token by token."""

from __future__ import annotations

from the_experiment.inside.layout import Component, Layout, Place, layout
from the_experiment.models.shipped.rnn import MODEL_TYPE

LSTM = "layers.{layer}"


@layout(MODEL_TYPE)
def rnn() -> Layout:
    """`gates` are input, forget, candidate and output, in this order, as they are applied."""
    return Layout(
        sites={
            "embed": Place("embedding"),
            "read": Place("norms.{layer}"),
            "gates": Place(LSTM, "gates"),
            "cell": Place(LSTM, "cell"),
            "hidden": Place(LSTM, "hidden"),
            "final": Place("norm"),
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
