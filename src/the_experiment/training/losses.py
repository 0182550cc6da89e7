"""The loss of a model over rows, without dropout."""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from the_experiment.training.rows import IGNORED, Rows

TEXTS = 256  # of one forward


@torch.inference_mode()
def mean_loss(model: PreTrainedModel, data: Rows) -> float:
    """Mean cross-entropy (natural logarithm) of every token but the first, over all rows."""
    weights = torch.bincount(data.rows, minlength=len(data.lengths))  # rows of each text
    sums = torch.cat(
        [
            _sums(model, inputs, labels)
            for inputs, labels in zip(
                data.inputs.split(TEXTS), data.labels.split(TEXTS), strict=True
            )
        ]
    )
    return float((sums * weights).sum() / (data.lengths * weights).sum())


def _sums(model: PreTrainedModel, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The summed loss of each text, (texts,), on the CPU."""
    logits = model(input_ids=inputs, use_cache=False).logits.float()
    losses = functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return losses.sum(1).cpu()
