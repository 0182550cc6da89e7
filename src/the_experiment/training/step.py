"""One optimisation step over all parameters as one vector."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from the_experiment.training.rows import IGNORED

MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's names for its running means


class Step:
    """Forward, backward, clip and AdamW. Call it with a batch; it changes the model.

    All parameters are views into one vector, and their gradients into another: clipping and AdamW
    then run once, not once a parameter, and a checkpoint is three vectors.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        clip: float,
        weight_decay: float,
        autocast: AbstractContextManager[object],
    ) -> None:
        self.model = model
        self._clip = clip
        self._autocast = autocast
        self._vector = flattened(model)
        self._optimizer = torch.optim.AdamW([self._vector], weight_decay=weight_decay, fused=True)

    def __call__(self, inputs: Tensor, labels: Tensor, learning_rate: float) -> Tensor:
        """The mean loss (a scalar) of `inputs` and `labels`, both (batch, length)."""
        with self._autocast:
            logits = self.model(input_ids=inputs, use_cache=False).logits
        loss = functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED
        )
        loss.backward()
        gradient = self._vector.grad
        assert gradient is not None
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((self._clip / (norm + 1e-6)).clamp(max=1.0))  # as clip_grad_norm_ does
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.step()
        gradient.zero_()
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """Everything that later steps depend on: parameters and moments, each (parameters,)."""
        moments = self._optimizer.state[self._vector]
        return {"parameters": self._vector.detach()} | {name: moments[name] for name in MOMENTS}

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Go on from `state`, which was taken after so many steps."""
        with torch.no_grad():
            self._vector.copy_(state["parameters"])
        device = self._vector.device
        self._optimizer.state[self._vector] = {
            "step": torch.tensor(float(steps), device=device),
            **{name: state[name].to(device) for name in MOMENTS},
        }


def flattened(model: PreTrainedModel) -> nn.Parameter:
    """One vector of all parameters, which become views into it, and so do their gradients."""
    parameters = list(model.parameters())
    vector = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    vector.grad = torch.zeros_like(vector)
    sizes = [parameter.numel() for parameter in parameters]
    parts = zip(parameters, vector.detach().split(sizes), vector.grad.split(sizes), strict=True)
    for parameter, values, gradients in parts:
        parameter.data = values.view(parameter.shape)
        parameter.grad = gradients.view(parameter.shape)
    return vector
