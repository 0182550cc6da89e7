"""The loss of a model over rows, and whether it has fitted what it saw."""

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


EVERY = 20  # steps between checks
IN_A_ROW = 5  # one alone is not stable: accuracy still swings for some tens of steps
ROWS = 64  # texts of one forward


class FitCheck:
    """Counts checks in a row in which every distinct text seen was completed exactly."""

    def __init__(self, model: PreTrainedModel, data: Rows, streak: int = 0) -> None:
        self._model = model
        self._data = data
        self.streak = streak

    @property
    def fitted(self) -> bool:
        """Whether the streak is long enough to stop."""
        return self.streak >= IN_A_ROW

    def check(self) -> bool:
        """Whether all texts are exact now, end token included."""
        exact = self._all_exact()
        self.streak = self.streak + 1 if exact else 0
        return exact

    @torch.inference_mode()
    def _all_exact(self) -> bool:
        self._model.eval()
        try:
            texts = zip(self._data.inputs.split(ROWS), self._data.answers.split(ROWS), strict=True)
            return all(self._exact(*chunk) for chunk in texts)  # ends at the first wrong chunk
        finally:
            self._model.train()

    def _exact(self, inputs: torch.Tensor, answers: torch.Tensor) -> bool:
        likeliest = self._model(input_ids=inputs, use_cache=False).logits.argmax(-1)
        return bool(((likeliest == answers) | (answers == IGNORED)).all())
