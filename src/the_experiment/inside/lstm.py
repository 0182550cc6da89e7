"""An LSTM written out, so that its gates and states can be read and changed token by token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
# Takes the name of a state, its values, (rows, 1, …), and their position, and returns them.
StateVisit = Callable[[str, Tensor, int], Tensor]


class UnrolledLSTM(nn.Module):
    """Stands in for `lstm`, one layer in one direction, and computes the same."""

    def __init__(self, lstm: nn.LSTM, visit: StateVisit) -> None:
        super().__init__()
        self.lstm = lstm
        self._visit = visit

    def forward(self, sequence: Tensor) -> tuple[Tensor, None]:
        """(rows, length, width) to the hidden states of the same shape, and no last state."""
        lstm = self.lstm
        from_input, from_hidden, *biases = [lstm.get_parameter(name) for name in PARAMETERS]
        read = functional.linear(
            sequence, from_input, biases[0] + biases[1]
        )  # (rows, length, 4 × width)
        hidden = cell = sequence.new_zeros(len(sequence), lstm.hidden_size)
        states = []
        for place in range(sequence.shape[1]):
            given = read[:, place] + hidden @ from_hidden.t()
            enter, forget, candidate, leave = given.chunk(4, -1)
            gates = torch.stack(
                [enter.sigmoid(), forget.sigmoid(), candidate.tanh(), leave.sigmoid()], 1
            )
            enter, forget, candidate, leave = self._visited("gates", gates, place).unbind(1)
            cell = self._visited("cell", forget * cell + enter * candidate, place)
            hidden = self._visited("hidden", leave * cell.tanh(), place)
            states.append(hidden)
        return torch.stack(states, 1), None

    def _visited(self, name: str, values: Tensor, place: int) -> Tensor:
        return self._visit(name, values[:, None], place)[:, 0]
